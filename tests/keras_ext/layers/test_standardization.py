import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from keras_ext.layers import Standardization

_RANDOM = np.random.default_rng(1)
# Skewed, and with a brightness of its own for each image and channel.
IMAGES = (_RANDOM.gamma(2, 30, (300, 6, 5, 3)) + _RANDOM.normal(0, 20, (300, 1, 1, 3))).clip(0, 255).astype(np.float32)
PER_CHANNEL = {"featurewise_center": True, "featurewise_std_normalization": True}
ZCA = {"zca_whitening": True, "rescale": 1 / 255}


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, number):
        return IMAGES[number * 100 : number * 100 + 100], np.zeros(100)


def adapted(data=IMAGES, **arguments) -> Standardization:
    layer = Standardization(**arguments)
    layer.adapt(data)
    return layer


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"rescale": 1 / 255},
        {"samplewise_center": True},
        {"samplewise_center": True, "samplewise_std_normalization": True, "rescale": 1 / 255},
        {"featurewise_center": True},
        PER_CHANNEL,
        {**PER_CHANNEL, "rescale": 1 / 255},
        {"featurewise_center": True, **ZCA},
        {"featurewise_center": True, "zca_whitening": True, "zca_epsilon": 30.0},
    ],
)
def test_equals_image_data_generator(arguments, data_format):
    images = IMAGES if data_format == "channels_last" else np.moveaxis(IMAGES, -1, 1)
    generator = ImageDataGenerator(**arguments, data_format=data_format)
    generator.fit(images)
    expected = np.stack([generator.standardize(image.copy()) for image in images[:20]])
    result = adapted(images, **arguments, data_format=data_format)(images[:20])
    np.testing.assert_allclose(result, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def test_equals_numpy_on_everything_at_once():
    standardized = adapted(tf.data.Dataset.from_tensor_slices(IMAGES).batch(7), **PER_CHANNEL)(IMAGES).numpy()
    mean, deviation = IMAGES.mean(axis=(0, 1, 2), dtype=np.float64), IMAGES.std(axis=(0, 1, 2), dtype=np.float64)
    np.testing.assert_allclose(standardized, (IMAGES - mean) / deviation, atol=1e-5)
    np.testing.assert_allclose(standardized.mean(axis=(0, 1, 2)), 0, atol=1e-5)


def test_whitened_images_are_uncorrelated():
    white = adapted(**ZCA)(IMAGES).numpy().reshape(len(IMAGES), -1)
    np.testing.assert_allclose(white.T @ white / len(IMAGES), np.eye(90), atol=1e-3)


def test_a_sample_s_own_statistics_do_not_depend_on_its_batch():
    layer = Standardization(samplewise_std_normalization=True)
    batch = layer(IMAGES[:8]).numpy()
    np.testing.assert_allclose(batch.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(batch.std(axis=(1, 2, 3)), 1, atol=1e-5)


def test_statistics_are_those_of_what_the_featurewise_steps_see():
    layer = adapted(samplewise_std_normalization=True, **PER_CHANNEL)
    result = layer(IMAGES).numpy()
    np.testing.assert_allclose(result.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(result.std(axis=(0, 1, 2)), 1, atol=1e-4)


@pytest.mark.parametrize(
    "make_data",
    [
        lambda: tf.constant(IMAGES),
        lambda: iter([IMAGES[:1], IMAGES[1:150], (IMAGES[150:], np.zeros(150))]),
        lambda: (IMAGES[start : start + 64] for start in range(0, 300, 64)),
        lambda: tf.data.Dataset.from_tensor_slices((IMAGES, np.zeros(300))).batch(64),
        Batches,
    ],
    ids=["tensor", "iterator", "generator", "dataset", "PyDataset"],
)
@pytest.mark.parametrize("arguments", [PER_CHANNEL, ZCA], ids=["featurewise", "zca"])
def test_adapt_reads_each_form_of_data_once(make_data, arguments):
    np.testing.assert_allclose(
        adapted(make_data(), **arguments)(IMAGES[:4]), adapted(**arguments)(IMAGES[:4]), atol=1e-4
    )


def test_large_batches_are_taken_in_parts():
    image = np.zeros((1000, 1500, 1), np.uint8)
    image[::2] = 200
    batch = np.repeat(image[np.newaxis], 5, axis=0)  # 7.5 million values
    layer = adapted(batch, **PER_CHANNEL)
    assert (layer.mean.numpy(), layer.variance.numpy(), layer.count.numpy()) == ([100.0], [10_000.0], 5)


def test_adapt_again_replaces():
    layer = adapted(IMAGES * 3 + 1, **PER_CHANNEL)
    layer.adapt(IMAGES)
    np.testing.assert_array_equal(layer(IMAGES[:2]), adapted(**PER_CHANNEL)(IMAGES[:2]))


def test_a_model_that_ran_before_adapt_follows_it():
    layer = adapted(IMAGES * 3, **PER_CHANNEL)
    model = keras.Sequential([layer])
    before = model.predict(IMAGES[:2], verbose=0)
    layer.adapt(IMAGES)
    np.testing.assert_array_equal(model.predict(IMAGES[:2], verbose=0), layer(IMAGES[:2]))
    assert np.abs(before - layer(IMAGES[:2])).max() > 0.1


def test_given_mean_and_variance_need_no_adapt():
    given = Standardization(**PER_CHANNEL, mean=[10, 20, 30], variance=[4, 9, 16])
    np.testing.assert_allclose(given(IMAGES), (IMAGES - [10, 20, 30]) / [2, 3, 4], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(Standardization(featurewise_center=True, mean=5)(IMAGES), IMAGES - 5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint16, np.float64])
def test_every_type_of_number(dtype):
    layer = adapted(IMAGES.astype(np.uint8), **PER_CHANNEL)
    result = layer(IMAGES.astype(np.uint8).astype(dtype))
    assert result.dtype == tf.float32
    np.testing.assert_array_equal(result, layer(np.floor(IMAGES)))


def test_arithmetic_is_in_float32_also_under_mixed_precision():
    images = (np.arange(192).reshape(1, 8, 8, 3) + 40_000).astype(np.float32)  # float16 tells 32s apart up there
    half = Standardization(samplewise_std_normalization=True, dtype="mixed_float16")
    full = Standardization(samplewise_std_normalization=True)
    assert half(images).dtype == tf.float16
    np.testing.assert_allclose(half(images), full(images), atol=1e-3)
    layer = adapted(images, **PER_CHANNEL, dtype="mixed_float16")
    assert [weight.dtype for weight in layer.weights] == ["float32"] * 3
    np.testing.assert_allclose(layer(images), adapted(images, **PER_CHANNEL)(images), atol=1e-3)


@pytest.mark.parametrize("arguments", [PER_CHANNEL, ZCA], ids=["featurewise", "zca"])
def test_single_image_empty_batch_and_dataset(arguments):
    layer = adapted(**arguments)
    expected = layer(IMAGES[:5])
    np.testing.assert_allclose(layer(IMAGES[0]), expected[0], atol=1e-5)
    assert layer(IMAGES[:0]).shape == (0, 6, 5, 3)
    dataset = tf.data.Dataset.from_tensor_slices(IMAGES[:5])
    np.testing.assert_allclose(np.concatenate(list(dataset.batch(2).map(layer))), expected, atol=1e-5)
    np.testing.assert_allclose(list(dataset.map(layer)), expected, atol=1e-5)


def test_one_pixel_and_one_colour():
    assert not Standardization(samplewise_std_normalization=True)(np.full((1, 1, 1, 1), 9.0)).numpy().any()
    assert not adapted(np.full((2, 3, 3, 1), 9.0), **PER_CHANNEL)(np.full((2, 3, 3, 1), 9.0)).numpy().any()


@pytest.mark.parametrize("arguments", [PER_CHANNEL, ZCA], ids=["featurewise", "zca"])
class TestSaving:
    @staticmethod
    def model(layer: Standardization) -> keras.Model:
        inputs = keras.Input((6, 5, 3))
        return keras.Model(inputs, layer(inputs))

    def test_keras_file(self, arguments, tmp_path):
        model = self.model(adapted(**arguments))
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(again(IMAGES[:3]), model(IMAGES[:3]))

    def test_layer_that_was_never_called(self, arguments, tmp_path):
        keras.Sequential([adapted(**arguments)]).save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(again(IMAGES[:3]), adapted(**arguments)(IMAGES[:3]))

    def test_weights_file(self, arguments, tmp_path):
        model, again = self.model(adapted(**arguments)), self.model(Standardization(**arguments))
        model.save_weights(tmp_path / "m.weights.h5")
        again.load_weights(tmp_path / "m.weights.h5")
        np.testing.assert_array_equal(again(IMAGES[:3]), model(IMAGES[:3]))

    def test_weights_set_in_a_clone(self, arguments):
        model = self.model(adapted(**arguments))
        clone = keras.models.clone_model(model)
        clone.set_weights(model.get_weights())
        np.testing.assert_array_equal(clone.predict(IMAGES[:3], verbose=0), model(IMAGES[:3]))

    def test_saved_model(self, arguments, tmp_path):
        model = self.model(adapted(**arguments))
        model.export(str(tmp_path), verbose=False)
        again = tf.saved_model.load(str(tmp_path))
        np.testing.assert_allclose(again.serve(IMAGES[:3]), model(IMAGES[:3]), atol=1e-6)

    def test_trains_within_a_model(self, arguments):
        layer = adapted(**arguments)
        before = [weight.numpy() for weight in layer.weights]
        model = keras.Sequential([layer, keras.layers.Flatten(), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(IMAGES[:32], np.zeros(32), verbose=0)
        assert not layer.trainable_weights
        for weight, value in zip(layer.weights, before, strict=True):
            np.testing.assert_array_equal(weight, value)


def test_weights_of_a_layer_without_statistics(tmp_path):
    model, other = (keras.Sequential([keras.Input((6, 5, 3)), Standardization(**PER_CHANNEL)]) for _ in range(2))
    model.layers[0].adapt(IMAGES)
    other.save_weights(tmp_path / "other.weights.h5")
    model.load_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ValueError, match="not known yet"):
        model(IMAGES[:2])


def test_config_adapts_to_the_same():
    layer = Standardization(zca_whitening=True, zca_epsilon=3.0, rescale=2)
    again = Standardization.from_config(layer.get_config())
    layer.adapt(IMAGES)
    again.adapt(IMAGES)
    np.testing.assert_array_equal(again(IMAGES[:2]), layer(IMAGES[:2]))


def test_size_may_vary_where_no_whitening_needs_one():
    layer = adapted([IMAGES[:100], IMAGES[100:, :3, :2]], **PER_CHANNEL)
    assert layer.count.numpy() == 300
    assert layer(keras.Input((None, None, 3))).shape == (None, None, None, 3)
    assert layer(IMAGES[:2, :4]).shape == (2, 4, 5, 3)


@pytest.mark.parametrize("arguments", [PER_CHANNEL, ZCA])
def test_without_statistics_is_an_error_but_a_model_can_be_built(arguments):
    layer = Standardization(**arguments)
    model = keras.Sequential([keras.Input((6, 5, 3)), layer])
    for call in (layer, lambda images: model.predict(images, verbose=0)):
        with pytest.raises(ValueError, match=r"Call layer.adapt\(dataset\), load weights, or pass"):
            call(IMAGES[:2])
    layer.adapt(IMAGES)
    assert model.predict(IMAGES[:2], verbose=0).shape == (2, 6, 5, 3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"zca_whitening": True, "featurewise_std_normalization": True}, "exclude each other"),
        ({"zca_epsilon": -1.0}, "zca_epsilon must be a finite number, at least 0. Received: zca_epsilon=-1.0"),
        ({"rescale": "1/255"}, "rescale must be a finite number. Received: rescale='1/255'"),
        ({**PER_CHANNEL, "mean": 1.0}, "mean and variance with featurewise_std_normalization"),
        ({**PER_CHANNEL, "variance": 1.0}, "mean and variance with featurewise_std_normalization"),
        ({"mean": 1.0}, "mean goes with featurewise_center"),
        ({"featurewise_center": True, "mean": 1.0, "variance": 1.0}, "Received: mean=(1.0,), variance=(1.0,)"),
        ({**PER_CHANNEL, "mean": [1, 2], "variance": [1, -2]}, "variance must be a finite number, at least 0"),
        ({"featurewise_center": True, "mean": [[1.0]]}, "mean must be one number, or one for each channel"),
        ({"zca_whitening": True, "mean": 1.0}, "zca_whitening needs adapt()"),
        ({"data_format": "channel_first"}, "Did you mean 'channels_first'?"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Standardization(**arguments)


@pytest.mark.parametrize(
    "data, error, message",
    [
        (IMAGES[0], ValueError, "Received: shape=(6, 5, 3). Batch a dataset"),
        (tf.data.Dataset.from_tensor_slices(IMAGES), ValueError, "Received: shape=(6, 5, 3). Batch a dataset"),
        (IMAGES[:0], ValueError, "at least one image"),
        ([], ValueError, "at least one image"),
        (tf.data.Dataset.from_tensor_slices(IMAGES).batch(8).repeat(), ValueError, "repeats for ever"),
        ([IMAGES, IMAGES[..., :1]], ValueError, "built for 3 channels. Received: shape=(300, 6, 5, 1)"),
        (np.where(np.arange(3) > 1, np.nan, IMAGES), ValueError, "Look for NaN and infinity"),
        (["images"], TypeError, "Received: a batch of type str"),
    ],
)
def test_bad_data(data, error, message):
    layer = adapted(**PER_CHANNEL)
    with pytest.raises(error, match=re.escape(message)):
        layer.adapt(data)
    np.testing.assert_array_equal(layer(IMAGES[:2]), adapted(**PER_CHANNEL)(IMAGES[:2]))  # nothing happened


@pytest.mark.parametrize("shape", [(4, 4), (2, 2, 4, 4, 3)])
def test_bad_rank(shape):
    with pytest.raises(ValueError, match=re.escape(f"Received: shape={shape}")):
        Standardization(samplewise_center=True)(np.zeros(shape))


def test_bad_size_or_channels():
    with pytest.raises(ValueError, match="one for each of 3 channels"):
        Standardization(featurewise_center=True, mean=[1, 2])(IMAGES)
    with pytest.raises(ValueError, match="known number of channels"):
        Standardization(featurewise_center=True)(keras.Input((4, 4, None)))
    with pytest.raises(ValueError, match="12,288 values"):
        Standardization(zca_whitening=True).adapt(np.zeros((2, 65, 64, 3)))
    with pytest.raises(ValueError, match="12,288 values"):
        Standardization(zca_whitening=True)(keras.Input((65, 64, 3)))
    with pytest.raises(ValueError, match="images of 90 values. Received: 72"):
        adapted(**ZCA)(IMAGES[:, :, :4])
