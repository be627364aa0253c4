import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext import ImageDataGenerator

KerasGenerator = tf.keras.preprocessing.image.ImageDataGenerator
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (12, 9, 9, 3)).astype(np.float32)
EVERYTHING = {
    "samplewise_center": True,
    "featurewise_center": True,
    "featurewise_std_normalization": True,
    "rotation_range": 20,
    "width_shift_range": [1, 2],
    "height_shift_range": 3,
    "brightness_range": (0.5, 1.5),
    "shear_range": 5.0,
    "zoom_range": (0.8, 1.3),
    "channel_shift_range": 9.0,
    "fill_mode": "reflect",
    "cval": 3.0,
    "horizontal_flip": True,
    "vertical_flip": True,
    "rescale": 1 / 127.5,
    "validation_split": 0.25,
    "interpolation_order": 0,
    "dtype": "float64",
    "data_format": "channels_last",
    "zca_epsilon": 1e-5,
}


def parameters(function):
    return [(name, p.default) for name, p in inspect.signature(function).parameters.items() if p.kind != p.VAR_KEYWORD]


@pytest.mark.parametrize("name", ["__init__", "flow", "flow_from_directory", "flow_from_dataframe", "fit"])
def test_the_familiar_arguments_in_the_familiar_order(name):
    familiar = parameters(getattr(KerasGenerator, name))
    assert parameters(getattr(ImageDataGenerator, name))[: len(familiar)] == familiar


@pytest.mark.parametrize("name", ["standardize", "get_random_transform", "apply_transform", "random_transform"])
def test_the_familiar_methods(name):
    assert parameters(getattr(ImageDataGenerator, name)) == parameters(getattr(KerasGenerator, name))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rescale": 1 / 255},
        {"samplewise_center": True, "samplewise_std_normalization": True},
        {"featurewise_center": True, "featurewise_std_normalization": True, "rescale": 0.1},
        {"featurewise_center": True, "zca_whitening": True, "rescale": 1 / 255, "zca_epsilon": 1e-3},
        {"samplewise_center": True, "featurewise_center": True, "preprocessing_function": np.sqrt},
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_standardization_is_that_of_keras(settings, dtype):
    # More images than values, so that whitening is well-conditioned.
    images = RANDOM.integers(0, 256, (200, 4, 3, 3)).astype(dtype)
    ours, theirs = (cls(**settings, dtype=dtype) for cls in (ImageDataGenerator, KerasGenerator))
    ours.fit(images)
    theirs.fit(images)
    for statistic in ("mean", "std", "zca_whitening_matrix"):
        one, other = getattr(ours, statistic), getattr(theirs, statistic)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
            assert one.dtype == dtype
    for image in images[:5]:
        expected = theirs.standardize(image.copy())
        np.testing.assert_allclose(ours.standardize(image.copy()), expected, rtol=2e-3, atol=2e-4)
    flowing = ours.flow(images, batch_size=5, shuffle=False)[0]
    np.testing.assert_allclose(
        flowing, [theirs.standardize(image.copy()) for image in images[:5]], rtol=2e-3, atol=2e-4
    )
    assert flowing.dtype == dtype


def test_a_batch_is_standardized_image_by_image():
    generator = ImageDataGenerator(samplewise_center=True, samplewise_std_normalization=True)
    together = generator.standardize(IMAGES.copy())
    np.testing.assert_allclose(together, [generator.standardize(image.copy()) for image in IMAGES], atol=1e-5)
    np.testing.assert_allclose(together.mean((1, 2, 3)), 0, atol=1e-5)


def test_standardize_works_in_place():
    images = IMAGES.copy()
    assert ImageDataGenerator(rescale=2.0).standardize(images) is images
    np.testing.assert_array_equal(images, 2 * IMAGES)
    whole = IMAGES.astype(np.uint8)
    np.testing.assert_allclose(ImageDataGenerator(rescale=0.5).standardize(whole), IMAGES / 2)
    np.testing.assert_array_equal(whole, IMAGES)


def test_statistics_may_be_set():
    generator = ImageDataGenerator(featurewise_center=True)
    generator.mean = np.array([1.0, 2.0, 3.0], np.float32).reshape(1, 1, 3)
    np.testing.assert_array_equal(generator.flow(IMAGES, shuffle=False)[0], IMAGES - [1, 2, 3])


