"""The SkewValidator component."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from keras_ext import features
from tfx_components import artifacts
from tfx_components.code_version import code_version
from tfx_components.skew_validator import executor


class SkewValidatorSpec(component_spec.ComponentSpec):
    """Examples, a model and what it said in training in, a report out."""

    PARAMETERS = {
        "split": component_spec.ExecutionParameter(type=str),
        "max_difference": component_spec.ExecutionParameter(type=float),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_run": component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
    }
    OUTPUTS = {"report": component_spec.ChannelParameter(type=artifacts.SkewReport)}


class SkewValidator(base_component.BaseComponent):
    """Fails the run when the exported model answers other than the model that was trained.

    Training sees what Transform made of an image, through a model in memory; a server sees the image's file, through a
    SavedModel on another machine. For a sample of images, `run_fn` writes down what training's path says of them
    (`keras_ext.export.record_predictions`). This component sends the files of the same images through the SavedModel's
    `serving_default`, in a fresh process that can import TensorFlow and neither Keras nor TFX nor this package, and
    compares the probabilities.

    Args:
      examples: A channel of raw examples with `image/encoded` and `image/key/sha256`, from `DirectoryExampleGen`.
      model: A channel of the model, from `Trainer`; its `serving_default` takes the bytes of image files and answers
        `probabilities`, as models do that `keras_ext.export.export_classifier` wrote.
      model_run: A channel of the model run, from the same `Trainer`, with the recorded predictions.
      split: The split that the sample was taken from.
      max_difference: The largest difference of a probability that passes.

    Component outputs:
      report: `SkewReport`, a readable JSON file: how many images of which formats, the largest difference and where.

    Raises:
      ValueError: A `max_difference` that is negative or no number.

    Example:

    ```python
    skew = SkewValidator(
        examples=ingest.outputs["examples"], model=trainer.outputs["model"], model_run=trainer.outputs["model_run"]
    )
    pusher = Pusher(model=trainer.outputs["model"], ...)
    pusher.add_upstream_node(skew)
    ```
    """

    SPEC_CLASS = SkewValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        model_run: types.BaseChannel,
        *,
        split: str = features.EVAL,
        max_difference: float = 1e-4,
    ) -> None:
        if not 0 <= max_difference < float("inf"):
            raise ValueError(f"max_difference must be a number from 0 on. Received: max_difference={max_difference!r}.")
        spec = SkewValidatorSpec(
            examples=examples,
            model=model,
            model_run=model_run,
            split=split,
            max_difference=float(max_difference),
            code_version=code_version(),
            report=types.Channel(type=artifacts.SkewReport),
        )
        super().__init__(spec=spec)
