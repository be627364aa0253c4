"""Random rotation, shift, shear, zoom, flips, brightness and channel shift in one resampling."""

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_ext import affine
from keras_ext.choices import check_choice
from keras_ext.layers.bounding_boxes import FORMATS, transform_boxes
from keras_ext.layers.compiled import traced
from keras_ext.layers.keyed_random import keyed_uniform
from keras_ext.layers.ranges import Range, factor_range, symmetric_range, two_numbers
from keras_ext.layers.warp import FILL_MODES, INTERPOLATIONS, MAX_SIDE, Color, Sampling, warp

Transformation = dict[str, Any]

_UINT8_RANGE = (0.0, 255.0)
_IMAGE_LIKE = ("images", "segmentation_masks")
_CONFIG = (
    *("rotation", "height_shift", "width_shift", "shear", "zoom", "tie_zoom", "horizontal_flip", "vertical_flip"),
    *("brightness", "channel_shift", "fill_mode", "cval", "interpolation", "size", "value_range"),
    *("bounding_box_format", "data_format", "seed"),
)


@keras.saving.register_keras_serializable(package="keras_ext")
class RandomAffine(keras.layers.Layer):
    """Rotates, shifts, shears, zooms, flips and recolours images at random: `ImageDataGenerator`'s augmentation.

    All of it is one matrix about the centre and one resampling, with a draw of its own for each image. Units are those
    of `ImageDataGenerator`, whose mistakes are mended: a width shift moves columns, and the centre is right for images
    that are not square. Images may be augmented in `tf.data`, in a model, or eagerly; on TensorFlow the resampling is
    compiled by XLA, elsewhere (JAX, in a model) it is plain Keras operations.

    Like Keras's `Dropout`, the layer does nothing unless it is told `training=True` or `fit` runs: in `tf.data` write
    `dataset.map(lambda images, labels: (augment(images, training=True), labels))`. With `size`, it then still resizes.

    A layer with a `seed`, called with `keys` (an integer for each image) and an `epoch`, gives an image the same
    augmentation whatever the batch, its order, the machine or the version of TensorFlow. To ask what was drawn, and to
    do exactly that again: `get_random_transformation`, `transform_images`.

    Besides images, the layer takes Keras's dictionary: `images`, `segmentation_masks` (looked up by nearest neighbour,
    0 where a constant fill shows), `bounding_boxes` (of `boxes` and `labels`; a box becomes the one around its
    transformed corners, clipped to the image, with label -1 if nothing is left), `labels` and others, which stay.

    Args:
      rotation: Degrees, counter-clockwise: a number for ±that much, or (low, high), as for all ranges.
      height_shift: Upwards, as a fraction of the height when below 1, in pixels otherwise.
      width_shift: To the left, as a fraction of the width when below 1, in pixels otherwise.
      shear: Degrees, less than 90: the axis of the columns leans by as much.
      zoom: A number for [1 - zoom, 1 + zoom] or (low, high); factors above 1 zoom out. Each axis has its own.
      tie_zoom: Whether both axes have the same.
      horizontal_flip: Whether to mirror half of the images, left to right.
      vertical_flip: Whether to turn half of the images upside down.
      brightness: (low, high) of a factor, or None. It multiplies the distance from the low end of `value_range`.
      channel_shift: What is added to all channels alike, in units of the values.
      fill_mode: What lies outside the image, as in SciPy. `"nearest"`: aaaa|abcd|dddd. `"reflect"`: dcba|abcd|dcba.
        `"wrap"`: dbca|abcd|bcab, where the last pixel lies on the first. `"constant"`: `cval`, from the centre of the
        outermost pixel on.
      cval: Value for `"constant"`, before brightness and channel shift.
      interpolation: `"bilinear"` or `"nearest"`.
      size: Height and width to resize to in the same resampling, or None. Shifts then count in pixels of `size`.
        Resizing alone is that of `tf.image.resize`, with half-pixel centres and no antialiasing.
      value_range: Lowest and highest value, to which brightness and channel shift clip. (`ImageDataGenerator` clips a
        channel shift to the range of each image.) That of uint8 images is (0, 255).
      bounding_box_format: Of the boxes in a dictionary, one of `keras.utils.bounding_boxes`, such as `"xyxy"`,
        `"xywh"` or `"rel_xyxy"`.
      data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
      seed: An integer, or None for a new one.

    Input shape:
      `(batch, height, width, channels)` or `(height, width, channels)`, uint8 or floats, or the channels first; up to
      8192 pixels a side.

    Output shape:
      The same, or with `size`, as the layer's compute dtype. Values are never rounded.

    Raises:
      ValueError: A range that is reversed, too wide or of the wrong length; an unknown name; images of another rank, or
        integers other than uint8; keys without a seed.

    Example:

    >>> augment = RandomAffine(rotation=20, width_shift=0.2, height_shift=0.2, zoom=0.2, horizontal_flip=True, seed=1)
    >>> dataset = dataset.map(lambda images, labels: (augment(images, training=True), labels))
    """

    def __init__(  # noqa: PLR0913 - the arguments of ImageDataGenerator
        self,
        rotation: float | Sequence[float] = 0.0,
        height_shift: float | Sequence[float] = 0.0,
        width_shift: float | Sequence[float] = 0.0,
        shear: float | Sequence[float] = 0.0,
        zoom: float | Sequence[float] = 0.0,
        tie_zoom: bool = False,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        brightness: Sequence[float] | None = None,
        channel_shift: float | Sequence[float] = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        interpolation: str = "bilinear",
        size: Sequence[int] | None = None,
        value_range: Sequence[float] = (0, 255),
        bounding_box_format: str | None = None,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # Keras would cast boxes, and float32 images that are looked up here, to half precision.
        super().__init__(autocast=False, **kwargs)
        self.rotation = symmetric_range("rotation", rotation)
        self.height_shift = symmetric_range("height_shift", height_shift)
        self.width_shift = symmetric_range("width_shift", width_shift)
        self.shear = symmetric_range("shear", shear, limit=90.0)
        self.zoom = factor_range("zoom", zoom)
        self.tie_zoom = tie_zoom
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip
        self.brightness = None if brightness is None else two_numbers("brightness", brightness, lowest=0.0)
        self.channel_shift = symmetric_range("channel_shift", channel_shift)
        self.fill_mode = check_choice("fill_mode", fill_mode, FILL_MODES)
        self.cval = float(cval)
        self.interpolation = check_choice("interpolation", interpolation, INTERPOLATIONS)
        self.size = None if size is None else _checked_size(size)
        self.value_range = two_numbers("value_range", value_range, distinct=True)
        if bounding_box_format is not None:
            check_choice("bounding_box_format", bounding_box_format, FORMATS)
        self.bounding_box_format = bounding_box_format
        self.data_format = keras.config.image_data_format() if data_format is None else data_format
        check_choice("data_format", self.data_format, ("channels_last", "channels_first"))
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool | None = None, keys: Any = None, epoch: Any = 0) -> Any:
        return self.transform(inputs, self.get_random_transformation(inputs, keys, epoch) if training else None)

    def get_random_transformation(self, inputs: Any, keys: Any = None, epoch: Any = 0) -> Transformation:
        """Draws for each image.

        Args:
          inputs: What the layer is called with.
          keys: Integers `(batch,)`, one for each image, or None to draw from the layer's own generator.
          epoch: An integer; a key gives another draw in another epoch.

        Returns:
          Tensors `(batch,)`: `rotation` and `shear` in degrees; `height_shift` and `width_shift` in pixels;
          `height_zoom` and `width_zoom`; `horizontal_flip` and `vertical_flip` as booleans; and, if the layer changes
          them, `brightness` and `channel_shift`.
        """
        images = self._checked_images(inputs["images"] if isinstance(inputs, Mapping) else inputs)
        batch = ops.shape(images)[0] if len(images.shape) == 4 else 1
        ranges = self._ranges()
        uniform = self._uniform([name for name, (low, high) in ranges.items() if low < high], batch, keys, epoch)
        drawn = {name: _within(ends, uniform.get(name), batch) for name, ends in ranges.items()}
        height, width = self.size or self._image_size(images)
        drawn["height_shift"] *= _pixels(self.height_shift, height)
        drawn["width_shift"] *= _pixels(self.width_shift, width)
        drawn["horizontal_flip"], drawn["vertical_flip"] = drawn["horizontal_flip"] > 0.5, drawn["vertical_flip"] > 0.5
        if self.tie_zoom:
            drawn["width_zoom"] = drawn["height_zoom"]
        return drawn

    def transform(self, inputs: Any, transformation: Transformation | None) -> Any:
        """Applies to whatever the layer takes what was drawn for it; None stands for no change but the size."""
        if not isinstance(inputs, Mapping):
            return self.transform({"images": inputs}, transformation)["images"]
        single = len(self._checked_images(inputs["images"]).shape) == 3
        moving = {name: inputs[name] for name in (*_IMAGE_LIKE, "bounding_boxes") if name in inputs}
        if single:
            moving = keras.tree.map_structure(lambda x: ops.expand_dims(x, 0), moving)
        moved = self._transform_batch(moving, transformation)
        if single:
            moved = keras.tree.map_structure(lambda x: ops.squeeze(x, 0), moved)
        return {**inputs, **moved}

    def transform_images(self, images: Any, transformation: Transformation | None) -> Any:
        """Applies to a batch of images what was drawn for it; None stands for no change but the size."""
        images = self._checked_images(images)
        if transformation is None:
            return ops.cast(self._resized(images, self.interpolation), self.compute_dtype)
        transformation = _as_tensors(transformation)
        color = Color(self.value_range, transformation.get("brightness"), transformation.get("channel_shift"))
        sampling = Sampling(self.interpolation, self.fill_mode, self.cval)
        return self._warped(images, transformation, sampling, color, self.compute_dtype)

    def transform_segmentation_masks(self, masks: Any, transformation: Transformation | None) -> Any:
        """Applies to a batch of masks, `(batch, height, width)` or with channels, what was drawn for its images."""
        masks = ops.convert_to_tensor(masks)
        if len(masks.shape) == 3:
            axis = -1 if self.data_format == "channels_last" else 1
            return ops.squeeze(self.transform_segmentation_masks(ops.expand_dims(masks, axis), transformation), axis)
        if transformation is None:
            return self._resized(masks, "nearest")
        sampling = Sampling("nearest", self.fill_mode, 0.0)
        return self._warped(masks, _as_tensors(transformation), sampling, Color(self.value_range), _dtype(masks))

    def transform_bounding_boxes(
        self, bounding_boxes: Mapping[str, Any], transformation: Transformation | None, image_size: Sequence[Any]
    ) -> dict[str, Any]:
        """Applies to a batch of boxes what was drawn for its images.

        Args:
          bounding_boxes: `boxes` `(batch, boxes, 4)` and, if they have any, `labels` `(batch, boxes)`.
          transformation: What was drawn, or None for no change but the size.
          image_size: Height and width of the images, before.
        """
        if self.bounding_box_format is None:
            raise ValueError(
                "bounding_boxes need a format. Received none. Pass bounding_box_format='xyxy', or another."
            )
        matrices = None if transformation is None else _matrices(_as_tensors(transformation))
        return transform_boxes(bounding_boxes, self.bounding_box_format, matrices, image_size, self.size)

    def compute_output_shape(self, input_shape: Any) -> Any:
        if not isinstance(input_shape, Mapping):
            return self._output_shape(input_shape, batched=len(input_shape) == 4)
        batched = len(input_shape["images"]) == 4
        shapes = {name: self._output_shape(input_shape[name], batched) for name in _IMAGE_LIKE if name in input_shape}
        return {**input_shape, **shapes}

    def compute_output_spec(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(inputs, Mapping):
            return self.compute_output_spec({"images": inputs})["images"]
        batched = len(self._checked_images(inputs["images"]).shape) == 4
        specs = dict(inputs)
        for name in _IMAGE_LIKE:
            if name in inputs:
                dtype = self.compute_dtype if name == "images" else _dtype(inputs[name])
                specs[name] = keras.KerasTensor(self._output_shape(inputs[name].shape, batched), dtype=dtype)
        if "bounding_boxes" in inputs:
            boxes = inputs["bounding_boxes"]
            specs["bounding_boxes"] = {**boxes, "boxes": keras.KerasTensor(boxes["boxes"].shape, dtype="float32")}
        return specs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **{name: getattr(self, name) for name in _CONFIG}}

    def _ranges(self) -> dict[str, Range]:
        ranges = {name: getattr(self, name) for name in ("rotation", "height_shift", "width_shift", "shear")}
        ranges["height_zoom"] = self.zoom
        ranges["width_zoom"] = (1.0, 1.0) if self.tie_zoom else self.zoom
        for name in ("horizontal_flip", "vertical_flip"):
            ranges[name] = (0.0, float(getattr(self, name)))
        if self.brightness is not None:
            ranges["brightness"] = self.brightness
        if self.channel_shift != (0.0, 0.0):
            ranges["channel_shift"] = self.channel_shift
        return ranges

    def _uniform(self, names: Sequence[str], batch: Any, keys: Any, epoch: Any) -> dict[str, Any]:
        if keys is None:
            values = keras.random.uniform((len(names), batch), seed=self.seed_generator)
            return {name: values[i] for i, name in enumerate(names)}
        if self.seed is None:
            raise ValueError("keys make draws repeatable only together with a seed. Received: seed=None. Pass seed=...")
        keys = ops.convert_to_tensor(keys)
        # An error if there is not one for each image.
        return keyed_uniform(self.seed, ops.reshape(keys, (batch,)), epoch, names) if names else {}

    def _transform_batch(self, batch: Mapping[str, Any], transformation: Transformation | None) -> dict[str, Any]:
        moved = {"images": self.transform_images(batch["images"], transformation)}
        if "segmentation_masks" in batch:
            masks = batch["segmentation_masks"]
            moved["segmentation_masks"] = self.transform_segmentation_masks(masks, transformation)
        if "bounding_boxes" in batch:
            size = self._image_size(batch["images"])
            moved["bounding_boxes"] = self.transform_bounding_boxes(batch["bounding_boxes"], transformation, size)
        return moved

    def _warped(self, images: Any, transformation: Transformation, sampling: Sampling, color: Color, dtype: str) -> Any:
        matrices = _matrices(transformation)
        # An error if there is not one for each image.
        matrices = ops.reshape(matrices, (ops.shape(images)[0], 2, 3))
        if self.data_format == "channels_last":
            return warp(images, matrices, self.size, sampling, color, dtype)
        images = ops.transpose(images, (0, 2, 3, 1))
        return ops.transpose(warp(images, matrices, self.size, sampling, color, dtype), (0, 3, 1, 2))

    def _resized(self, images: Any, interpolation: str) -> Any:
        if self.size is None:
            return images
        if interpolation != "nearest":
            images = ops.cast(images, "float32")
        return ops.image.resize(images, self.size, interpolation, data_format=self.data_format)

    def _image_size(self, images: Any) -> tuple[Any, Any]:
        axis = self._height_axis(len(images.shape), batched=len(images.shape) == 4)
        return ops.shape(images)[axis : axis + 2]

    def _output_shape(self, shape: Sequence[int | None], batched: bool) -> tuple[int | None, ...]:
        axis = self._height_axis(len(shape), batched)
        return tuple(shape) if self.size is None else (*shape[:axis], *self.size, *shape[axis + 2 :])

    def _height_axis(self, rank: int, batched: bool) -> int:
        has_channels = rank - batched == 3
        return int(batched) + int(has_channels and self.data_format == "channels_first")

    def _checked_images(self, images: Any) -> Any:
        images = images if isinstance(images, keras.KerasTensor) else ops.convert_to_tensor(images)
        rank = getattr(images.shape, "rank", len(images.shape))
        if rank not in (3, 4):
            raise ValueError(
                "RandomAffine takes images of shape (batch, height, width, channels) or (height, width, channels). "
                f"Received: shape={tuple(images.shape)}. Give a grey image a channel: images[..., None]."
            )
        dtype = _dtype(images)
        if dtype != "uint8" and "float" not in dtype:
            raise ValueError(f"RandomAffine takes uint8 or float images. Received: dtype={dtype}. Cast them to one.")
        recolors = self.brightness is not None or self.channel_shift != (0.0, 0.0)
        if dtype == "uint8" and recolors and self.value_range != _UINT8_RANGE:
            raise ValueError(
                f"value_range of uint8 images is (0, 255). Received: value_range={self.value_range}. "
                "Rescale the images first, or leave value_range out."
            )
        return images