def test_unknown_statistics_are_left_out_with_a_warning():
    generator = ImageDataGenerator(featurewise_center=True)
    with pytest.warns(UserWarning, match=r"featurewise_center=True.*Call fit\(images\) first"):
        np.testing.assert_array_equal(generator.standardize(IMAGES.copy()), IMAGES)


def test_fit_to_batches():
    settings = {"featurewise_center": True, "featurewise_std_normalization": True, "rescale": 0.5}
    whole = ImageDataGenerator(**settings)
    whole.fit(IMAGES)
    flow = ImageDataGenerator().flow(IMAGES, np.zeros(12), batch_size=5)
    for batches in (flow, tf.data.Dataset.from_tensor_slices(IMAGES).batch(5), [IMAGES[:7], IMAGES[7:]]):
        generator = ImageDataGenerator(**settings)
        generator.fit(batches)
        np.testing.assert_allclose(generator.mean, whole.mean, rtol=1e-5)
        np.testing.assert_allclose(generator.std, whole.std, rtol=1e-5)


def test_fit_to_augmented_images():
    halves = np.zeros((4, 8, 8, 1), np.uint8)
    halves[:, :4] = 200
    generator = ImageDataGenerator(featurewise_center=True, height_shift_range=[2], cval=100, fill_mode="constant")
    generator.fit(halves, augment=True, rounds=300, seed=1)
    # A quarter of the rows comes from outside; up and down are equally likely.
    np.testing.assert_allclose(generator.mean.item(), (100 + 100 + 50 + 50) / 4 + 25, atol=3)
    first = generator.mean
    generator.fit(halves, augment=True, rounds=300, seed=1)
    np.testing.assert_array_equal(generator.mean, first)


def test_fit_augments_batches_as_it_augments_them_together():
    generator, other = (ImageDataGenerator(featurewise_center=True, rotation_range=90) for _ in range(2))
    generator.fit(IMAGES, augment=True, seed=1)
    other.fit([IMAGES[:7], IMAGES[7:]], augment=True, seed=1)
    np.testing.assert_allclose(generator.mean, other.mean, rtol=1e-6)


@pytest.mark.parametrize(
    "images, message", [(IMAGES[0], "rank 4"), (IMAGES[:0], "at least one image"), ([], "at least one image")]
)
def test_fit_wants_images(images, message):
    with pytest.raises(ValueError, match=message):
        ImageDataGenerator(featurewise_center=True).fit(images)


def test_whitening_of_large_images():
    with pytest.raises(ValueError, match="up to 12,288 values"):
        ImageDataGenerator(zca_whitening=True, featurewise_center=True).fit(np.zeros((1, 96, 96, 3), np.uint8))


def test_from_keras():
    with pytest.warns(UserWarning, match="sets featurewise_center=True"):
        expected = ImageDataGenerator(zca_whitening=True)
    old = KerasGenerator(**EVERYTHING)
    old.fit(IMAGES)
    new = ImageDataGenerator.from_keras(old)
    for name, value in vars(old).items():
        np.testing.assert_array_equal(getattr(new, name.lstrip("_")), value, err_msg=name)
    np.testing.assert_allclose(new.standardize(IMAGES[0].copy()), old.standardize(IMAGES[0].copy()), atol=1e-5)
    old = KerasGenerator(zca_whitening=True, featurewise_center=True)
    old.fit(IMAGES)
    converted = ImageDataGenerator.from_keras(old)
    assert converted.zca_whitening_matrix is old.zca_whitening_matrix
    assert expected.featurewise_center
    again = ImageDataGenerator.from_keras(ImageDataGenerator(**EVERYTHING))
    assert (again.validation_split, again.zoom_range) == (0.25, [0.8, 1.3])


def test_from_something_else():
    with pytest.raises(TypeError, match="Received: Dense, which has no featurewise_center"):
        ImageDataGenerator.from_keras(keras.layers.Dense(1))


def test_draws_are_within_their_ranges():
    generator = ImageDataGenerator(**EVERYTHING)
    drawn = [generator.get_random_transform((9, 30, 3), seed) for seed in range(300)]
    assert {tuple(one) for one in drawn} == {tuple(KerasGenerator(**EVERYTHING).get_random_transform((9, 30, 3)))}
    columns = {name: np.array([one[name] for one in drawn]) for name in drawn[0]}
    for name, (low, high) in {
        "theta": (-20, 20), "shear": (-5, 5), "zx": (0.8, 1.3), "zy": (0.8, 1.3), "brightness": (0.5, 1.5),
        "channel_shift_intensity": (-9, 9),
    }.items():  # fmt: skip
        assert low <= columns[name].min() < low + 0.05 * (high - low), name
        assert high - 0.05 * (high - low) < columns[name].max() <= high, name
    assert set(columns["tx"]) == {-2, -1, 0, 1, 2}
    assert set(columns["ty"]) == {-2, -1, 1, 2}
    assert set(columns["flip_horizontal"]) == {False, True}
    assert generator.get_random_transform((9, 30, 3), 7) == drawn[7]


