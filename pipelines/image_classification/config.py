"""The settings of the image classification pipeline; every default suffices."""

import dataclasses
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PositiveInt
from pydantic.dataclasses import dataclass

from keras_ext.image_checks import ImageChecks
from keras_ext.image_file import MAX_PIXELS
from keras_ext.image_input import InputSettings
from keras_ext.image_source import MAX_FILE_BYTES
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
      manifest: A .csv, .jsonl or .parquet file that names the images and their labels, if IMAGES is none itself; paths
        are relative to IMAGES.
      columns: The columns of a manifest that are not called path, label, split, group and weight, such as
        `{label = "species"}`.
      pattern: A regular expression for whole paths with the named groups label, split and group, such as
        "(?P<label>[a-z]+)_[0-9]+[.]jpg".
      follow_links: Whether linked folders are entered.
      fingerprint: "time" takes files of the same size and time for unchanged, "content" reads all of them.
      sha256: What an archive that is fetched from an address must be.
      cache_dir: Where it is kept; by default KERAS_EXT_CACHE, or the user's cache folder.
      max_file_bytes: Larger files are rejected.
      max_unpacked_bytes: Archives that unpack to more are refused; by default 100 times their size, 1 GiB at least.
      max_pixels: Images of more pixels are rejected before they are decoded.
      split: How images are divided that the input does not place: "hash" by content, "group" by the groups of a
        manifest or pattern, "stratified" exactly class by class, "given" not at all.
      check_images: Whether to look for dark, bright, blurry, empty and oddly shaped images and near duplicates.
      checks: From where on an image is reported as such.
    """

    ratios: Ratios = Ratios()
    classes: tuple[str, ...] = ()
    max_rejected: _Share = 0.1
    manifest: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    pattern: str | None = None
    follow_links: bool = False
    fingerprint: Literal["time", "content"] = "time"
    sha256: str | None = None
    cache_dir: str | None = None
    max_file_bytes: PositiveInt = MAX_FILE_BYTES
    max_unpacked_bytes: PositiveInt | None = None
    max_pixels: PositiveInt = MAX_PIXELS
    split: Literal["hash", "group", "stratified", "given"] = "hash"
    check_images: bool = True
    checks: ImageChecks = ImageChecks()

    def __post_init__(self) -> None:
        InputSettings(**self.reading)  # checks them together

    @property
    def reading(self) -> dict[str, Any]:
        """How images are read, as arguments of `InputSettings` and `DirectoryExampleGen`."""
        fields = [field.name for field in dataclasses.fields(InputSettings) if hasattr(self, field.name)]
        return {**{name: getattr(self, name) for name in fields}, "classes": self.classes or None}


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


_Strategy = Literal[
    "none", "balanced", "power", "effective_number", "median_frequency", "oversample", "logit_adjustment"
]
_STRATEGY_OPTIONS = {
    "none": (),
    "balanced": ("max_ratio",),
    "power": ("max_ratio", "power"),
    "effective_number": ("max_ratio", "beta"),
    "median_frequency": ("max_ratio",),
    "oversample": ("sampling",),
    "logit_adjustment": ("tau",),
}


@dataclass(frozen=True, config=_STRICT)
class Imbalance:
    """What is done about classes with few images.

    Attributes:
      strategy: "none"; weights of classes, "balanced", "power", "effective_number" or "median_frequency"; "oversample",
        images of rare classes come more often; or "logit_adjustment", a loss that asks a margin of common classes.
      power: Of "power": 1 is balanced, 0.5, the default, the inverse square root.
      beta: Of "effective_number"; chosen from the counts by default.
      max_ratio: The most that a weight may be of the smallest one; any by default.
      sampling: Of "oversample": "balanced", the default, "square_root" or "repeat_factor".
      tau: Of "logit_adjustment": 1, the default, is the balanced softmax.
    """

    strategy: _Strategy = "none"
    power: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    beta: Annotated[float, Field(ge=0, lt=1)] | None = None
    max_ratio: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    sampling: Literal["balanced", "square_root", "repeat_factor"] | None = None
    tau: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    def __post_init__(self) -> None:
        taken = _STRATEGY_OPTIONS[self.strategy]
        for name in sorted(set(self.options) - set(taken)):
            takes = f"takes {' and '.join(taken)}" if taken else "takes none"
            raise ValueError(f"{name} is no option of strategy {self.strategy!r}, which {takes}")

    @property
    def weighs(self) -> bool:
        """Whether images weigh by their class."""
        return "max_ratio" in _STRATEGY_OPTIONS[self.strategy]

    @property
    def options(self) -> dict[str, Any]:
        """The options of the strategy that are set."""
        return {name: value for name, value in asdict(self).items() if name != "strategy" and value is not None}


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
      images: The images: a folder, an archive, the address of one, a manifest, or several folders.
      output: The folder of everything that the run makes.
    """

    images: str | tuple[str, ...]
    output: str
    ingest: Ingest = Ingest()
    image: Image = Image()
    augmentation: Augmentation = Augmentation()
    imbalance: Imbalance = Imbalance()
    model: Model = Model()
    train: Train = Train()
    evaluation: Evaluation = Evaluation()
    beam: Beam = Beam()
