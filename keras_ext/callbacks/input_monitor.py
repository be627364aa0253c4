"""How long training waits for its data."""

import os
import time
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from keras_ext.progress import progress_logger

_BUSY = 0.8  # share of the processor cores from which more threads do not help


@dataclass(frozen=True)
class InputFigures:
    """What an epoch spent on waiting for data.

    Attributes:
      seconds: From the beginning of the epoch to the end of its last training batch; of the first epoch without the
        first batch, during which TensorFlow builds the model's graph and the dataset fills its buffers.
      waited: Seconds of these in which the model had nothing to do, because the next batch was not there.
      images: Images in this time.
      busy: Share of the processor cores that this process kept busy.
    """

    seconds: float
    waited: float
    images: int
    busy: float

    @property
    def wait_share(self) -> float:
        """Share of the time that was waited, from 0 to 1."""
        return min(1.0, self.waited / self.seconds) if self.seconds else 0.0

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds if self.seconds else 0.0

    def advice(self) -> str:
        """Returns what was measured, and what may help."""
        fed = self.seconds - self.waited
        model = f" The model alone takes about {self.images / fed:,.0f} images/s." if fed > 0.01 * self.seconds else ""
        cores = f"{self.busy:.0%} of {_core_count()} processor cores busy"
        return (
            f"Training waited for data {self.wait_share:.0%} of the time ({self.waited:.1f} of {self.seconds:.1f} s), "
            f"at {self.images_per_second:,.0f} images/s.{model} {_BUSY_ADVICE if self.busy >= _BUSY else _IDLE_ADVICE}"
        ).format(cores=cores)


_BUSY_ADVICE = (
    "With {cores}, only less work helps: decode each image once (cache= of image_dataset_from_directory, or cache() "
    "after decoding), smaller images, fewer or cheaper augmentations."
)
_IDLE_ADVICE = (
    "With {cores}, the work is done one after another or the disk is slow: pass num_parallel_calls=tf.data.AUTOTUNE to "
    "map and interleave, end with prefetch(tf.data.AUTOTUNE), keep the images on a local disk or cache them; Python "
    "code in map runs in one thread."
)