def test_nothing_is_drawn_without_settings():
    drawn = ImageDataGenerator().get_random_transform((9, 30, 3))
    assert drawn == {
        "theta": 0, "tx": 0, "ty": 0, "shear": 0, "zx": 1, "zy": 1, "flip_horizontal": False, "flip_vertical": False,
        "channel_shift_intensity": None, "brightness": None,
    }  # fmt: skip


def test_without_a_seed_every_draw_is_new():
    generator = ImageDataGenerator(rotation_range=90)
    assert generator.get_random_transform((9, 9, 3)) != generator.get_random_transform((9, 9, 3))


def test_what_is_drawn_can_be_applied():
    generator = ImageDataGenerator(**EVERYTHING)
    image = IMAGES[0]
    drawn = generator.get_random_transform(image.shape, seed=3)
    np.testing.assert_array_equal(generator.apply_transform(image, drawn), generator.random_transform(image, seed=3))


def test_each_parameter_does_what_it_says():
    generator, image = ImageDataGenerator(fill_mode="constant", cval=7.0), IMAGES[0][:, :8]
    apply = generator.apply_transform
    np.testing.assert_array_equal(apply(image, {}), image)
    np.testing.assert_array_equal(apply(image, {"flip_horizontal": True}), image[:, ::-1])
    np.testing.assert_array_equal(apply(image, {"flip_vertical": True}), image[::-1])
    np.testing.assert_array_equal(apply(image, {"tx": 2})[:-2], image[2:])
    np.testing.assert_array_equal(apply(image, {"tx": 2})[-2:], 7)
    np.testing.assert_array_equal(apply(image, {"ty": 3})[:, :-3], image[:, 3:])
    np.testing.assert_array_equal(apply(image[:8], {"theta": 90}), np.rot90(image[:8]))
    np.testing.assert_allclose(apply(image, {"brightness": 0.5}), image / 2)
    np.testing.assert_allclose(apply(image, {"brightness": 9.0}), np.minimum(image * 9, 255))
    np.testing.assert_allclose(apply(image, {"channel_shift_intensity": -20.0}), np.maximum(image - 20, 0))
    np.testing.assert_array_equal(apply(image, {"zx": 3})[3:6], image[1::3])


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32", "float64"])
def test_a_transformed_image_keeps_its_type(dtype):
    image = IMAGES[0].astype(dtype)
    changed = ImageDataGenerator().apply_transform(image, {"theta": 30})
    assert changed.dtype == dtype
    np.testing.assert_allclose(changed, ImageDataGenerator().apply_transform(IMAGES[0], {"theta": 30}), atol=0.51)


@pytest.mark.parametrize("low, high", [(0, 1), (-1, 1), (0, 255), (0, 60000)])
def test_brightness_knows_black_and_white(low, high):
    images = np.linspace(low, high, 96, dtype=np.float32).reshape(2, 4, 4, 3)
    generator = ImageDataGenerator(brightness_range=(0.5, 0.5), channel_shift_range=1e-9)
    darker = generator.flow(images, shuffle=False, seed=1)[0]
    np.testing.assert_allclose(darker, low + (images - low) / 2, rtol=1e-5, atol=1e-6 * high)
    generator = ImageDataGenerator(brightness_range=(9.0, 9.0))
    assert generator.flow(images)[0].max() == pytest.approx(high)


def test_a_width_shift_moves_columns():
    image = np.zeros((1, 20, 30, 1), np.uint8)
    image[0, 10, 15] = 255
    moved = ImageDataGenerator(width_shift_range=[4]).flow(image, seed=1)[0][0, ..., 0]
    row, column = np.unravel_index(moved.argmax(), moved.shape)
    assert (row, abs(column - 15)) == (10, 4)


