"""Image files to images of one size."""

import functools
import numbers
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_ext.choices import check_choice
from keras_ext.layers.bmp_palette import with_bmp_palette
from keras_ext.layers.exif_orientation import exif_orientation, may_have_exif, upright
from keras_ext.layers.functional_if import functional_if

_CHANNELS = {"rgb": 3, "grayscale": 1, "rgba": 4}
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic")
_MEANS = ("bilinear", "area")
_PARALLEL_IMAGES = 16


@keras.saving.register_keras_serializable(package="keras_ext")
class DecodeImage(keras.layers.Layer):
    """Decodes image files and resizes them to one size.

    Reads JPEG, PNG, the first frame of GIF, and BMP of 8, 24 or 32 bits without compression. It holds no state and is
    one graph: the same layer works eagerly, in `tf.data`, in a TensorFlow Transform `preprocessing_fn` and in an
    exported model. It needs the TensorFlow backend. JPEGs are decoded exactly as Pillow does; of 16 bits the upper 8
    are kept.

    In `tf.data` batches of files cost less than single ones.

    Args:
      height: Height of the output in pixels.
      width: Width of the output in pixels.
      color_mode: `"rgb"`, `"grayscale"` (luma of Rec. 601) or `"rgba"` (alpha 255 where the file has none). Otherwise
        alpha is dropped, as everywhere in Keras.
      interpolation: A method of `tf.image.resize`. `"area"` shrinks big photos without aliasing at a sixth of the cost
        of `antialias=True`.
      crop_to_aspect_ratio: Whether to cut away what does not fit the output's aspect ratio, from the centre, instead of
        stretching.
      pad_to_aspect_ratio: Whether to pad to the output's aspect ratio, the image in the centre, instead of stretching.
      fill_value: The padding's value, 0 to 255.
      antialias: Whether to filter before shrinking; costs about ten times as much as plain bilinear resizing.
      exif_orientation: Whether to turn JPEGs upright as their EXIF orientation says, before anything else. Cameras and
        phones note there how they were held; `keras.utils.load_img` and `tf.io` show such photos lying. Read from JPEG
        alone: where EXIF is missing or broken, the image stays as it is stored.

    Input shape:
      `(batch,)` or `()`, strings: the bytes of image files.

    Output shape:
      `(batch, height, width, channels)` or `(height, width, channels)`, uint8 in [0, 255].

    Raises:
      ValueError: A size that is not a positive integer; an unknown colour mode or interpolation; crop and pad together.

    Example:

    >>> decode = DecodeImage(224, 224)
    >>> files = tf.data.Dataset.list_files("images/*/*.jpg").batch(32)
    >>> images = files.map(lambda paths: decode(keras_ext.datasets.read_files(paths)))
    """

    def __init__(  # noqa: PLR0913 - the arguments of keras.layers.Resizing
        self,
        height: int,
        width: int,
        color_mode: str = "rgb",
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_value: int = 0,
        antialias: bool = False,
        exif_orientation: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError(
                "crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other. Received: both True. Pass one."
            )
        self.height = _checked_size("height", height)
        self.width = _checked_size("width", width)
        self.color_mode = check_choice("color_mode", color_mode, _CHANNELS)
        self.interpolation = check_choice("interpolation", interpolation, _INTERPOLATIONS)
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_value = _checked_fill_value(fill_value)
        self.antialias = antialias
        self.exif_orientation = exif_orientation
        # Keras would cast to floats what is not a tensor yet: bytes, arrays of bytes.
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of an output image."""
        return self.height, self.width, _CHANNELS[self.color_mode]

    def call(self, inputs: Any) -> tf.Tensor:
        return self.decode(inputs, tf.uint8)

    def decode(self, inputs: Any, dtype: tf.DType) -> tf.Tensor:
        """Returns what the layer returns, as uint8 or as floats of the same whole numbers.

        Who wants floats saves the way there and back.
        """
        contents = tf.convert_to_tensor(inputs)
        if contents.dtype != tf.string or contents.shape.rank not in (0, 1, None):
            raise ValueError(
                "DecodeImage takes the bytes of image files as strings of shape (batch,) or (). "
                f"Received: dtype={contents.dtype.name}, shape={contents.shape}. "
                "Pass what tf.io.read_file returns; reshape with tf.reshape(x, [-1])."
            )
        return functional_if(
            self._is_plain(contents),
            lambda files: self._decode_plain(files, dtype),
            lambda files: self._decode_any(files, dtype),
            contents,
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape, *self.image_shape)

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype="uint8")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "height": self.height,
            "width": self.width,
            "color_mode": self.color_mode,
            "interpolation": self.interpolation,
            "crop_to_aspect_ratio": self.crop_to_aspect_ratio,
            "pad_to_aspect_ratio": self.pad_to_aspect_ratio,
            "fill_value": self.fill_value,
            "antialias": self.antialias,
            "exif_orientation": self.exif_orientation,
        }

    def _is_plain(self, contents: tf.Tensor) -> tf.Tensor:
        """Whether all files are JPEGs that lie as they are stored: a few operations decode them."""
        files = tf.reshape(contents, [-1])
        are_jpegs = tf.reduce_all(tf.equal(tf.strings.substr(files, 0, 3), b"\xff\xd8\xff"))
        return are_jpegs & ~may_have_exif(files) if self.exif_orientation else are_jpegs

    def _decode_plain(self, contents: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        return self._each(_decode_jpeg, dtype, contents)

    def _decode_any(self, contents: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        decode = functools.partial(_decode, color_mode=self.color_mode)
        if not self.exif_orientation:
            return self._each(decode, dtype, contents)
        # Read for the whole batch at once, since a graph's cost is in the number of its operations.
        orientations = tf.reshape(exif_orientation(tf.reshape(contents, [-1])), tf.shape(contents))
        return self._each(lambda file, orientation: upright(decode(file), orientation), dtype, contents, orientations)

    def _each(self, decode: Callable[..., tf.Tensor], dtype: tf.DType, *files: tf.Tensor) -> tf.Tensor:
        if files[0].shape.rank == 0:
            return self._resize(decode(*files), dtype)
        return tf.map_fn(
            lambda file: self._resize(decode(*file), dtype),
            files,
            fn_output_signature=tf.TensorSpec(self.image_shape, dtype),
            parallel_iterations=_PARALLEL_IMAGES,
        )

    def _resize(self, image: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        if self.color_mode == "rgba":
            image = _to_rgba(image)
        elif self.color_mode == "grayscale":
            image = tf.image.rgb_to_grayscale(image)
        if self.crop_to_aspect_ratio:
            image = _crop_to_aspect_ratio(image, self.height, self.width)
        if self.pad_to_aspect_ratio:
            image = _pad_to_aspect_ratio(image, self.height, self.width, self.fill_value)
        resized = tf.image.resize(image, (self.height, self.width), self.interpolation, antialias=self.antialias)
        if resized.dtype != tf.uint8:  # nearest neighbour stays uint8; the others leave floats
            resized = tf.round(resized)
            # Means stay within [0, 255]; to clip them would take as long again.
            resized = resized if self.interpolation in _MEANS else tf.clip_by_value(resized, 0.0, 255.0)
        return tf.ensure_shape(tf.cast(resized, dtype), self.image_shape)


def _decode_jpeg(contents: tf.Tensor) -> tf.Tensor:
    # The default inverse DCT is up to fifteen grey levels off; this one equals Pillow's and costs 4 % more.
    return tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")


def _decode(contents: tf.Tensor, color_mode: str) -> tf.Tensor:
    # TensorFlow decodes to one or four channels for some formats only, but to three, or the file's own, for all.
    channels = 0 if color_mode == "rgba" else 3
    return tf.cond(
        tf.io.is_jpeg(contents),
        lambda: _decode_jpeg(contents),
        lambda: with_bmp_palette(tf.io.decode_image(contents, channels, expand_animations=False), contents),
    )


def _to_rgba(image: tf.Tensor) -> tf.Tensor:
    """Grey, grey with alpha, RGB or RGBA to RGBA."""
    channels = tf.shape(image)[-1]
    color = tf.gather(image, tf.where(channels < 3, [0, 0, 0], [0, 1, 2]), axis=-1)
    alpha = tf.where(tf.equal(channels % 2, 0), image[..., -1:], tf.constant(255, tf.uint8))
    return tf.concat([color, alpha], axis=-1)


def _crop_to_aspect_ratio(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """The largest centred window of the aspect ratio `width / height`."""
    rows, columns = tf.unstack(tf.shape(image)[:2])
    window_rows = tf.clip_by_value(columns * height // width, 1, rows)
    window_columns = tf.clip_by_value(rows * width // height, 1, columns)
    top, left = (rows - window_rows) // 2, (columns - window_columns) // 2
    return image[top : top + window_rows, left : left + window_columns]


def _pad_to_aspect_ratio(image: tf.Tensor, height: int, width: int, fill_value: int) -> tf.Tensor:
    """The smallest canvas of the aspect ratio `width / height` that holds the image, which lies in its centre."""
    rows, columns = tf.unstack(tf.shape(image)[:2])
    more_rows = tf.maximum(columns * height // width - rows, 0)
    more_columns = tf.maximum(rows * width // height - columns, 0)
    top, left = more_rows // 2, more_columns // 2
    paddings = [[top, more_rows - top], [left, more_columns - left], [0, 0]]
    return tf.pad(image, paddings, constant_values=tf.constant(fill_value, tf.uint8))


def _checked_size(argument: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{argument} must be a positive integer, in pixels. Received: {argument}={value!r}.")
    return int(value)


def _checked_fill_value(value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not 0 <= value <= 255:
        raise ValueError(f"fill_value must be an integer from 0 to 255. Received: fill_value={value!r}.")
    return int(value)
