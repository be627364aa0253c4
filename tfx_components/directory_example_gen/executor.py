"""Folder to examples: lists in this process, reads and writes on Beam's workers, checks the outcome."""

import dataclasses
import hashlib
import itertools
import json
import os
from typing import Any

import apache_beam as beam
from tfx import types
from tfx.components.example_gen import utils
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs

from keras_ext.directory_index import DirectoryIndex, Record
from keras_ext.progress import progress_logger
from keras_ext.splits import SplitPlan, planned_splits
from tfx_components import artifacts
from tfx_components.directory_example_gen import progress
from tfx_components.directory_example_gen.input_folders import read_index
from tfx_components.directory_example_gen.options import IngestOptions
from tfx_components.directory_example_gen.report import Report, check_report, rejected_files, rejected_table
from tfx_components.directory_example_gen.shard_files import UNFINISHED
from tfx_components.directory_example_gen.shard_writer import ShardWriter
from tfx_components.directory_example_gen.tally import Tally, merge_tallies

REPORT_KEY = "report"
CLASS_NAMES_KEY = "class_names"

# Below this mean size a file is decoded faster than it is handed to a thread.
_THREADED_BYTES = 16_384


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes the examples, the report and the class names of a folder of images."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Overrides `BaseExecutor.Do`.

        Raises:
          ValueError: The folder does not hold what a model can be trained on; see `check_report`.
          RuntimeError: The folder changed since it was listed for the cache key.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        options = IngestOptions.of(exec_properties)
        index = read_index(options.input_base, options.input_config, options.classes)
        if exec_properties.get(utils.FINGERPRINT_PROPERTY_NAME, index.fingerprint) != index.fingerprint:
            raise RuntimeError(f"{index.directory!r} changed while it was being read. Run again when it is at rest.")
        examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        tally = self._write_examples(index, options, examples)
        report, rejected = Report.of(index, tally, options.ratios), rejected_files(index, tally)
        check_report(report, rejected, options.max_rejected)
        report_uri = artifact_utils.get_single_uri(output_dict[REPORT_KEY])
        with fileio.open(os.path.join(report_uri, artifacts.REJECTED_FILE), "wb") as file:
            file.write(rejected_table(rejected).encode())
        artifacts.write_json(report_uri, artifacts.REPORT_FILE, dataclasses.asdict(report))
        class_names_uri = artifact_utils.get_single_uri(output_dict[CLASS_NAMES_KEY])
        artifacts.write_json(class_names_uri, artifacts.CLASS_NAMES_FILE, index.class_names)
        progress_logger.info("%s", report.summary)

    def _write_examples(self, index: DirectoryIndex, options: IngestOptions, examples: types.Artifact) -> Tally:
        splits = planned_splits(index.given_splits, options.ratios)
        # The file format stays unset: stock readers know none but gzip by that property, and go by names instead.
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples.split_names = artifact_utils.encode_split_names(list(splits))
        for folder in (UNFINISHED, *(f"Split-{split}" for split in splits)):
            fileio.makedirs(os.path.join(examples.uri, folder))
        with progress.counted(len(index.records)) as progress_key:
            tally = self._run_beam(index, options, examples.uri, progress_key)
        fileio.rmtree(os.path.join(examples.uri, UNFINISHED))
        return tally

    def _run_beam(self, index: DirectoryIndex, options: IngestOptions, uri: str, progress_key: str) -> Tally:
        writer = ShardWriter(
            directory=index.directory,
            examples_uri=uri,
            class_names=index.class_names,
            plan=SplitPlan(index.given_splits, options.ratios),
            verify=options.verify,
            threaded=options.verify == "decode" and index.size_bytes > _THREADED_BYTES * index.found,
            progress_key=progress_key,
        )
        tally_path = os.path.join(uri, UNFINISHED, "tally.json")
        with self._make_beam_pipeline() as pipeline:
            (
                pipeline
                | "Batches" >> beam.Create(batches(index.records, options.shard_size))
                | "WriteShards" >> beam.ParDo(writer)
                | "MergeTallies" >> beam.CombineGlobally(merge_tallies)
                | "WriteTally" >> beam.Map(_write_tally, tally_path)
            )
        with fileio.open(tally_path, "rb") as file:
            return Tally.merged([json.loads(file.read())])


def batches(records: tuple[Record, ...], shard_size: int) -> list[tuple[int, list[Record]]]:
    """Divides records into numbered batches of about equal size, each of one given split and of mixed classes.

    The order is by a hash of the path: the same for the same files, and without any regard to classes.
    """
    by_split: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: hashlib.sha256(record.path.encode()).digest()):
        by_split.setdefault(record.split or "", []).append(record)
    divided: list[list[Record]] = []
    for _, same_split in sorted(by_split.items()):
        count = -(-len(same_split) // shard_size)
        edges = [len(same_split) * position // count for position in range(count + 1)]
        divided += [same_split[start:end] for start, end in itertools.pairwise(edges)]
    return list(enumerate(divided))


def _write_tally(tally: dict[str, Any], path: str) -> None:
    with fileio.open(path, "wb") as file:
        file.write(json.dumps(tally).encode())