def test_images_that_are_not_square_turn_about_their_centre():
    image = np.zeros((21, 31, 1), np.float32)
    image[10, 15] = 255
    for degrees in (30, 90, 180):
        turned = ImageDataGenerator(fill_mode="constant").apply_transform(image, {"theta": degrees})
        assert turned[10, 15] == pytest.approx(255, abs=1)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (
            {"rotaton_range": 3},
            TypeError,
            r"ImageDataGenerator\(\) has no argument 'rotaton_range'. Did you mean 'rotation",
        ),
        ({"validation_split": 1}, ValueError, "strictly between 0 and 1"),
        ({"validation_split": 1.5}, ValueError, "validation_split=1.5"),
        ({"validation_split": -0.1}, ValueError, "strictly between 0 and 1"),
        ({"validation_split": "0.2"}, ValueError, "validation_split='0.2'"),
        ({"rescale": "1/255"}, TypeError, "rescale must be a number. Received: rescale='1/255'"),
        ({"cval": "black"}, TypeError, "cval must be a number"),
        ({"preprocessing_function": "vgg"}, TypeError, "must be a function of an image. Received: .*'vgg'"),
        ({"brightness_range": 0.1}, ValueError, "brightness_range must be two numbers"),
        ({"zoom_range": (1.2, 0.8)}, ValueError, r"zoom_range must be .*Pass \(0.8, 1.2\)"),
        ({"zoom_range": "big"}, ValueError, "zoom_range must be"),
        ({"rotation_range": -3}, ValueError, "rotation_range must be"),
        ({"width_shift_range": "wide"}, ValueError, "width_shift_range must be"),
        ({"height_shift_range": []}, ValueError, "height_shift_range must be"),
        ({"fill_mode": "nearst"}, ValueError, "Did you mean 'nearest'"),
        ({"data_format": "channel_last"}, ValueError, "Did you mean 'channels_last'"),
        ({"interpolation_order": 3}, ValueError, "interpolation_order must be 0 .* or 1"),
    ],
)
def test_bad_settings(arguments, error, message):
    with pytest.raises(error, match=message):
        ImageDataGenerator(**arguments)


@pytest.mark.parametrize("split", [0, 0.0, None])
def test_a_split_of_zero_is_none(split):
    assert ImageDataGenerator(validation_split=split).flow(IMAGES, subset="training").n == 12


def test_settings_that_switch_others_on():
    with pytest.warns(UserWarning, match="samplewise_std_normalization=True sets samplewise_center=True"):
        assert ImageDataGenerator(samplewise_std_normalization=True).samplewise_center
    with pytest.warns(UserWarning, match="zca_whitening=True sets featurewise_std_normalization=False"):
        generator = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True, zca_whitening=True)
    assert not generator.featurewise_std_normalization


def test_settings_may_be_changed_later():
    generator = ImageDataGenerator()
    flow = generator.flow(IMAGES, shuffle=False)
    generator.rescale = 0.5
    np.testing.assert_array_equal(flow[0], IMAGES / 2)


class Turned(ImageDataGenerator):
    """What scripts override: here every image is turned by a right angle, and raised."""

    def get_random_transform(self, img_shape, seed=None):
        return {**super().get_random_transform(img_shape, seed), "theta": 90}

    def standardize(self, x):
        return super().standardize(x) + 1000


def test_what_a_subclass_overrides_is_called():
    generator = Turned(validation_split=0.25, rescale=0.5)
    training = generator.flow(IMAGES, subset="training", shuffle=False)[0]
    np.testing.assert_allclose(training, np.rot90(IMAGES[3:], axes=(1, 2)) / 2 + 1000, rtol=1e-6)
    validation = generator.flow(IMAGES, subset="validation", shuffle=False)[0]
    np.testing.assert_allclose(validation, IMAGES[:3] / 2 + 1000, rtol=1e-6)


def test_a_subclass_that_applies_gets_the_draws_of_the_seed():
    class Applied(ImageDataGenerator):
        def apply_transform(self, x, transform_parameters):
            return np.full_like(x, transform_parameters["theta"])

    generator = Applied(rotation_range=90)
    first, again = (generator.flow(IMAGES, seed=3, shuffle=False)[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first)) == len(IMAGES)
    assert abs(first).max() <= 90


def test_one_image_in_the_wrong_place():
    with pytest.raises(ValueError, match="x must be one image"):
        ImageDataGenerator().apply_transform(IMAGES, {})
    with pytest.raises(ValueError, match="Did you mean 'theta'"):
        ImageDataGenerator().apply_transform(IMAGES[0], {"thta": 3})
