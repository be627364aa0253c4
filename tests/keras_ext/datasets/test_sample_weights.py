import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.balanced_sampler import BalancedSampler
from keras_ext.datasets import apply_class_weights, balanced_dataset
from keras_ext.datasets.dataset_marks import MIXED_LABELS, marked

IMAGES = np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2, 1)
LABELS = np.array([2, 0, 1, 1, 2])
WEIGHTS = {2: 4.0, 0: 0.5, 1: 1.0}
EXPECTED = [4.0, 0.5, 1.0, 1.0, 4.0]
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


def batches(*elements, size=2):
    return tf.data.Dataset.from_tensor_slices(elements).batch(size)


def weights_of(dataset):
    return np.concatenate([weights for _, _, weights in dataset.as_numpy_iterator()]).tolist()


def test_images_and_labels_are_as_before():
    read = list(apply_class_weights(batches(IMAGES, LABELS), WEIGHTS).as_numpy_iterator())
    images, labels, weights = (np.concatenate(part) for part in zip(*read, strict=True))
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    assert weights.tolist() == EXPECTED
    assert weights.dtype == np.float32


@pytest.mark.parametrize(
    "labels",
    [LABELS, LABELS.astype(np.uint8), LABELS[:, None], LABELS[:, None].astype(np.float32), ONE_HOT, ONE_HOT == 1],
    ids=["indices", "uint8", "column", "column of floats", "one-hot", "bools"],
)
def test_each_image_has_the_weight_of_its_class(labels):
    assert weights_of(apply_class_weights(batches(IMAGES, labels), WEIGHTS)) == EXPECTED


def test_an_image_with_several_classes_has_their_mean_weight():
    labels = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 0]])
    assert weights_of(apply_class_weights(batches(IMAGES[:3], labels), WEIGHTS)) == [0.75, 2.5, 1.0]


@pytest.mark.parametrize("weights", [np.array([1.0, 2, 3, 4, 0]), np.array([[1], [2], [3], [4], [0]])])
def test_weights_that_are_there_are_multiplied(weights):
    dataset = apply_class_weights(batches(IMAGES, LABELS, weights), WEIGHTS)
    assert weights_of(dataset) == [4.0, 1.0, 3.0, 4.0, 0.0]


def test_omitted_classes_weigh_what_is_said():
    assert weights_of(apply_class_weights(batches(IMAGES, LABELS), {1: 3.0}, default=1.0)) == [1, 1, 3, 3, 1]
    assert weights_of(apply_class_weights(batches(IMAGES, ONE_HOT), {1: 3.0}, default=0.5)) == [0.5, 0.5, 3, 3, 0.5]


def test_the_weights_reach_the_loss():
    model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    expected = np.mean(np.array(EXPECTED) * plain(LABELS, model(IMAGES)))
    dataset = apply_class_weights(batches(IMAGES, LABELS, size=5), WEIGHTS)
    assert model.evaluate(dataset, verbose=0) == pytest.approx(expected, rel=1e-5)


# Several outputs


def two_outputs():
    inputs = keras.Input((2, 2, 1))
    x = keras.layers.Flatten()(inputs)
    kind = keras.layers.Dense(3, activation="softmax", name="kind")(x)
    return inputs, kind, keras.layers.Dense(1, name="size")(x)


SIZES = np.array([1.0, 2, 3, 4, 5], np.float32)


def test_one_of_several_outputs_in_a_dict():
    inputs, kind, size = two_outputs()
    model = keras.Model(inputs, {"kind": kind, "size": size})
    model.compile(loss={"kind": "sparse_categorical_crossentropy", "size": "mse"})
    labels = {"kind": LABELS, "size": SIZES}
    weighted = apply_class_weights(batches(IMAGES, labels, size=5), WEIGHTS, output="kind")
    _, read, weights = next(weighted.as_numpy_iterator())
    np.testing.assert_array_equal(read["size"], SIZES)
    assert weights["kind"].tolist() == EXPECTED
    assert weights["size"].tolist() == [1.0] * 5
    predicted = model(IMAGES)
    crossentropy = keras.losses.sparse_categorical_crossentropy(LABELS, predicted["kind"])
    errors = (predicted["size"][:, 0] - SIZES) ** 2
    expected = np.mean(np.array(EXPECTED) * crossentropy) + np.mean(errors)
    assert model.evaluate(weighted, return_dict=True, verbose=0)["loss"] == pytest.approx(expected, rel=1e-5)


def test_one_of_several_outputs_in_a_tuple():
    inputs, kind, size = two_outputs()
    model = keras.Model(inputs, [size, kind])
    model.compile("sgd", loss=["mse", "sparse_categorical_crossentropy"])
    weighted = apply_class_weights(batches(IMAGES, (SIZES, LABELS)), WEIGHTS, output=1)
    _, _, (of_size, of_kind) = next(weighted.as_numpy_iterator())
    assert (of_size.tolist(), of_kind.tolist()) == ([1.0, 1.0], [4.0, 0.5])
    assert np.isfinite(model.fit(weighted, verbose=0).history["loss"]).all()


