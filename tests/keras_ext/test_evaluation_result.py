"""What is said of predictions: overall, of classes, of slices, against another model."""

import math

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from keras_ext.classification_figures import classification_figures
from keras_ext.evaluation_result import Predictions, evaluate_predictions

NAMES = ["ant", "bee", "cow"]


def predictions(images=90, skill=1.5, seed=0, **further):
    generator = np.random.default_rng(seed)
    labels = np.arange(images) % len(NAMES)
    scores = np.exp(generator.normal(size=(images, len(NAMES))) + skill * np.eye(len(NAMES))[labels])
    return Predictions(labels, scores / scores.sum(axis=1, keepdims=True), **further)


def test_figures_are_those_of_the_pure_function():
    given = predictions()
    result = evaluate_predictions(given, NAMES, top_k=2)
    expected = classification_figures(given.labels, given.probabilities, top_k=2)
    assert {name: figure.value for name, figure in result.figures.items()} == pytest.approx(expected)
    for name in ("accuracy", "top_k_accuracy", "macro_precision", "macro_recall", "macro_f1", "log_loss"):
        assert result.figures[name].low < result.figures[name].value < result.figures[name].high
    assert math.isnan(result.figures["macro_auc"].low)
    assert (result.images, result.units, result.chance) == (90, 90, 1 / 3)


def test_classes():
    given = predictions()
    classes = evaluate_predictions(given, NAMES, top_k=2).classes
    precision, recall, f1, support = precision_recall_fscore_support(given.labels, given.probabilities.argmax(axis=1))
    for index, name in enumerate(NAMES):
        row = classes[name]
        assert row["images"] == support[index]
        assert (row["precision"], row["recall"], row["f1"]) == pytest.approx(
            (precision[index], recall[index], f1[index])
        )
        own = given.labels == index
        assert row["log_loss"] == pytest.approx(-np.log(given.probabilities[own, index]).mean())


def test_a_class_without_images_has_no_row_and_no_part():
    given = predictions()
    some = given.labels != 1
    result = evaluate_predictions(Predictions(given.labels[some], given.probabilities[some]), NAMES)
    assert list(result.classes) == ["ant", "cow"]
    assert result.chance == 0.5
    assert not math.isnan(result.figures["macro_auc"].value)


def test_six_right_of_six_do_not_say_that_all_are_right():
    labels = np.array([0, 1, 2, 0, 1, 2])
    figures = evaluate_predictions(Predictions(labels, np.eye(3)[labels]), NAMES).figures
    # Wilson's interval of six of six: a bootstrap alone says [1, 1].
    assert figures["accuracy"] == pytest.approx((1, 0.6097, 1), abs=1e-4)
    assert figures["macro_recall"] == pytest.approx((1, 0.6097, 1), abs=1e-4)


def test_sixty_right_images_of_six_patients_are_six():
    labels = np.arange(60) % 2
    given = Predictions(labels, np.eye(2)[labels], groups=[f"patient {number // 10}" for number in range(60)])
    assert evaluate_predictions(given, ["a", "b"]).figures["accuracy"] == pytest.approx((1, 0.6097, 1), abs=1e-4)


def test_macro_recall_of_a_class_with_one_image_is_uncertain():
    labels = np.array([0] * 100 + [1])
    figures = evaluate_predictions(Predictions(labels, np.eye(2)[labels]), ["a", "b"]).figures
    assert figures["accuracy"].low > 0.96
    # As uncertain as that of four images: 2 / mean(1/100, 1/1).
    assert figures["macro_recall"].low == pytest.approx(0.5076, abs=1e-4)


def test_groups_widen_the_interval():
    hits = np.arange(200) % 4 != 0
    labels = np.arange(200) % 2
    probabilities = np.eye(2)[np.where(hits, labels, 1 - labels)]
    groups = [str(number % 4) for number in range(200)]
    alone = evaluate_predictions(Predictions(labels, probabilities), ["a", "b"])
    grouped = evaluate_predictions(Predictions(labels, probabilities, groups=groups), ["a", "b"])
    assert (alone.units, grouped.units) == (200, 4)
    assert grouped.figures["accuracy"].low < 0.4 < alone.figures["accuracy"].low


def test_groups_of_images_that_are_not_alike_do_not():
    generator = np.random.default_rng(0)
    labels = np.arange(2000) % 2
    probabilities = np.eye(2)[np.where(generator.random(2000) < 0.8, labels, 1 - labels)]
    groups = [str(number) for number in generator.integers(200, size=2000)]
    alone = evaluate_predictions(Predictions(labels, probabilities), ["a", "b"]).figures["accuracy"]
    grouped = evaluate_predictions(Predictions(labels, probabilities, groups=groups), ["a", "b"]).figures["accuracy"]
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low, rel=0.15)


def test_slices_hold_the_figures_of_their_images():
    camera = ["night" if number % 5 == 0 else "day" for number in range(89)] + [""]
    groups = [f"scene {number % 2}" for number in range(90)]
    given = predictions(columns={"camera": camera}, groups=groups)
    slices = evaluate_predictions(given, NAMES, top_k=2, slices=["camera", "group"]).slices
    assert {value: row["images"] for value, row in slices["camera"].items()} == {"(empty)": 1, "day": 71, "night": 18}
    assert list(slices["group"]) == ["scene 0", "scene 1"]
    night = np.array(camera) == "night"
    expected = classification_figures(given.labels[night], given.probabilities[night], top_k=2)
    assert slices["camera"]["night"] == pytest.approx({"images": 18, **expected})


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"There is no column 'weather' to slice by. Found: camera\."):
        evaluate_predictions(predictions(columns={"camera": ["x"] * 90}), NAMES, slices=["weather"])
    with pytest.raises(ValueError, match=r"no column 'group' to slice by. Found: none"):
        evaluate_predictions(predictions(), NAMES, slices=["group"])


def test_the_change_is_paired():
    given = predictions(images=300)
    same = evaluate_predictions(given, NAMES, baseline=given.probabilities).change
    assert set(same.values()) == {(0.0, 0.0, 0.0)} | {figure for figure in same.values() if math.isnan(figure.value)}
    other = predictions(images=300, skill=0.5, seed=3).probabilities
    change = evaluate_predictions(given, NAMES, baseline=other).change["accuracy"]
    assert change.value == pytest.approx(
        np.mean(given.probabilities.argmax(axis=1) == given.labels) - np.mean(other.argmax(axis=1) == given.labels)
    )
    assert 0 < change.low < change.value < change.high


def test_probabilities_that_are_not_finite_are_named_and_nothing_else_is_said():
    given = predictions(files=[f"{number}.png" for number in range(90)], columns={"camera": ["a"] * 90})
    given.probabilities[[4, 8], 0] = np.nan
    result = evaluate_predictions(given, NAMES, slices=["camera"], baseline=predictions().probabilities)
    assert result.not_finite == ("4.png", "8.png")
    assert all(math.isnan(figure.value) for figure in result.figures.values())
    assert all(math.isnan(result.classes["bee"][name]) for name in ("recall", "precision", "f1", "auc", "log_loss"))
    assert result.slices["camera"]["a"]["images"] == 90
    assert result.change == {}


def test_ranges_are_in_order():
    given = predictions(columns={"age": [str(number * 3) for number in range(90)]})
    slices = evaluate_predictions(given, NAMES, slices=["age"]).slices["age"]
    assert list(slices) == ["[0, 66.75)", "[66.75, 133.5)", "[133.5, 200.25)", "[200.25, 267]"]
