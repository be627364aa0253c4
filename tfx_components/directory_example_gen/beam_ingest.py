"""The Beam pipelines of an ingest: one that reads and writes, and before it, for exact shares, one that only looks.

Nothing here needs TFX: `ImageExamples` reads images into any Beam pipeline.
"""

import dataclasses
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf

from keras_ext.choices import check_choice
from keras_ext.directory_index import DirectoryIndex, Record
from keras_ext.features import SPLITS
from keras_ext.image_reader import ImageReader, pays_in_threads
from keras_ext.splits import SplitPlan
from tfx_components.directory_example_gen.facts_files import read_facts
from tfx_components.directory_example_gen.shard_files import UNFINISHED
from tfx_components.directory_example_gen.shard_writer import (
    EXAMPLES,
    REJECTED,
    Batch,
    ExampleMaker,
    ImageInspector,
    ShardWriter,
)
from tfx_components.directory_example_gen.tally import Ingested, Tally, merge_tallies

# Shards written at the same time while a stream passes: each keeps a file open for each split.
_STREAM_SHARDS = 64
_TRANSFORMED = 256  # images read together where no shards are written


@dataclass(frozen=True)
class BeamIngest:
    """Writes the examples of records.

    Args:
      make_pipeline: Makes an empty Beam pipeline.
      reader: Reads the images.
      examples_uri: The folder of the Examples artifact.
      class_names: The classes in the order of their index.
      shard_size: Images read into one shard of each split.
      progress_key: Where images are counted; see `progress.counted`.
    """

    make_pipeline: Callable[[], beam.Pipeline]
    reader: ImageReader
    examples_uri: str
    class_names: Sequence[str]
    shard_size: int
    progress_key: str

    def write(self, records: Iterable[Record], plan: SplitPlan) -> Ingested:
        """Reads, checks, divides and writes the images of records."""
        numbered = batches(records, self.shard_size)
        if plan.strategy == "stratified":
            return self._write_stratified(numbered, plan)
        tally = self._run(
            numbered, ShardWriter(self.reader, self.examples_uri, self.progress_key, self.class_names, plan)
        )
        return _ingested(tally, *self._facts(numbered))

    def _write_stratified(self, numbered: list[Batch], plan: SplitPlan) -> Ingested:
        """Looks at all images, divides them, and only then writes: shares are exact once all contents are known."""
        tally = self._run(numbered, ImageInspector(self.reader, self.examples_uri, self.progress_key))
        records, facts = self._facts(numbered)
        digests = [digest.tobytes().hex() for digest in facts["digest"]]
        splits = plan.stratified(
            [record.label for record in records],
            digests,
            [record.split for record in records],
            [record.group for record in records],
        )
        facts["split"] = [SPLITS.index(split) for split in splits]
        placed = [dataclasses.replace(record, split=split) for record, split in zip(records, splits, strict=True)]
        by_path = dict(zip((record.path for record in records), digests, strict=True))
        # What was decoded once need not be again; its digest tells whether it is still the same.
        reader = dataclasses.replace(self.reader, verify="header", thumbnails=False, threaded=False)
        given = SplitPlan(plan.names, plan.ratios, "given")
        writer = ShardWriter(reader, self.examples_uri, self.progress_key, self.class_names, given)
        written = self._run(batches(placed, self.shard_size, by_path), writer)
        lost = {path for path, _ in written.rejected}
        kept = np.array([record.path not in lost for record in records], bool)
        remaining = [record for record in records if record.path not in lost]
        return _ingested(Tally.merged([tally.as_dict(), written.as_dict()]), remaining, facts[kept])

    def _run(self, numbered: list[Batch], step: beam.DoFn) -> Tally:
        tally_path = os.path.join(self.examples_uri, UNFINISHED, "tally.json")
        with self.make_pipeline() as pipeline:
            (
                pipeline
                | "Batches" >> beam.Create(self._elements(numbered))
                | type(step).__name__ >> beam.ParDo(step)
                | "MergeTallies" >> beam.CombineGlobally(merge_tallies)
                | "WriteTally" >> beam.Map(_write_tally, tally_path)
            )
        with tf.io.gfile.GFile(tally_path, "rb") as file:
            return Tally.merged([json.loads(file.read())])

    def _elements(self, numbered: list[Batch]) -> list[list[Batch]]:
        """A stream is read once for all of a group of shards, other sources for each shard on its own."""
        size = _STREAM_SHARDS if self.reader.source.sequential else 1
        return [numbered[at : at + size] for at in range(0, len(numbered), size)]

    def _facts(self, numbered: list[Batch]) -> tuple[list[Record], np.ndarray]:
        """Returns the records of the images that were read, and the facts in the same order."""
        starts, records = {}, list[Record]()
        for element in self._elements(numbered):
            starts[element[0].number] = len(records)
            records += [record for batch in element for record in batch.records]
        facts = read_facts(self.examples_uri, starts)
        return [records[position] for position in facts["record"]], facts


