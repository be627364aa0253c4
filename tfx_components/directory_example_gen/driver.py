"""Decides whether there is anything to do: what lies in the folder now is part of the cache key."""

from typing import Any

from tfx import types
from tfx.components.example_gen import driver, utils
from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from tfx_components.directory_example_gen import input_folders
from tfx_components.directory_example_gen.options import IngestOptions


class Driver(driver.Driver):
    """Lists the folder; puts its fingerprint, span and version where stock ExampleGens put theirs."""

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        """Overrides the stock method, which fingerprints counts and times only."""
        options = IngestOptions.of(exec_properties)
        resolved, span, version = input_folders.resolve(options.input_base, options.input_config, options.range_config)
        index = input_folders.read_index(options.input_base, resolved, options.settings, options.folders)
        exec_properties[standard_component_specs.INPUT_CONFIG_KEY] = proto_utils.proto_to_json(resolved)
        exec_properties[utils.SPAN_PROPERTY_NAME] = span
        exec_properties[utils.VERSION_PROPERTY_NAME] = version
        exec_properties[utils.FINGERPRINT_PROPERTY_NAME] = index.fingerprint
        return exec_properties

    def _prepare_output_artifacts(
        self,
        input_artifacts: dict[str, list[types.Artifact]],
        output_dict: dict[str, types.Channel],
        exec_properties: dict[str, Any],
        execution_id: int,
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, list[types.Artifact]]:
        """Overrides the stock method, which knows no outputs beside `examples`; notebooks come this way."""
        outputs = base_driver.BaseDriver._prepare_output_artifacts(  # noqa: SLF001 - the one above it
            self, input_artifacts, output_dict, exec_properties, execution_id, pipeline_info, component_info
        )
        [examples] = outputs[standard_component_specs.EXAMPLES_KEY]
        driver.update_output_artifact(exec_properties, examples.mlmd_artifact)
        return outputs
