"""The component through TFX's launcher: a model whose probabilities are known judges as many images."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss, roc_auc_score
from tfx import types
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts

from keras_ext import features
from pipelines.runners import ComponentFailed, LocalRunner
from tfx_components import Evaluator
from tfx_components.artifacts import ClassNames, write_json
from tfx_components.evaluator import Judgement
from tfx_components.evaluator.component import EvaluatorSpec
from tfx_components.evaluator.predictions import read_predictions

NAMES = ["cat", "größe", "dog"]
CAMERAS = ["night", "day", "day", ""]


def probabilities_of(labels, seed, skill):
    noise = np.random.default_rng(seed).normal(size=(len(labels), len(NAMES)))
    scores = np.exp(noise + skill * np.eye(len(NAMES))[labels])
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


class Model(tf.Module):
    """Reads the probabilities of an image from its bytes: those of the candidate, then those of the baseline."""

    def __init__(self, position):
        super().__init__()
        self.position = position

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def classify(self, examples):
        parsed = tf.io.parse_example(examples, {features.ENCODED: tf.io.FixedLenFeature([], tf.string)})
        both = tf.reshape(tf.io.decode_raw(parsed[features.ENCODED], tf.float32), [-1, 2, len(NAMES)])
        return {"probabilities": both[:, self.position]}


class Run:
    """A pipeline of an Evaluator alone."""

    def __init__(self, root):
        self.root = root
        self.labels = np.random.default_rng(0).integers(len(NAMES), size=120)
        self.candidate = probabilities_of(self.labels, seed=1, skill=2.0)
        self.baseline = probabilities_of(self.labels, seed=2, skill=1.0)
        write_json(str(root / "names"), "class_names.json", NAMES)
        for position, name in enumerate(["model", "baseline"]):
            model = Model(position)
            target = str(root / name / "Format-Serving")
            tf.saved_model.save(model, target, signatures={"serving_examples": model.classify})

    def write_examples(self):
        test = [self.example(number, label) for number, label in enumerate(self.labels)]
        with_lens = self.example(0, 0)
        with_lens.features.feature[features.COLUMN + "lens"].bytes_list.value.append(b"wide")
        for split, examples in {"train": [self.example(1, 1), with_lens], "test": test}.items():
            folder = self.root / "examples" / f"Split-{split}"
            folder.mkdir(parents=True, exist_ok=True)
            with tf.io.TFRecordWriter(str(folder / "data.tfrecord")) as writer:
                for example in examples:
                    writer.write(example.SerializeToString())

    def example(self, number, label):
        both = np.stack([self.candidate[number], self.baseline[number]])
        texts = {
            features.ENCODED: both.astype(np.float32).tobytes(),
            features.FILENAME: f"{number:03}.png".encode(),
            features.CLASS_TEXT: NAMES[label].encode(),
            features.GROUP: f"scene {number % 20}".encode(),
            features.COLUMN + "camera": CAMERAS[number % 4].encode(),
        }
        example = tf.train.Example()
        example.features.feature[features.CLASS_LABEL].int64_list.value.append(int(label))
        for name, text in texts.items():
            if text:
                example.features.feature[name].bytes_list.value.append(text)
        return example

    def __call__(self, *, baseline=False, **arguments):
        """Runs it; returns the judgement, the blessing and the evaluation's URI."""
        self.write_examples()
        splits = {"split_names": '["train", "test"]'}
        nodes = {
            "examples": self._importer("examples", standard_artifacts.Examples, properties=splits),
            "model": self._importer("model", standard_artifacts.Model),
            "class_names": self._importer("names", ClassNames),
        }
        if baseline:
            nodes["baseline_model"] = self._importer("baseline", standard_artifacts.Model)
        evaluator = Evaluator(
            **{name: node.outputs["result"] for name, node in nodes.items()}, split="test", **arguments
        )
        pipeline = Pipeline(
            pipeline_name="evaluate",
            pipeline_root=str(self.root / "root"),
            metadata_connection_config=metadata.sqlite_metadata_connection_config(str(self.root / "db")),
            components=[*nodes.values(), evaluator],
        )
        done = LocalRunner(["--runner=FnApiRunner"]).run(pipeline)[-1]
        [evaluation], [blessing] = done.outputs["evaluation"], done.outputs["blessing"]
        return Judgement.read(evaluation.uri), blessing, evaluation.uri

    def _importer(self, name, kind, **options):
        return Importer(source_uri=str(self.root / name), artifact_type=kind, **options).with_id(name)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("evaluator"))


@pytest.fixture(scope="module")
def judged(run):
    """A run with everything, done once."""
    return run(
        baseline=True,
        slices=["group", "camera"],
        top_k=2,
        thresholds={"accuracy": 0.5, "log_loss": 3.0},
        slice_thresholds={"camera=night": {"accuracy": 0.999}, "class": {"recall": 0.1}},
    )


def test_figures_are_scikit_learns(run, judged):
    figures = {name: figure.value for name, figure in judged[0].result.figures.items()}
    taken, labels = run.candidate.argmax(axis=1), run.labels
    assert figures["accuracy"] == accuracy_score(labels, taken)
    assert figures["macro_recall"] == pytest.approx(balanced_accuracy_score(labels, taken))
    assert figures["macro_f1"] == pytest.approx(f1_score(labels, taken, average="macro"))
    assert figures["macro_auc"] == pytest.approx(roc_auc_score(labels, run.candidate, multi_class="ovr"), abs=1e-6)
    assert figures["log_loss"] == pytest.approx(log_loss(labels, run.candidate.astype(np.float64)), abs=1e-5)
    assert judged[0].result.images == 120
    assert judged[0].result.units == 20


