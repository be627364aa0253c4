"""The ImageSchema component."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from tfx_components.code_version import code_version
from tfx_components.image_schema import executor


class ImageSchemaSpec(component_spec.ComponentSpec):
    """A schema in, a schema out."""

    PARAMETERS = {"code_version": component_spec.ExecutionParameter(type=str)}
    INPUTS = {"schema": component_spec.ChannelParameter(type=standard_artifacts.Schema)}
    OUTPUTS = {"completed_schema": component_spec.ChannelParameter(type=standard_artifacts.Schema)}


class ImageSchema(base_component.BaseComponent):
    """Adds the image bytes, format, file name and digest to a schema inferred without them.

    Statistics over image bytes are slow and say nothing, so StatisticsGen leaves them out; the inferred schema then
    lacks them too, and Transform would never see the image. Put this component between SchemaGen and Transform.

    Args:
      schema: A channel of the inferred schema, from `SchemaGen` or `ImportSchemaGen`.

    Component outputs:
      completed_schema: The schema with `image/encoded`, `image/format`, `image/filename` and `image/key/sha256` as
        required bytes features of shape (1,). Features that are there already stay as they are.

    Example:

    ```python
    schema_gen = SchemaGen(statistics=statistics_gen.outputs["statistics"], infer_feature_shape=True)
    image_schema = ImageSchema(schema=schema_gen.outputs["schema"])
    transform = Transform(schema=image_schema.outputs["completed_schema"], ...)
    ```
    """

    SPEC_CLASS = ImageSchemaSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, schema: types.BaseChannel) -> None:
        spec = ImageSchemaSpec(
            schema=schema,
            completed_schema=types.Channel(type=standard_artifacts.Schema),
            code_version=code_version(),
        )
        super().__init__(spec=spec)
