"""Transform's graph and run_fn, from raw examples to a served model, without TFX's launcher."""

import dataclasses
import hashlib
import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from PIL import Image
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils
from tfx.components.trainer.fn_args_utils import FnArgs

from keras_ext import features
from keras_ext.callbacks import ClassificationReport, MostWrongImages
from keras_ext.datasets import ImageExamples
from keras_ext.datasets.pixels import parse_images
from keras_ext.export import EXAMPLES_SIGNATURE, export_classifier, read_class_names, read_recorded_predictions
from keras_ext.layers import Augmentation, DecodeImage
from keras_ext.training import fit, image_classifier
from pipelines.image_classification.checkpoints import TrainingFolders
from pipelines.image_classification.config import Train
from pipelines.image_classification.preprocessing import preprocessing_fn
from pipelines.image_classification.run_fn import run_fn, train_model

IMAGE = {"height": 10, "width": 8, "color_mode": "rgb"}
CLASS_NAMES = ["dark", "bright"]
RAW_SPEC = {
    features.ENCODED: tf.io.FixedLenFeature([1], tf.string),
    features.SHA256: tf.io.FixedLenFeature([1], tf.string),
    features.FORMAT: tf.io.FixedLenFeature([1], tf.string),
    features.FILENAME: tf.io.FixedLenFeature([1], tf.string),
    features.CLASS_LABEL: tf.io.FixedLenFeature([1], tf.int64),
    features.HEIGHT: tf.io.FixedLenFeature([1], tf.int64),
}
METADATA = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(RAW_SPEC))


def encoded(label: int, number: int) -> bytes:
    random = np.random.default_rng([label, number])
    pixels = random.integers(0, 128, (random.integers(6, 20), random.integers(6, 20), 3)) + 127 * label
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, ("PNG", "JPEG")[number % 2])
    return file.getvalue()


def instances(start: int, stop: int) -> list[dict[str, list]]:
    files = [(number, number % 2, encoded(number % 2, number)) for number in range(start, stop)]
    return [
        {
            features.ENCODED: [contents],
            features.SHA256: [hashlib.sha256(contents).hexdigest().encode()],
            features.FILENAME: [f"{CLASS_NAMES[label]}/{number}".encode()],
            features.FORMAT: [b"png" if contents.startswith(b"\x89PNG") else b"jpeg"],
            features.CLASS_LABEL: [label],
            features.HEIGHT: [1],
        }
        for number, label, contents in files
    ]


@pytest.fixture(scope="module")
def transformed(tmp_path_factory) -> Path:
    """A directory with Transform's graph and its train and eval examples, as TFX writes them."""
    root = tmp_path_factory.mktemp("transformed")

    def preprocess(inputs):
        return preprocessing_fn(inputs, {"image": IMAGE})

    with beam.Pipeline(runner=FnApiRunner()) as pipeline, tft_beam.Context(temp_dir=str(root / "temporary")):
        train = pipeline | "train" >> beam.Create(instances(0, 48))
        evaluate = pipeline | "eval" >> beam.Create(instances(48, 64))
        train_data, transform_fn = (train, METADATA) | tft_beam.AnalyzeAndTransformDataset(preprocess)
        eval_data = ((evaluate, METADATA), transform_fn) | tft_beam.TransformDataset()
        transform_fn | tft_beam.WriteTransformFn(str(root / "graph"))
        for split, (data, metadata) in (("train", train_data), ("eval", eval_data)):
            coder = tft.coders.ExampleProtoCoder(metadata.schema)
            prefix = str(root / f"Split-{split}" / "transformed_examples")
            (
                data
                | f"encode {split}" >> beam.Map(coder.encode)
                | f"write {split}" >> beam.io.WriteToTFRecord(prefix, file_name_suffix=".gz")
            )
    return root