class ImageExamples(beam.PTransform):
    """Reads labelled images into any Beam pipeline, without TFX.

    Applied to a pipeline, it gives a dictionary of two collections: 'examples', pairs (split, serialized
    `tf.train.Example`) with the features of `keras_ext.features`, and 'rejected', pairs (path, reason).

    Args:
      index: The images, such as `keras_ext.image_input.read_images("photos")`.
      ratios: Split name to a share of the data, where the index does not give splits.
      split: 'hash', 'group' or 'given'; see `keras_ext.splits.SplitPlan`. Exact shares need all images to be known
        before the first is read: `BeamIngest` divides so.
      verify: 'decode' or 'header'; see `keras_ext.image_reader.ImageReader`.

    Raises:
      ValueError: The strategy or the ratios cannot be used.

    Example:

    ```python
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        images = pipeline | ImageExamples(read_images("photos"), {"train": 8, "eval": 2})
        train = images["examples"] | beam.Filter(lambda pair: pair[0] == "train") | beam.Values()
        train | beam.io.WriteToTFRecord("examples/train")
    ```
    """

    def __init__(
        self, index: DirectoryIndex, ratios: Mapping[str, float], split: str = "hash", verify: str = "decode"
    ) -> None:
        super().__init__()
        plan = SplitPlan(index.given_splits, ratios, check_choice("split", split, ("hash", "group", "given")))
        reader = ImageReader(index.source, verify, threaded=pays_in_threads(index.size_bytes, index.found))
        self._step = ExampleMaker(reader, index.class_names, plan)
        self._index = index

    def expand(self, pipeline: Any) -> dict[str, beam.PCollection]:
        """Overrides `PTransform.expand`."""
        numbered = batches(self._index.records, _TRANSFORMED)
        elements = [numbered] if self._index.source.sequential else [[batch] for batch in numbered]
        made = (
            pipeline
            | "Batches" >> beam.Create(elements)
            | "Read" >> beam.ParDo(self._step).with_outputs(REJECTED, main=EXAMPLES)
        )
        known = pipeline | "RejectedByName" >> beam.Create(self._index.rejected)
        return {EXAMPLES: made[EXAMPLES], REJECTED: (made[REJECTED], known) | beam.Flatten()}


def batches(records: Iterable[Record], shard_size: int, digests: Mapping[str, str] | None = None) -> list[Batch]:
    """Divides records into numbered batches of about equal size, each of one given split and of mixed classes.

    The order is by a hash of the path: the same for the same files, and without any regard to classes.

    Args:
      records: In any order.
      shard_size: The most records of a batch.
      digests: Path to the SHA-256 that the file had, where that is known.
    """
    by_split: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: hashlib.sha256(record.path.encode()).digest()):
        by_split.setdefault(record.split or "", []).append(record)
    divided: list[list[Record]] = []
    for _, same_split in sorted(by_split.items()):
        count = -(-len(same_split) // shard_size)
        edges = [len(same_split) * position // count for position in range(count + 1)]
        divided += [same_split[start:end] for start, end in itertools.pairwise(edges)]
    return [
        Batch(number, batch, [digests[record.path] for record in batch] if digests else None)
        for number, batch in enumerate(divided)
    ]


def _ingested(tally: Tally, records: list[Record], facts: np.ndarray) -> Ingested:
    order = sorted(range(len(records)), key=lambda row: records[row].path)
    return Ingested(tally, [records[row] for row in order], facts[order])


def _write_tally(tally: dict[str, Any], path: str) -> None:
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(json.dumps(tally).encode())
