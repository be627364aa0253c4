"""Images in class folders to a `tf.data` dataset, with Keras's arguments and more."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from keras_ext.choices import check_choice
from keras_ext.datasets.image_pipeline import ElementOptions, image_datasets, image_decoder
from keras_ext.datasets.image_subsets import SubsetChoice
from keras_ext.datasets.image_table import ImageTable
from keras_ext.directory_index import DirectoryIndex


def image_dataset_from_directory(  # noqa: PLR0913 - the arguments of Keras's function
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Sequence[int] | int = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",  # noqa: A002 - Keras's name
    verbose: bool = True,
    *,
    split_strategy: str | None = None,
    group_of: Callable[[str], str] | None = None,
    sample_weights: Sequence[float] | None = None,
    with_file_names: bool = False,
    cache: str | os.PathLike[str] | None = None,
    dtype: str = "float32",
    exif_orientation: bool = True,
) -> Any:
    """Returns batches of the images in a folder: Keras's function, with more ways to split, cache and report.

        photos/cats/a.jpg               photos/train/cats/a.jpg
        photos/cats/outdoors/b.png      photos/train/dogs/b.jpg
        photos/dogs/c.jpg               photos/val/cats/c.jpg

    Files that cannot be decoded are left out, with one warning, and listed in `dataset.rejected`. The dataset and what
    `map` and such make of it know `class_names`, `file_paths` and more; see `ImageDataset`. The order of each epoch is
    a function of the seed and of the number of the epoch alone. Validation and test images stay in the order of
    `file_paths`.

    Args:
      directory: The folder.
      labels: `"inferred"` from the class folders, None for images without labels, or an integer for each image in the
        order of their paths, folder by folder.
      label_mode: `"int"` for int32 class indices `(batch,)`, `"categorical"` for float32 `(batch, classes)`, `"binary"`
        for float32 `(batch, 1)`, or None, which means the same as `labels=None`.
      class_names: The class folders to use, in the order of their index; by default all, sorted.
      color_mode: `"rgb"`, `"grayscale"` or `"rgba"`.
      batch_size: Images in a batch, or None for single ones. A batch holds fewer where some cannot be decoded.
      image_size: Height and width in pixels.
      shuffle: Whether to shuffle, anew in each epoch.
      seed: Fixes the order, and the subsets of `split_strategy="keras"`.
      validation_split: The share of the images that is for validation, between 0 and 1.
      subset: `"training"` (or `"train"`), `"validation"` (or `"eval"`), `"both"`, or `"test"`: of `validation_split`,
        or of the split folders where there are any.
      interpolation: A method of `tf.image.resize`.
      follow_links: Whether to enter linked folders.
      crop_to_aspect_ratio: Whether to crop instead of stretching.
      pad_to_aspect_ratio: Whether to pad instead of stretching.
      data_format: `"channels_last"` or `"channels_first"`; by default Keras's setting.
      format: `"tf"`; for Grain there is Keras's own function.
      verbose: Whether to print how many files there are.
      split_strategy: How `validation_split` divides. `"keras"` (the default): the same files as Keras takes, a new draw
        whenever a file is added. `"hash"`: by the SHA-256 of the content, as `DirectoryExampleGen` does; identical
        images stay together and adding files moves no other. `"stratified"`: the same share of every class.
        `"group"` (the default with `group_of`): by the hash of the group. With groups, `"hash"` and `"stratified"`
        keep them together too; without, these two read every file once.
      group_of: From the path of an image, relative to `directory`, to the name of what must stay in one subset: a
        patient, a scene.
      sample_weights: A weight for each image, in the order of their paths, folder by folder; elements are then
        `(images, labels, weights)`.
      with_file_names: Whether elements begin with the paths of the images, strings `(batch,)`, relative to `directory`.
      cache: `"memory"`, or a file, to decode once, now, and keep the images as uint8. A file serves all subsets and
        later runs; it is made anew when files or settings change.
      dtype: `"float32"`, or `"uint8"` for a quarter of the memory; values are whole numbers in [0, 255].
      exif_orientation: Whether to turn JPEGs upright as EXIF says. Keras does not.

    Returns:
      An `ImageDataset` of `images`, `(images, labels)` or `(images, labels, weights)`, with file names before them;
      images are `(batch, height, width, channels)`. For `subset="both"` a list of two.

    Raises:
      ValueError: The folder holds no images in this layout, an argument is unknown, or two exclude each other.

    Example:

    >>> train, validation = image_dataset_from_directory("photos", validation_split=0.2, subset="both", seed=0)
    >>> train = train.map(lambda images, labels: (augment(images, training=True), labels))
    >>> train.class_names
    ['cats', 'dogs']
    """
    check_choice("format", format, ("tf",))
    strategy = split_strategy or ("group" if group_of else "keras")
    choice = SubsetChoice(validation_split, subset, strategy, shuffle, seed)
    labels, label_mode = (None, None) if labels is None or label_mode is None else (labels, label_mode)
    _check_labels(labels, class_names)
    options = ElementOptions(label_mode, batch_size, data_format, dtype, with_file_names, cache)
    decode = image_decoder(
        image_size,
        color_mode,
        interpolation,
        crop_to_aspect_ratio=crop_to_aspect_ratio,
        pad_to_aspect_ratio=pad_to_aspect_ratio,
        exif_orientation=exif_orientation,
    )
    given = None if isinstance(labels, str) else labels
    inferred = labels if isinstance(labels, str) else None
    index = DirectoryIndex.from_directory(directory, class_names, labels=inferred, follow_links=follow_links)
    table = ImageTable.of(index, group_of)
    if given is not None:
        table = table.with_labels(given, label_mode)
    if sample_weights is not None:
        table = table.with_weights(sample_weights)
    return image_datasets(table, choice, decode, options, verbose)


def _check_labels(labels: Any, class_names: Any) -> None:
    if isinstance(labels, str):
        check_choice("labels", labels, ("inferred",))
    elif class_names is not None:
        raise ValueError(
            f"class_names names class folders, which only labels='inferred' reads. Received: labels={labels!r}."
        )