class InputMonitor(keras.callbacks.Callback):
    """Measures the share of the training time that the model waits for data, and says what helps where it is large.

    Keras fetches batches within its train function, where no callback sees it: so the monitor also wraps the dataset.
    `input_wait` (from 0 to 1) and `images_per_second` of each epoch are added to the logs: to the history, and to
    TensorBoard, CSV and other callbacks that stand after this one in `callbacks`. A batch costs about 0.1 ms more.

    It measures what one device fetches batch by batch: not with `steps_per_execution` above 1, where TensorFlow fetches
    the next batch while it trains on this one; not under a `tf.distribute` strategy, which fetches in a thread of its
    own; and not with `class_weight` of `fit`, which does so too: then it warns, and leaves its figures out.
    (`keras_ext.datasets.apply_class_weights` does not.)

    Args:
      advise_above: Share of waiting above which advice is given, once, as a warning of
        `keras_ext.progress.progress_logger`, which stands on the standard error unless logging is configured otherwise.

    Attributes:
      figures: The `InputFigures` of the last epoch, None before.

    Raises:
      ValueError: `fit` trains on something that is not watched, several steps at once, or under a strategy.

    Example:

    >>> monitor = InputMonitor()
    >>> history = model.fit(monitor.watch(train), epochs=3, callbacks=[monitor])
    >>> history.history["input_wait"]
    [0.71, 0.68, 0.69]
    """

    def __init__(self, advise_above: float = 0.3) -> None:
        super().__init__()
        if not 0 <= advise_above <= 1:
            raise ValueError(f"advise_above must be a share in [0, 1]. Received: advise_above={advise_above!r}.")
        self.advise_above = advise_above
        self.figures: InputFigures | None = None
        with tf.device("CPU"):
            # Seconds waited, images and batches of this epoch.
            self._totals = tf.Variable([0.0, 0.0, 0.0], trainable=False, dtype=tf.float64, name="input_totals")
        self._left_out: _Moment | None = None
        self._advice: str | None = None
        self._is_advised = False
        self._is_misled = False

    def watch(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Returns the same dataset, the fetching of which is measured: give it to `fit` as it is.

        Whatever is done to it after this would be taken for the model's time. It has all attributes that `dataset` has,
        such as `class_names`.

        Args:
          dataset: A `tf.data.Dataset` of batches, the images first.

        Raises:
          TypeError: Something else. Keras fetches from arrays and generators (`PyDataset`) in ways of its own.
        """
        if not isinstance(dataset, tf.data.Dataset):
            raise TypeError(
                "dataset must be a tf.data.Dataset. Pass one of image_dataset_from_directory, for example, rather than "
                f"arrays or a generator. Received: {type(dataset).__name__}."
            )
        # A zip asks its parts in turn: the clock when the model asks, the dataset until it has answered.
        clock = tf.data.Dataset.from_tensors(0).repeat().map(lambda _: tf.timestamp())
        # tf.data would add this itself to what does not fetch ahead, but only at the very end.
        timed = tf.data.Dataset.zip((clock, dataset.prefetch(tf.data.AUTOTUNE))).map(self._add)
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False
        return _Watched(timed.with_options(options), dataset)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.figures = self._left_out = None
        self._is_misled = False
        steps = getattr(self.model, "steps_per_execution", 1)
        strategy = getattr(self.model, "distribute_strategy", None)
        if steps > 1 or tf.distribute.has_strategy() or strategy not in (None, tf.distribute.get_strategy()):
            raise ValueError(
                "InputMonitor needs a model that fetches batch by batch. Received: a model with steps_per_execution="
                f"{steps} and the strategy {type(strategy).__name__}. Leave these or the monitor out."
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._give_advice()
        self._totals.assign(tf.zeros_like(self._totals))
        self._begin = self._end = _Moment.of([0.0, 0.0, 0.0])

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Keras has read the loss by now, so that a GPU is done with the batch.
        self._end = _Moment.of(self._totals.numpy())
        if not self._end.batches:
            raise ValueError("InputMonitor saw no batch of this training. Call fit with monitor.watch(dataset) itself.")
        if self._end.batches != batch + 1 and not self._is_misled:
            self._is_misled = True
            progress_logger.warning(
                "InputMonitor cannot tell waiting from training: TensorFlow fetches batches before they are asked for, "
                "as it does with class_weight of fit. It leaves its figures out."
            )
        if self.figures is None and batch == 0:
            self._left_out = self._end

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._is_misled:
            return
        first, last = self._begin, self._end
        if self._left_out is not None and last.batches > 1:
            first = self._left_out
        self._left_out = None
        self.figures = last.since(first)
        if logs is not None:
            logs["input_wait"] = self.figures.wait_share
            logs["images_per_second"] = self.figures.images_per_second
        if self.figures.wait_share > self.advise_above and not self._is_advised:
            self._advice, self._is_advised = self.figures.advice(), True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._give_advice()

    def _add(self, asked: tf.Tensor, element: Any) -> Any:
        """Runs when the batch is there, and is on its way to the model."""
        images = tf.shape(tf.nest.flatten(element)[0], tf.int64)[0]
        waited = tf.timestamp() - asked
        self._totals.assign_add(tf.stack([waited, tf.cast(images, tf.float64), 1.0]))
        return element

    def _give_advice(self) -> None:
        """Between epochs, where no progress bar stands in the middle of its line."""
        if self._advice is not None:
            progress_logger.warning(self._advice)
            self._advice = None


@dataclass(frozen=True)
class _Moment:
    """What has been so far."""

    wall: float
    processor: float
    waited: float
    images: int
    batches: int

    @classmethod
    def of(cls, totals: Any) -> "_Moment":
        waited, images, batches = totals
        return cls(time.perf_counter(), time.process_time(), float(waited), int(images), int(batches))

    def since(self, before: "_Moment") -> InputFigures:
        seconds = self.wall - before.wall
        busy = (self.processor - before.processor) / (seconds * _core_count()) if seconds else 0.0
        return InputFigures(seconds, self.waited - before.waited, self.images - before.images, min(1.0, busy))


def _core_count() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Watched(tf.data.Dataset):
    """Yields what `timed` yields, and is in all else the dataset that this was made of."""

    def __init__(self, timed: tf.data.Dataset, dataset: tf.data.Dataset) -> None:
        self._timed = timed
        self._watched = dataset
        super().__init__(timed._variant_tensor)  # noqa: SLF001 - how every subclass of Dataset is made

    @property
    def element_spec(self) -> Any:
        return self._timed.element_spec

    def _inputs(self) -> list[tf.data.Dataset]:
        return [self._timed]

    def cardinality(self) -> tf.Tensor:
        return self._watched.cardinality()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._watched, name)
