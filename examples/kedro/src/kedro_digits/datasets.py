"""Kinds of data for the catalog: folders of images, trained classifiers, and those that are served."""

from pathlib import Path, PurePosixPath
from typing import Any

import keras
import tensorflow as tf
from kedro.io import AbstractDataset, AbstractVersionedDataset, DatasetError, Version

from keras_ext.datasets import ImageDataset, image_dataset_from_directory
from keras_ext.export import export_classifier
from keras_ext.layers import DecodeImage


class ImageFolderDataset(AbstractDataset[None, tuple[ImageDataset, ImageDataset]]):
    """A folder `<class>/<image>`, loaded as a training and a validation dataset.

    Args:
      filepath: The folder.
      load_args: Arguments of `keras_ext.datasets.image_dataset_from_directory`.
    """

    def __init__(self, filepath: str, load_args: dict[str, Any]) -> None:
        self._filepath = filepath
        self._load_args = load_args

    def load(self) -> tuple[ImageDataset, ImageDataset]:
        return image_dataset_from_directory(self._filepath, subset="both", verbose=False, **self._load_args)

    def save(self, data: None) -> None:
        raise DatasetError(f"Images are read only. Put them into '{self._filepath}' yourself.")

    def _exists(self) -> bool:
        return Path(self._filepath).exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "load_args": self._load_args}


class ClassifierDataset(AbstractVersionedDataset[keras.Model, keras.Model]):
    """A Keras model in a `.keras` file; for judging and serving, so it is loaded without its optimizer and metrics."""

    def __init__(self, filepath: str, version: Version | None = None) -> None:
        super().__init__(PurePosixPath(filepath), version)

    def load(self) -> keras.Model:
        return keras.models.load_model(self._get_load_path(), compile=False)

    def save(self, data: keras.Model) -> None:
        path = Path(self._get_save_path())
        path.parent.mkdir(parents=True, exist_ok=True)
        data.save(path)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "version": self._version}


class ServedClassifierDataset(AbstractDataset[tuple[keras.Model, list[str]], Any]):
    """A classifier and its class names, as a SavedModel that takes the bytes of image files.

    Each one that is saved becomes `<filepath>/<number>/`; a model server takes the highest.
    """

    def __init__(self, filepath: str) -> None:
        self._filepath = Path(filepath)

    def load(self) -> Any:
        return tf.saved_model.load(str(self._filepath / str(max(self._numbers())))).signatures["serving_default"]

    def save(self, data: tuple[keras.Model, list[str]]) -> None:
        model, class_names = data
        height, width, channels = model.input_shape[1:]
        decode = DecodeImage(height, width, color_mode="grayscale" if channels == 1 else "rgb")
        partial = self._filepath / "partial"  # until it is whole; a server looks for numbers
        export_classifier(model, str(partial), class_names, decode)
        partial.rename(self._filepath / str(max(self._numbers(), default=0) + 1))

    def _numbers(self) -> list[int]:
        return [int(folder.name) for folder in self._filepath.glob("[0-9]*")]

    def _exists(self) -> bool:
        return bool(self._numbers())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
