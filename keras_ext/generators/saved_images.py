"""Augmented images as files, to look at."""

import os
import zlib

import keras
import numpy as np
from PIL import Image


class SavedImages:
    """Saves images as `<prefix>_<position>_<hash>.<format>`, each stretched to the full range from black to white.

    The hash is that of the values, so that an image augmented anew is another file.

    Args:
      directory: Made if it does not exist.
      prefix: Of the names.
      file_format: An extension, such as `"png"` or `"jpeg"`.

    Raises:
      ValueError: An extension that Pillow cannot write.
    """

    def __init__(self, directory: str | os.PathLike[str], prefix: str, file_format: str) -> None:
        if f".{file_format}".lower() not in Image.registered_extensions():
            raise ValueError(
                f"save_format must be an image format, such as 'png' or 'jpeg'. Received: {file_format!r}."
            )
        os.makedirs(directory, exist_ok=True)
        self._start = os.path.join(directory, prefix)
        self._format = file_format

    def __call__(self, images: np.ndarray, positions: np.ndarray, data_format: str) -> None:
        """Saves the images of a batch."""
        for image, position in zip(images, positions, strict=True):
            digest = zlib.crc32(np.ascontiguousarray(image).data) % 10**7
            keras.utils.save_img(f"{self._start}_{position}_{digest}.{self._format}", image, data_format=data_format)
