"""The Beam step: one batch of records in, one shard of examples on disk and one tally out."""

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import tensorflow as tf

from keras_ext import features
from keras_ext.directory_index import Record
from keras_ext.features import SPLITS
from keras_ext.image_facts import ImageFact
from keras_ext.image_file import ImageFileError
from keras_ext.image_reader import Image, ImageReader
from keras_ext.splits import SplitPlan
from tfx_components.directory_example_gen import progress
from tfx_components.directory_example_gen.facts_files import FactsFile
from tfx_components.directory_example_gen.shard_files import ShardFiles
from tfx_components.directory_example_gen.tally import Tally

EXAMPLES, REJECTED = "examples", "rejected"


class Batch(NamedTuple):
    """What becomes one shard.

    Attributes:
      number: Its number.
      records: Its images.
      digests: The SHA-256 that each file had when it was looked at, or None where it was not.
    """

    number: int
    records: list[Record]
    digests: list[str] | None = None


class ImageInspector(beam.DoFn):
    """Reads and checks batches of records, and keeps facts but no images.

    Args:
      reader: Reads the images.
      examples_uri: The folder of the Examples artifact.
      progress_key: Where images are counted; see `progress.counted`.
    """

    def __init__(self, reader: ImageReader, examples_uri: str = "", progress_key: str = "") -> None:
        self._reader = reader
        self._examples_uri = examples_uri
        self._progress_key = progress_key

    def process(self, batches: list[Batch]) -> Iterator[dict[str, Any]]:
        """Looks at the images of some batches and yields the tally of those that cannot be used."""
        tally = Tally()
        facts = FactsFile(self._examples_uri, batches[0].number, uuid.uuid4().hex)
        for position, _, image in self._read(batches, tally):
            facts.add(_fact(position, -1, image))
        facts.close()
        yield tally.as_dict()

    def _read(self, batches: list[Batch], tally: Tally) -> Iterator[tuple[int, Record, Image]]:
        """Yields the images with the positions of their records in all batches; the others go to the tally."""
        records = [record for batch in batches for record in batch.records]
        positions = {record.path: position for position, record in enumerate(records)}
        if self._reader.source.sequential:
            records.sort(key=lambda record: self._reader.source.position(record.path))
        for record, image in self._reader.read_all(records):
            progress.advance(self._progress_key)
            if isinstance(image, ImageFileError):
                tally.reject(record.path, str(image))
            else:
                yield positions[record.path], record, image


class ShardWriter(ImageInspector):
    """Reads, checks, splits and writes batches of records; image bytes never leave it.

    Args:
      reader: Reads the images.
      examples_uri: The folder of the Examples artifact.
      progress_key: Where images are counted; see `progress.counted`.
      class_names: The classes in the order of their index.
      plan: Which image goes to which split.
    """

    def __init__(
        self, reader: ImageReader, examples_uri: str, progress_key: str, class_names: Iterable[str], plan: SplitPlan
    ) -> None:
        super().__init__(reader, examples_uri, progress_key)
        self._class_index: dict[str | None, int] = {name: index for index, name in enumerate(class_names)}
        self._plan = plan

    def process(self, batches: list[Batch]) -> Iterator[dict[str, Any]]:
        """Writes a shard for each batch, all at the same time where the source is a stream; yields their tally."""
        tally, attempt = Tally(), uuid.uuid4().hex
        facts = FactsFile(self._examples_uri, batches[0].number, attempt)
        digests = [digest for batch in batches for digest in batch.digests or ()]
        with contextlib.ExitStack() as stack:
            shards = [
                shard
                for batch in batches
                for shard in [stack.enter_context(ShardFiles(self._examples_uri, batch.number, attempt))]
                for _ in batch.records
            ]
            for position, record, image in self._read(batches, tally):
                if digests and digests[position] != image.digest:
                    tally.reject(record.path, "changed while it was being read")
                    continue
                split = self._plan.split_of(image.digest, record.split, record.group)
                shards[position].write(split, example_of(record, self._class_index.get(record.label), image))
                tally.add(split, record.label or "", image.original_format or image.info.format)
                facts.add(_fact(position, SPLITS.index(split), image))
        if not digests:  # otherwise they are known
            facts.close()
        yield tally.as_dict()


class ExampleMaker(ImageInspector):
    """Reads batches of records; yields pairs (split, serialized example), and rejected (path, reason) apart.

    Args:
      reader: Reads the images.
      class_names: The classes in the order of their index.
      plan: Which image goes to which split.
    """

    def __init__(self, reader: ImageReader, class_names: Iterable[str], plan: SplitPlan) -> None:
        super().__init__(reader)
        self._class_index: dict[str | None, int] = {name: index for index, name in enumerate(class_names)}
        self._plan = plan

    def process(self, batches: list[Batch]) -> Iterator[Any]:
        """Yields what becomes of the images of some batches."""
        tally = Tally()
        for _, record, image in self._read(batches, tally):
            split = self._plan.split_of(image.digest, record.split, record.group)
            yield split, example_of(record, self._class_index.get(record.label), image)
        for row in tally.rejected:
            yield beam.pvalue.TaggedOutput(REJECTED, row)


def _fact(position: int, split: int, image: Image) -> ImageFact:
    name = image.original_format or image.info.format
    return ImageFact(position, split, name, image.info, image.digest, image.size, image.thumbnail)


def example_of(record: Record, label: int | None, image: Image) -> bytes:
    """Returns the serialized `tf.train.Example` of an image."""
    values: Mapping[str, Any] = {
        features.ENCODED: image.data,
        features.FORMAT: image.info.format,
        features.ORIGINAL_FORMAT: image.original_format,
        features.HEIGHT: image.info.height,
        features.WIDTH: image.info.width,
        features.CHANNELS: image.info.channels,
        features.FILENAME: record.path,
        features.SHA256: image.digest,
        features.CLASS_TEXT: record.label,
        features.CLASS_LABEL: label,
        features.GROUP: record.group,
        features.WEIGHT: record.weight,
        **{features.COLUMN + name: text for name, text in record.columns},
    }
    example = tf.train.Example()
    for name, value in values.items():
        if value is not None:
            _add(example.features.feature[name], value)
    # Deterministic, as the order of a map is otherwise left to chance and the same input must give the same bytes.
    return example.SerializeToString(deterministic=True)


def _add(feature: tf.train.Feature, value: bytes | str | int | float) -> None:
    """Puts a value in its place: made apart and put together, the bytes of an image would be copied at every step."""
    if isinstance(value, int):
        feature.int64_list.value.append(value)
    elif isinstance(value, float):
        feature.float_list.value.append(value)
    else:
        feature.bytes_list.value.append(value.encode() if isinstance(value, str) else value)
