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
from keras_ext.export import EXAMPLES_SIGNATURE, export_classifier, read_class_names
from keras_ext.layers import DecodeImage

CLASS_NAMES = ["dark", "bright", 'größe, "quoted"']
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 9, 7, 3), np.uint8)


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


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
    assert set(outputs) == {"label", "probability", "probabilities"}


def test_serving_examples_from_examples_to_numbers_alone(exported):
    path, files, expected = exported
    examples = [
        tf.train.Example(
            features=tf.train.Features(
                feature={features.ENCODED: tf.train.Feature(bytes_list=tf.train.BytesList(value=[file]))}
            )
        ).SerializeToString()
        for file in files
    ]
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


def test_loads_in_a_session_as_bulk_inferrer_does(exported):
    path, files, expected = exported
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], path)
        signature = meta_graph.signature_def["serving_default"]
        outputs = session.run(
            signature.outputs["probabilities"].name, {signature.inputs["image_bytes"].name: np.array(files, object)}
        )
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


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


def test_one_name_for_each_output(tmp_path):
    with pytest.raises(ValueError, match="Received: 2 names for 3 outputs"):
        export_classifier(classifier(), str(tmp_path), ["a", "b"], DecodeImage(4, 5))


def test_class_names_of_another_model(tmp_path):
    with pytest.raises(ValueError, match=r"Found no assets.extra.class_names.json"):
        read_class_names(str(tmp_path))
