"""`tf.data` datasets of images."""

from keras_ext.datasets.balanced_dataset import balanced_dataset
from keras_ext.datasets.image_dataset import ImageDataset
from keras_ext.datasets.image_dataset_from_dataframe import image_dataset_from_dataframe
from keras_ext.datasets.image_dataset_from_directory import image_dataset_from_directory
from keras_ext.datasets.image_examples import ImageExamples
from keras_ext.datasets.image_keys import image_keys
from keras_ext.datasets.label_counts import count_dataset_labels
from keras_ext.datasets.python_reads import read_files
from keras_ext.datasets.sample_weights import apply_class_weights

__all__ = [
    "ImageDataset",
    "ImageExamples",
    "apply_class_weights",
    "balanced_dataset",
    "count_dataset_labels",
    "image_dataset_from_dataframe",
    "image_dataset_from_directory",
    "image_keys",
    "read_files",
]
