"""The Beam step: one batch of records in, one shard of examples on disk and one tally out."""

import collections
import concurrent.futures
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import tensorflow as tf

from keras_ext import features
from keras_ext.directory_index import Record
from keras_ext.image_file import ImageFileError
from keras_ext.splits import SplitPlan
from tfx_components.directory_example_gen import progress
from tfx_components.directory_example_gen.image_reader import Image, read_image
from tfx_components.directory_example_gen.shard_files import ShardFiles
from tfx_components.directory_example_gen.tally import Tally

_AHEAD = 2  # files read ahead for each thread: enough to keep them busy, few enough to fit in memory


class ShardWriter(beam.DoFn):
    """Reads, checks, splits and writes a batch of records; image bytes never leave it.

    Args:
      directory: Where the paths of the records begin.
      examples_uri: The folder of the Examples artifact.
      class_names: The classes in the order of their index.
      plan: Which image goes to which split.
      verify: How images are checked; see `read_image`.
      threaded: Whether files are read in threads, which pays where decoding outweighs the rest.
      progress_key: Where images are counted; see `progress.counted`.
    """

    def __init__(
        self,
        directory: str,
        examples_uri: str,
        class_names: Iterable[str],
        plan: SplitPlan,
        verify: str,
        threaded: bool,
        progress_key: str,
    ) -> None:
        self._directory = directory
        self._examples_uri = examples_uri
        self._class_index = {name: index for index, name in enumerate(class_names)}
        self._plan = plan
        self._verify = verify
        self._threaded = threaded
        self._progress_key = progress_key

    def process(self, batch: tuple[int, list[Record]]) -> Iterator[dict[str, Any]]:
        """Writes one shard and yields its tally."""
        number, records = batch
        tally = Tally()
        with ShardFiles(self._examples_uri, number, uuid.uuid4().hex) as files:
            for record, image in self._read(records):
                progress.advance(self._progress_key)
                if isinstance(image, ImageFileError):
                    tally.reject(record.path, str(image))
                    continue
                split = self._plan.split_of(record.group or image.digest, record.split)
                files.write(split, example_of(record, self._class_index[record.label], image))
                tally.add(split, record.label, image.info.format)
        yield tally.as_dict()

    def _read(self, records: list[Record]) -> Iterator[tuple[Record, Image | ImageFileError]]:
        """Yields the records in their order, each with its image or the reason why there is none."""
        if not self._threaded:
            yield from ((record, self._read_one(record)) for record in records)
            return
        threads = os.cpu_count() or 1
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            waiting: collections.deque[tuple[Record, concurrent.futures.Future[Image | ImageFileError]]]
            waiting = collections.deque()
            for record in records:
                waiting.append((record, pool.submit(self._read_one, record)))
                if len(waiting) > threads * _AHEAD:
                    first, future = waiting.popleft()
                    yield first, future.result()
            for first, future in waiting:
                yield first, future.result()

    def _read_one(self, record: Record) -> Image | ImageFileError:
        try:
            return read_image(os.path.join(self._directory, record.path), self._verify)
        except ImageFileError as error:
            return error


def example_of(record: Record, label: int, image: Image) -> bytes:
    """Returns the serialized `tf.train.Example` of an image."""
    values: Mapping[str, Any] = {
        features.ENCODED: image.data,
        features.FORMAT: image.info.format,
        features.HEIGHT: image.info.height,
        features.WIDTH: image.info.width,
        features.CHANNELS: image.info.channels,
        features.FILENAME: record.path,
        features.SHA256: image.digest,
        features.CLASS_TEXT: record.label,
        features.CLASS_LABEL: label,
        features.GROUP: record.group,
        features.WEIGHT: record.weight,
    }
    feature = {name: _feature(value) for name, value in values.items() if value is not None}
    # Deterministic, as the order of a map is otherwise left to chance and the same input must give the same bytes.
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True)


def _feature(value: bytes | str | int | float) -> tf.train.Feature:
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    if isinstance(value, float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode() if isinstance(value, str) else value]))
