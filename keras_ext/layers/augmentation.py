"""Several augmentation layers, from a configuration, as one layer."""

import inspect
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_ext.custom_code import is_reference
from keras_ext.layers.augmentation_lookup import draws_elsewhere, make_layer, mixes_labels

_UNMOVED = frozenset({"images", "labels"})  # entries that do not move with the pixels
_GOLDEN = -7046029254386353131  # 2^64 / golden ratio as int64: odd multiples of it spread over all integers


@keras.saving.register_keras_serializable(package="keras_ext")
class Augmentation(keras.layers.Layer):
    """Applies augmentation layers one after another, in training only.

    The layers are named in a configuration, as it stands in a file, so that a script and a pipeline augment alike.
    Names are looked up here, in `keras.layers` and, where it is installed, in KerasCV; `"keras_cv.RandomFlip"` skips
    the first two. A layer of your own is named by its file or module, `"my_layers.py:Sepia"` or
    `"my_package.layers:Sepia"`; one that blends images of different classes says `mixes_labels = True`.

    With `keys`, a batch is augmented as a function of the seed, its keys and the epoch, whatever was augmented before
    and in whatever order. Each image is drawn for by itself: at once by layers that take keys, such as `RandomAffine`,
    and by Keras's one image after the other, which takes longer. `MixUp` and `CutMix`, which need other images, draw
    for the batch; KerasCV's layers draw from a state of their own, and Keras's `AugMix` takes the steps of its chains
    from Python's `random`, in a graph once for all batches; see `is_reproducible`. Without `keys`, all draw anew with
    each call.

    Args:
      layers: One mapping for each layer: `"layer"`, its name, and its arguments.
      seed: Seeds the layers that name no seed themselves, each differently.

    Call arguments:
      inputs: Images, or Keras's dictionary with `"images"` and, for example, one-hot `"labels"`, which layers such as
        `MixUp` need.
      training: Whether to augment.
      keys: Integers `(batch,)` that tell the images apart, such as `keras_ext.datasets.image_keys` gives.
      epoch: Number of the epoch; only together with `keys`.

    Input shape:
      `(batch, height, width, channels)` or `(height, width, channels)`, uint8 or float, in the range that the layers
      take: [0, 255] by default.

    Output shape:
      The same, in the layer's compute dtype, float32 by default. Dictionaries keep their other entries.

    Raises:
      ValueError: An unknown layer or argument (the message names the nearest), or a layer that changes the size.

    Example:

    >>> augment = Augmentation([{"layer": "RandomFlip", "mode": "horizontal"}, {"layer": "RandomErasing"}], seed=0)
    >>> train = train.map(lambda images, labels: (augment(images, training=True), labels))
    """

    def __init__(self, layers: Sequence[Mapping[str, Any]], seed: int | None = None, **kwargs: Any) -> None:
        # Keras would cast boxes and masks to half precision; each layer casts what it computes with.
        super().__init__(autocast=False, **kwargs)
        if isinstance(layers, Mapping | str) or not all(isinstance(table, Mapping) for table in layers):
            raise ValueError(
                "layers must be a list of mappings, each with 'layer', a layer's name, and its arguments. "
                f"Received: layers={layers!r}."
            )
        self.configuration = [dict(table) for table in layers]
        self.seed = seed
        self._seeds = _layer_seeds(self.configuration, seed)
        self.layers = [
            make_layer(table, seed=layer_seed, dtype=self.dtype_policy)
            for table, layer_seed in zip(layers, self._seeds, strict=True)
        ]
        self.built = True

    @property
    def mixes_labels(self) -> bool:
        """Whether a layer blends images of different classes, so that labels must be one-hot."""
        return any(mixes_labels(layer) for layer in self.layers)

    @property
    def is_reproducible(self) -> bool:
        """Whether keys and epoch alone say what is drawn: not with `AugMix` or KerasCV's layers; see above."""
        return not any(draws_elsewhere(layer) for layer in self.layers)

    def call(self, inputs: Any, training: bool | None = None, keys: Any = None, epoch: Any = 0) -> Any:
        outputs = inputs  # Keras hands over a copy of a dictionary
        if training:
            for layer, seed, table in zip(self.layers, self._seeds, self.configuration, strict=True):
                before = _images(outputs).shape
                if is_reference(table["layer"]):  # who writes a layer for one project expects to calculate
                    outputs = self._as_floats(outputs)
                outputs = self._augment(layer, seed, outputs, keys, epoch)
                _check_shape(layer, before, _images(outputs).shape)
        return self._as_floats(outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layers": [dict(table) for table in self.configuration], "seed": self.seed}

    def _as_floats(self, inputs: Any) -> Any:
        if isinstance(inputs, Mapping):
            return {**inputs, "images": ops.cast(inputs["images"], self.compute_dtype)}
        return ops.cast(inputs, self.compute_dtype)

    def _augment(self, layer: keras.layers.Layer, seed: int, inputs: Any, keys: Any, epoch: Any) -> Any:
        if isinstance(inputs, Mapping) and inputs.keys() <= _UNMOVED and not mixes_labels(layer):
            # Not every layer of Keras takes a dictionary.
            return {**inputs, "images": self._augment(layer, seed, inputs["images"], keys, epoch)}
        parameters = inspect.signature(layer.call).parameters
        options = {"training": True} if "training" in parameters else {}
        if keys is None:
            return layer(inputs, **options)
        if "keys" in parameters:
            return layer(inputs, keys=keys, epoch=epoch, **options)
        states = [one for one in enumerate(layer.non_trainable_variables) if "seed_generator_state" in one[1].path]
        if not states or draws_elsewhere(layer):
            return layer(inputs, **options)

        def drawn(inputs: Any, number: Any) -> Any:
            """The layer finds, instead of its own state, one that belongs to this number."""
            of_number = [(state, ops.stack([ops.cast(seed + place, "int64"), number])) for place, state in states]
            with keras.StatelessScope(of_number):
                return layer(inputs, **options)

        numbers = ops.cast(keys, "int64") + ops.cast(epoch, "int64") * _GOLDEN
        if mixes_labels(layer) or len(_images(inputs).shape) == 3:
            return drawn(inputs, ops.sum(numbers))
        return _by_image(drawn, inputs, numbers)


def _by_image(function: Callable[[Any, Any], Any], inputs: Any, numbers: Any) -> Any:
    """Calls a function of a batch and a number with each image alone and its number."""

    def of_one(arguments: tuple[Any, Any]) -> Any:
        inputs, number = arguments
        batch = keras.tree.map_structure(lambda entry: entry[None], inputs)
        return keras.tree.map_structure(lambda entry: entry[0], function(batch, number))

    return ops.map(of_one, (inputs, numbers))


def _layer_seeds(configuration: Sequence[Mapping[str, Any]], seed: int | None) -> list[int]:
    """A seed for each layer: the one it names, or one of its own."""
    root = random.randrange(2**31) if seed is None else seed  # noqa: S311 - as Keras draws default seeds
    derived = [zlib.crc32(f"{root}/{position}".encode()) % 2**31 for position in range(len(configuration))]
    named = [table.get("seed") for table in configuration]
    return [own if seed is None else seed for seed, own in zip(named, derived, strict=True)]


def _images(inputs: Any) -> Any:
    return inputs["images"] if isinstance(inputs, Mapping) else inputs


def _check_shape(layer: keras.layers.Layer, before: Sequence[int | None], after: Sequence[int | None]) -> None:
    if len(before) != len(after) or any(a != b for a, b in zip(before, after, strict=True) if a and b):
        raise ValueError(
            f"Augmentation leaves images as they are when not training, so no layer may change their shape. Received: "
            f"{type(layer).__name__}, from {tuple(before)} to {tuple(after)}. Put that layer outside."
        )
