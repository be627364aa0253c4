"""What others run a trained classifier by: SavedModel and others."""

from keras_ext.export.saved_model import EXAMPLES_SIGNATURE, export_classifier, read_class_names

__all__ = ["EXAMPLES_SIGNATURE", "export_classifier", "read_class_names"]
