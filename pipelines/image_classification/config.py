"""The settings of the image classification pipeline; every default suffices."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PositiveInt
from pydantic.dataclasses import dataclass

from keras_ext.splits import check_ratios

_IN_PROCESS = ("FnApiRunner", "BundleBasedDirectRunner")
_STRICT = ConfigDict(extra="forbid")
_Share = Annotated[float, Field(ge=0, le=1)]


def _check_size(size: Any) -> Any:
    pair = isinstance(size, list | tuple) and len(size) == 2
    if size == "auto" or (pair and all(type(side) is int and side > 0 for side in size)):
        return size
    raise ValueError('size must be "auto" or [height, width] in pixels, two positive integers')


@dataclass(frozen=True, config=_STRICT)
class Ratios:
    """Shares of the splits, where the folder does not give them; scaled to sum to one.

    Attributes:
      train: Share to learn from.
      eval: Share that says when to stop.
      test: Share that judges the model; with 0, eval judges it too.
    """

    train: float = 0.8
    eval: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        check_ratios(asdict(self))
        if not (self.train > 0 and self.eval > 0):
            raise ValueError("train and eval must be positive: training learns from one and stops by the other")


@dataclass(frozen=True, config=_STRICT)
class Ingest:
    """What is read from the folder, and how it is split.

    Attributes:
      ratios: Shares of the splits, where the folder does not give them.
      classes: Class folders to take, in the order of their indices; empty takes all, sorted by name.
      max_rejected: Largest share of unreadable files that the run accepts.
    """

    ratios: Ratios = Ratios()
    classes: tuple[str, ...] = ()
    max_rejected: _Share = 0.1


@dataclass(frozen=True, config=_STRICT)
class Image:
    """What every image becomes before the model sees it.

    Attributes:
      size: (height, width) in pixels, or "auto": the median shorter side of the images, a multiple of 32 in [32, 224].
      color_mode: "rgb" or "grayscale".
    """

    size: Annotated[tuple[int, int] | Literal["auto"], BeforeValidator(_check_size)] = "auto"
    color_mode: Literal["rgb", "grayscale"] = "rgb"


@dataclass(frozen=True, config=_STRICT)
class Augmentation:
    """What happens to images at random, in training only.

    Attributes:
      layers: Tables such as `{layer = "RandomFlip", mode = "horizontal"}`: the name of an augmentation layer, of
        `keras_ext.layers`, Keras or KerasCV, and its arguments. The default turns by up to 10 degrees, and shifts and
        zooms by up to a tenth; it does not flip, because digits and letters must not be flipped.
    """

    layers: tuple[dict[str, Any], ...] = (
        {"layer": "RandomAffine", "rotation": 10, "height_shift": 0.1, "width_shift": 0.1, "zoom": 0.1},
    )


@dataclass(frozen=True, config=_STRICT)
class Model:
    """The network.

    Attributes:
      architecture: "small_cnn", a `keras.applications` name such as "MobileNetV3Small", or a KerasCV backbone.
      weights: A local weights file for the network (for KerasCV, the folder of its preset), or none.
      dropout: Share of features dropped before the last layer.
    """

    architecture: str = "small_cnn"
    weights: str | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2


@dataclass(frozen=True, config=_STRICT)
class Train:
    """How it is trained.

    Attributes:
      epochs: Largest number of passes over the train split.
      patience: Epochs without a better validation loss before training stops; the best weights are kept.
      batch_size: Images a step.
      learning_rate: Adam's step size.
      seed: Fixes weights, order, augmentation and dropout.
    """

    epochs: PositiveInt = 20
    patience: PositiveInt = 10
    batch_size: PositiveInt = 32
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0


@dataclass(frozen=True, config=_STRICT)
class Evaluation:
    """When a model is blessed.

    Attributes:
      split: The split that is scored; "auto" is test where there is one, else eval.
      min_accuracy: Smallest accuracy on that split.
      tolerance: How much lower than the last blessed model's the accuracy may be.
    """

    split: Literal["auto", "test", "eval"] = "auto"
    min_accuracy: _Share = 0.5
    tolerance: _Share = 0.01


@dataclass(frozen=True, config=_STRICT)
class Beam:
    """Where Beam runs; no change here makes finished work run again.

    Attributes:
      runner: Beam's runner.
      workers: Threads of a runner in this process; one is best for small data.
      options: Further Beam options, such as "--flink_master=...".
    """

    runner: str = "FnApiRunner"
    workers: PositiveInt = 1
    options: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """The options as Beam takes them."""
        options = [f"--runner={self.runner}"]
        if self.runner in _IN_PROCESS:
            # TFX would build a package of itself for each component, which workers in this process do not need.
            options.append("--sdk_container_image=unused")
            if self.workers > 1:
                options += ["--direct_running_mode=multi_threading", f"--direct_num_workers={self.workers}"]
        return (*options, *self.options)


@dataclass(frozen=True, config=_STRICT)
class Config:
    """The whole pipeline.

    Attributes:
      images: The folder of images.
      output: The folder of everything that the run makes.
    """

    images: str
    output: str
    ingest: Ingest = Ingest()
    image: Image = Image()
    augmentation: Augmentation = Augmentation()
    model: Model = Model()
    train: Train = Train()
    evaluation: Evaluation = Evaluation()
    beam: Beam = Beam()
