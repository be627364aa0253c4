import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.callbacks import MostWrongImages
from keras_ext.datasets import image_dataset_from_directory

CLASSES = ["cat", "dog", "ox"]


class Said(keras.layers.Layer):
    """A model that says what the first pixels of an image are."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs

    def call(self, images):
        return images[:, 0, : self.outputs, 0]


def said(probabilities) -> np.ndarray:
    """Images that carry the model's outputs."""
    outputs = np.asarray(probabilities, np.float32)
    images = np.zeros((len(outputs), 4, 4, 3), np.float32)
    images[:, 0, : outputs.shape[1], 0] = outputs
    return images


def dataset(probabilities, labels, batch_size=3):
    names = np.array([f"{number}.png" for number in range(len(labels))])
    return tf.data.Dataset.from_tensor_slices((names, said(probabilities), labels)).batch(batch_size)


def model(outputs=3):
    inputs = keras.Input((4, 4, 3))
    made = keras.Model(inputs, Said(outputs)(inputs))
    made.compile(loss="mse")
    return made


@pytest.fixture
def random():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet([1, 1, 1], size=40)
    return probabilities, generator.integers(0, 3, 40)


@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_the_highest_losses_of_all_batches(random, batch_size):
    probabilities, labels = random
    losses = -np.log(probabilities[np.arange(40), labels])
    order = np.argsort(-losses)[:5]
    found = MostWrongImages(dataset(*random, batch_size), CLASSES, count=5).find(model())
    assert [one.name for one in found] == [f"{number}.png" for number in order]
    np.testing.assert_allclose([one.loss for one in found], losses[order], rtol=1e-5)
    for one, number in zip(found, order, strict=True):
        assert one.label == CLASSES[labels[number]]
        assert one.predicted == CLASSES[probabilities[number].argmax()]
        assert one.probability == pytest.approx(probabilities[number].max())
        np.testing.assert_array_equal(one.image, said(probabilities)[number])


def test_fewer_images_than_asked_for():
    found = MostWrongImages(dataset([[0.9, 0.1, 0], [0.2, 0.8, 0]], [0, 0]), CLASSES).find(model())
    assert [(one.name, one.predicted) for one in found] == [("1.png", "dog"), ("0.png", "cat")]


def test_no_more_images_are_kept_than_asked_for(random, monkeypatch):
    sizes = []
    most_wrong = MostWrongImages(dataset(*random, batch_size=4), CLASSES, count=2)
    candidates = most_wrong._candidates

    def counted(model, kept):
        for candidate in candidates(model, kept):
            sizes.append(len(kept))
            yield candidate

    monkeypatch.setattr(most_wrong, "_candidates", counted)
    most_wrong.find(model())
    assert max(sizes) == 2
    assert len(sizes) < 20


def test_one_hot_labels(random):
    probabilities, labels = random
    sparse = MostWrongImages(dataset(probabilities, labels), CLASSES).find(model())
    one_hot = MostWrongImages(dataset(probabilities, np.eye(3)[labels]), CLASSES).find(model())
    assert one_hot == sparse


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_a_single_output_is_the_probability_of_the_second_class(shape):
    labels = np.array([0, 1, 0, 1], np.float32).reshape(shape)
    found = MostWrongImages(dataset([[0.9], [0.3], [0.2], [0.6]], labels), ["no", "yes"], count=2).find(model(1))
    assert [(one.name, one.label, one.predicted) for one in found] == [("0.png", "no", "yes"), ("1.png", "yes", "no")]
    assert [one.probability for one in found] == pytest.approx([0.9, 0.7])
    assert [one.loss for one in found] == pytest.approx([-np.log(0.1), -np.log(0.3)], rel=1e-5)


