import random
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.architectures.keras_cv_backbones import import_keras_cv
from keras_ext.layers import Augmentation, augmentation_lookup

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 12, 10, 3), np.uint8)
KEYS = np.arange(6) * 1234567891011
FLIP = {"layer": "RandomFlip", "mode": "horizontal"}
ROTATE = {"layer": "RandomRotation", "factor": 0.2}
ONE_HOT = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]


def augmented(layer, images=IMAGES, **options):
    return keras.ops.convert_to_numpy(layer(tf.constant(images), training=True, **options))


class ByKey(keras.layers.Layer):
    """Takes keys, as `RandomAffine` does."""

    def call(self, inputs, training=None, keys=None, epoch=0):
        return keras.ops.cast(inputs, "float32") * 0 + keras.ops.cast(keys + epoch, "float32")[:, None, None, None]


@pytest.fixture
def by_key(monkeypatch):
    monkeypatch.setattr(keras.layers, "RandomByKey", ByKey, raising=False)


def test_layers_work_one_after_another():
    expected = IMAGES
    for layer in (keras.layers.RandomFlip(seed=3), keras.layers.RandomRotation(0.2, seed=4)):
        expected = augmented(layer, expected)
    layer = Augmentation([{"layer": "RandomFlip", "seed": 3}, {"layer": "RandomRotation", "factor": 0.2, "seed": 4}])
    np.testing.assert_array_equal(augmented(layer), expected)
    assert np.abs(expected - IMAGES).max() > 10


@pytest.mark.parametrize("options", [{}, {"training": False}, {"training": False, "keys": KEYS}])
@pytest.mark.parametrize("layers", [[], [FLIP, ROTATE, {"layer": "Solarization"}, {"layer": "MixUp"}]])
def test_identity_when_not_training(layers, options):
    outputs = Augmentation(layers)(IMAGES, **options)
    np.testing.assert_array_equal(outputs, IMAGES)
    assert outputs.dtype == tf.float32


def test_seeds_of_layers_follow_from_the_seed_and_differ():
    first, again, other = (Augmentation([FLIP, {**FLIP, "seed": 99}, FLIP], seed=seed).layers for seed in (7, 7, 8))
    assert [layer.seed for layer in first] == [layer.seed for layer in again]
    assert first[1].seed == other[1].seed == 99
    assert len({first[0].seed, first[2].seed, other[0].seed, other[2].seed}) == 4


def test_keys_and_epoch_reach_layers_that_take_them(by_key):
    layer = Augmentation([FLIP, {"layer": "RandomByKey"}])
    values = augmented(layer, keys=np.arange(6), epoch=100)[:, 0, 0, 0]
    np.testing.assert_array_equal(values, np.arange(6) + 100)


def test_with_keys_a_batch_is_augmented_the_same_whatever_came_before():
    layer = Augmentation([FLIP, ROTATE], seed=1)
    first = augmented(layer, keys=KEYS, epoch=2)
    augmented(layer)
    np.testing.assert_array_equal(augmented(layer, keys=KEYS, epoch=2), first)
    np.testing.assert_array_equal(augmented(Augmentation([FLIP, ROTATE], seed=1), keys=KEYS, epoch=2), first)


@pytest.mark.parametrize(
    "layer, options",
    [
        (Augmentation([FLIP, ROTATE], seed=1), {"keys": KEYS, "epoch": 3}),
        (Augmentation([FLIP, ROTATE], seed=1), {"keys": KEYS + 1, "epoch": 2}),
        (Augmentation([FLIP, ROTATE], seed=2), {"keys": KEYS, "epoch": 2}),
    ],
)
def test_another_epoch_batch_or_seed_draws_anew(layer, options):
    first = augmented(Augmentation([FLIP, ROTATE], seed=1), keys=KEYS, epoch=2)
    assert np.abs(augmented(layer, **options) - first).max() > 10


