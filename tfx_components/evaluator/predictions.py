"""The probabilities of each scored image: from TFMA's extracts to files of examples, and back."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.evaluators import evaluator
from tensorflow_model_analysis.extractors import predictions_extractor
from tensorflow_model_analysis.writers import writer

from keras_ext import features
from keras_ext.evaluation_result import Predictions

CANDIDATE: Final = "candidate"
BASELINE: Final = "baseline"

_FOLDER: Final = "predictions"
_PROBABILITIES: Final = {CANDIDATE: "prediction/probabilities", BASELINE: "prediction/baseline_probabilities"}
_BATCH = 4096


def predictions_evaluator() -> evaluator.Evaluator:
    """Returns a TFMA evaluator that keeps the scored examples: their features but for the image, and probabilities."""
    return evaluator.Evaluator(
        stage_name="KeepPredictions",
        run_after=predictions_extractor.PREDICTIONS_EXTRACTOR_STAGE_NAME,
        ptransform=_KeepPredictions(),
    )


def predictions_writer(uri: str) -> writer.Writer:
    """Returns a TFMA writer of what `predictions_evaluator` keeps, to the folder `predictions` of an artifact."""
    path = os.path.join(uri, _FOLDER, _FOLDER)
    return writer.Writer("WritePredictions", writer.Write(_FOLDER, beam.io.WriteToTFRecord(path)))


class _KeepPredictions(beam.PTransform):
    def expand(self, extracts: beam.PCollection) -> dict[str, beam.PCollection]:
        return {_FOLDER: extracts | "Examples" >> beam.FlatMap(_examples)}


def _examples(extracts: Mapping[str, Any]) -> Iterator[bytes]:
    predictions = extracts[tfma.PREDICTIONS_KEY]
    # With one model TFMA leaves its name out.
    by_model = predictions if isinstance(predictions, Mapping) else {CANDIDATE: predictions}
    for row, serialized in enumerate(extracts[tfma.INPUT_KEY]):
        example = tf.train.Example.FromString(serialized)
        del example.features.feature[features.ENCODED]
        for model, probabilities in by_model.items():
            example.features.feature[_PROBABILITIES[model]].float_list.value.extend(probabilities[row])
        yield example.SerializeToString(deterministic=True)


def read_predictions(uri: str, classes: int, columns: Sequence[str] = ()) -> tuple[Predictions, np.ndarray | None]:
    """Reads the predictions of an `Evaluator`'s artifact, sorted by file.

    Args:
      uri: The artifact `evaluation`.
      classes: The number of classes.
      columns: The columns to read; those that no image has are left out.

    Returns:
      The candidate's predictions, and the baseline's probabilities `(images, classes)` or None.

    Raises:
      ValueError: There are none.
    """
    files = sorted(tf.io.gfile.glob(os.path.join(uri, _FOLDER, f"{_FOLDER}-*")))
    texts = {features.FILENAME: features.FILENAME, features.GROUP: features.GROUP}
    texts |= {name: features.COLUMN + name for name in columns}
    batches = list(_batches(files, list(texts.values()), classes))
    if not batches:
        raise ValueError("There is no image to score. Choose a split that has images.")
    table = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    order = np.argsort(table[features.FILENAME], kind="stable")  # Beam promises none, and resamples depend on it
    table = {name: values[order] for name, values in table.items()}
    text = {name: [value.decode() for value in table[feature]] for name, feature in texts.items()}
    groups, baseline = text[features.GROUP], table[_PROBABILITIES[BASELINE]]
    predictions = Predictions(
        labels=table[features.CLASS_LABEL],
        probabilities=table[_PROBABILITIES[CANDIDATE]],
        files=text[features.FILENAME],
        groups=groups if any(groups) else (),
        columns={name: text[name] for name in columns if any(text[name])},
    )
    return predictions, baseline if baseline.shape[1] else None


def column_is_there(split_uris: Sequence[str], column: str) -> bool:
    """Whether any image of any of these splits has a value in a column."""
    feature = features.COLUMN + column
    for file in sorted(file for uri in split_uris for file in tf.io.gfile.glob(os.path.join(uri, "*"))):
        for record in tf.data.TFRecordDataset(file, "GZIP" if file.endswith(".gz") else "").as_numpy_iterator():
            if feature in tf.train.Example.FromString(record).features.feature:
                return True
    return False


def _batches(files: Sequence[str], texts: Sequence[str], classes: int) -> Iterator[dict[str, np.ndarray]]:
    text = tf.io.FixedLenFeature([], tf.string, "")
    parsed: dict[str, Any] = dict.fromkeys(texts, text)
    parsed[features.CLASS_LABEL] = tf.io.FixedLenFeature([], tf.int64)
    parsed[_PROBABILITIES[CANDIDATE]] = tf.io.FixedLenFeature([classes], tf.float32)
    parsed[_PROBABILITIES[BASELINE]] = tf.io.FixedLenSequenceFeature([], tf.float32, allow_missing=True)
    dataset = tf.data.TFRecordDataset(list(files)).batch(_BATCH)
    for batch in dataset:
        yield {name: tensor.numpy() for name, tensor in tf.io.parse_example(batch, parsed).items()}
