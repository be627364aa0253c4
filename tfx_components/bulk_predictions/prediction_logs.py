"""BulkInferrer's result, read back."""

import os
from collections.abc import Iterator, Sequence

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from keras_ext import features
from keras_ext.prediction_table import Prediction

_EXAMPLES = "examples"
_PROBABILITIES = "probabilities"


def read_predictions(inference_result_uri: str, class_names: Sequence[str]) -> Iterator[Prediction]:
    """Yields the predictions of BulkInferrer, in the order in which Beam wrote them.

    Args:
      inference_result_uri: The folder of BulkInferrer's output `inference_result`, for a model that
        `export_classifier` wrote, by its signature `serving_examples`, and examples of `DirectoryExampleGen`.
      class_names: The model's classes, such as `keras_ext.export.read_class_names` returns.

    Raises:
      ValueError: The result is of another kind of model or of examples without `image/filename`.

    Example:

    >>> for prediction in read_predictions(result.uri, read_class_names("runs/first/serving/1")):
    ...     print(prediction.filename, prediction.label, prediction.probability)
    """
    files = sorted(tf.io.gfile.glob(os.path.join(inference_result_uri, "prediction_logs*.gz")))
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        yield _prediction(prediction_log_pb2.PredictionLog.FromString(record).predict_log, class_names)


def _prediction(log: prediction_log_pb2.PredictLog, class_names: Sequence[str]) -> Prediction:
    if _EXAMPLES not in log.request.inputs or _PROBABILITIES not in log.response.outputs:
        raise ValueError(
            f"inference_result must hold the inputs '{_EXAMPLES}' and the outputs '{_PROBABILITIES}'. "
            f"Received: {', '.join([*log.request.inputs, *log.response.outputs]) or 'neither'}. "
            'Pass BulkInferrer a ModelSpec(model_signature_name=["serving_examples"]).'
        )
    example = tf.train.Example.FromString(log.request.inputs[_EXAMPLES].string_val[0])
    names = example.features.feature[features.FILENAME].bytes_list.value
    if not names:
        raise ValueError(f"The examples that were classified have no feature '{features.FILENAME}'.")
    probabilities = tf.make_ndarray(log.response.outputs[_PROBABILITIES]).reshape(-1)
    if len(probabilities) != len(class_names):
        raise ValueError(
            f"class_names must name each of the {len(probabilities)} classes. Received: {len(class_names)} names."
        )
    return Prediction.of(names[0].decode(), probabilities, class_names)
