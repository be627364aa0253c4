"""The settings of the image classification pipeline; every default suffices."""

import dataclasses
import difflib
from dataclasses import asdict
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass

from keras_ext.image_checks import ImageChecks
from keras_ext.image_file import MAX_PIXELS
from keras_ext.image_input import InputSettings
from keras_ext.image_source import MAX_FILE_BYTES
from keras_ext.splits import check_ratios
from keras_ext.thresholds import Thresholds
from keras_ext.training_choices import (
    LearningRateSchedule,
    Optimizer,
    Precision,
    Strategy,
    check_for_several_devices,
    check_strategy,
)
from pipelines.image_classification.search_space import Tuner

_IN_PROCESS = ("FnApiRunner", "BundleBasedDirectRunner")
_STRICT = ConfigDict(extra="forbid")
_FINE_TUNING_LEARNING_RATE = 1e-5
_Share = Annotated[float, Field(ge=0, le=1)]


def _check_size(size: Any) -> Any:
    pair = isinstance(size, list | tuple) and len(size) == 2
    if size == "auto" or (pair and all(type(side) is int and side > 0 for side in size)):
        return size
    raise ValueError('size must be "auto" or [height, width] in pixels, two positive integers')


def _nearest(choices: Any) -> BeforeValidator:
    """Where a name is none of a Literal's, the error suggests one."""
    names = get_args(choices)

    def check(name: Any) -> Any:
        if name in names:
            return name
        near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"must be one of {', '.join(map(repr, names))}{hint}")

    return BeforeValidator(check)


