"""What `ImageDataGenerator` returns: iterators over arrays, folders and data frames; and two of them as one."""

from keras_ext.generators.array_iterator import ArrayIterator
from keras_ext.generators.data_frame_iterator import DataFrameIterator
from keras_ext.generators.directory_iterator import DirectoryIterator
from keras_ext.generators.paired_iterator import PairedIterator

__all__ = ["ArrayIterator", "DataFrameIterator", "DirectoryIterator", "PairedIterator"]
