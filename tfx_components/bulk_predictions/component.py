"""The BulkPredictions component."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from tfx_components.artifacts import IngestReport
from tfx_components.bulk_predictions import executor
from tfx_components.code_version import code_version


class Predictions(artifact.Artifact):
    """What a model says of images: `predictions.csv`; no file where the model was not blessed."""

    TYPE_NAME = "KerasExtPredictions"


class BulkPredictionsSpec(ComponentSpec):
    """The specification of `BulkPredictions`."""

    PARAMETERS = {"code_version": ExecutionParameter(type=str)}
    INPUTS = {
        "inference_result": ChannelParameter(type=standard_artifacts.InferenceResult),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "report": ChannelParameter(type=IngestReport, optional=True),
    }
    OUTPUTS = {"predictions": ChannelParameter(type=Predictions)}


class BulkPredictions(base_component.BaseComponent):
    """Makes a table of what BulkInferrer wrote, the one that `keras-ext predict` writes.

    A row is a file, in the order of the paths: `filename`, `label`, `probability`, `error`. BulkInferrer writes nothing
    for a model that is not blessed; then there is no table either.

    Args:
      inference_result: A channel of BulkInferrer's result. Its model was written by `export_classifier` and asked by
        the signature `serving_examples`; its examples are DirectoryExampleGen's.
      model: The model; it knows the names of the classes.
      report: DirectoryExampleGen's report; files that it rejected become rows with an error.

    Component outputs:
      predictions: `Predictions`.

    Example:

    ```python
    one_split = split_ratios({"train": 1, "eval": 0, "test": 0})
    images = DirectoryExampleGen("new images", labelled=False, output_config=one_split)
    inferrer = BulkInferrer(
        examples=images.outputs["examples"],
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        model_spec=bulk_inferrer_pb2.ModelSpec(model_signature_name=["serving_examples"]),
    )
    table = BulkPredictions(inferrer.outputs["inference_result"], trainer.outputs["model"], images.outputs["report"])
    ```
    """

    SPEC_CLASS = BulkPredictionsSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        inference_result: types.BaseChannel,
        model: types.BaseChannel,
        report: types.BaseChannel | None = None,
    ) -> None:
        spec = BulkPredictionsSpec(
            inference_result=inference_result,
            model=model,
            report=report,
            predictions=types.Channel(type=Predictions),
            code_version=code_version(),
        )
        super().__init__(spec=spec)