def fn_args(transformed: Path, output: Path, **custom_config) -> FnArgs:
    return FnArgs(
        train_files=[str(transformed / "Split-train" / "*")],
        eval_files=[str(transformed / "Split-eval" / "*")],
        transform_graph_path=str(transformed / "graph"),
        serving_model_dir=str(output / "model"),
        model_run_dir=str(output / "run"),
        custom_config={
            "image": IMAGE,
            "model": {"architecture": "small_cnn", "weights": None, "dropout": 0.1},
            "augmentation": [{"layer": "RandomFlip"}],
            "imbalance": {"strategy": "none"},
            "train": dataclasses.asdict(Train(epochs=4, batch_size=8, learning_rate=3e-3, patience=5)),
            "export": {"formats": ["keras", "lite_rt"], "top_k": 1},
            "skew": {"images": 10},
            "class_names": CLASS_NAMES,
            **custom_config,
        },
    )


@pytest.fixture(scope="module")
def trained(transformed, tmp_path_factory) -> tuple[Path, keras.Model, list[MostWrongImages]]:
    """What run_fn wrote, the model before its export, and what drew the images that it is most wrong of."""
    output = tmp_path_factory.mktemp("trained")
    return output, *kept_of_run(fn_args(transformed, output))


def kept_of_run(arguments: FnArgs) -> tuple[keras.Model, list[MostWrongImages]]:
    models, drawn = [], []

    def export(model: keras.Model, *arguments, **options) -> None:
        models.append(model)
        export_classifier(model, *arguments, **options)

    def most_wrong(*arguments, **options) -> MostWrongImages:
        drawn.append(MostWrongImages(*arguments, **options))
        return drawn[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.image_classification.run_fn.export_classifier", export)
        patch.setattr("pipelines.image_classification.run_fn.MostWrongImages", most_wrong)
        run_fn(arguments)
    return models[0], drawn


@pytest.fixture
def output(trained) -> Path:
    return trained[0]


def test_transform_decodes_as_the_layer_does_and_passes_label_and_key(transformed):
    [file] = (transformed / "Split-eval").iterdir()
    spec = tft.TFTransformOutput(str(transformed / "graph")).transformed_feature_spec()
    records = [tf.io.parse_single_example(one, spec) for one in tf.data.TFRecordDataset(str(file), "GZIP")]
    assert set(records[0]) == {
        features.PIXELS,
        features.CLASS_LABEL,
        features.SHA256,
        features.FORMAT,
        features.FILENAME,
    }
    expected = {one[features.SHA256][0]: one for one in instances(48, 64)}
    assert len(records) == len(expected) == 16
    for record in records:
        raw = expected[record[features.SHA256].numpy()]
        [pixels] = parse_images(record[features.PIXELS][None], (10, 8, 3))
        np.testing.assert_array_equal(pixels, DecodeImage(**IMAGE)(raw[features.ENCODED][0]))
        assert record[features.CLASS_LABEL] == raw[features.CLASS_LABEL][0]


def test_schema_without_image_bytes_is_an_error():
    inputs = {features.CLASS_LABEL: tf.zeros([1, 1], tf.int64)}
    with pytest.raises(ValueError, match=r"must hold 'image/encoded'. Received: .*tfx_components\.ImageSchema"):
        preprocessing_fn(inputs, {"image": IMAGE})


def test_serving_gives_what_the_model_gives_for_the_pixels_it_was_trained_on(trained, transformed):
    output, model, _ = trained
    [file] = (transformed / "Split-eval").iterdir()
    examples = ImageExamples([str(file)], (10, 8, 3), compression_type="GZIP")
    [(keys, images, _)] = examples.evaluation_dataset(batch_size=16, with_keys=True)
    file_of = {one[features.SHA256][0]: one[features.ENCODED][0] for one in instances(48, 64)}
    serve = tf.saved_model.load(str(output / "model")).signatures["serving_default"]
    served = serve(image_bytes=tf.constant([file_of[key] for key in keys.numpy()]))["probabilities"]
    np.testing.assert_allclose(served, model(images, training=False), atol=1e-5)


def test_predictions_of_a_sample_are_recorded_for_the_skew_gate(trained):
    output, model, _ = trained
    recorded = read_recorded_predictions(str(output / "run"))
    file_of = {one[features.SHA256][0]: one[features.ENCODED][0] for one in instances(48, 64)}
    assert len(recorded) == 10
    assert sorted(file_of[key][:4] for key in recorded) == [b"\x89PNG"] * 5 + [b"\xff\xd8\xff\xe0"] * 5
    pixels = DecodeImage(**IMAGE)(tf.constant([file_of[key] for key in recorded]))
    np.testing.assert_allclose(np.stack([*recorded.values()]), model(pixels, training=False), atol=1e-5)


def test_three_calls_without_tfx_train_the_same_weights(trained, transformed):
    train, validation = (
        ImageExamples([str(transformed / f"Split-{split}" / "*")], (10, 8, 3), compression_type="GZIP")
        for split in ("train", "eval")
    )
    augment = Augmentation([{"layer": "RandomFlip"}], seed=0)
    model = image_classifier("small_cnn", (10, 8, 3), 2, dropout=0.1, seed=0)
    fit(
        model,
        train.training_dataset(batch_size=8, seed=0, epochs=4, augment=augment),
        validation.evaluation_dataset(batch_size=8),
        epochs=4,
        steps_per_epoch=train.steps_per_epoch(8),
        learning_rate=3e-3,
        patience=5,
        verbose=0,
    )
    for ours, piped in zip(model.weights, trained[1].weights, strict=True):
        np.testing.assert_array_equal(ours, piped)


def test_half_precision_serves_what_it_recorded(transformed, tmp_path):
    train = dataclasses.asdict(Train(epochs=1, batch_size=8, precision="mixed_bfloat16"))
    arguments = fn_args(transformed, tmp_path, train=train, export={"formats": [], "top_k": 1})
    model, _ = kept_of_run(arguments)
    assert "bfloat16" in {layer.compute_dtype for layer in model.layers}
    recorded = read_recorded_predictions(arguments.model_run_dir)
    file_of = {one[features.SHA256][0]: one[features.ENCODED][0] for one in instances(48, 64)}
    serve = tf.saved_model.load(arguments.serving_model_dir).signatures["serving_default"]
    served = serve(image_bytes=tf.constant([file_of[key] for key in recorded]))["probabilities"]
    np.testing.assert_allclose(served, [*recorded.values()], rtol=0, atol=1e-4)  # what SkewValidator lets pass


def test_other_formats_lie_in_the_model(trained):
    output, model, _ = trained
    directory = output / "model" / "assets.extra"
    names = ["class_names.json", "model.json", "model.keras", "model.tflite"]
    assert sorted(path.name for path in directory.iterdir()) == names
    images = np.random.default_rng(0).integers(0, 256, (3, 10, 8, 3)).astype(np.float32)
    loaded = keras.saving.load_model(directory / "model.keras")
    np.testing.assert_allclose(loaded(images), model(images, training=False), atol=1e-6)
    description = json.loads((directory / "model.json").read_text(encoding="utf-8"))
    assert description["decode"]["height"] == 10
    assert description["class_names"] == CLASS_NAMES


def test_what_is_no_image_is_named(output):
    serve = tf.saved_model.load(str(output / "model")).signatures["serving_default"]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"no JPEG, PNG, GIF or BMP images.*\] \[1\]"):
        serve(image_bytes=tf.constant([encoded(0, 1), b"%PDF"]))


