import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_ext.plots import image_grid

pytest.importorskip("matplotlib")


def shown(figure) -> list[np.ndarray]:
    """What the figure shows, black as 0 and white as 1."""
    return [np.asarray(axes.get_images()[0].get_array()) for axes in figure.axes if axes.get_images()]


RAMP = np.linspace(0, 1, 12).reshape(2, 2, 3)


@pytest.mark.parametrize(
    "images",
    [
        (RAMP * 255).round().astype(np.uint8),
        (RAMP * 255).round().astype(np.int64),
        RAMP,
        RAMP * 2 - 1,
        RAMP * 255,
        RAMP * 1000 - 300,
        (RAMP * 255).astype(np.float16),
        tf.constant(RAMP * 255, tf.float32),
    ],
)
def test_value_range_is_inferred(images):
    np.testing.assert_allclose(shown(image_grid([images]))[0], RAMP, atol=3e-3)


def test_value_range_belongs_to_all_images_together():
    dark, bright = shown(image_grid(np.stack([RAMP, RAMP * 255])))
    np.testing.assert_allclose(dark, RAMP / 255)
    np.testing.assert_allclose(bright, RAMP)


def test_given_value_range_cuts():
    [image] = shown(image_grid([RAMP * 8], value_range=(2, 6)))
    np.testing.assert_allclose(image, np.clip((RAMP * 8 - 2) / 4, 0, 1))


@pytest.mark.parametrize("image", [RAMP[..., 0], RAMP[..., :1]])
def test_grey_images_are_grey(image):
    figure = image_grid([image])
    [picture] = figure.axes[0].get_images()
    np.testing.assert_allclose(picture.get_array(), RAMP[..., 0])
    assert (picture.get_cmap().name, picture.get_clim()) == ("gray", (0, 1))


def test_images_of_different_sizes_and_channels():
    images = [np.zeros((4, 6, 3), np.uint8), np.zeros((9, 2), np.uint8), np.zeros((3, 3, 4), np.uint8)]
    assert [image.shape for image in shown(image_grid(images))] == [(4, 6, 3), (9, 2), (3, 3, 4)]


@pytest.mark.parametrize(
    "number, columns, grid", [(5, None, (2, 3)), (4, None, (2, 2)), (5, 2, (3, 2)), (1, None, (1, 1))]
)
def test_rows_and_columns(number, columns, grid):
    figure = image_grid(np.zeros((number, 2, 2, 3)), columns=columns)
    assert figure.axes[0].get_gridspec().get_geometry() == grid
    assert len(shown(figure)) == number
    assert not any(axes.axison for axes in figure.axes)


def test_titles_and_file(tmp_path):
    titles = ["cats", "", "a class with a name that is far too long for one line"]
    figure = image_grid(np.zeros((3, 9, 9, 3), np.uint8), titles, path=str(tmp_path / "grid.png"))
    assert [axes.get_title().replace("\n", " ") for axes in figure.axes][:3] == titles
    assert max(len(line) for line in figure.axes[2].get_title().split("\n")) <= 22
    with Image.open(tmp_path / "grid.png") as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("L"))
    # Nothing is cut: the titles end before the border.
    assert pixels[0].min() == pixels[:, 0].min() == pixels[:, -1].min() == 255
    assert pixels.min() == 0


def test_flat_image_of_unknown_range():
    assert shown(image_grid([np.full((2, 2, 3), 300.0)]))[0].max() <= 1


@pytest.mark.parametrize(
    "images, options, message",
    [
        ([], {}, "at least one. Received: none"),
        ([np.zeros((3, 8, 8))], {}, r"Received: an image of shape \(3, 8, 8\). Channels come last"),
        (np.zeros((2, 2)), {}, r"Received: an image of shape \(2,\)"),
        ([RAMP], {"titles": ["a", "b"]}, "2 titles for 1 images"),
        ([RAMP], {"value_range": (1, 0)}, r"Received: value_range=\(1, 0\)"),
        ([RAMP], {"value_range": (1, 1)}, r"Received: value_range=\(1, 1\)"),
    ],
)
def test_wrong_input_is_named(images, options, message):
    with pytest.raises(ValueError, match=message):
        image_grid(images, **options)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-ext\[plots\]'"):
        image_grid([RAMP])


def test_neither_pyplot_nor_tensorflow_is_loaded():
    code = (
        "import sys, numpy; from keras_ext.plots import image_grid; image_grid(numpy.zeros((1, 2, 2, 3)));"
        "print(sorted({'matplotlib.pyplot', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
