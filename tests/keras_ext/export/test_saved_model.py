import io
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_ext import features
from keras_ext.export import EXAMPLES_SIGNATURE, export_classifier, read_class_names, saved_model
from keras_ext.layers import DecodeImage

CLASS_NAMES = ["dark", "bright", 'größe, "quoted"']
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 9, 7, 3), np.uint8)


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def example(file: bytes) -> bytes:
    message = tf.train.Example()
    message.features.feature[features.ENCODED].bytes_list.value.append(file)
    return message.SerializeToString()


def classifier() -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((4, 5, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(images, keras.layers.Dense(len(CLASS_NAMES), activation="softmax")(x))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("model") / "1")
    model = classifier()
    export_classifier(model, path, CLASS_NAMES, DecodeImage(4, 5))
    files = [png(image) for image in IMAGES]
    return path, files, model.predict(DecodeImage(4, 5)(tf.constant(files)), verbose=0)


def test_serving_default_from_bytes_to_labels(exported):
    path, files, expected = exported
    outputs = tf.saved_model.load(path).signatures["serving_default"](image_bytes=tf.constant(files))
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-6)
    np.testing.assert_allclose(outputs["probability"], expected.max(axis=-1), atol=1e-6)
    labels = [label.decode() for label in outputs["label"].numpy()]
    assert labels == [CLASS_NAMES[index] for index in expected.argmax(axis=-1)]
    assert set(outputs) == {"label", "probability", "probabilities", "top_labels", "top_probabilities"}


def test_top_labels_are_the_most_probable_classes_best_first(exported, tmp_path):
    path, files, expected = exported
    order = np.argsort(-expected, axis=-1)
    outputs = tf.saved_model.load(path).signatures["serving_default"](image_bytes=tf.constant(files))
    assert outputs["top_labels"].shape == (3, 3)  # five would be named, were there as many
    names = [[label.decode() for label in row] for row in outputs["top_labels"].numpy()]
    assert names == [[CLASS_NAMES[index] for index in row] for row in order]
    np.testing.assert_allclose(outputs["top_probabilities"], np.take_along_axis(expected, order, axis=-1), atol=1e-6)

    export_classifier(classifier(), str(tmp_path), CLASS_NAMES, DecodeImage(4, 5), top_k=2)
    two = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](image_bytes=tf.constant(files))
    np.testing.assert_array_equal(two["top_labels"], outputs["top_labels"][:, :2])


def test_class_names_are_a_signature_too(exported):
    name = tf.saved_model.load(exported[0]).signatures["class_names"]
    names = name(class_index=tf.constant([2, 0], tf.int64))["class_name"].numpy()
    assert [one.decode() for one in names] == [CLASS_NAMES[2], CLASS_NAMES[0]]


@pytest.mark.parametrize("signature", ["serving_default", EXAMPLES_SIGNATURE])
def test_an_error_says_which_files_are_no_images(exported, signature):
    path, files, _ = exported
    files = [files[0], b"", files[1], b"<svg/>"]
    serve = tf.saved_model.load(path).signatures[signature]
    given = {"image_bytes": files} if signature == "serving_default" else {"examples": [*map(example, files)]}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"no JPEG, PNG, GIF or BMP.*counted from 0:\] \[1 3\]"):
        serve(**{name: tf.constant(value) for name, value in given.items()})


@pytest.mark.parametrize("color_mode", ["grayscale", "rgba"])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_colour_modes_and_half_precision(tmp_path, color_mode, policy):
    decode = DecodeImage(4, 5, color_mode=color_mode)
    images = keras.Input(decode.image_shape, dtype="uint8")
    x = keras.layers.Rescaling(1 / 255, dtype=policy)(images)
    x = keras.layers.Dense(3, activation="softmax", dtype=policy)(keras.layers.Flatten(dtype=policy)(x))
    model = keras.Model(images, x)
    export_classifier(model, str(tmp_path), CLASS_NAMES, decode)
    files = tf.constant([png(image) for image in IMAGES])
    outputs = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](image_bytes=files)
    assert outputs["probabilities"].dtype == outputs["top_probabilities"].dtype == tf.float32
    expected = tf.function(model)(decode(files))
    np.testing.assert_allclose(outputs["probabilities"], tf.cast(expected, tf.float32), atol=1e-6)


def test_serving_examples_from_examples_to_numbers_alone(exported):
    path, files, expected = exported
    examples = [example(file) for file in files]
    outputs = tf.saved_model.load(path).signatures[EXAMPLES_SIGNATURE](examples=tf.constant(examples))
    assert set(outputs) == {"probabilities"}
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-6)


