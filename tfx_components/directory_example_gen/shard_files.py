"""TFRecord files of one shard: a file for each split, visible only when all are whole."""

import os
from types import TracebackType

import tensorflow as tf

UNFINISHED = ".unfinished"  # beside the folders of the splits, where no reader looks


class ShardFiles:
    """Writes the examples of one shard.

    The files are written elsewhere and moved when the shard is done, so that a worker that fails or is run twice leaves
    either nothing or the same files.

    Args:
      examples_uri: The folder of the Examples artifact; the folders of the splits must exist.
      number: The number of the shard, which names its files.
      attempt: What tells this writer from another one of the same shard.
    """

    def __init__(self, examples_uri: str, number: int, attempt: str) -> None:
        self._uri = examples_uri
        # Without '.gz': TFX and Beam know an uncompressed file by its name.
        self._name = f"data_tfrecord-{number:05d}"
        self._attempt = attempt
        self._writers: dict[str, tf.io.TFRecordWriter] = {}

    def write(self, split: str, example: bytes) -> None:
        """Appends a serialized example to the file of a split."""
        if split not in self._writers:
            self._writers[split] = tf.io.TFRecordWriter(self._unfinished(split))
        self._writers[split].write(example)

    def __enter__(self) -> "ShardFiles":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()
        for split in self._writers:
            if kind is None:
                final = os.path.join(self._uri, f"Split-{split}", self._name)
                tf.io.gfile.rename(self._unfinished(split), final, overwrite=True)
            else:
                tf.io.gfile.remove(self._unfinished(split))

    def _unfinished(self, split: str) -> str:
        return os.path.join(self._uri, UNFINISHED, f"{self._name}-{split}-{self._attempt}")
