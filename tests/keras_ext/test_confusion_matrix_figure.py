import numpy as np
import pytest

from keras_ext.confusion_matrix_figure import confusion_matrix_figure, figure_pixels

pytest.importorskip("matplotlib")

MATRIX = np.array([[8.0, 0, 0], [3, 1, 12345], [0, 0, 0]])
NAMES = ["cat", "US$ and $ and a name that never ends", "größe"]


def names_of(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_cells_are_shares_of_the_true_class_and_show_the_counts():
    axes = confusion_matrix_figure(MATRIX, NAMES).axes[0]
    shares = [[1, 0, 0], [3 / 12349, 1 / 12349, 12345 / 12349], [0, 0, 0]]
    np.testing.assert_allclose(axes.images[0].get_array(), shares)
    assert axes.images[0].get_clim() == (0, 1)
    shown = {(text.get_position(), text.get_text(), text.get_color()) for text in axes.texts}
    black, white = (
        {((0, 1), "3", "black"), ((1, 1), "1", "black")},
        {((0, 0), "8", "white"), ((2, 1), "12.3k", "white")},
    )
    assert shown == black | white  # (column, row)


def test_both_axes_have_the_names():
    axes = confusion_matrix_figure(MATRIX, NAMES).axes[0]
    expected = ["cat", r"US\$ and \$ and a name th…", "größe"]
    assert names_of(axes.xaxis) == names_of(axes.yaxis) == expected
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")


@pytest.mark.parametrize("classes, numbered, named", [(25, True, True), (26, False, True), (81, False, False)])
def test_of_many_classes_less_is_written(classes, numbered, named):
    names = [f"class {number}" for number in range(classes)]
    figure = confusion_matrix_figure(np.eye(classes), names)
    axes = figure.axes[0]
    assert (len(axes.texts) == classes) == numbered
    assert (names_of(axes.xaxis) == names) == named
    assert max(figure.get_size_inches()) <= 14


@pytest.mark.parametrize(
    "count, text", [(0.25, "0.25"), (999, "999"), (9999, "9999"), (10_000, "10k"), (1_250_000, "1.25M"), (3e9, "3G")]
)
def test_counts_fit_their_cells(count, text):
    [shown] = confusion_matrix_figure(np.array([[count, 0], [0, 0]]), ["a", "b"]).axes[0].texts
    assert shown.get_text() == text


def test_pixels_are_those_of_the_figure():
    figure = confusion_matrix_figure(np.eye(3), ["a", "b", "c"])
    pixels = figure_pixels(figure)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (*(figure.get_size_inches()[::-1] * figure.dpi).astype(int), 3)
    assert (pixels[0, 0] == 255).all()
