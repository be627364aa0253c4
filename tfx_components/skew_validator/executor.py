"""Compares what the served model answers with what the trained one said."""

import dataclasses
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from keras_ext import features
from keras_ext.export import PREDICTION_BATCH, SERVING_SIGNATURE, read_class_names, read_recorded_predictions
from keras_ext.progress import progress_logger
from tfx_components import artifacts
from tfx_components.skew_validator.fresh_process import fresh_process

_Artifacts = dict[str, list[types.Artifact]]
_READ_BATCH = 256


@dataclasses.dataclass(frozen=True)
class Image:
    """A file of the sample."""

    key: bytes
    encoded: bytes
    filename: str
    format: str


class Executor(base_executor.BaseExecutor):
    """See `tfx_components.SkewValidator`."""

    def Do(self, input_dict: _Artifacts, output_dict: _Artifacts, exec_properties: dict[str, Any]) -> None:
        """Reads `examples`, `model` and `model_run`, writes `report`, or raises."""
        with fresh_process() as fresh:
            trained = read_recorded_predictions(artifact_utils.get_single_uri(input_dict["model_run"]))
            images = find_images(input_dict["examples"], exec_properties["split"], trained)
            model = path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict["model"]))
            served = fresh.probabilities(
                model, [image.encoded for image in images], batch_size=PREDICTION_BATCH, signature=SERVING_SIGNATURE
            )
        report = compare(images, served, np.stack([trained[image.key] for image in images]), _class_names(model))
        check(report, exec_properties["max_difference"])
        artifacts.write_json(artifact_utils.get_single_uri(output_dict["report"]), artifacts.SKEW_FILE, report)
        progress_logger.info(
            "%s images: serving differs from training by at most %.1e", report["images"], report["largest_difference"]
        )


def find_images(examples: list[types.Artifact], split: str, keys: Mapping[bytes, Any]) -> list[Image]:
    """Returns the files of the keys, in the order of the keys; of equal files the first.

    Raises:
      ValueError: One of them is not there.
    """
    found: dict[bytes, Image] = {}
    files = sorted(
        file
        for one in examples
        for file in tf.io.gfile.glob(os.path.join(artifact_utils.get_split_uri([one], split), "*"))
    )
    for image in _read(files):
        if image.key in keys:
            found.setdefault(image.key, image)
    if len(found) < len(keys):
        raise ValueError(
            f"The split {split!r} must hold the images whose predictions were recorded. Received: {len(found)} of "
            f"{len(keys)}. Give SkewValidator the examples and the split that the model was validated on, by split=..."
        )
    return [found[key] for key in keys]


def _class_names(model: str) -> list[str]:
    try:
        return read_class_names(model)
    except ValueError:  # exported by others
        return []


def _read(files: list[str]) -> Iterator[Image]:
    spec = {
        features.SHA256: tf.io.FixedLenFeature([], tf.string),
        features.ENCODED: tf.io.FixedLenFeature([], tf.string),
        features.FILENAME: tf.io.FixedLenFeature([], tf.string, default_value=""),
        features.FORMAT: tf.io.FixedLenFeature([], tf.string, default_value=""),
    }
    for file in files:
        records = tf.data.TFRecordDataset(file, "GZIP" if file.endswith(".gz") else "")
        for batch in records.batch(_READ_BATCH).map(lambda one: tf.io.parse_example(one, spec)).as_numpy_iterator():
            for key, encoded, name, kind in zip(*(batch[feature].tolist() for feature in spec), strict=True):
                yield Image(key, encoded, name.decode(errors="replace"), kind.decode(errors="replace"))


def compare(images: list[Image], served: np.ndarray, trained: np.ndarray, class_names: list[str]) -> dict[str, Any]:
    """Returns the report: how far `served` and `trained`, both `(images, classes)`, are from each other, and where."""
    if served.shape != trained.shape:
        raise ValueError(
            f"The served model must have the classes of the trained one. Received: {served.shape[1]} and "
            f"{trained.shape[1]} classes."
        )
    # A number that is none differs from every other.
    differences = np.nan_to_num(np.abs(served.astype(np.float64) - trained), nan=np.inf)
    worst, index = np.unravel_index(np.argmax(differences), differences.shape)
    return {
        "images": len(images),
        "formats": dict(sorted(Counter(image.format for image in images).items())),
        "largest_difference": float(differences[worst, index]),
        "worst": {
            "filename": images[worst].filename,
            "class": class_names[index] if class_names else int(index),
            "served": float(served[worst, index]),
            "trained": float(trained[worst, index]),
        },
        "differences": sorted(differences.max(axis=1).tolist(), reverse=True),
    }


def check(report: dict[str, Any], max_difference: float) -> None:
    """Raises what a run fails with.

    Raises:
      ValueError: A probability differs by more than `max_difference`.
    """
    if report["largest_difference"] <= max_difference:
        return
    worst = report["worst"]
    beyond = sum(difference > max_difference for difference in report["differences"])
    raise ValueError(
        f"Serving must give what training gave, to {max_difference:g}. Received: for {worst['filename']!r} the "
        f"probability of {worst['class']!r} is {worst['served']:.6f} by serving_default and {worst['trained']:.6f} in "
        f"training; {beyond} of {report['images']} images differ. Decode and resize in serving what Transform did, and "
        "export the model that was trained."
    )