def test_two_outputs_one_after_the_other():
    labels = {"kind": LABELS, "colour": ONE_HOT}
    once = apply_class_weights(batches(IMAGES, labels, size=5), WEIGHTS, output="kind")
    _, _, weights = next(apply_class_weights(once, {0: 1.0, 1: 2.0, 2: 3.0}, output="colour").as_numpy_iterator())
    assert weights["kind"].tolist() == EXPECTED
    assert weights["colour"].tolist() == [3.0, 1.0, 2.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "given, of_size",
    [(SIZES, [1.0, 2, 3, 4, 5]), ({"kind": SIZES}, [1.0] * 5), ({"kind": SIZES, "size": 2 * SIZES}, [2, 4, 6, 8, 10])],
)
def test_weights_of_several_outputs_that_are_there_are_multiplied(given, of_size):
    labels = {"kind": LABELS, "size": SIZES}
    weighted = apply_class_weights(batches(IMAGES, labels, given, size=5), WEIGHTS, output="kind")
    _, _, weights = next(weighted.as_numpy_iterator())
    assert weights["kind"].tolist() == [4.0, 1.0, 3.0, 4.0, 20.0]
    assert weights["size"].tolist() == of_size


@pytest.mark.parametrize(
    "labels, output, message",
    [
        (LABELS, "kind", "output must be None, as there is one output. Received: output='kind'"),
        ({"kind": LABELS, "size": SIZES}, None, "output must be one of 'kind', 'size'. Received: output=None"),
        ({"kind": LABELS, "size": SIZES}, "kin", "Received: output='kin'"),
        ((LABELS, SIZES), 2, "output must be one of 0, 1. Received: output=2"),
    ],
)
def test_output_must_be_there(labels, output, message):
    with pytest.raises(ValueError, match=message):
        apply_class_weights(batches(IMAGES, labels), WEIGHTS, output=output)


# Bad input


@pytest.mark.parametrize("class_weights", [{}, {0: 1.0, 2: 1.0}, {1: 1.0}])
def test_every_class_needs_a_weight(class_weights):
    with pytest.raises(ValueError, match="Name every class"):
        apply_class_weights(batches(IMAGES, LABELS), class_weights)


@pytest.mark.parametrize("class_weights", [{}, {"0": 1.0}, {-1: 1.0, 0: 1.0}])
def test_omitted_classes_are_class_indices_too(class_weights):
    with pytest.raises(ValueError, match="Name every class"):
        apply_class_weights(batches(IMAGES, LABELS), class_weights, default=1.0)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_are_numbers_from_0_on(weight):
    with pytest.raises(ValueError, match="Weights must be numbers from 0 on"):
        apply_class_weights(batches(IMAGES, LABELS), {0: 1.0, 1: weight, 2: 1.0})
    with pytest.raises(ValueError, match="Weights must be numbers from 0 on"):
        apply_class_weights(batches(IMAGES, LABELS), {0: 1.0}, default=weight)


def test_every_column_needs_a_weight():
    with pytest.raises(ValueError, match="each of 3 classes, the columns of the labels. Received: 2 weights"):
        apply_class_weights(batches(IMAGES, ONE_HOT), {0: 1.0, 1: 1.0})
    with pytest.raises(ValueError, match="each of 3 classes, the columns of the labels. Received: 4 weights"):
        apply_class_weights(batches(IMAGES, ONE_HOT), dict.fromkeys(range(4), 1.0), default=1.0)


@pytest.mark.parametrize("labels", [np.zeros((5, 2, 2)), np.array(["cat"] * 5)])
def test_labels_of_another_kind_are_refused(labels):
    with pytest.raises(ValueError, match=r"class indices, \(batch,\), or rows of zeros and ones, \(batch, classes\)"):
        apply_class_weights(batches(IMAGES, labels), WEIGHTS)


@pytest.mark.parametrize("labels", [[0, 3], [0, -1], [0.0, 0.5], [0.0, np.nan]])
def test_a_label_outside_the_classes_is_found_while_reading(labels):
    dataset = apply_class_weights(batches(IMAGES[:2], np.array(labels)), WEIGHTS)
    with pytest.raises(tf.errors.InvalidArgumentError, match="whole numbers from 0 to 2"):
        next(iter(dataset))


def test_soft_labels_are_found_while_reading():
    mixed = 0.3 * ONE_HOT + 0.7 * ONE_HOT[::-1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="MixUp or CutMix blended has no single class"):
        next(iter(apply_class_weights(batches(IMAGES, mixed), WEIGHTS)))


def test_labels_that_are_known_to_be_mixed_are_refused_at_once():
    dataset = marked(batches(IMAGES, ONE_HOT), MIXED_LABELS).map(lambda *element: element).prefetch(1)
    with pytest.raises(ValueError, match=r"MixUp or CutMix blended.*leave out.*LogitAdjustedCrossentropy"):
        apply_class_weights(dataset, WEIGHTS)


def test_oversampling_and_weights_exclude_each_other():
    dataset = balanced_dataset(IMAGES, BalancedSampler(LABELS, seed=0), batch_size=2, epochs=1)
    with pytest.raises(ValueError, match="exclude each other: rare classes already come more often.*second time"):
        apply_class_weights(dataset.map(lambda images, labels: (images, labels)), WEIGHTS)


def test_a_dataset_without_labels():
    with pytest.raises(ValueError, match=r"elements \(images, labels\) or \(images, labels, weights\)"):
        apply_class_weights(tf.data.Dataset.from_tensors(IMAGES), WEIGHTS)


def test_ragged_labels():
    labels = tf.ragged.constant([[0], [1, 2]])
    with pytest.raises(TypeError, match="dense"):
        apply_class_weights(tf.data.Dataset.from_tensors((IMAGES, labels)), WEIGHTS)
