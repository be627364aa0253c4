"""An exported classifier, applied to files, folders, archives and manifests."""

from keras_ext.prediction.classifier import Classifier
from keras_ext.prediction.model_path import find_model
from keras_ext.prediction_summary import PredictionSummary
from keras_ext.prediction_table import Prediction, PredictionTable, write_predictions

__all__ = ["Classifier", "Prediction", "PredictionSummary", "PredictionTable", "find_model", "write_predictions"]