@pytest.mark.parametrize(
    "layers",
    [
        [FLIP, ROTATE],
        [{"layer": "RandomContrast", "factor": 0.5}],
        [{"layer": "RandomErasing"}, {"layer": "RandomAffine", "rotation": 30}],
        [{"layer": "RandAugment"}],
        [{"layer": "GaussianNoise", "stddev": 0.9}],
    ],
)
def test_an_image_is_augmented_alike_in_every_batch(layers):
    layer = Augmentation(layers, seed=1)
    images = IMAGES.astype(np.float32)
    whole = augmented(layer, images, keys=KEYS, epoch=2)
    assert np.abs(whole - images).max() > 1
    order = [4, 2, 0, 5, 1, 3]
    np.testing.assert_array_equal(augmented(layer, images[order], keys=KEYS[order], epoch=2), whole[order])
    np.testing.assert_array_equal(augmented(layer, images[3:5], keys=KEYS[3:5], epoch=2), whole[3:5])


def test_boxes_and_masks_move_with_their_image_in_every_batch():
    layer = Augmentation([{**FLIP, "bounding_box_format": "xyxy"}], seed=1)
    boxes = {"boxes": np.tile(np.float32([[1, 2, 4, 6]]), (6, 1, 1)), "labels": np.zeros((6, 1), np.int64)}
    masks = IMAGES[..., :1].astype(np.float32)
    batch = {"images": IMAGES.astype(np.float32), "bounding_boxes": boxes, "segmentation_masks": masks}
    moved = layer(keras.tree.map_structure(tf.constant, batch), training=True, keys=KEYS)
    flipped = np.array(
        [np.array_equal(one, image[:, ::-1]) for one, image in zip(moved["images"], IMAGES, strict=True)]
    )
    assert 0 < flipped.sum() < 6
    np.testing.assert_array_equal(
        moved["segmentation_masks"], np.where(flipped[:, None, None, None], masks[:, :, ::-1], masks)
    )
    expected = np.where(flipped[:, None, None], np.float32([[6, 2, 9, 6]]), np.float32([[1, 2, 4, 6]]))
    np.testing.assert_allclose(moved["bounding_boxes"]["boxes"], expected, atol=1e-4)


def test_without_keys_every_call_draws_anew():
    layer = Augmentation([ROTATE], seed=1)
    assert np.abs(augmented(layer) - augmented(layer)).max() > 10


def test_parallel_dataset_equals_eager_by_keys():
    layer = Augmentation([FLIP, ROTATE, {"layer": "RandAugment"}], seed=1)
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, KEYS)).batch(2)
    mapped = dataset.map(lambda images, keys: layer(images, training=True, keys=keys, epoch=1), num_parallel_calls=3)
    eager = [layer(images, training=True, keys=keys, epoch=1) for images, keys in dataset]
    # Graphs fuse what eager calls compute one by one.
    np.testing.assert_allclose(np.concatenate(list(mapped)), np.concatenate(eager), atol=1e-2)


