import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext import affine

UNCHANGED = {
    **dict.fromkeys(("rotation", "shear", "height_shift", "width_shift"), 0.0),
    **dict.fromkeys(("height_zoom", "width_zoom"), 1.0),
    **dict.fromkeys(("horizontal_flip", "vertical_flip"), False),
}


def matrix(**parameters) -> np.ndarray:
    batch = {name: np.array([value]) for name, value in {**UNCHANGED, **parameters}.items()}
    return affine.affine_matrices(batch)[0]


def square(matrices: np.ndarray) -> np.ndarray:
    """3x3 matrices, whose product is NumPy's."""
    last_row = np.broadcast_to([0.0, 0.0, 1.0], (len(matrices), 1, 3))
    return np.concatenate([matrices, last_row], axis=1)


parameters = st.fixed_dictionaries(
    {
        **dict.fromkeys(("rotation", "height_shift", "width_shift"), st.floats(-400, 400)),
        **dict.fromkeys(("height_zoom", "width_zoom"), st.floats(0.2, 5)),
        **dict.fromkeys(("horizontal_flip", "vertical_flip"), st.booleans()),
        "shear": st.floats(-60, 60),
    }
)


@given(parameters)
def test_is_the_product_that_image_data_generator_forms(drawn):
    # Keras forms it over (x, y); since 2.9 it takes tx for the shift of the rows all the same, which is not repeated.
    theta, shear = np.deg2rad([drawn["rotation"], drawn["shear"]])
    rotation = [[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]]
    shift = [[1, 0, drawn["width_shift"]], [0, 1, drawn["height_shift"]], [0, 0, 1]]
    shearing = [[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]]
    zoom = np.diag([drawn["width_zoom"], drawn["height_zoom"], 1])
    flip = np.diag([-1.0 if drawn["horizontal_flip"] else 1.0, -1.0 if drawn["vertical_flip"] else 1.0, 1.0])
    product = np.linalg.multi_dot([rotation, shift, shearing, zoom, flip])
    swap = np.eye(3)[[1, 0, 2]]
    np.testing.assert_allclose(matrix(**drawn), (swap @ product @ swap)[:2], atol=1e-9)


@pytest.mark.parametrize("turns", range(-9, 10))
def test_quarter_turns_are_exact(turns):
    exact = {0: [[1, 0], [0, 1]], 1: [[0, 1], [-1, 0]], 2: [[-1, 0], [0, -1]], 3: [[0, -1], [1, 0]]}[turns % 4]
    assert matrix(rotation=90.0 * turns)[:, :2].tolist() == exact


@given(parameters, parameters)
def test_composition_is_the_product_of_the_matrices(first, second):
    outer, inner = matrix(**first)[np.newaxis], matrix(**second)[np.newaxis]
    np.testing.assert_allclose(square(affine.compose(outer, inner)), square(outer) @ square(inner), atol=1e-9)


@given(parameters)
def test_inverse_undoes(drawn):
    forward = matrix(**drawn)[np.newaxis]
    unchanged = matrix()[np.newaxis]
    np.testing.assert_allclose(affine.compose(affine.invert(forward), forward), unchanged, atol=1e-6)
    np.testing.assert_allclose(affine.compose(forward, affine.invert(forward)), unchanged, atol=1e-6)


@given(parameters, st.tuples(*[st.integers(1, 40)] * 4))
def test_positions_are_the_matrix_about_the_centres(drawn, sizes):
    input_size, output_size = np.array(sizes[:2], float), np.array(sizes[2:], float)
    matrices = matrix(**drawn)[np.newaxis]
    parts = affine.positions(matrices, input_size, output_size)
    pixels = np.moveaxis(np.mgrid[: sizes[2], : sizes[3]], 0, -1) - (output_size - 1) / 2
    expected = pixels @ matrices[0, :, :2].T + matrices[0, :, 2] + (input_size - 1) / 2
    for axis in range(2):
        by_row, by_column = parts[axis]
        np.testing.assert_allclose(by_row[0, :, None] + by_column[0, None], expected[..., axis], atol=1e-9)


def test_resize_looks_up_half_pixel_centres():
    matrices = affine.from_size(matrix()[np.newaxis], (4.0, 6.0), (8.0, 2.0))
    (rows, _), (_, columns) = affine.positions(matrices, (4.0, 6.0), (8.0, 2.0))
    np.testing.assert_allclose(rows[0], (np.arange(8) + 0.5) / 2 - 0.5)
    np.testing.assert_allclose(columns[0] + 2.5, (np.arange(2) + 0.5) * 3 - 0.5)