def test_served_model_classifies_files_it_has_not_seen(output):
    serve = tf.saved_model.load(str(output / "model")).signatures["serving_default"]
    outputs = serve(image_bytes=tf.constant([encoded(label, 1000 + label) for label in (0, 1, 1, 0)]))
    assert outputs["label"].numpy().tolist() == [b"dark", b"bright", b"bright", b"dark"]
    assert read_class_names(str(output / "model")) == CLASS_NAMES


def test_examples_signature_equals_the_one_for_files(output):
    signatures = tf.saved_model.load(str(output / "model")).signatures
    files = [encoded(number % 2, 2000 + number) for number in range(6)]
    examples = [
        tf.train.Example(
            features=tf.train.Features(
                feature={features.ENCODED: tf.train.Feature(bytes_list=tf.train.BytesList(value=[file]))}
            )
        ).SerializeToString()
        for file in files
    ]
    np.testing.assert_array_equal(
        signatures[EXAMPLES_SIGNATURE](examples=tf.constant(examples))["probabilities"],
        signatures["serving_default"](image_bytes=tf.constant(files))["probabilities"],
    )


def test_fresh_process_with_tensorflow_alone_serves_transforms_graph(output, tmp_path):
    (tmp_path / "image").write_bytes(encoded(1, 3000))
    script = f"""
import sys
import tensorflow as tf
serve = tf.saved_model.load({str(output / "model")!r}).signatures["serving_default"]
print(serve(image_bytes=tf.constant([open("image", "rb").read()]))["label"][0].numpy().decode())
assert "tensorflow_transform" not in sys.modules
"""
    run = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert run.stdout.splitlines()[-1] == "bright"