def _check_for_one_machine(name: Any) -> Any:
    try:
        return check_strategy(str(name))
    except ValueError as error:
        if name in get_args(Strategy) or "several" not in str(error):
            return name  # the nearest is named
        raise ValueError(str(error).partition(" Received: ")[0]) from None


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
      extra_columns: Further columns of a manifest, or named groups of a pattern, that images keep as texts; each is a
        slice of the evaluation.
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
    extra_columns: tuple[str, ...] = ()
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
        lists = {"classes": self.classes or None, "extra_columns": list(self.extra_columns)}
        return {**{name: getattr(self, name) for name in fields}, **lists}


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
      builder: In place of all that, a function `build(image_shape, num_classes)` of your own that returns a Keras
        model: "my_model.py:build" or "my_package.models:build".
      arguments: What else the builder gets, by name.
    """

    architecture: str = "small_cnn"
    weights: str | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    builder: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.builder is None and self.arguments:
            raise ValueError(f"arguments {', '.join(self.arguments)} are those of a builder, and there is none")
        if self.builder is not None and (self.architecture, self.weights, self.dropout) != ("small_cnn", None, 0.2):
            raise ValueError("architecture, weights and dropout are none of a builder's: put them into arguments")


@dataclass(frozen=True, config=_STRICT)
class Train:
    """How it is trained.

    Attributes:
      epochs: Largest number of passes over the train split.
      patience: Epochs without a better validation loss before training stops; the best weights are kept.
      batch_size: Images a step.
      learning_rate: The highest one.
      frozen_epochs: Passes, before the others, in which the network keeps the weights it came with, and only what is on
        top of it learns; 0 leaves this phase out.
      fine_tuning_learning_rate: In place of learning_rate after these.
      learning_rate_schedule: What follows the warmup: "constant"; "cosine", down to 0; "exponential", down to a
        hundredth; or "step", to a tenth after half and after three quarters of the epochs.
      warmup_epochs: Epochs, or a part of one, in which the learning rate rises from 0.
      optimizer: "adam", "adamw", or "sgd" with a momentum of 0.9.
      precision: "float32", or "mixed_float16" and "mixed_bfloat16": faster on GPUs, in half the memory.
      gradient_accumulation_steps: Batches whose gradients are averaged before the weights change.
      jit_compile: Whether XLA compiles the training step: true, false or "auto".
      strategy: "default", or "mirrored": all GPUs of this machine share each batch.
      seed: Fixes weights, order, augmentation and dropout.
    """

    epochs: PositiveInt = 20
    patience: PositiveInt = 10
    batch_size: PositiveInt = 32
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    frozen_epochs: NonNegativeInt = 0
    fine_tuning_learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = _FINE_TUNING_LEARNING_RATE
    learning_rate_schedule: Annotated[LearningRateSchedule, _nearest(LearningRateSchedule)] = "constant"
    warmup_epochs: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    optimizer: Annotated[Optimizer, _nearest(Optimizer)] = "adam"
    precision: Annotated[Precision, _nearest(Precision)] = "float32"
    gradient_accumulation_steps: PositiveInt = 1
    jit_compile: bool | Literal["auto"] = "auto"
    strategy: Annotated[Strategy, _nearest(Strategy), BeforeValidator(_check_for_one_machine)] = "default"
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0

    def __post_init__(self) -> None:
        if self.strategy == "mirrored":
            check_for_several_devices(self.jit_compile, self.gradient_accumulation_steps)
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs must be less than epochs, {self.epochs}, and is {self.warmup_epochs:g}")
        if self.frozen_epochs and self.warmup_epochs >= self.frozen_epochs:
            raise ValueError(f"warmup_epochs must be less than frozen_epochs, and is {self.warmup_epochs:g}")
        if not self.frozen_epochs and self.fine_tuning_learning_rate != _FINE_TUNING_LEARNING_RATE:
            raise ValueError("fine_tuning_learning_rate is that after frozen_epochs, of which there are none")


@dataclass(frozen=True, config=_STRICT)
class Export:
    """What the trained model is written as, beside the SavedModel.

    Attributes:
      formats: "keras", "lite_rt" and "onnx": the network from pixels to probabilities as `model.keras`, `model.tflite`
        and `model.onnx`, with `model.json`, which describes them. They lie in the folder `assets.extra` of the model.
      top_k: How many classes `serving_default` names as `top_labels`.
    """

    formats: tuple[Literal["keras", "lite_rt", "onnx"], ...] = ()
    top_k: PositiveInt = 5


@dataclass(frozen=True, config=_STRICT)
class Skew:
    """How serving is held to training: the exported model must give the probabilities that the trained one gave.

    Attributes:
      images: How many images of the eval split are compared, of all formats in turn.
      max_difference: The largest difference of a probability that passes.
    """

    images: PositiveInt = 64
    max_difference: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-4


@dataclass(frozen=True, config=_STRICT)
class Evaluation:
    """What is told apart, and when a model is blessed.

    Attributes:
      split: The split that is scored; "auto" is test where there is one, else eval.
      slices: "group", or names of ingest.extra_columns, whose values are scored apart; by default all of these columns.
        Classes are told apart in any case.
      top_k: The k of top_k_accuracy; by default 5 where there are more than 5 classes.
      min_accuracy: Short for thresholds.accuracy.
      thresholds: What a figure must reach, such as `{macro_recall = 0.8, log_loss = 0.7}`. Without any, the model must
        be better than chance: the 95 % interval of macro_recall lies above 1 / classes.
      slice_thresholds: The same for "class", each class, "class=cat", one of them, "camera", each value of that column,
        or "camera=night".
      tolerance: How much lower than the last blessed model's the accuracy may be.
    """

    split: Literal["auto", "test", "eval"] = "auto"
    slices: tuple[str, ...] | None = None
    top_k: PositiveInt | None = None
    min_accuracy: _Share | None = None
    thresholds: dict[str, float] = Field(default_factory=dict)
    slice_thresholds: dict[str, dict[str, float]] = Field(default_factory=dict)
    tolerance: _Share = 0.01

    def __post_init__(self) -> None:
        if self.min_accuracy is not None and "accuracy" in self.thresholds:
            raise ValueError("min_accuracy is short for thresholds.accuracy; set one of both")
        Thresholds(self.all_thresholds)

    @property
    def all_thresholds(self) -> dict[str, float] | None:
        """Those of the whole split, None where any model is good that is better than chance."""
        short = {} if self.min_accuracy is None else {"accuracy": self.min_accuracy}
        return {**short, **self.thresholds} or ({} if self.slice_thresholds else None)


@dataclass(frozen=True, config=_STRICT)
class Predict:
    """Which images are classified at the end, by the model if it is blessed; `OUT/predictions.csv` has a row for each.

    Attributes:
      images: A folder, an archive, the address of one, a manifest, or several folders; labels mean nothing. By default
        none are; `keras-ext predict` does the same at any time, without a run.
    """

    images: str | tuple[str, ...] | None = None


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
    tuner: Tuner = Tuner()
    export: Export = Export()
    skew: Skew = Skew()
    evaluation: Evaluation = Evaluation()
    predict: Predict = Predict()
    beam: Beam = Beam()
