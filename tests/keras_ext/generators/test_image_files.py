import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_ext.generators.image_files import ImageFiles

load_img, img_to_array = tf.keras.utils.load_img, tf.keras.utils.img_to_array


@pytest.fixture
def files(tmp_path):
    """One picture in many formats."""
    rows, columns = np.mgrid[:37, :53]
    pixels = np.stack([rows * 6, columns * 4, (rows * columns) % 256], -1).astype(np.uint8)
    image, paths = Image.fromarray(pixels), {}
    for name in ("a.jpg", "a.png", "a.bmp", "a.ppm", "a.tif", "a.webp", "a.gif"):
        image.save(tmp_path / name)
        paths[name] = str(tmp_path / name)
    image.convert("LA").save(tmp_path / "grey_alpha.png")
    image.convert("P").save(tmp_path / "palette.png")
    image.convert("CMYK").save(tmp_path / "cmyk.jpg")
    for name in ("grey_alpha.png", "palette.png", "cmyk.jpg"):
        paths[name] = str(tmp_path / name)
    return paths


@pytest.mark.parametrize("color_mode", ["rgb", "rgba", "grayscale"])
@pytest.mark.parametrize("interpolation", ["nearest", "lanczos"])
@pytest.mark.parametrize("keep_aspect_ratio", [False, True])
def test_every_format_is_read_as_keras_does(files, color_mode, interpolation, keep_aspect_ratio):
    reader = ImageFiles((20, 24), color_mode, interpolation, keep_aspect_ratio)
    images, read, problems = reader.read(list(files.values()))
    assert (read, problems) == (list(range(len(files))), {})
    assert images.dtype == np.uint8
    for name, image in zip(files, images, strict=True):
        options = {"interpolation": interpolation, "keep_aspect_ratio": keep_aspect_ratio}
        expected = img_to_array(load_img(files[name], color_mode=color_mode, target_size=(20, 24), **options))
        # TensorFlow rounds the luma of a JPEG where Pillow cuts it off.
        np.testing.assert_allclose(image, expected, atol=1 if color_mode == "grayscale" else 0, err_msg=name)


def test_a_batch_of_one_kind_is_decoded_as_one_program(files, monkeypatch):
    reader = ImageFiles((20, 24))
    monkeypatch.setattr(reader, "_read_one", None)
    images, _, _ = reader.read([files["a.png"], files["a.jpg"], files["a.bmp"]])
    np.testing.assert_array_equal(images[0], images[2])


def test_what_only_pillow_can_decode_is_remembered(tmp_path, files, monkeypatch):
    path = tmp_path / "tiff.jpg"
    path.write_bytes((tmp_path / "a.tif").read_bytes())
    reader = ImageFiles((20, 24))
    first = reader.read([files["a.png"], str(path)])
    np.testing.assert_array_equal(first.images[0], first.images[1])
    assert not reader._suits_tensorflow(str(path))
    assert reader._suits_tensorflow(files["a.png"])


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("a.png", b"", "empty file"),
        ("a.tif", b"not an image", "not an image"),
        ("a.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", "not an image"),
        ("a.jpg", None, "no such file"),
        ("folder.png", "folder", "vanished while reading"),
    ],
)
def test_what_cannot_be_read_is_left_out(tmp_path, files, name, content, reason):
    path = tmp_path / "bad" / name
    path.parent.mkdir()
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    images, read, problems = ImageFiles((20, 24)).read([files["a.png"], str(path), files["a.tif"]])
    assert read == [0, 2]
    np.testing.assert_array_equal(images[0], images[1])
    assert reason in problems[1]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_a_truncated_file_is_left_out(files, name):
    with open(files[name], "rb") as file:
        data = file.read()
    with open(files[name], "wb") as file:
        file.write(data[: len(data) // 2])
    assert list(ImageFiles((20, 24)).read([files[name], files["a.bmp"]]).problems) == [0]


def test_sixteen_bits(tmp_path):
    values = np.array([[0, 256, 65535], [512, 1024, 2048]], np.uint16)
    for name in ("deep.png", "deep.tif"):
        Image.fromarray(values).save(tmp_path / name)
    paths = [str(tmp_path / "deep.png"), str(tmp_path / "deep.tif")]
    grey = ImageFiles((2, 3), "grayscale").read(paths).images
    assert grey.dtype == np.float32
    np.testing.assert_array_equal(grey[..., 0], [values, values])
    rgb = ImageFiles((2, 3), "rgb").read(paths).images
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb[..., 1], [values // 256] * 2)


@pytest.mark.parametrize("size", [(1, 400), (400, 1)])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_an_image_that_would_be_cropped_to_nothing(tmp_path, size, interpolation):
    path = tmp_path / "thin.png"
    line = np.arange(400).astype(np.uint8).reshape(size[::-1])
    Image.fromarray(line).convert("RGB").save(path)
    target = (2, 80) if size[0] == 1 else (80, 2)
    images = ImageFiles(target, interpolation=interpolation, keep_aspect_ratio=True).read([str(path)]).images
    assert images.shape == (1, *target, 3)
    assert (images == 199).all()  # the pixel in the centre


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"target_size": (0, 10)}, "target_size must be two positive integers"),
        ({"target_size": 10}, r"Received: target_size=10"),
        ({"target_size": (10, 10), "color_mode": "RGB"}, "Did you mean 'rgb'"),
        ({"target_size": (10, 10), "color_mode": "cmyk"}, "color_mode must be one of"),
        ({"target_size": (10, 10), "interpolation": "lanczos3"}, "Did you mean 'lanczos'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ImageFiles(**arguments)


def test_no_files():
    assert ImageFiles((4, 5), "rgba").read([]).images.shape == (0, 4, 5, 4)