def test_keras_file_augments_alike(tmp_path):
    inputs = keras.Input(IMAGES.shape[1:], dtype="uint8")
    model = keras.Model(inputs, Augmentation([FLIP, {**ROTATE, "fill_mode": "nearest"}], seed=5)(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(IMAGES, training=True), model(IMAGES, training=True))


def test_configuration_is_left_untouched():
    configuration = [dict(ROTATE)]
    config = Augmentation(configuration).get_config()
    assert configuration == [ROTATE]
    assert config["layers"] == [ROTATE]


def test_in_a_model_images_keep_their_shape_and_fit_trains():
    inputs = keras.Input(IMAGES.shape[1:])
    features = keras.layers.Flatten()(Augmentation([FLIP, ROTATE], seed=0)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(features))
    model.compile(loss="mse", jit_compile=False)
    model.fit(IMAGES.astype("float32"), np.zeros(6), verbose=0)
    assert model.layers[1].output.shape == (None, 12, 10, 3)


def test_mixed_precision():
    assert Augmentation([FLIP, ROTATE], dtype="mixed_float16")(IMAGES, training=True).dtype == tf.float16


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_images_and_labels_are_mixed_together(name):
    layer = Augmentation([FLIP, {"layer": name}], seed=4)
    inputs = {"images": tf.constant(IMAGES), "labels": tf.constant(ONE_HOT)}
    outputs = layer(inputs, training=True, keys=KEYS)
    assert layer.mixes_labels
    assert set(outputs) == set(inputs)
    np.testing.assert_array_equal(inputs["images"], IMAGES)
    np.testing.assert_allclose(np.sum(outputs["labels"], axis=-1), 1, atol=1e-6)
    assert np.abs(outputs["labels"] - ONE_HOT).max() > 0.01
    assert outputs["images"].dtype == tf.float32


def test_other_layers_do_not_mix_labels():
    assert not Augmentation([FLIP, ROTATE]).mixes_labels


def test_layers_of_keras_cv():
    layer = Augmentation([{"layer": "RandomCutout", "height_factor": 0.5, "width_factor": 0.5}, FLIP], seed=3)
    assert isinstance(layer.layers[0], import_keras_cv().layers.RandomCutout)
    assert not layer.is_reproducible
    assert np.abs(augmented(layer, keys=KEYS) - IMAGES).max() > 10
    mapped = tf.data.Dataset.from_tensor_slices(IMAGES).batch(4).map(lambda images: layer(images, training=True))
    assert np.concatenate(list(mapped)).shape == IMAGES.shape


@pytest.mark.parametrize("layer, reproducible", [("AugMix", False), ("RandomErasing", True)])
def test_layers_of_keras_by_keys(layer, reproducible):
    random.seed(0)  # where AugMix draws from
    augment = Augmentation([{"layer": layer}], seed=0)
    outputs, again = (augmented(augment, keys=KEYS, epoch=2) for _ in range(2))
    assert (outputs.shape, outputs.dtype) == (IMAGES.shape, np.float32)
    assert np.abs(outputs - IMAGES).max() > 10
    assert np.array_equal(outputs, again) == augment.is_reproducible == reproducible


def test_keras_before_keras_cv_unless_it_is_named():
    plain, named = Augmentation([FLIP, {**FLIP, "layer": "keras_cv.RandomFlip"}]).layers
    assert isinstance(plain, keras.layers.RandomFlip)
    assert isinstance(named, import_keras_cv().layers.RandomFlip)


@pytest.mark.parametrize(
    "layer, nearest",
    [
        ("RandomRotate", "RandomRotation"),
        ("randomflip", "RandomFlip"),
        ("RandomCutut", "RandomCutout"),
        ("keras_cv.RandomFlp", "keras_cv.RandomFlip"),
    ],
)
def test_unknown_layer_suggests_the_nearest(layer, nearest):
    with pytest.raises(ValueError, match=f"Received: augmentation layer='{layer}'. Did you mean '{nearest}'"):
        Augmentation([{"layer": layer}])


@pytest.mark.parametrize("layer", ["Dense", "Augmentation", "DecodeImage", "Resizing"])
def test_other_layers_are_no_augmentation(layer):
    with pytest.raises(ValueError, match="augmentation layer must be one of"):
        Augmentation([{"layer": layer}])


@pytest.mark.parametrize(
    "table, message",
    [
        (
            {**ROTATE, "fil_mode": "nearest"},
            "Received: argument of RandomRotation='fil_mode'. Did you mean 'fill_mode'",
        ),
        (
            {**ROTATE, "fill_mode": "neerest"},
            "RandomRotation refuses {'factor': 0.2, 'fill_mode': 'neerest'}: .*fill_mode",
        ),
        ({"layer": "RandomRotation"}, "RandomRotation refuses {}: .*factor"),
        ({"factor": 0.2}, "Each augmentation layer is a table with 'layer'.*Received: layer=None"),
    ],
)
def test_wrong_table_is_named(table, message):
    with pytest.raises(ValueError, match=message):
        Augmentation([table])


@pytest.mark.parametrize("layers", [FLIP, "RandomFlip", ["RandomFlip"]])
def test_layers_must_be_a_list_of_tables(layers):
    with pytest.raises(ValueError, match="layers must be a list of mappings"):
        Augmentation(layers)


def test_layer_that_changes_the_size_is_refused():
    layer = Augmentation([{"layer": "RandomCrop", "height": 8, "width": 8}])
    with pytest.raises(ValueError, match=r"RandomCrop, from \(6, 12, 10, 3\) to \(6, 8, 8, 3\)"):
        layer(IMAGES, training=True)


def test_without_keras_cv(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    with pytest.raises(ValueError, match="Did you mean 'RandomRotation'"):
        Augmentation([{"layer": "RandomRotate"}])
    with pytest.raises(ImportError, match=r"pip install 'keras-ext\[keras-cv\]'"):
        Augmentation([{"layer": "keras_cv.GridMask"}])


def test_ours_before_keras():
    ours, keras_layers = (SimpleNamespace(RandomFlip=type("RandomFlip", (), {"of": of})) for of in ("ours", "keras"))
    assert augmentation_lookup._layers_of((ours, keras_layers))["RandomFlip"].of == "ours"


def test_every_name_of_keras_is_a_layer():
    found = augmentation_lookup._layers_of((keras.layers,))
    assert {"MixUp", "CutMix", "RandAugment", "RandomErasing", "AugMix"} <= set(found)
    assert all(issubclass(layer, keras.layers.Layer) for layer in found.values())


def test_importing_the_layers_does_not_import_keras_cv():
    code = (
        "import sys, keras_ext.layers as l; l.Augmentation([{'layer': 'RandomFlip'}]); print('keras_cv' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


SEPIA = """
import keras


class Sepia(keras.layers.Layer):
    def __init__(self, strength=1.0, **kwargs):
        super().__init__(**kwargs)
        self.strength = strength

    def call(self, images):
        return images * (1 - self.strength)


class Blend(keras.layers.Layer):
    mixes_labels = True

    def call(self, inputs):
        return {**inputs, "labels": inputs["labels"][::-1]}


def sepia(images):
    return images
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "my_layers.py").write_text(SEPIA)
    return f"{tmp_path}/my_layers.py"


def test_layer_of_a_file(own):
    layer = Augmentation([FLIP, {"layer": f"{own}:Sepia", "strength": 0.25}], seed=0)
    expected = augmented(Augmentation([FLIP], seed=0)) * 0.75
    np.testing.assert_allclose(augmented(layer), expected, rtol=1e-6)
    np.testing.assert_array_equal(layer(IMAGES), IMAGES)
    mapped = tf.data.Dataset.from_tensor_slices(IMAGES).batch(6).map(lambda images: layer(images, training=True))
    assert next(iter(mapped)).numpy().max() <= 0.75 * 255


@pytest.mark.parametrize("before", [[], [FLIP]])
def test_layer_of_a_file_gets_floats(own, before):
    outputs = augmented(Augmentation([*before, {"layer": f"{own}:Sepia", "strength": 0.25}]))
    assert (outputs.dtype, outputs.max()) == (np.float32, 0.75 * IMAGES.max())


def test_layer_of_a_file_that_mixes_labels(own):
    layer = Augmentation([{"layer": f"{own}:Blend"}])
    outputs = layer({"images": IMAGES, "labels": ONE_HOT}, training=True)
    assert layer.mixes_labels
    np.testing.assert_array_equal(outputs["labels"], ONE_HOT[::-1])


@pytest.mark.parametrize(
    "layer, message",
    [
        ({"layer": "Sepja"}, "must define 'Sepja'. It defines 'Sepia', 'Blend', 'sepia'. Did you mean 'Sepia'"),
        ({"layer": "sepia"}, "must be a class derived from keras.layers.Layer. Received: <function sepia"),
        ({"layer": "Sepia", "strenght": 1}, "Received: argument of Sepia='strenght'. Did you mean 'strength'"),
    ],
)
def test_layer_of_a_file_that_is_none(own, layer, message):
    with pytest.raises(ValueError, match=message):
        Augmentation([{**layer, "layer": f"{own}:{layer['layer']}"}])


def test_a_layer_that_takes_no_dictionary_beside_one_that_needs_it():
    augment = Augmentation([{"layer": "RandomGrayscale", "factor": 1.0}, {"layer": "MixUp"}], seed=0)
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), np.uint8)
    mixed = augment({"images": images, "labels": np.eye(4, dtype=np.float32)}, training=True)
    pixels = mixed["images"].numpy()
    np.testing.assert_allclose(pixels[..., 0], pixels[..., 2], atol=1e-3)  # all are grey
    assert np.abs(mixed["labels"].numpy() - np.eye(4)).max() > 0
