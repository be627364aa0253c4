import tracemalloc

import numpy as np
import pytest

from keras_ext.image_statistics import ImageStatistics, check_whitening

IMAGES = np.random.default_rng(1).normal(1e6, 3.0, (200, 4, 3, 2)) * [1.0, 2.0] + [0.0, 1e6]


def statistics_of(*batches: np.ndarray, **arguments) -> ImageStatistics:
    statistics = ImageStatistics(**arguments)
    for batch in batches:
        statistics.update(batch)
    return statistics


@pytest.mark.parametrize("cuts", [[], [1], [0, 7, 7, 199, 200], list(range(1, 200))])
def test_batches_merge_to_what_numpy_says_of_all(cuts):
    statistics = statistics_of(*np.split(IMAGES, cuts))
    assert statistics.count == 200
    np.testing.assert_allclose(statistics.mean, IMAGES.mean(axis=(0, 1, 2)), rtol=1e-13)
    # E[x²] - E[x]² has no correct digit here beyond the third: the mean is a million, the deviation three.
    np.testing.assert_allclose(statistics.variance, IMAGES.var(axis=(0, 1, 2)), rtol=1e-9)


def test_channels_first():
    statistics = statistics_of(np.moveaxis(IMAGES, -1, 1), channel_axis=-3)
    np.testing.assert_allclose(statistics.mean, IMAGES.mean(axis=(0, 1, 2)))


@pytest.mark.parametrize("cuts", [[], [1, 120], list(range(1, 200))])
@pytest.mark.parametrize("channel_axis", [-1, -3])
def test_whitening_is_that_of_the_singular_vectors(cuts, channel_axis):
    images = (IMAGES - 1e6) @ np.array([[1.0, 0.5], [0.0, 1.0]]) + np.arange(6).reshape(3, 2)
    centred = (images - images.mean(axis=(0, 1, 2))).reshape(200, -1)
    if channel_axis == -3:
        images = np.moveaxis(images, -1, 1)
        centred = (images - images.mean(axis=(0, 2, 3), keepdims=True)).reshape(200, -1)
    matrix = statistics_of(*np.split(images, cuts), channel_axis=channel_axis, whitening=True).zca_whitening_matrix(0.1)
    u, s, _ = np.linalg.svd(centred.T, full_matrices=False)
    np.testing.assert_allclose(matrix, (u * (np.sqrt(200) / (s + 0.1))) @ u.T, rtol=1e-8, atol=1e-10)


def test_whitened_images_have_the_second_moments_of_the_identity():
    images = np.random.default_rng(2).normal(size=(500, 3, 2, 2)).cumsum(axis=1)
    statistics = statistics_of(images, whitening=True)
    white = (images - statistics.mean).reshape(500, -1) @ statistics.zca_whitening_matrix(0.0)
    np.testing.assert_allclose(white.T @ white / 500, np.eye(12), atol=1e-10)


def test_a_matrix_of_several_blocks():
    images = np.random.default_rng(3).normal(size=(30, 29, 13, 3))  # 1,131 values
    statistics = statistics_of(images[:11], images[11:], whitening=True)
    rows = images.reshape(30, -1) - images.mean(axis=0).ravel()
    np.testing.assert_allclose(statistics._products, rows.T @ rows, atol=1e-10)


def test_directions_without_variance_are_dropped():
    images = np.random.default_rng(4).normal(size=(300, 2, 2, 3))
    images[..., 1] = images[..., 0]  # half of what two channels say is nothing
    statistics = statistics_of(images, whitening=True)
    matrix = statistics.zca_whitening_matrix(1e-6)
    assert np.abs(matrix).max() < 10  # kept, they would give √300 / 1e-6
    assert np.linalg.matrix_rank(matrix) == 8
    white = (images - statistics.mean).reshape(300, -1) @ matrix
    np.testing.assert_allclose(np.sort(np.linalg.eigvalsh(white.T @ white / 300)), [0] * 4 + [1] * 8, atol=1e-6)


def test_fewer_images_than_values():
    images = np.random.default_rng(5).normal(size=(5, 4, 4, 1))
    matrix = statistics_of(images, whitening=True).zca_whitening_matrix(1e-6)
    assert np.linalg.matrix_rank(matrix) == 5
    assert np.abs(matrix).max() < 10


def test_identical_images_give_zeros_not_nan():
    assert not statistics_of(np.full((4, 2, 2, 1), 7.0), whitening=True).zca_whitening_matrix(1e-6).any()


def test_memory_stays_flat():
    batch = np.random.default_rng(6).normal(size=(16, 32, 32, 3))

    def peak(batches: int) -> int:
        tracemalloc.start()
        statistics_of(*[batch] * batches)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(50) < 1.1 * peak(2)


def test_images_that_do_not_fit_each_other():
    with pytest.raises(ValueError, match="same number of channels. Received: 2, then 3"):
        statistics_of(np.zeros((1, 4, 4, 2)), np.zeros((1, 4, 4, 3)))
    with pytest.raises(ValueError, match=r"images of one shape. Received: \(4, 4, 2\), then \(4, 5, 2\)"):
        statistics_of(np.zeros((1, 4, 4, 2)), np.zeros((1, 4, 5, 2)), whitening=True)
    assert statistics_of(np.zeros((1, 4, 4, 2)), np.ones((1, 4, 4, 2)), np.zeros((1, 9, 5, 2))).count == 3


def test_whitening_of_large_images_is_refused_before_any_work():
    assert check_whitening((64, 64, 3)) == 12_288
    with pytest.raises(ValueError, match=r"up to 12,288 values.*150,528.*181.3 GB"):
        statistics_of(np.zeros((1, 224, 224, 3)), whitening=True)
    with pytest.raises(ValueError, match="known size"):
        check_whitening((None, 4, 3))