def test_what_tfma_shows_says_the_same(judged):
    judgement, _, uri = judged
    shown = tfma.load_eval_result(uri, model_name="candidate")
    rows = {key: values[""][""] for key, values in shown.slicing_metrics}
    result = judgement.result
    assert rows[()]["example_count"]["doubleValue"] == 120
    assert rows[()]["sparse_categorical_accuracy"]["doubleValue"] == pytest.approx(result.figures["accuracy"].value)
    loss = rows[()]["sparse_categorical_crossentropy"]["doubleValue"]
    assert loss == pytest.approx(result.figures["log_loss"].value, abs=1e-5)
    for name in NAMES:
        recall = rows[((features.CLASS_TEXT, name),)]["sparse_categorical_accuracy"]["doubleValue"]
        assert recall == pytest.approx(result.classes[name]["recall"])


def test_slices_lose_no_image(judged):
    slices = judged[0].result.slices
    assert {value: row["images"] for value, row in slices["camera"].items()} == {"(empty)": 30, "day": 60, "night": 30}
    assert len(slices["group"]) == 20
    assert sum(row["images"] for row in slices["group"].values()) == 120


def test_a_slice_below_its_threshold_alone_is_enough(judged):
    judgement, blessing, uri = judged
    value = judgement.result.slices["camera"]["night"]["accuracy"]
    [failure] = judgement.failures
    assert failure == (
        f"accuracy of camera=night (30 images) {value:.4f} is below its threshold 0.999 by {0.999 - value:.4f}"
    )
    assert blessing.get_int_custom_property("blessed") == 0
    with open(f"{uri}/evaluation.json", encoding="utf-8") as file:
        content = json.load(file, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert content["blessed"] is False
    assert content["classes"]["cat"]["auc"] > 0.5


def test_the_change_is_that_of_the_same_images(run, judged):
    before = accuracy_score(run.labels, run.baseline.argmax(axis=1))
    change = judged[0].result.change["accuracy"]
    assert change.value == pytest.approx(judged[0].result.figures["accuracy"].value - before)
    assert change.low < change.value < change.high


def test_predictions_are_kept_without_images(run, judged):
    predictions, baseline = read_predictions(judged[2], len(NAMES), ["camera", "nothing"])
    np.testing.assert_array_equal(predictions.probabilities, run.candidate)
    np.testing.assert_array_equal(baseline, run.baseline)
    assert predictions.files[:2] == ["000.png", "001.png"]
    assert list(predictions.columns) == ["camera"]
    [file] = tf.io.gfile.glob(f"{judged[2]}/predictions/*")
    for record in tf.data.TFRecordDataset(file):
        assert features.ENCODED not in tf.train.Example.FromString(record.numpy()).features.feature


def test_worse_than_the_baseline(run, caplog):
    run.candidate, run.baseline = run.baseline, run.candidate
    judgement, blessing, _ = run(baseline=True, thresholds={})
    run.candidate, run.baseline = run.baseline, run.candidate
    [failure] = judgement.failures
    assert "lower than the last blessed model's; the tolerance is 0.01" in failure
    assert blessing.get_int_custom_property("blessed") == 0
    said = [record.getMessage() for record in caplog.records if record.name.startswith("tfx_components.evaluator")]
    assert said == [f"Not blessed: {failure}"]


def test_better_than_chance_is_blessed_as_tfx_does(run, caplog):
    judgement, blessing, _ = run()
    assert not [record for record in caplog.records if record.name.startswith("tfx_components.evaluator")]
    assert judgement.failures == ()
    assert blessing.get_int_custom_property("blessed") == 1
    assert blessing.get_int_custom_property("current_model_id") > 0
    assert tf.io.gfile.listdir(blessing.uri) == ["BLESSED"]


def test_probabilities_that_are_not_finite(run, monkeypatch):
    broken = run.candidate.copy()
    broken[[3, 7]] = np.nan
    monkeypatch.setattr(run, "candidate", broken)
    judgement, blessing, _ = run(thresholds={"accuracy": 0.0})
    [failure] = judgement.failures
    assert failure.startswith("probabilities of 2 of 120 images are not finite, such as 003.png, 007.png")
    assert np.isnan(judgement.result.figures["accuracy"].value)
    assert blessing.get_int_custom_property("blessed") == 0


def test_a_column_that_is_not_there(run):
    with pytest.raises(ComponentFailed, match=r"There is no column 'weather' to slice by\. Found: group"):
        run(slices=["weather"])


def test_a_column_that_only_images_of_other_splits_have_a_value_in(run):
    judgement, _, _ = run(slices=["lens"])
    assert {value: row["images"] for value, row in judgement.result.slices["lens"].items()} == {"(empty)": 120}


def test_a_wrong_threshold_is_refused_at_once():
    channels = {
        "examples": types.Channel(type=standard_artifacts.Examples),
        "model": types.Channel(type=standard_artifacts.Model),
        "class_names": types.Channel(type=ClassNames),
    }
    with pytest.raises(ValueError, match=r"Received: thresholds='acuracy'\. Did you mean 'accuracy'\?"):
        Evaluator(**channels, thresholds={"acuracy": 0.5})
    with pytest.raises(ValueError, match=r"slice_thresholds must be one of 'class', 'camera'"):
        Evaluator(**channels, slices=["camera"], slice_thresholds={"canera=night": {"accuracy": 0.5}})


def test_code_version_is_part_of_the_cache_key():
    assert "code_version" in EvaluatorSpec.PARAMETERS