def test_tensorboard_logs_lie_in_the_model_run(output):
    runs = {path.parent.name for path in (output / "run").rglob("events.out.tfevents*")}
    pictures = {"report", "augmentation", "most_wrong"} if importlib.util.find_spec("matplotlib") else set()
    assert runs == {"train", "validation"} | pictures
    assert {path.name for path in output.iterdir()} == {"model", "run"}
    assert tags_of(output, "validation") >= {"epoch_macro_f1", "epoch_recall_dark", "epoch_recall_bright"}
    assert tags_of(output, "train") >= {"epoch_input_wait", "epoch_images_per_second"}


def test_the_most_wrong_images_are_drawn_once_by_the_names_of_their_files(trained):
    pytest.importorskip("matplotlib")
    output, _, [most_wrong] = trained
    assert [(event.step, value.tag) for event, value in values_of(output, "most_wrong")] == [(3, "most wrong images")]
    files = {f"{CLASS_NAMES[number % 2]}/{number}" for number in range(48, 64)}
    assert {one.name for one in most_wrong.images} == files
    assert all(one.name.startswith(f"{one.label}/") for one in most_wrong.images)


def tags_of(output: Path, run: str) -> set[str]:
    return {value.tag for _, value in values_of(output, run)}


def values_of(output: Path, run: str) -> list[tuple]:
    """TensorBoard's events of a run, each with each of its values."""
    [file] = (output / "run" / run).iterdir()
    events = [tf.compat.v1.Event.FromString(one.numpy()) for one in tf.data.TFRecordDataset(str(file))]
    return [(event, value) for event in events for value in event.summary.value]


@pytest.fixture
def fitted(monkeypatch):
    """Stops where training would begin: the arguments of `fit`."""

    class Called(Exception):
        pass

    def fit(model, train, validation, **arguments):
        raise Called(next(train(0).as_numpy_iterator()), validation, arguments)

    monkeypatch.setattr("pipelines.image_classification.run_fn.fit", fit)

    def run(arguments, train=run_fn):
        with pytest.raises(Called) as call:
            train(arguments)
        return call.value.args

    return run


# The train split has 24 images of each class; what is said of them is believed.
WEIGHTS = {"class_weights": {0: 0.25, 1: 4.0}, "class_counts": {0: 24, 1: 24}}
MIXUP = {"augmentation": [{"layer": "MixUp"}]}
OF_THE_OPTIMIZER = {"optimizer": "sgd", "jit_compile": False, "gradient_accumulation_steps": 3}


def pairs(labels, weights):
    return sorted({*zip(labels.tolist(), weights.tolist(), strict=True)})


def test_class_weights_become_sample_weights_of_both_splits(transformed, tmp_path, fitted):
    arguments = fn_args(transformed, tmp_path, imbalance={"strategy": "balanced"}, **WEIGHTS)
    (_, labels, weights), validation, others = fitted(arguments)
    assert pairs(labels, weights) == [(0, 0.25), (1, 4.0)]
    [(_, *of_eval), *_] = validation.as_numpy_iterator()
    assert pairs(*of_eval) == [(0, 0.25), (1, 4.0)]
    assert others["steps_per_epoch"] == 6
    assert others["loss"] is None


