"""Figures of each class after each epoch, and a picture of what is taken for what."""

import math
import os
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ext.callbacks.tensorboard_pictures import TensorBoardPictures
from keras_ext.choices import check_choice
from keras_ext.class_figures import FIGURES, ClassFigures, class_figures
from keras_ext.confusion_matrix_figure import confusion_matrix_figure
from keras_ext.confusion_matrix_table import confusion_matrix_table
from keras_ext.metrics import ConfusionMatrix

_MATRICES_KEPT = 100  # classes up to which the history holds the matrix of each epoch, 80 kB of it


class ClassificationReport(keras.callbacks.Callback):
    """Reports precision, recall and F1 of each class on the validation data after each epoch.

    It reads the counts of a `keras_ext.metrics.ConfusionMatrix` that the model is compiled with, so the validation data
    is gone through no second time. It adds to the history of `fit` `val_macro_precision`, `val_macro_recall` and
    `val_macro_f1`; for each class that has validation images `val_precision_<class>`, `val_recall_<class>` and
    `val_f1_<class>`; and, of up to 100 classes, `val_confusion_matrix`, a list of rows. The macro figures are in the
    logs too, which the progress bar prints and other callbacks read; a callback that monitors one must stand after this
    one in `callbacks`. After `model.evaluate(data, callbacks=[report])` the report is of that data.

    Args:
      class_names: The name of each class, in the order of the class indices.
      logged: Which figures of each class are in the logs too, of "precision", "recall" and "f1": for a callback that
        monitors the recall of one class, say, or for TensorBoard's curves. The progress bar prints them all.
      log_dir: Where TensorBoard finds pictures of the confusion matrix, in the run `report`; None draws none. The
        pictures need Matplotlib.
      every: Epochs from one picture to the next, the first epoch having one, and the last.
      verbose: 1 prints the table after each epoch, 0 does not.

    Attributes:
      matrix: The last confusion matrix, `(classes, classes)`, row = true class; None before the first validation.

    Raises:
      ValueError: The model is not compiled with exactly one `ConfusionMatrix`, or for another number of classes; an
        unknown figure.

    Example:

    >>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy", ConfusionMatrix(num_classes=3)])
    >>> report = ClassificationReport(["bird", "cat", "dog"], log_dir="logs")
    >>> best = keras.callbacks.EarlyStopping("val_macro_recall", mode="max", patience=5, restore_best_weights=True)
    >>> model.fit(train, validation_data=validation, epochs=20, callbacks=[report, best])
    >>> print(report.table())
    """

    def __init__(
        self,
        class_names: Sequence[str],
        *,
        logged: Sequence[str] = (),
        log_dir: str | os.PathLike[str] | None = None,
        every: int = 1,
        verbose: int = 0,
    ) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be a positive number of epochs. Received: every={every!r}.")
        if isinstance(class_names, str):
            raise TypeError(f"class_names must be a list of class names. Received: class_names={class_names!r}.")
        self.class_names = list(class_names)
        self.logged = [check_choice("logged", figure, FIGURES) for figure in logged]
        self.log_dir = log_dir
        self.every = every
        self.verbose = verbose
        self.matrix: np.ndarray | None = None
        self._is_checked = False
        self._is_fresh = False
        self._not_drawn: int | None = None
        self._pictures = None if log_dir is None else TensorBoardPictures(log_dir, "report")
        if log_dir is not None:
            # Says now, and not after an epoch, that Matplotlib is missing.
            confusion_matrix_figure(np.eye(2), ["a", "b"])

    @property
    def figures(self) -> ClassFigures:
        """The figures of the last confusion matrix.

        Raises:
          ValueError: There was no validation yet.
        """
        return class_figures(self._last_matrix())

    def table(self, rows: int = 20) -> str:
        """Returns the figures as text, the classes of lowest recall first, `rows` of them at most."""
        return self.figures.table(self.class_names, rows)

    def matrix_table(self) -> str:
        """Returns the last confusion matrix as text, a line for each true class."""
        return confusion_matrix_table(self._last_matrix(), self.class_names)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._is_checked = self._is_fresh = False
        self.matrix = self._not_drawn = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Keras builds the metrics within the first batch; a missing one is to be known before an epoch is lost.
        if not self._is_checked:
            self._metric()
            self._is_checked = True

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self.matrix = self._metric().matrix
        self._is_fresh = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._is_fresh:  # fit's validation_freq leaves epochs out
            return
        self._is_fresh = False
        self._tell(self.figures, {} if logs is None else logs)
        if epoch % self.every:
            self._not_drawn = epoch
        else:
            self._draw(epoch)
        if self.verbose:
            print(f"\n{self.table()}")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._not_drawn is not None:
            self._draw(self._not_drawn)
        if self._pictures is not None:
            self._pictures.close()
        if self.matrix is None:
            warnings.warn("ClassificationReport saw no validation. Call fit with validation_data.", stacklevel=2)

    def _draw(self, epoch: int) -> None:
        self._not_drawn = None
        if self._pictures is not None:
            figure = confusion_matrix_figure(self._last_matrix(), self.class_names)
            self._pictures.write("confusion matrix", figure, epoch)

    def _last_matrix(self) -> np.ndarray:
        if self.matrix is None:
            raise ValueError("There are no figures before the first validation. Call fit with validation_data.")
        return self.matrix

    def _tell(self, figures: ClassFigures, logs: dict[str, Any]) -> None:
        logs.update({f"val_macro_{name}": getattr(figures, f"macro_{name}") for name in FIGURES})
        history = getattr(self.model, "history", None)
        for figure in FIGURES:
            of_classes = self._of_classes(figure, getattr(figures, figure))
            if figure in self.logged:
                logs.update(of_classes)
            else:
                _append(history, of_classes)
        if len(self.class_names) <= _MATRICES_KEPT:
            _append(history, {"val_confusion_matrix": self._last_matrix().tolist()})

    def _of_classes(self, figure: str, values: np.ndarray) -> dict[str, float]:
        named = zip(self.class_names, values.tolist(), strict=True)
        return {f"val_{figure}_{name}": value for name, value in named if not math.isnan(value)}

    def _metric(self) -> ConfusionMatrix:
        compiled = [one for metric in self.model.metrics for one in getattr(metric, "metrics", [metric])]
        found = [metric for metric in compiled if isinstance(metric, ConfusionMatrix)]
        if len(found) != 1 or found[0].num_classes != len(self.class_names):
            received = ", ".join(f"ConfusionMatrix({metric.num_classes})" for metric in found) or "none"
            raise ValueError(
                "ClassificationReport reads the counts of one keras_ext.metrics.ConfusionMatrix for its "
                f"{len(self.class_names)} class names. Received: a model compiled with {received}. "
                f"Pass metrics=[..., ConfusionMatrix({len(self.class_names)})] to model.compile."
            )
        return found[0]


def _append(history: keras.callbacks.History | None, values: dict[str, Any]) -> None:
    """Adds to the history what the logs are not to have: the progress bar prints all of these, and no matrix."""
    if history is not None:
        for name, value in values.items():
            history.history.setdefault(name, []).append(value)
