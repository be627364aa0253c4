"""BulkPredictions: what BulkInferrer wrote, as a table."""

from tfx_components.bulk_predictions.component import BulkPredictions
from tfx_components.bulk_predictions.prediction_logs import read_predictions

__all__ = ["BulkPredictions", "read_predictions"]