def test_oversampling_repeats_images_in_training_and_weighs_them_in_validation(transformed, tmp_path, fitted):
    given = {"class_weights": {0: 1.0, 1: 1.0}, "class_counts": {0: 18, 1: 2}}
    arguments = fn_args(transformed, tmp_path, imbalance={"strategy": "oversample", "sampling": "square_root"}, **given)
    train, validation, others = fitted(arguments)
    assert len(train) == 2  # images and labels
    assert others["steps_per_epoch"] == 6
    [(_, labels, weights), *_] = validation.as_numpy_iterator()
    # Factors 1 and 3, scaled so that the 20 training images weigh 20.
    assert pairs(labels, weights) == [(0, pytest.approx(20 / 24)), (1, pytest.approx(60 / 24))]


def test_logit_adjustment_is_a_loss(transformed, tmp_path, fitted):
    given = {"class_weights": {0: 1.0, 1: 1.0}, "class_counts": {0: 30, 1: 10}}
    arguments = fn_args(transformed, tmp_path, imbalance={"strategy": "logit_adjustment", "tau": 2.0}, **given)
    train, validation, others = fitted(arguments)
    assert (len(train), len(validation.element_spec)) == (2, 2)
    # exp(2 log(3/4)) = 9/16 against 1/16: for an undecided model, 9/10 and 1/10.
    assert float(others["loss"](np.array([1]), np.array([[0.5, 0.5]]))) == pytest.approx(-np.log(0.1))


def test_logit_adjustment_takes_mixed_labels(transformed, tmp_path, fitted):
    strategy = {"imbalance": {"strategy": "logit_adjustment"}, "class_weights": {0: 1.0, 1: 1.0}}
    arguments = fn_args(transformed, tmp_path, **MIXUP, **strategy, class_counts={0: 30, 1: 10})
    (_, labels), _, others = fitted(arguments)
    assert labels.shape == (8, 2)
    # log(3/4) of the first class is added, log(1/4) of the second.
    expected = -(0.7 * np.log(3 / 4) + 0.3 * np.log(1 / 4))
    assert float(others["loss"](np.array([[0.7, 0.3]]), np.array([[0.5, 0.5]]))) == pytest.approx(expected)


def test_nothing_is_weighed_by_default(transformed, tmp_path, fitted):
    train, validation, others = fitted(fn_args(transformed, tmp_path))
    assert (len(train), len(validation.element_spec), others["loss"]) == (2, 2, None)


def test_training_images_are_augmented_and_those_for_validation_are_not(transformed, tmp_path, fitted):
    (plain, _), validation, _ = fitted(fn_args(transformed, tmp_path, augmentation=[]))
    brighter = [{"layer": "RandomAffine", "brightness": [1.2, 1.3]}]
    (images, _), _, _ = fitted(fn_args(transformed, tmp_path, augmentation=brighter))
    assert (plain.dtype, images.dtype, validation.element_spec[0].dtype) == (np.uint8, np.float32, tf.uint8)
    inside = (plain > 0) & (plain < 190)
    ratios = images[inside] / plain[inside]
    assert 1.2 - 1e-3 <= ratios.min() < ratios.max() <= 1.3 + 1e-3


def test_mixed_labels_are_one_hot(transformed, tmp_path, fitted):
    (_, labels), _, _ = fitted(fn_args(transformed, tmp_path, **MIXUP))
    assert labels.shape == (8, 2)


def test_class_weights_and_mixed_labels_exclude_each_other(transformed, tmp_path):
    arguments = fn_args(transformed, tmp_path, **MIXUP, imbalance={"strategy": "balanced"}, **WEIGHTS)
    with pytest.raises(ValueError, match="leave out either those layers or the class weights"):
        run_fn(arguments)


def test_a_trial_of_a_search_draws_no_pictures_and_advises_nobody(transformed, tmp_path, fitted):
    nowhere = TrainingFolders(checkpoint_dir=None, log_dir=None)
    _, _, others = fitted(fn_args(transformed, tmp_path), lambda arguments: train_model(arguments, nowhere))
    assert others["log_dir"] is None
    [report] = others["callbacks"]
    assert isinstance(report, ClassificationReport)
    assert report.log_dir is None