@pytest.mark.parametrize("outputs", [1, 3])
def test_logits(outputs):
    logits = np.array([[2.0, -1.0, 0.5], [900.0, 0.0, -900.0]])[:, :outputs]
    names = CLASSES if outputs == 3 else ["no", "yes"]
    found = MostWrongImages(dataset(logits, [1, 1]), names, from_logits=True).find(model(outputs))
    if outputs == 3:
        softmax = np.exp(logits[0]) / np.exp(logits[0]).sum()
        assert found[-1].loss == pytest.approx(-np.log(softmax[1]), rel=1e-5)
        assert found[0].name == "1.png"
        assert np.isfinite(found[0].loss)
    else:
        assert [one.probability for one in found] == pytest.approx([1 / (1 + np.exp(-2.0)), 1.0])


def test_outputs_that_are_no_probabilities_are_refused():
    with pytest.raises(ValueError, match="must be probabilities, which sum to 1.*sum to 3. Pass from_logits=True"):
        MostWrongImages(dataset([[2, 0, 1]], [0]), CLASSES).find(model())
    with pytest.raises(ValueError, match=r"each of the 2 class_names. Received: outputs of shape \(1, 3\)"):
        MostWrongImages(dataset([[1, 0, 0]], [0]), ["a", "b"]).find(model())


def test_dataset_without_names_is_refused(random):
    with pytest.raises(TypeError, match="with_file_names=True to image_dataset_from_directory or to ImageExamples"):
        MostWrongImages(dataset(*random).map(lambda names, images, labels: (images, labels)), CLASSES)
    with pytest.raises(TypeError, match="class_names must be a list"):
        MostWrongImages(dataset(*random), "cat")
    with pytest.raises(ValueError, match="count must be a positive integer. Received: count=0"):
        MostWrongImages(dataset(*random), CLASSES, count=0)


def fit(epochs, *callbacks):
    made = model()
    inputs = made.input
    made = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(inputs)))
    made.compile("sgd", "sparse_categorical_crossentropy")
    made.fit(np.zeros((4, 4, 4, 3)), np.zeros(4), epochs=epochs, verbose=0, callbacks=list(callbacks))


@pytest.mark.parametrize("every, looks", [(1, [0, 1, 2, 3]), (2, [1, 3]), (None, [3])])
def test_when_it_looks(random, every, looks, tmp_path):
    pytest.importorskip("matplotlib")
    most_wrong = MostWrongImages(dataset(*random), CLASSES, count=2, every=every, log_dir=tmp_path)
    fit(4, most_wrong)
    assert len(most_wrong.images) == 2
    [file] = (tmp_path / "most_wrong").iterdir()
    events = [tf.compat.v1.Event.FromString(one.numpy()) for one in tf.data.TFRecordDataset(str(file))]
    values = [(event.step, value) for event in events for value in event.summary.value]
    assert [step for step, _ in values] == looks
    assert {value.tag for _, value in values} == {"most wrong images"}
    width, height, png = values[-1][1].tensor.string_val
    assert tf.io.decode_png(png).shape == (int(height), int(width), 3)


def test_titles_name_file_and_classes():
    pytest.importorskip("matplotlib")
    most_wrong = MostWrongImages(dataset([[0.03, 0.97, 0]], [0]), CLASSES)
    most_wrong.images = most_wrong.find(model())
    [axes] = most_wrong.figure().axes
    assert axes.get_title().splitlines() == ["0.png", "cat, taken for", "dog 97%"]


def test_files_of_a_folder(make_image_folder):
    directory = make_image_folder({"cats": 6, "dogs": 6})
    named = image_dataset_from_directory(
        directory, image_size=(4, 4), batch_size=5, shuffle=False, with_file_names=True, verbose=False
    )
    inputs = keras.Input((4, 4, 3))
    made = keras.Model(inputs, keras.layers.Softmax()(keras.layers.Lambda(lambda x: x[:, 0, :2, 0] / 255)(inputs)))
    made.compile(loss="mse")
    found = MostWrongImages(named, named.class_names, count=20).find(made)
    assert sorted(one.name for one in found) == sorted(
        str(path.relative_to(directory)) for path in directory.glob("*/*")
    )
    assert all(one.name.startswith(one.label) for one in found)
    losses = [one.loss for one in found]
    assert losses == sorted(losses, reverse=True)