def test_fresh_process_with_tensorflow_alone(exported, tmp_path):
    path, files, expected = exported
    (tmp_path / "image.png").write_bytes(files[0])
    script = f"""
import json, sys
import tensorflow as tf
model = tf.saved_model.load({path!r})
outputs = model.signatures["serving_default"](image_bytes=tf.constant([open("image.png", "rb").read()]))
assert not any(name.split(".")[0] in ("keras_ext", "tfx", "tensorflow_transform") for name in sys.modules)
print(json.dumps([outputs["label"][0].numpy().decode(), outputs["probabilities"][0].numpy().tolist()]))
"""
    # Isolated mode: without PYTHONPATH and the current directory, where our packages are.
    run = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    label, probabilities = json.loads(run.stdout.splitlines()[-1])
    np.testing.assert_allclose(probabilities, expected[0], atol=1e-6)
    assert label == CLASS_NAMES[expected[0].argmax()]


def test_class_names_travel_with_the_model(exported):
    assert read_class_names(exported[0]) == CLASS_NAMES


def test_resources_that_decode_uses_are_kept(tmp_path):
    initializer = tf.lookup.KeyValueTensorInitializer([b"white"], [255], tf.string, tf.int64)
    table = tf.lookup.StaticHashTable(initializer, default_value=0)

    def decode(names: tf.Tensor) -> tf.Tensor:
        levels = tf.cast(table.lookup(names), tf.uint8)
        return tf.broadcast_to(tf.reshape(levels, [-1, 1, 1, 1]), [tf.size(levels), 4, 5, 3])

    model = classifier()
    export_classifier(model, str(tmp_path), CLASS_NAMES, decode, resources=[table])
    served = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](image_bytes=tf.constant([b"white"]))
    expected = model(np.full((1, 4, 5, 3), 255, np.uint8), training=False)
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-6)


@pytest.mark.parametrize("top_k", [2.5, "5", 0, True])
def test_top_k_counts_classes(tmp_path, top_k):
    with pytest.raises(ValueError, match=f"top_k must be an integer, 1 or more. Received: top_k={top_k!r}"):
        export_classifier(classifier(), str(tmp_path), CLASS_NAMES, DecodeImage(4, 5), top_k=top_k)


def test_one_name_for_each_output(tmp_path):
    with pytest.raises(ValueError, match="Received: 2 names for 3 outputs"):
        export_classifier(classifier(), str(tmp_path), ["a", "b"], DecodeImage(4, 5))


@pytest.mark.parametrize("class_names, message", [
    ("abc", "class_names must be a list of different texts. Received: class_names='abc'"),
    ([0, 1, 2], "class_names must be a list of different texts"),
    (["a", "b", "a"], "class_names must be a list of different texts"),
])  # fmt: skip
def test_class_names_are_different_texts(tmp_path, class_names, message):
    with pytest.raises(ValueError, match=message):
        export_classifier(classifier(), str(tmp_path / "1"), class_names, DecodeImage(4, 5))


@pytest.mark.parametrize("build", [
    lambda: keras.Sequential([keras.layers.Dense(3)]),
    lambda: keras.Model(x := keras.Input((2,)), [keras.layers.Dense(3)(x), keras.layers.Dense(3)(x)]),
])  # fmt: skip
def test_one_output_that_is_known(tmp_path, build):
    with pytest.raises(
        ValueError, match=r"model must be built, and have one output, probabilities `\(batch, classes\)`"
    ):
        export_classifier(build(), str(tmp_path / "1"), CLASS_NAMES, DecodeImage(4, 5))


class Subclassed(keras.Model):
    """Tells its outputs only when it is called, as models of one's own may."""

    def __init__(self):
        super().__init__()
        self.network = classifier()

    def call(self, images):
        return self.network(images)


def test_a_subclassed_model(exported, tmp_path):
    _, files, expected = exported
    model = Subclassed()
    model(np.zeros((1, 4, 5, 3), np.uint8))
    export_classifier(model, str(tmp_path / "1"), CLASS_NAMES, DecodeImage(4, 5))
    outputs = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"](image_bytes=tf.constant(files))
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-6)
    with pytest.raises(ValueError, match="Received: 2 names for 3 outputs"):
        export_classifier(model, str(tmp_path / "2"), ["a", "b"], DecodeImage(4, 5))
    assert not (tmp_path / "2").exists()


def test_a_new_path_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    """A model server may be watching its folder."""
    path = tmp_path / "served" / "1"
    seen = []
    monkeypatch.setattr(saved_model, "_write_class_names", lambda *_: seen.append(path.exists()) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_classifier(classifier(), str(path), CLASS_NAMES, DecodeImage(4, 5))
    assert seen == [False]
    assert list(path.parent.iterdir()) == []


def test_what_else_lies_in_the_folder_stays(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    export_classifier(classifier(), str(tmp_path), CLASS_NAMES, DecodeImage(4, 5))
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert read_class_names(str(tmp_path)) == CLASS_NAMES


def test_class_names_of_another_model(tmp_path):
    with pytest.raises(ValueError, match=r"Found no assets.extra.class_names.json"):
        read_class_names(str(tmp_path))
