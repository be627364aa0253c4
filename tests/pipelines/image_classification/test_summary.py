"""The table of classes at the end of a run."""

import pytest
from rich.console import Console
from tfx.types import standard_artifacts

from keras_ext.evaluation_result import EvaluationResult, Figure
from pipelines.image_classification import summary
from pipelines.image_classification.config import Imbalance
from pipelines.runners import ComponentRun
from tfx_components import artifacts
from tfx_components.evaluator import Judgement


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """Returns `finished(counts, recall, weights=None, strategy=...)`: the components of a run, as far as it is read."""

    def make(counts, recall, weights=None, strategy="balanced"):
        classes = {
            name: {"images": 1000 + number, "recall": value} for number, (name, value) in enumerate(recall.items())
        }
        result = EvaluationResult(10, 10, {"accuracy": Figure(0.5)}, classes, {}, chance=0.5, top_k=None)
        monkeypatch.setattr(Judgement, "read", lambda uri: Judgement("test", result))
        report, weighed = artifacts.IngestReport(), artifacts.ClassWeights()
        report.uri, weighed.uri = str(tmp_path / "report"), str(tmp_path / "weights")
        artifacts.write_json(report.uri, artifacts.REPORT_FILE, {"splits": {"train": counts}})
        evaluation = standard_artifacts.ModelEvaluation()
        outputs = {"DirectoryExampleGen": {"report": [report]}, "Evaluator": {"evaluation": [evaluation]}}
        if weights is not None:
            content = {
                "strategy": strategy,
                "class_names": list(counts),
                "counts": {str(index): count for index, count in enumerate(counts.values())},
                "weights": {str(index): weight for index, weight in enumerate(weights)},
            }
            artifacts.write_json(weighed.uri, artifacts.CLASS_WEIGHTS_FILE, content)
            outputs["ClassWeights"] = {"class_weights": [weighed]}
        return {name: ComponentRun(name, 1.0, False, {}, given) for name, given in outputs.items()}

    return make


def lines(table):
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    return [line.strip() for line in console.export_text().splitlines() if line.strip()]


def test_counts_weights_and_recall_in_the_order_of_the_classes(finished):
    components = finished({"dog": 1200, "cat": 30}, {"cat": 0.25, "dog": 1.0}, weights=[0.5125, 20.5])
    assert [line.split() for line in lines(summary.class_table(components, Imbalance("balanced")))] == [
        ["class", "train", "images", "weight", "test", "images", "recall"],
        ["dog", "1,200", "0.512", "1,001", "1.0000"],
        ["cat", "30", "20.5", "1,000", "0.2500"],
    ]
    assert summary.produced(components["ClassWeights"]) == "30 to 1,200 images a class, weights 0.512 to 20.5"


@pytest.mark.parametrize("sampling, times", [(None, ["1", "40"]), ("square_root", ["1", "6.32"])])
def test_oversampling_shows_how_often_an_image_comes(finished, sampling, times):
    components = finished({"dog": 1200, "cat": 30}, {"cat": 0.25, "dog": 1.0}, weights=[1.0, 1.0], strategy="none")
    imbalance = Imbalance("oversample", sampling=sampling)
    assert [line.split() for line in lines(summary.class_table(components, imbalance))] == [
        ["class", "train", "images", "times", "an", "epoch", "test", "images", "recall"],
        ["dog", "1,200", times[0], "1,001", "1.0000"],
        ["cat", "30", times[1], "1,000", "0.2500"],
    ]


def test_a_class_without_scored_images_has_no_recall(finished):
    components = finished({"a": 3, "b": 4}, {"b": 1.0})
    assert [line.split() for line in lines(summary.class_table(components, Imbalance()))][1:] == [
        ["a", "3", "0", "-"],
        ["b", "4", "1,000", "1.0000"],
    ]


def test_counts_alone_are_no_weights(finished):
    components = finished({"a": 3, "b": 4}, {"a": 0.0, "b": 1.0}, weights=[1.0, 1.0], strategy="none")
    header = lines(summary.class_table(components, Imbalance("logit_adjustment")))[0]
    assert header.split() == ["class", "train", "images", "test", "images", "recall"]
    assert summary.produced(components["ClassWeights"]) == "3 to 4 images a class"


def test_of_many_classes_those_of_lowest_recall_are_shown_and_the_rest_is_counted(finished):
    names = [f"class {number}" for number in range(1500)]
    components = finished(dict.fromkeys(names, 7), {name: 1 - number / 1500 for number, name in enumerate(names)})
    shown = lines(summary.class_table(components, Imbalance()))
    assert len(shown) == 1 + 20 + 1
    assert shown[1].split() == ["class", "1499", "7", "2,499", "0.0007"]
    assert shown[-1] == "... and 1,480 more"