@traced
def _matrices(transformation: Transformation) -> Any:
    return affine.affine_matrices(transformation, ops)


def _as_tensors(transformation: Transformation) -> Transformation:
    return {
        name: ops.convert_to_tensor(values, "bool" if name.endswith("_flip") else "float32")
        for name, values in transformation.items()
    }


def _within(ends: Range, uniform: Any, batch: Any) -> Any:
    low, high = ends
    return ops.full((batch,), low, dtype="float32") if uniform is None else uniform * (high - low) + low


def _pixels(ends: Range, side: Any) -> Any:
    """What a shift drawn from `ends` is to be multiplied with: below 1 it is a fraction of the side."""
    return ops.cast(side if max(map(abs, ends)) < 1 else 1, "float32")


def _dtype(tensor: Any) -> str:
    return keras.backend.standardize_dtype(tensor.dtype)


def _checked_size(size: Sequence[int]) -> tuple[int, int]:
    sides = tuple(size) if isinstance(size, Sequence) else ()
    if len(sides) != 2 or not all(isinstance(side, numbers.Integral) and 0 < side <= MAX_SIDE for side in sides):
        raise ValueError(f"size must be two integers (height, width) from 1 to {MAX_SIDE}. Received: size={size!r}.")
    return int(sides[0]), int(sides[1])
