"""Facts of images on their way from the workers to the report: one small file for each element of Beam's."""

import io
import os

import numpy as np
import tensorflow as tf

from keras_ext.image_facts import FACTS, ImageFact, facts_of
from tfx_components.directory_example_gen.shard_files import UNFINISHED

_TOGETHER = 64  # small pictures measured at once: enough to pay for the calls, few enough for the processor's cache


class FactsFile:
    """Collects the facts of some images and writes them, whole, to one file.

    Args:
      examples_uri: The folder of the Examples artifact.
      number: What tells this file from others: the number of its first shard.
      attempt: What tells this writer from another one of the same file.
    """

    def __init__(self, examples_uri: str, number: int, attempt: str) -> None:
        self._path = _path(examples_uri, number)
        self._attempt = attempt
        self._waiting: list[ImageFact] = []
        self._measured: list[np.ndarray] = []

    def add(self, fact: ImageFact) -> None:
        """Adds one image."""
        self._waiting.append(fact)
        if len(self._waiting) >= _TOGETHER:
            self._measure()

    def close(self) -> None:
        """Writes the file; a second attempt writes the same."""
        self._measure()
        buffer = io.BytesIO()
        np.save(buffer, np.concatenate(self._measured), allow_pickle=False)
        unfinished = f"{self._path}-{self._attempt}"
        with tf.io.gfile.GFile(unfinished, "wb") as file:
            file.write(buffer.getvalue())
        tf.io.gfile.rename(unfinished, self._path, overwrite=True)

    def _measure(self) -> None:
        self._measured.append(facts_of(self._waiting))
        self._waiting = []


def read_facts(examples_uri: str, starts: dict[int, int]) -> np.ndarray:
    """Reads the facts of all images.

    Args:
      examples_uri: The folder of the Examples artifact.
      starts: The number of each file to what its first record counts as.
    """
    parts = [np.zeros(0, FACTS)]
    for number, start in starts.items():
        with tf.io.gfile.GFile(_path(examples_uri, number), "rb") as file:
            part = np.load(io.BytesIO(file.read()), allow_pickle=False)
        part["record"] += start
        parts.append(part)
    return np.concatenate(parts)


def _path(examples_uri: str, number: int) -> str:
    return os.path.join(examples_uri, UNFINISHED, f"facts-{number:05d}.npy")
