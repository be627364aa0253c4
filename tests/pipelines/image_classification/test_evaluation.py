"""What is wrong with slices and thresholds is said before anything runs."""

import pytest

from pipelines.config import read_config
from pipelines.image_classification.config import Config, Evaluation
from pipelines.image_classification.evaluation import evaluator_arguments
from pipelines.image_classification.resolve import resolve

SIZE = "image.size=[32, 32]"


@pytest.fixture
def resolved(make_image_folder):
    """Returns `resolved(*overrides)`: the evaluation of twelve images of two classes, in a manifest."""
    folder = make_image_folder({"cats": 6, "dogs": 6})
    names = [
        f"{label}/{number:04d}.{'jpg' if number % 2 else 'png'}" for label in ("cats", "dogs") for number in range(6)
    ]
    lines = [
        f"{name},{name[:4]},scene {row % 3},{'night' if row % 2 else 'day'},{row}," for row, name in enumerate(names)
    ]
    (folder / "labels.csv").write_text("\n".join(["path,label,scene,camera,age,nothing", *lines]))

    def make(*overrides):
        options = ("ingest.columns={group='scene'}", 'ingest.extra_columns=["camera", "age", "nothing"]', SIZE)
        return resolve(
            read_config(Config, None, [*options, *overrides], images=str(folder / "labels.csv"), output="out")
        ).evaluation

    return make


def test_slices_are_those_that_are_named(resolved):
    assert resolved('evaluation.slices=["class", "group", "age"]').slices == ("group", "age")
    assert resolved("evaluation.slices=[]").slices == ()


def test_all_extra_columns_that_have_values_are_slices_by_default(resolved):
    assert resolved('ingest.extra_columns=["camera", "age"]').slices == ("camera", "age")
    assert resolved('ingest.extra_columns=["camera", "nothing"]').slices == ("camera",)


def test_thresholds_reach_the_component(resolved):
    evaluation = resolved(
        'evaluation.slices=["camera"]',
        "evaluation.min_accuracy=0.6",
        "evaluation.thresholds.log_loss=0.7",
        'evaluation.slice_thresholds={"class=cats" = {recall = 0.3}, camera = {accuracy = 0.2}}',
        "evaluation.tolerance=0.02",
    )
    assert evaluator_arguments(evaluation) == {
        "split": "test",
        "slices": ("camera",),
        "top_k": None,
        "thresholds": {"accuracy": 0.6, "log_loss": 0.7},
        "slice_thresholds": {"class=cats": {"recall": 0.3}, "camera": {"accuracy": 0.2}},
        "tolerance": 0.02,
    }


def test_without_any_threshold_a_model_must_be_better_than_chance():
    assert Evaluation().all_thresholds is None
    assert Evaluation(min_accuracy=0.0).all_thresholds == {"accuracy": 0.0}
    assert Evaluation(slice_thresholds={"class": {"recall": 0.5}}).all_thresholds == {}


@pytest.mark.parametrize(
    "override, match",
    [
        ('evaluation.slices=["camra"]', r"evaluation.slices must be one of .*Did you mean 'camera'\?"),
        ('evaluation.slices=["nothing"]', r"evaluation.slices names 'nothing', but that column is empty in all rows"),
        (
            "evaluation.slice_thresholds.camrea.accuracy=0.5",
            r"evaluation: slice_thresholds must be .*Did you mean 'camera'\?",
        ),
        (
            "evaluation.slice_thresholds.camera.recall=0.5",
            r"evaluation: slice_thresholds.camera must be one of 'accuracy'",
        ),
        (
            "evaluation.slice_thresholds={'class=cat' = {recall = 0.5}}",
            r"must be one of 'cats', 'dogs'.*Did you mean 'cats'\?",
        ),
        ("evaluation.top_k=2", r"evaluation: top_k must be at least 1 and below the number of classes, 2. Received: 2"),
        ("evaluation.thresholds.top_k_accuracy=0.5", r"top_k_accuracy needs evaluation.top_k: .* there are 2 classes"),
    ],
)
def test_what_cannot_be_is_named(resolved, override, match):
    others = () if "slices=" in override else ('evaluation.slices=["camera"]',)
    with pytest.raises(ValueError, match=match):
        resolved(*others, override)


def test_groups_that_nothing_gives(make_image_folder):
    folder = make_image_folder({"cats": 3, "dogs": 3})
    config = read_config(Config, None, ['evaluation.slices=["group"]', SIZE], images=str(folder), output="out")
    with pytest.raises(ValueError, match="evaluation.slices names 'group', but the images have none"):
        resolve(config)