def test_settings_of_the_optimizer_reach_fit(transformed, tmp_path, fitted):
    train = dataclasses.asdict(Train(**OF_THE_OPTIMIZER))
    _, _, others = fitted(fn_args(transformed, tmp_path, train=train))
    assert {name: others[name] for name in OF_THE_OPTIMIZER} == OF_THE_OPTIMIZER


@pytest.mark.parametrize("epochs, warmup_epochs, steps", [(1, 0.9, 0), (2, 1.2, 1)])
def test_the_warmup_leaves_a_step_where_an_epoch_has_only_one(
    transformed, tmp_path, fitted, epochs, warmup_epochs, steps
):
    train = Train(epochs=epochs, warmup_epochs=warmup_epochs, batch_size=48)
    _, _, others = fitted(fn_args(transformed, tmp_path, train=dataclasses.asdict(train)))
    assert others["steps_per_epoch"] == 1
    assert getattr(others["learning_rate"], "steps", 0) == steps


MODEL = """
import keras


def build(image_shape, num_classes, width):
    images = keras.Input(image_shape)
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    inner = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Dense(width)])
    return keras.Model(images, keras.layers.Dense(num_classes, activation="softmax")(inner(x)))
"""


@pytest.fixture
def own_model(tmp_path):
    (tmp_path / "my_model.py").write_text(MODEL)
    builder = f"{tmp_path}/my_model.py:build"
    return {"architecture": "small_cnn", "weights": None, "dropout": 0.2, "builder": builder, "arguments": {"width": 5}}


def test_hyperparameters_take_the_place_of_settings(transformed, tmp_path, fitted, own_model):
    arguments = fn_args(transformed, tmp_path, model=own_model)
    arguments.hyperparameters = {
        "values": {"train.learning_rate": 0.5, "train.batch_size": 6, "model.arguments.width": 7, "tuner/epochs": 1}
    }
    (images, _), _, others = fitted(arguments)
    assert images.shape[0] == 6
    assert others["learning_rate"] == 0.5
    assert (others["steps_per_epoch"], others["epochs"]) == (8, 4)


def test_own_model_is_fine_tuned_and_its_export_needs_no_code(transformed, tmp_path, own_model):
    train = dataclasses.asdict(Train(epochs=1, frozen_epochs=2, batch_size=8, learning_rate=1e-2))
    run_fn(fn_args(transformed, tmp_path / "out", model=own_model, train=train))
    assert {path.name for path in (tmp_path / "out" / "run").iterdir()} >= {"frozen", "unfrozen"}
    (tmp_path / "my_model.py").unlink()
    serve = tf.saved_model.load(str(tmp_path / "out" / "model")).signatures["serving_default"]
    outputs = serve(image_bytes=tf.constant([encoded(label, 1000 + label) for label in (0, 1, 1, 0)]))
    assert outputs["label"].numpy().tolist() == [b"dark", b"bright", b"bright", b"dark"]


def test_phases_of_fine_tuning_have_their_epochs_and_rates(transformed, tmp_path, monkeypatch, own_model):
    called = {}

    def fine_tune(model, train, validation, **arguments):
        called.update(arguments, epochs_of_data=sum(1 for _ in train(0)) // arguments["steps_per_epoch"])
        raise StopIteration

    monkeypatch.setattr("pipelines.image_classification.run_fn.fine_tune", fine_tune)
    settings = {"learning_rate": 0.1, "fine_tuning_learning_rate": 0.01, **OF_THE_OPTIMIZER}
    train = Train(epochs=4, frozen_epochs=2, batch_size=8, **settings)
    with pytest.raises(StopIteration):
        run_fn(fn_args(transformed, tmp_path, model=own_model, train=dataclasses.asdict(train)))
    assert (called["frozen_epochs"], called["epochs"], called["epochs_of_data"]) == (2, 4, 6)
    assert {name: called[name] for name in settings} == settings
