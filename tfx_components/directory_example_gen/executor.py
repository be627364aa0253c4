"""Folder to examples: lists in this process, reads and writes on Beam's workers, checks the outcome."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from tfx import types
from tfx.components.example_gen import utils
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs

from keras_ext.directory_index import DirectoryIndex
from keras_ext.image_findings import Findings
from keras_ext.image_reader import ImageReader, pays_in_threads
from keras_ext.progress import progress_logger
from keras_ext.splits import SplitPlan
from tfx_components import artifacts
from tfx_components.directory_example_gen import progress
from tfx_components.directory_example_gen.beam_ingest import BeamIngest
from tfx_components.directory_example_gen.input_folders import read_index
from tfx_components.directory_example_gen.options import IngestOptions
from tfx_components.directory_example_gen.report import (
    FINDINGS_FILE,
    Report,
    check_groups,
    check_report,
    findings_table,
    rejected_files,
    rejected_table,
)
from tfx_components.directory_example_gen.shard_files import UNFINISHED
from tfx_components.directory_example_gen.tally import Ingested

REPORT_KEY = "report"
CLASS_NAMES_KEY = "class_names"


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
        index = read_index(options.input_base, options.input_config, options.settings, options.folders)
        if exec_properties.get(utils.FINGERPRINT_PROPERTY_NAME, index.fingerprint) != index.fingerprint:
            raise RuntimeError(f"{index.directory!r} changed while it was being read. Run again when it is at rest.")
        examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        ingested = self._write_examples(index, options, examples)
        findings = Findings.of(ingested.facts, ingested.places, options.image_checks)
        plan = SplitPlan(index.given_splits, options.ratios, options.split)
        report, rejected = Report.of(index, ingested, plan, findings), rejected_files(index, ingested.tally)
        check_report(report, rejected, options.max_rejected)
        _write_report(artifact_utils.get_single_uri(output_dict[REPORT_KEY]), report, rejected, findings)
        class_names_uri = artifact_utils.get_single_uri(output_dict[CLASS_NAMES_KEY])
        artifacts.write_json(class_names_uri, artifacts.CLASS_NAMES_FILE, index.class_names)
        progress_logger.info("%s", report.summary)

    def _write_examples(self, index: DirectoryIndex, options: IngestOptions, examples: types.Artifact) -> Ingested:
        plan = SplitPlan(index.given_splits, options.ratios, options.split)
        check_groups(index.records, plan)
        # The file format stays unset: stock readers know none but gzip by that property, and go by names instead.
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples.split_names = artifact_utils.encode_split_names(list(plan.names))
        for folder in (UNFINISHED, *(f"Split-{split}" for split in plan.names)):
            fileio.makedirs(os.path.join(examples.uri, folder))
        threaded = options.verify == "decode" and pays_in_threads(index.size_bytes, index.found)
        thumbnails = options.image_checks is not None
        reader = ImageReader(index.source, options.verify, options.settings.max_pixels, threaded, thumbnails)
        with progress.counted(len(index.records) * (2 if plan.strategy == "stratified" else 1)) as key:
            ingest = BeamIngest(
                self._make_beam_pipeline, reader, examples.uri, index.class_names, options.shard_size, key
            )
            ingested = ingest.write(index.records, plan)
        fileio.rmtree(os.path.join(examples.uri, UNFINISHED))
        return ingested


def _write_report(uri: str, report: Report, rejected: Sequence[tuple[str, str]], findings: Findings) -> None:
    tables = {artifacts.REJECTED_FILE: rejected_table(rejected), FINDINGS_FILE: findings_table(findings)}
    for name, table in tables.items():
        with fileio.open(os.path.join(uri, name), "wb") as file:
            file.write(table.encode())
    artifacts.write_json(uri, artifacts.REPORT_FILE, dataclasses.asdict(report))
