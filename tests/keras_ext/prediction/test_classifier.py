"""Predictions are those of `serving_default`, one for each file, whatever the files are like."""

import io
import shutil
import subprocess
import sys
import threading
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_ext.image_file import decodable_image
from keras_ext.image_input import InputSettings
from keras_ext.prediction import Classifier
from keras_ext.prediction import classifier as module


@pytest.fixture
def photos(make_image_folder):
    return make_image_folder({"cats": 7, "dogs": 5})


@pytest.fixture(scope="module")
def classifier(model_path):
    return Classifier(model_path)


def encoded(data: bytes, image_format: str) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, image_format)
    return buffer.getvalue()


def by_name(predictions):
    predictions = list(predictions)
    found = {prediction.filename: prediction for prediction in predictions}
    assert len(found) == len(predictions)
    return found


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_equals_serving_default(classifier, photos, serving_default, batch_size):
    predictions = list(classifier.predict(str(photos), batch_size=batch_size))
    files = sorted(photos.rglob("*.*"))
    assert [one.filename for one in predictions] == [str(file.relative_to(photos)) for file in files]
    expected = serving_default([file.read_bytes() for file in files])
    np.testing.assert_allclose([one.probabilities for one in predictions], expected, atol=1e-6)
    assert [one.label for one in predictions] == [classifier.class_names[best] for best in expected.argmax(axis=1)]
    assert [one.probability for one in predictions] == [one.probabilities.max() for one in predictions]
    assert [one.true_label for one in predictions] == [file.parent.name for file in files]
    assert {one.error for one in predictions} == {None}


def test_all_that_is_found_is_a_row(classifier, photos, make_image, serving_default):
    original = make_image("cats", 99)
    webp, tiff = encoded(original, "WEBP"), encoded(original, "TIFF")
    (photos / "cats" / "photo.webp").write_bytes(webp)
    (photos / "cats" / "scan.tif").write_bytes(tiff)
    (photos / "cats" / "half.png").write_bytes(original[: len(original) // 2])
    (photos / "cats" / "text.jpg").write_bytes(b"text")
    (photos / "dogs" / "empty.jpg").touch()
    (photos / "dogs" / "gone.jpg").symlink_to("nowhere")
    jpeg = encoded(original, "JPEG")
    (photos / "dogs" / "half.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    found = by_name(classifier.predict(str(photos)))
    assert len(found) == 12 + 7
    assert {name: one.error for name, one in found.items() if one.error} == {
        "cats/half.png": "truncated PNG",
        "cats/text.jpg": "not an image",
        "dogs/empty.jpg": "empty file",
        "dogs/gone.jpg": "broken link",
        "dogs/half.jpg": "truncated JPEG",
    }
    assert found["cats/text.jpg"].true_label == "cats"
    assert found["cats/text.jpg"].probabilities is found["cats/text.jpg"].label is None
    for name, data in (("cats/photo.webp", webp), ("cats/scan.tif", tiff)):
        [expected] = serving_default([decodable_image(data).data])
        np.testing.assert_allclose(found[name].probabilities, expected, atol=1e-6)


def test_every_file_unreadable(classifier, tmp_path, make_image):
    for number in range(40):
        data = make_image("cats", number)  # the header is sound, so that decoding is what fails
        (tmp_path / f"{number}.png").write_bytes(data[: len(data) // 2])
    predictions = list(classifier.predict(str(tmp_path)))
    assert [one.error for one in predictions] == ["truncated PNG"] * 40


def test_too_many_pixels(classifier, photos):
    settings = InputSettings(max_pixels=600)
    found = by_name(classifier.predict(str(photos), settings))
    sizes = {str(file.relative_to(photos)): np.prod(Image.open(file).size) for file in photos.rglob("*.*")}
    assert {name: one.error for name, one in found.items()} == {
        name: "more than 0.0006 megapixels" if size > 600 else None for name, size in sizes.items()
    }


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_archives_give_what_the_folder_gives(classifier, photos, tmp_path, kind):
    expected = by_name(classifier.predict(str(photos)))
    found = by_name(classifier.predict(shutil.make_archive(str(tmp_path / "a"), kind, photos), batch_size=5))
    assert {name.removeprefix("./") for name in found} == set(expected)
    for name, one in found.items():
        same = expected[name.removeprefix("./")]
        assert (one.label, one.true_label) == (same.label, same.true_label)
        assert one.probability == pytest.approx(same.probability, abs=1e-6)


def test_only_a_few_batches_are_held(classifier, photos, monkeypatch):
    """The generator reads ahead by its threads and no more, and stops when nobody wants more."""
    read, lock = [], threading.Lock()

    def counting(batches, records, files=None):
        with lock:
            read.append(len(records))
        return [module.Prediction(record.path) for record in records]

    monkeypatch.setattr(module.BatchClassifier, "classify", counting)
    monkeypatch.setattr(module, "_THREADS", 2)
    predictions = classifier.predict(str(photos), batch_size=1)
    next(predictions)
    predictions.close()
    assert len(read) <= 3


def test_probabilities_that_are_no_numbers_are_an_error(photos, tmp_path):
    from keras_ext.export import export_classifier
    from keras_ext.layers import DecodeImage

    images = keras.Input((4, 4, 3), dtype="uint8")
    outputs = keras.layers.Lambda(lambda x: tf.cast(x[:, 0, 0], tf.float32) * float("nan"))(images)
    export_classifier(keras.Model(images, outputs), str(tmp_path / "nan"), ["a", "b", "c"], DecodeImage(4, 4))
    predictions = list(Classifier(tmp_path / "nan").predict(str(photos)))
    assert {one.error for one in predictions} == {"the model gives no numbers for it"}


def test_other_models_are_refused(tmp_path, model_path):
    plain = tf.Module()
    plain.double = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec([None], tf.float32)])
    other = str(tmp_path / "other")
    tf.saved_model.save(plain, other, signatures=plain.double)
    with pytest.raises(ValueError, match=r"must be a SavedModel that keras_ext.export.export_classifier wrote"):
        Classifier(other)
    shutil.copytree(f"{model_path}/assets.extra", f"{other}/assets.extra")
    with pytest.raises(ValueError, match="takes image_bytes and returns probabilities. Received: one that takes x"):
        Classifier(other)


@pytest.mark.parametrize("arguments, message", [
    ({"batch_size": 0}, "batch_size must be an integer, 1 or more. Received: batch_size=0"),
    ({"rounds": -1}, "rounds must be an integer, 0 or more"),
    ({"rounds": 2}, "rounds needs augmentation"),
])  # fmt: skip
def test_arguments_without_meaning(classifier, photos, arguments, message):
    with pytest.raises(ValueError, match=message):
        classifier.predict(str(photos), **arguments)


def test_an_empty_folder(classifier, tmp_path):
    with pytest.raises(ValueError, match="No images found"):
        classifier.predict(str(tmp_path))


def test_no_tfx_is_loaded(model_path, photos):
    code = (
        "import sys; from keras_ext.prediction import Classifier;"
        "assert len(list(Classifier(sys.argv[1]).predict(sys.argv[2]))) == 12;"
        "print(sorted({'tfx', 'apache_beam', 'pydantic', 'tensorflow_transform'} & set(sys.modules)))"
    )
    arguments = [sys.executable, "-W", "ignore", "-c", code, model_path, str(photos)]
    printed = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "[]"


def test_is_a_room_of_keras_ext():
    import keras_ext

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert keras_ext.prediction.Classifier is Classifier
