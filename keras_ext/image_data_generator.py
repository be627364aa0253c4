"""Keras's `ImageDataGenerator`, by its familiar constructor, on the layers of this package."""

import os
import warnings
from collections.abc import Sequence
from typing import Any

from keras_ext.generators import ArrayIterator, DataFrameIterator, DirectoryIterator
from keras_ext.generators.image_files import ImageFiles
from keras_ext.generators.image_iterator import FlowOptions
from keras_ext.generators.image_processing import ImageProcessing
from keras_ext.generators.image_settings import SETTINGS, STATISTICS, check_arguments
from keras_ext.generators.saved_images import SavedImages

_DEPRECATED = ("has_ext", "sort", "drop_duplicates")


class ImageDataGenerator(ImageProcessing):
    """Batches of augmented images from arrays, folders and data frames.

    It takes the place of Keras's class of this name, argument for argument and attribute for attribute, and augments
    several times as fast; where that one has bugs, this one is right. What only rescales is about as fast as there, and
    so is reading files by Pillow: with any `interpolation` but `"nearest"`, and what is not JPEG, PNG or BMP.
    `docs/migration.md` lists the differences, and shows how to go on from here to layers and datasets.

    An image is read and resized, augmented (rotation, shifts, shear and zoom in one resampling about the centre,
    channel shift, flips, brightness), and then standardized: `preprocessing_function`, `rescale`, samplewise,
    featurewise, ZCA. Draws depend on the seed, the image's position in the data and the epoch alone.

    Args:
      featurewise_center: Whether to subtract each channel's mean over the data; see `fit`.
      samplewise_center: Whether to subtract each image's mean.
      featurewise_std_normalization: Whether to divide by each channel's standard deviation over the data; see `fit`.
      samplewise_std_normalization: Whether to divide each image by its standard deviation.
      zca_whitening: Whether to apply ZCA whitening; see `fit`.
      zca_epsilon: Added to the singular values before dividing by them.
      rotation_range: Degrees; rotations are drawn from ±that much.
      width_shift_range: A float: fraction of the width when below 1, pixels otherwise, drawn from ±that much. An
        integer n: whole pixels below n. A sequence: its values, with either sign.
      height_shift_range: Likewise, of the height.
      brightness_range: Two numbers (low, high) of a factor, or None.
      shear_range: Degrees; shears are drawn from ±that much.
      zoom_range: A number for [1 - zoom, 1 + zoom] or (low, high); factors above 1 zoom out. Each axis has its own.
      channel_shift_range: What is added to all channels alike is drawn from ±that much.
      fill_mode: What lies outside the image: `"constant"`, `"nearest"`, `"reflect"` or `"wrap"`, as in SciPy.
      cval: Value for `"constant"`.
      horizontal_flip: Whether to mirror half of the images.
      vertical_flip: Whether to turn half of the images upside down.
      rescale: A factor for all values, or None.
      preprocessing_function: Takes an image `(height, width, channels)` as float array and returns one of the same
        shape. It runs after augmentation, before anything else, in the thread that asks for the batch.
      data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
      validation_split: The fraction of the data that is `subset="validation"`: the first of each class.
      interpolation_order: 0 for nearest neighbour, 1 for bilinear interpolation.
      dtype: Of the batches; None for Keras's float type.

    Attributes:
      mean: Each channel's mean, if it is known; it may be set.
      std: Each channel's standard deviation, likewise.
      zca_whitening_matrix: `(values, values)`, likewise.

    Raises:
      TypeError: An unknown argument; the message names the nearest.
      ValueError: A value that has no meaning.

    Example:

    >>> generator = ImageDataGenerator(rotation_range=20, horizontal_flip=True, rescale=1 / 255, validation_split=0.2)
    >>> train = generator.flow_from_directory("photos", target_size=(96, 96), subset="training")
    >>> val = generator.flow_from_directory("photos", target_size=(96, 96), subset="validation", shuffle=False)
    >>> model.fit(train, validation_data=val, epochs=10)
    """

    @classmethod
    def from_keras(cls, generator: Any) -> "ImageDataGenerator":
        """Returns a generator with all settings of one of Keras's, and the statistics it was fitted with.

        Settings keep their names and get the meaning that they have here: `width_shift_range` moves columns, even where
        Keras's version swaps the two shifts.

        Args:
          generator: `keras._legacy.preprocessing.image.ImageDataGenerator`, which `tf.keras` calls
            `preprocessing.image.ImageDataGenerator`, or that of Keras-Preprocessing.

        Raises:
          TypeError: It is none.
          ValueError: A setting that is not supported, such as an `interpolation_order` above 1.

        Example:

        >>> generator = ImageDataGenerator.from_keras(old_generator)
        """
        missing = [name for name in (*SETTINGS, *STATISTICS) if not hasattr(generator, name)]
        if missing:
            raise TypeError(
                f"generator must be an ImageDataGenerator of Keras's. Received: {type(generator).__name__}, which has "
                f"no {missing[0]}."
            )
        split = getattr(generator, "_validation_split", getattr(generator, "validation_split", 0.0))
        new = cls(**{name: getattr(generator, name) for name in SETTINGS}, validation_split=split or 0.0)
        for name in STATISTICS:
            setattr(new, name, getattr(generator, name))
        return new

    def flow(  # noqa: PLR0913 - the familiar arguments, in the familiar order
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
        **unknown: Any,
    ) -> ArrayIterator:
        """Returns batches of images in memory.

        Args:
          x: Images, uint8 or floats, of shape `(images, height, width, channels)`, or a pair of them and one or a list
            of other inputs. uint8 images stay such until they are wanted.
          y: Labels, of any shape that starts with the number of images, or None.
          batch_size: Images in a batch.
          shuffle: Whether each epoch has an order of its own.
          sample_weight: A weight for each image, or None.
          seed: An integer that decides order and augmentation, or None.
          save_to_dir: A folder to save the augmented images in, or None.
          save_prefix: Of the names of saved images.
          save_format: Of saved images, such as `"png"` or `"jpeg"`.
          ignore_class_split: Whether both subsets may hold different classes.
          subset: `"training"` or `"validation"`, which is the first part of the images and not augmented; or None.
          **unknown: None.

        Raises:
          TypeError: An unknown argument.
          ValueError: Arrays of other shapes or lengths, or an unknown name.
        """
        check_arguments("flow", unknown, self.flow)
        options = _flow_options(batch_size, shuffle, seed, subset, (save_to_dir, save_prefix, save_format))
        return ArrayIterator(self, x, y, sample_weight, ignore_class_split, options)

    def flow_from_directory(  # noqa: PLR0913 - the familiar arguments, in the familiar order
        self,
        directory: str | os.PathLike[str],
        target_size: Sequence[int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        **unknown: Any,
    ) -> DirectoryIterator:
        """Returns batches of the images in a folder of class folders; images may lie deeper below these.

        Args:
          directory: The folder. Without labels (`class_mode=None` or `"input"`), images may lie in it directly.
          target_size: Height and width to resize to, in pixels.
          color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
          classes: The class folders, in the order of their index; None for all that hold images, sorted.
          class_mode: `"categorical"` for one-hot labels, `"sparse"` or `"binary"` for indices, `"input"` for the images
            themselves, None for no labels.
          batch_size: Images in a batch.
          shuffle: Whether each epoch has an order of its own.
          seed: An integer that decides order and augmentation, or None.
          save_to_dir: A folder to save the augmented images in, or None.
          save_prefix: Of the names of saved images.
          save_format: Of saved images, such as `"png"` or `"jpeg"`.
          follow_links: Whether linked folders are entered.
          subset: `"training"` or `"validation"`, which is the first part of each class and not augmented; or None.
          interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"hamming"`, `"box"` or `"lanczos"`, as in Pillow.
          keep_aspect_ratio: Whether to cut away what does not fit, from the centre, instead of stretching.
          **unknown: None.

        Raises:
          TypeError: An unknown argument.
          ValueError: The folder does not hold such images, or an unknown name.
        """
        check_arguments("flow_from_directory", unknown, self.flow_from_directory)
        files = ImageFiles(target_size, color_mode, interpolation, keep_aspect_ratio)
        options = _flow_options(batch_size, shuffle, seed, subset, (save_to_dir, save_prefix, save_format))
        return DirectoryIterator(self, directory, files, classes, class_mode, follow_links, options)

    def flow_from_dataframe(  # noqa: PLR0913 - the familiar arguments, in the familiar order
        self,
        dataframe: Any,
        directory: str | os.PathLike[str] | None = None,
        x_col: str = "filename",
        y_col: str | Sequence[str] = "class",
        weight_col: str | None = None,
        target_size: Sequence[int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        keep_aspect_ratio: bool = False,
        **unknown: Any,
    ) -> DataFrameIterator:
        """Returns batches of the images that the rows of a table name.

        Args:
          dataframe: A pandas DataFrame, or a mapping of column names to sequences.
          directory: What file names are relative to; None for the working directory, or absolute names.
          x_col: The column of file names.
          y_col: The column of labels: strings, or with `class_mode="categorical"` lists of strings. For `"raw"` also a
            list of columns, for `"multi_output"` always.
          weight_col: The column of sample weights, or None.
          target_size: Height and width to resize to, in pixels.
          color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
          classes: The labels to use, in the order of their index; None for all, sorted.
          class_mode: As in `flow_from_directory`; or `"raw"` for the values as they stand, `"multi_output"` for a list
            of the columns' values.
          batch_size: Images in a batch.
          shuffle: Whether each epoch has an order of its own.
          seed: An integer that decides order and augmentation, or None.
          save_to_dir: A folder to save the augmented images in, or None.
          save_prefix: Of the names of saved images.
          save_format: Of saved images, such as `"png"` or `"jpeg"`.
          subset: `"training"` or `"validation"`, which is the first part of the rows and not augmented; or None.
          interpolation: As in `flow_from_directory`.
          validate_filenames: Whether to look now whether the files are there.
          keep_aspect_ratio: Whether to cut away what does not fit, from the centre, instead of stretching.
          **unknown: None; `has_ext`, `sort` and `drop_duplicates` have had no meaning for long, and cause a warning.

        Raises:
          TypeError: An unknown argument; names, labels or weights of another type.
          ValueError: A column that is not there, no file, or an unknown name.
        """
        for name in [name for name in _DEPRECATED if name in unknown]:
            warnings.warn(f"{name} has no meaning any more. Leave it out.", DeprecationWarning, stacklevel=2)
            del unknown[name]
        check_arguments("flow_from_dataframe", unknown, self.flow_from_dataframe)
        if class_mode == "other":
            warnings.warn("class_mode='other' is deprecated. Pass 'raw'.", DeprecationWarning, stacklevel=2)
            class_mode = "raw"
        files = ImageFiles(target_size, color_mode, interpolation, keep_aspect_ratio)
        options = _flow_options(batch_size, shuffle, seed, subset, (save_to_dir, save_prefix, save_format))
        return DataFrameIterator(
            self,
            dataframe,
            directory,
            x_col,
            y_col,
            weight_col,
            files,
            classes,
            class_mode,
            validate_filenames,
            options,
        )


def _flow_options(
    batch_size: int, shuffle: bool, seed: int | None, subset: str | None, save: tuple[Any, str, str]
) -> FlowOptions:
    return FlowOptions(batch_size, shuffle, seed, subset, None if save[0] is None else SavedImages(*save))
