"""What others run a trained classifier by: SavedModel, `.keras`, LiteRT and ONNX."""

from keras_ext.export.image_files import checked_files
from keras_ext.export.keras_file import export_keras
from keras_ext.export.lite_rt_file import export_lite_rt
from keras_ext.export.onnx_file import export_onnx
from keras_ext.export.pixel_model import FORMATS, check_formats, export_formats
from keras_ext.export.recorded_predictions import PREDICTION_BATCH, read_recorded_predictions, record_predictions
from keras_ext.export.saved_model import (
    CLASS_NAMES_SIGNATURE,
    EXAMPLES_SIGNATURE,
    EXTRA_FILES,
    SERVING_SIGNATURE,
    export_classifier,
    read_class_names,
)

__all__ = [
    "CLASS_NAMES_SIGNATURE",
    "EXAMPLES_SIGNATURE",
    "EXTRA_FILES",
    "FORMATS",
    "PREDICTION_BATCH",
    "SERVING_SIGNATURE",
    "check_formats",
    "checked_files",
    "export_classifier",
    "export_formats",
    "export_keras",
    "export_lite_rt",
    "export_onnx",
    "read_class_names",
    "read_recorded_predictions",
    "record_predictions",
]
