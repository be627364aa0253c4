"""The gate, run by TFX's own runner on a model that is what it was, and on others."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tfx import types
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts

from keras_ext import features
from keras_ext.datasets import ImageExamples
from keras_ext.datasets.pixels import serialize_images
from keras_ext.export import export_classifier, record_predictions
from keras_ext.layers import DecodeImage
from tfx_components import SkewValidator
from tfx_components.artifacts import SkewReport
from tfx_components.skew_validator import executor, tensorflow_alone
from tfx_components.skew_validator.fresh_process import FreshProcess, fresh_process, prepare_fresh_process

FORMATS = ("png", "jpeg", "gif", "bmp")
NAMES = ["cat", "dög"]
DECODE = DecodeImage(6, 6)


def key_of(file: bytes) -> bytes:
    return hashlib.sha256(file).hexdigest().encode()


def write(path: Path, examples: list[dict[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), "GZIP" if path.suffix == ".gz" else None) as writer:
        for one in examples:
            example = tf.train.Example()
            for name, value in one.items():
                example.features.feature[name].bytes_list.value.append(value)
            writer.write(example.SerializeToString())


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    images = keras.Input(DECODE.image_shape)
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images)))
    return keras.Model(images, keras.layers.Dense(2, activation="softmax")(x))


@pytest.fixture
def files(make_image):
    return {f"{kind}/{number}": make_image("cat", number, kind) for kind in FORMATS for number in range(5)}


@pytest.fixture
def root(tmp_path, files, model):
    """Raw examples of two splits, and a model run with what `model` says of those of eval."""
    raw = [
        {
            features.ENCODED: file,
            features.SHA256: key_of(file),
            features.FILENAME: name.encode(),
            features.FORMAT: name.split("/")[0].encode(),
        }
        for name, file in files.items()
    ]
    write(tmp_path / "examples" / "Split-train" / "data", raw[:1])
    write(tmp_path / "examples" / "Split-eval" / "data-0", raw[:9])
    write(tmp_path / "examples" / "Split-eval" / "data-1.gz", raw[9:])
    pixels = serialize_images(DECODE(tf.constant([*files.values()]))).numpy()
    transformed = [
        {features.SHA256: one[features.SHA256], features.FORMAT: one[features.FORMAT], features.PIXELS: image}
        for one, image in zip(raw, pixels, strict=True)
    ]
    write(tmp_path / "transformed", transformed)
    record_predictions(model, ImageExamples([str(tmp_path / "transformed")], DECODE.image_shape), str(tmp_path / "run"))
    return tmp_path


def export(root: Path, model: keras.Model, decode=DECODE) -> None:
    export_classifier(model, str(root / "model" / "Format-Serving"), NAMES, decode)


def run(root, **options):
    """Runs it beside importers; returns its report."""
    kinds = {"model": standard_artifacts.Model, "run": standard_artifacts.ModelRun}
    importers = [
        Importer(source_uri=str(root / name), artifact_type=kind).with_id(name) for name, kind in kinds.items()
    ]
    examples = Importer(
        source_uri=str(root / "examples"),
        artifact_type=standard_artifacts.Examples,
        properties={"split_names": '["train", "eval"]'},
    ).with_id("examples")
    channels = [one.outputs["result"] for one in (examples, *importers)]
    component = SkewValidator(*channels, **options)
    LocalDagRunner().run(
        Pipeline(
            pipeline_name="skew",
            pipeline_root=str(root / "artifacts"),
            metadata_connection_config=metadata.sqlite_metadata_connection_config(str(root / "metadata.sqlite")),
            components=[examples, *importers, component],
            enable_cache=True,
        )
    )
    [file] = (root / "artifacts").rglob("skew.json")
    return json.loads(file.read_text(encoding="utf-8"))


def test_an_export_that_answers_as_the_model_did_passes(root, model):
    export(root, model)
    report = run(root)
    assert report["images"] == 20
    assert report["formats"] == dict.fromkeys(sorted(FORMATS), 5)
    assert report["largest_difference"] <= 1e-6
    assert len(report["differences"]) == 20


def test_another_decoding_fails_the_run_and_names_the_worst_file(root, files, model):
    def decode(files: tf.Tensor) -> tf.Tensor:
        return tf.image.flip_left_right(DECODE(files))

    export(root, model, decode)
    contents = tf.constant([*files.values()])
    served, trained = (model(images(contents), training=False).numpy() for images in (decode, DECODE))
    worst = np.abs(served - trained)[:, 0].argmax()
    name = [*files][worst]
    with pytest.raises(ValueError, match="Serving must give what training gave, to 0.0001") as error:
        run(root)
    [said] = re.findall(
        r"for '(.*)' the probability of '(.*)' is ([\d.]+) by .* and ([\d.]+) in training", str(error.value)
    )
    index = NAMES.index(said[1])
    assert said[0] == name
    assert [float(value) for value in said[2:]] == pytest.approx(
        [served[worst, index], trained[worst, index]], abs=2e-6
    )
    assert not [*(root / "artifacts").rglob("skew.json")]


def artifacts(root: Path) -> tuple[dict, dict]:
    examples, model, model_run, report = (
        kind()
        for kind in (standard_artifacts.Examples, standard_artifacts.Model, standard_artifacts.ModelRun, SkewReport)
    )
    examples.split_names = '["train", "eval"]'
    examples.uri, model.uri, model_run.uri, report.uri = (
        str(root / name) for name in ("examples", "model", "run", "report")
    )
    return {"examples": [examples], "model": [model], "model_run": [model_run]}, {"report": [report]}


def do(root: Path, split: str = "eval") -> None:
    executor.Executor().Do(*artifacts(root), {"split": split, "max_difference": 1e-4})


def test_a_model_that_needs_this_process_fails(root, model):
    def decode(files: tf.Tensor) -> tf.Tensor:
        images = tf.numpy_function(lambda one: DECODE(one).numpy(), [files], tf.uint8)
        return tf.ensure_shape(images, (None, *DECODE.image_shape))

    export(root, model, decode)
    with pytest.raises(RuntimeError, match="does not serve with TensorFlow alone: .*callback"):
        do(root)


def test_the_fresh_process_has_neither_ours_nor_keras_nor_tfx():
    script = Path(tensorflow_alone.__file__)
    code = f"""if True:
        import runpy, sys
        sys.argv[1:] = [{json.dumps(json.dumps(sys.path))}]
        runpy.run_path({str(script)!r}, run_name="__main__")
        for name in {sorted(tensorflow_alone.BLOCKED)!r}:
            try:
                __import__(name)
            except ImportError:
                continue
            sys.exit(name)
    """
    # Nobody asks for anything: standard input is empty.
    run = subprocess.run([sys.executable, "-I", "-c", code], input="", capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    ours = {"keras_ext", "tfx_components", "pipelines"}
    assert ours | {"keras", "tf_keras", "tfx", "tfx_bsl", "tensorflow_transform"} <= tensorflow_alone.BLOCKED


def test_a_model_without_the_signature_fails(root, model):
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("pixels", lambda images: {"scores": model(images)}, [tf.TensorSpec([None, 6, 6, 3])])
    archive.write_out(str(root / "model" / "Format-Serving"), verbose=False)
    # Keras calls the first endpoint the default.
    with pytest.raises(
        RuntimeError, match="'serving_default' must take one input, the bytes of image files, to 'proba"
    ):
        do(root)


def test_examples_without_the_recorded_images_fail(root, model):
    with pytest.raises(ValueError, match=r"split 'train' must hold the images .* Received: 1 of 20\."):
        do(root, split="train")


def test_a_model_run_without_recorded_predictions_fails(root):
    (root / "run" / "recorded_predictions.npz").unlink()
    with pytest.raises(ValueError, match=r"Call keras_ext\.export\.record_predictions"):
        do(root)


IMAGES = [executor.Image(b"a", b"", "cats/a.jpg", "jpeg"), executor.Image(b"b", b"", "cats/b.png", "png")]
TRAINED = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)


def test_the_worst_file_is_named_with_both_values():
    served = TRAINED + np.array([[0.00005, -0.00005], [-0.001, 0.002]], np.float32)
    report = executor.compare(IMAGES, served, TRAINED, NAMES)
    assert report["worst"] == {"filename": "cats/b.png", "class": "dög", "served": pytest.approx(0.502), "trained": 0.5}
    assert report["largest_difference"] == pytest.approx(0.002, rel=1e-4)
    message = (
        "for 'cats/b.png' the probability of 'dög' is 0.502000 by serving_default and 0.500000 in training; "
        "1 of 2 images differ"
    )
    with pytest.raises(ValueError, match=message):
        executor.check(report, 1e-4)
    executor.check(report, 0.0021)


def test_what_is_no_number_differs():
    served = TRAINED.copy()
    served[0, 1] = np.nan
    report = executor.compare(IMAGES, served, TRAINED, [])
    assert report["worst"]["class"] == 1
    with pytest.raises(ValueError, match="'cats/a.jpg' the probability of 1 is nan"):
        executor.check(report, 1e-4)


def test_other_classes_are_an_error():
    with pytest.raises(ValueError, match="Received: 3 and 2 classes"):
        executor.compare(IMAGES, np.ones((2, 3)), TRAINED, NAMES)


def test_a_prepared_process_is_taken_once_and_a_dead_one_is_not():
    prepared = sys.modules[FreshProcess.__module__]._prepared
    prepare_fresh_process()
    [waiting] = prepared
    prepare_fresh_process()
    with fresh_process() as first:
        assert first is waiting
        assert first.is_alive
    assert prepared == []
    prepare_fresh_process()
    [waiting] = prepared
    waiting.close()
    with fresh_process() as second:
        assert second is not waiting
        assert second.is_alive


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_the_difference_is_a_number(value):
    channels = [
        types.Channel(type=kind)
        for kind in (standard_artifacts.Examples, standard_artifacts.Model, standard_artifacts.ModelRun)
    ]
    with pytest.raises(ValueError, match="max_difference must be a number from 0 on"):
        SkewValidator(*channels, max_difference=value)
