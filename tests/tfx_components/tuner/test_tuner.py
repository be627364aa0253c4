import json
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts

from tfx_components import Tuner
from tfx_components.artifacts import ClassNames, write_json

# What a user of the stock Tuner has; the score of a trial is its only hyperparameter.
MODULE = """
import json, pathlib, keras_tuner
from keras_tuner.engine import base_tuner
from tfx.components.tuner.component import TunerFnResult

def tuner_fn(fn_args):
    config = fn_args.custom_config
    pathlib.Path(config["given"]).write_text(json.dumps([config["class_names"], fn_args.working_dir]))
    scores = keras_tuner.HyperParameters()
    scores.Choice("score", config["scores"])

    class Search(base_tuner.BaseTuner):
        def run_trial(self, trial):
            score = trial.hyperparameters["score"]
            if score < 0:
                raise ValueError("it does not train")
            return {"score": float("nan") if score == 0 else score}

    oracle = keras_tuner.oracles.GridSearchOracle(
        objective=keras_tuner.Objective("score", "max"), max_trials=config["trials"], hyperparameters=scores
    )
    return TunerFnResult(Search(oracle, directory=fn_args.working_dir), {})
"""


class Run:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "module.py").write_text(MODULE)
        for split in ("train", "eval"):
            (root / "examples" / f"Split-{split}").mkdir(parents=True)
            with tf.io.TFRecordWriter(str(root / "examples" / f"Split-{split}" / "data")) as writer:
                writer.write(tf.train.Example().SerializeToString())
        write_json(str(root / "names"), "class_names.json", ["cat", "größe"])

    def __call__(self, scores, trials=None):
        splits = {"split_names": '["train", "eval"]'}
        examples = Importer(
            source_uri=str(self.root / "examples"), artifact_type=standard_artifacts.Examples, properties=splits
        ).with_id("examples")
        names = Importer(source_uri=str(self.root / "names"), artifact_type=ClassNames).with_id("names")
        tuner = Tuner(
            examples.outputs["result"],
            class_names=names.outputs["result"],
            module_file=str(self.root / "module.py"),
            custom_config={"scores": scores, "trials": trials or len(scores), "given": str(self.root / "given.json")},
        )
        LocalDagRunner().run(
            Pipeline(
                pipeline_name="tuner",
                pipeline_root=str(self.root / "artifacts"),
                metadata_connection_config=metadata.sqlite_metadata_connection_config(
                    str(self.root / "metadata.sqlite")
                ),
                components=[examples, names, tuner],
            )
        )
        return {
            path.name: json.loads(path.read_text())
            for path in (self.root / "artifacts" / "Tuner").rglob("*.*")
            if path.is_file()
        }


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_the_best_values_and_all_scores_are_written_and_nothing_else_stays(run):
    written = run([0.25, 0.75, 0.5])
    assert written["best_hyperparameters.txt"]["values"] == {"score": 0.75}
    assert [trial["score"] for trial in written["tuner_results.json"]] == [0.75, 0.5, 0.25]
    assert set(written) == {"best_hyperparameters.txt", "tuner_results.json"}
    names, working_dir = json.loads((run.root / "given.json").read_text())
    assert names == ["cat", "größe"]
    assert working_dir.startswith(str(run.root / "artifacts"))
    assert not Path(working_dir).exists()


@pytest.mark.parametrize(
    "scores, message",
    [
        ([0.5, -1.0, 0.75], r"1 of 3 trials have no score.*The first, with score=-1.0: ValueError: it does not train"),
        ([0.5, 0.0], r"1 of 2 trials have no score.*The first, with score=0.0: its score is nan"),
    ],
)
def test_a_trial_without_a_score_fails_the_component(run, scores, message):
    with pytest.raises(RuntimeError, match=message):
        run(scores)
    assert not list((run.root / "artifacts" / "Tuner" / "best_hyperparameters").glob("*"))


def test_one_of_module_file_and_tuner_fn():
    with pytest.raises(ValueError, match="exactly one of module_file and tuner_fn. Received: module_file=None"):
        Tuner(None)
