import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from keras_ext import affine
from keras_ext.layers.warp import FILL_MODES, INTERPOLATIONS, Color, Sampling, _floor_mod, warp

all_fill_modes = pytest.mark.parametrize("fill_mode", FILL_MODES)
all_interpolations = pytest.mark.parametrize("interpolation", INTERPOLATIONS)
NO_COLOR = Color((0.0, 255.0))
UNCHANGED = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
# Closer than this to where a lookup by nearest neighbour, or a border, flips over, either side is right.
TIE = 2e-4


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def random_matrices(batch: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    drawn = {
        "rotation": rng.uniform(-180, 180, batch),
        "shear": rng.uniform(-40, 40, batch),
        "height_shift": rng.uniform(-60, 60, batch),
        "width_shift": rng.uniform(-60, 60, batch),
        "height_zoom": rng.uniform(0.4, 3, batch),
        "width_zoom": rng.uniform(0.4, 3, batch),
        "horizontal_flip": rng.random(batch) < 0.5,
        "vertical_flip": rng.random(batch) < 0.5,
    }
    return affine.affine_matrices(drawn).astype(np.float32).astype(float)


def ours(
    images, matrices, size=None, interpolation="bilinear", fill_mode="nearest", cval=99.0, **options
) -> np.ndarray:
    color, dtype = options.get("color", NO_COLOR), options.get("dtype", "float32")
    sampling = Sampling(interpolation, fill_mode, cval)
    return warp(tf.constant(images), tf.constant(matrices, tf.float32), size, sampling, color, dtype).numpy()


def scipys(images: np.ndarray, matrices: np.ndarray, order: int, fill_mode: str) -> np.ndarray:
    result = np.empty(images.shape)
    centre = (np.array(images.shape[1:3]) - 1) / 2
    for image, (linear, shift), out in zip(images, [(m[:, :2], m[:, 2]) for m in matrices], result, strict=True):
        offset = centre + shift - linear @ centre
        for channel in range(image.shape[-1]):
            plane = image[..., channel].astype(float)
            out[..., channel] = ndimage.affine_transform(plane, linear, offset, order=order, mode=fill_mode, cval=99.0)
    return result


def near_a_tie(shape: tuple[int, ...], matrices: np.ndarray, interpolation: str, fill_mode: str) -> np.ndarray:
    """Which output pixels lie on a jump of what SciPy computes."""
    size = np.array(shape[1:3], float)
    close = np.zeros(shape[:3], bool)
    for (by_row, by_column), n in zip(affine.positions(matrices, size, size), size, strict=True):
        position = by_row[:, :, None] + by_column[:, None, :]
        if fill_mode in ("constant", "wrap"):
            period = max(n - 1, 1) if fill_mode == "wrap" else np.inf
            for edge in (0, n - 1):
                away = np.abs(position - edge)
                close |= np.minimum(away % period, period - away % period if period < np.inf else np.inf) < TIE
            position = position % period if period < np.inf else position
        if interpolation == "nearest":
            close |= np.abs(position % 1 - 0.5) < TIE
    return close


@pytest.mark.parametrize(
    "shape", [(6, 64, 64, 3), (6, 61, 97, 1), (3, 224, 160, 3), (4, 1, 5, 2), (4, 1, 1, 1), (4, 2, 3, 4)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@all_interpolations
@all_fill_modes
def test_equals_scipy(shape, dtype, interpolation, fill_mode):
    images, matrices = noise(*shape).astype(dtype), random_matrices(shape[0])
    result = ours(images, matrices, interpolation=interpolation, fill_mode=fill_mode)
    expected = scipys(images, matrices, INTERPOLATIONS.index(interpolation), fill_mode)
    compared = ~near_a_tie(shape, matrices, interpolation, fill_mode)
    assert compared.mean() > 0.9 or shape[2] < 6
    tolerance = 0.05 if interpolation == "bilinear" else 0.0
    assert np.abs(result - expected)[compared].max(initial=0.0) <= tolerance


@pytest.mark.parametrize("shift", [-25, -12, -6, -5, -1, 1, 5, 6, 12, 25])
@all_interpolations
@all_fill_modes
def test_whole_pixels_equal_scipy_without_any_exception(shift, interpolation, fill_mode):
    images = noise(1, 6, 7, 1)
    matrices = UNCHANGED[np.newaxis] + np.array([[[0, 0, shift], [0, 0, -shift]]])
    expected = scipys(images, matrices, 1, fill_mode)
    np.testing.assert_array_equal(ours(images, matrices, interpolation=interpolation, fill_mode=fill_mode), expected)


EXACT = {
    "identity": ([[1, 0, 0], [0, 1, 0]], lambda x: x),
    "horizontal flip": ([[1, 0, 0], [0, -1, 0]], lambda x: x[:, :, ::-1]),
    "vertical flip": ([[-1, 0, 0], [0, 1, 0]], lambda x: x[:, ::-1]),
    "quarter turn": ([[0, 1, 0], [-1, 0, 0]], lambda x: np.rot90(x, 1, (1, 2))),
    "half turn": ([[-1, 0, 0], [0, -1, 0]], lambda x: np.rot90(x, 2, (1, 2))),
    "three quarters": ([[0, -1, 0], [1, 0, 0]], lambda x: np.rot90(x, 3, (1, 2))),
}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("side", [1, 2, 31, 64])
@pytest.mark.parametrize("name", EXACT)
@all_interpolations
@all_fill_modes
def test_flips_and_quarter_turns_are_exact(name, side, dtype, interpolation, fill_mode):
    matrix, change = EXACT[name]
    images = noise(2, side, side, 3).astype(dtype)
    # Over eleven orders of magnitude, so that every rounding shows.
    images = images if dtype == np.uint8 else np.exp(images / np.float32(10))
    result = ours(images, [matrix] * 2, interpolation=interpolation, fill_mode=fill_mode)
    np.testing.assert_array_equal(result, change(images))


@all_interpolations
@all_fill_modes
@pytest.mark.parametrize("size", [(8, 8), (20, 50), (3, 31), (13, 21), (1, 1)])
def test_size_alone_is_tensorflows_resize(size, interpolation, fill_mode):
    images = noise(2, 13, 21, 3)
    expected = tf.image.resize(images, size, interpolation).numpy()
    result = ours(images, [UNCHANGED] * 2, size, interpolation=interpolation, fill_mode=fill_mode)
    if interpolation == "nearest":  # ties, which an exact half makes, go up here and in TensorFlow as rounding has it
        assert (result == expected).mean() > 0.9
    else:
        np.testing.assert_allclose(result, expected, atol=0.02)


@all_fill_modes
def test_size_and_warp_in_one_follow_the_resized_image(fill_mode):
    # Smooth, so that one interpolation and two differ little; fill modes must act at the same places.
    rows, columns = np.mgrid[:40, :60] / 7
    images = (100 + 50 * np.sin(rows) + 50 * np.cos(columns)).astype(np.float32)[np.newaxis, :, :, np.newaxis]
    matrices = random_matrices(1, seed=4) * [[[1, 1, 0.2], [1, 1, 0.2]]]
    resized = tf.image.resize(images, (80, 90)).numpy()
    expected = ours(resized, matrices, fill_mode=fill_mode)
    difference = np.abs(ours(images, matrices, (80, 90), fill_mode=fill_mode) - expected)
    assert np.mean(difference > 2) < 0.01
    assert np.median(difference) < 0.3


def test_warp_of_a_warp_is_the_warp_of_the_product():
    rows, columns = np.mgrid[:64, :64] - 31.5
    hill = (255 * np.exp(-((rows - 4) ** 2 + columns**2 / 3) / 100)).astype(np.float32)[np.newaxis, :, :, np.newaxis]
    first = np.array([[[1.1, 0.3, 2.5], [-0.4, 1.2, -3.5]]])
    second = np.array([[[0.7, -0.5, -1.0], [0.6, 1.0, 4.5]]])
    twice = ours(ours(hill, first), second)
    assert np.abs(twice - ours(hill, affine.compose(first, second))).max() < 5
    assert np.abs(twice - ours(hill, affine.compose(second, first))).max() > 20


@all_interpolations
@all_fill_modes
def test_each_image_of_a_batch_is_warped_by_itself(interpolation, fill_mode):
    images, matrices = noise(5, 12, 9, 3), random_matrices(5)
    together = ours(images, matrices, interpolation=interpolation, fill_mode=fill_mode)
    for i in range(5):
        alone = ours(images[i : i + 1], matrices[i : i + 1], interpolation=interpolation, fill_mode=fill_mode)
        np.testing.assert_array_equal(alone[0], together[i])


def test_an_infinite_pixel_stays_in_its_image():
    images = np.zeros((2, 4, 4, 1), np.float32)
    images[1, 0] = np.inf
    assert np.isfinite(ours(images, random_matrices(2))[0]).all()


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool", "float32"])
def test_nearest_keeps_every_value_of_a_mask(dtype):
    masks = noise(2, 8, 9, 1).astype(dtype)
    result = ours(masks, [EXACT["half turn"][0]] * 2, interpolation="nearest", dtype=dtype)
    assert result.dtype == masks.dtype
    np.testing.assert_array_equal(result, np.rot90(masks, 2, (1, 2)))


def test_color_is_shift_clip_factor_clip():
    images = noise(3, 6, 5, 3)
    color = Color((0.0, 255.0), tf.constant([0.5, 1.0, 2.0]), tf.constant([-30.0, 30.0, 0.0]))
    shifted = (images + np.array([-30.0, 30.0, 0.0]).reshape(3, 1, 1, 1)).clip(0, 255)
    expected = (shifted * np.array([0.5, 1.0, 2.0]).reshape(3, 1, 1, 1)).clip(0, 255)
    np.testing.assert_allclose(ours(images, [UNCHANGED] * 3, color=color), expected, atol=1e-4)


def test_brightness_counts_from_the_low_end():
    images = np.array([-1.0, 0.0, 1.0], np.float32).reshape(1, 1, 3, 1)
    color = Color((-1.0, 1.0), tf.constant([0.5]), None)
    assert ours(images, [UNCHANGED], color=color)[0, 0, :, 0].tolist() == [-1.0, -0.5, 0.0]


@all_fill_modes
def test_positions_far_outside_do_not_overflow(fill_mode):
    images = np.full((1, 40, 50, 1), 7, np.uint8)
    matrices = np.array([[[900.0, 0.0, 1e6], [800.0, -900.0, -1e6]]])
    expected = 99.0 if fill_mode == "constant" else 7.0
    np.testing.assert_array_equal(ours(images, matrices, fill_mode=fill_mode), np.full((1, 40, 50, 1), expected))


def test_constant_fill_does_not_show_when_images_are_only_resized():
    images = np.full((1, 17, 29, 1), 7, np.uint8)
    for size in ((3, 57), (10, 50), (17, 29), (40, 20)):  # the first two end a rounding error off the edge
        np.testing.assert_array_equal(ours(images, [UNCHANGED], size, fill_mode="constant"), np.full((1, *size, 1), 7))


def test_remainder_is_exact_though_its_quotient_is_not():
    periods = np.array([1, 3, 65536, 2**23, 223 << 16, 8191 << 17])
    values = np.concatenate(
        [[-(2**31) + 2**20, 2**31 - 2**20], *(k * periods + d for k in (-3, -1, 0, 1) for d in (-1, 0, 1))]
    )
    values = values[np.abs(values) < 2**31]
    for period in periods[2:]:
        rest = _floor_mod(tf.constant(values, tf.int32), tf.constant(period, tf.int32))
        np.testing.assert_array_equal(rest, values % period)


def test_empty_batch():
    assert ours(noise(0, 6, 5, 3), np.zeros((0, 2, 3))).shape == (0, 6, 5, 3)
    assert ours(noise(0, 6, 5, 3), np.zeros((0, 2, 3)), (3, 4)).shape == (0, 3, 4, 3)


def test_too_large_an_image():
    with pytest.raises(ValueError, match="Images may have 8192 pixels a side"):
        ours(noise(1, 1, 8193, 1), [UNCHANGED])


@pytest.mark.parametrize("known", [(None, None, None, 3), (None, 12, None, 3), (4, 12, 9, 3)])
def test_sizes_that_are_not_known_until_the_graph_runs(known):
    images, matrices = noise(4, 12, 9, 3), tf.constant(random_matrices(4), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec(known, tf.uint8)])
    def in_a_graph(images):
        result = warp(images, matrices, None, Sampling("bilinear", "reflect", 0.0), NO_COLOR, "float32")
        assert result.shape.as_list() == list(known)
        return result

    np.testing.assert_array_equal(in_a_graph(images), ours(images, matrices, fill_mode="reflect"))
