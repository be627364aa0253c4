"""From a folder of labelled images to a blessed, pushed model: the wiring, and nothing but the wiring."""

import dataclasses
import os
from pathlib import Path
from typing import Any, cast

import tensorflow_data_validation as tfdv
from tfx import types
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.schema_gen.component import SchemaGen
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.transform.component import Transform
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import pusher_pb2, transform_pb2
from tfx.types.standard_artifacts import Model, ModelBlessing

from keras_ext import features
from keras_ext.custom_code import code_fingerprint, is_reference
from pipelines.image_classification.checkpoints import CHECKPOINTS, CHECKPOINTS_KEY
from pipelines.image_classification.config import Config
from pipelines.image_classification.evaluation import evaluator_arguments
from pipelines.image_classification.imbalance import check_imbalance, class_weights_of
from pipelines.image_classification.prediction import prediction_components
from pipelines.image_classification.resolve import resolve
from pipelines.image_classification.tuning import tuner_of
from tfx_components.code_version import code_version
from tfx_components.directory_example_gen import DirectoryExampleGen, split_ratios
from tfx_components.evaluator import Evaluator
from tfx_components.image_schema import ImageSchema
from tfx_components.last_blessed_model import LastBlessedModel
from tfx_components.pusher import Pusher
from tfx_components.skew_validator import SkewValidator
from tfx_components.trainer import Trainer

_ROOM = "pipelines.image_classification"
_MOST_CLASSES = 1_000_000


def create_pipeline(config: Config) -> Pipeline:
    """Composes the image classification pipeline; Beam options are the runner's.

    Args:
      config: The settings. The folder of images is listed once where a setting is "auto".

    Returns:
      A TFX pipeline whose metadata, artifacts and pushed models lie in `config.output`.

    Raises:
      ValueError: The folder of images cannot be used, or settings exclude each other; the message says what was
        expected.

    Example:

    ```python
    pipeline = create_pipeline(Config(images="photos", output="runs/first"))
    LocalRunner(["--runner=FnApiRunner"]).run(pipeline)
    ```
    """
    config = resolve(config)
    check_imbalance(config)
    return Pipeline(
        pipeline_name="image_classification",
        pipeline_root=os.path.join(config.output, "artifacts"),
        metadata_connection_config=metadata.sqlite_metadata_connection_config(
            os.path.join(config.output, "metadata.sqlite")
        ),
        components=_components(config),
        enable_cache=True,
    )


def _components(config: Config) -> list[BaseNode]:
    ingest = DirectoryExampleGen(
        input_base=config.images,
        output_config=split_ratios(dataclasses.asdict(config.ingest.ratios)),
        **config.ingest.reading,
        max_rejected=config.ingest.max_rejected,
        split=config.ingest.split,
        image_checks=config.ingest.check_images and dataclasses.asdict(config.ingest.checks),
    )
    examples = ingest.outputs["examples"]
    described = _described(examples)
    statistics, *_, schema = described
    transform = Transform(
        examples=examples,
        schema=schema.outputs["completed_schema"],
        preprocessing_fn=f"{_ROOM}.preprocessing.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        custom_config=_image_config(config),
        disable_statistics=True,
    )
    class_names = ingest.outputs["class_names"]
    class_weights = class_weights_of(config, statistics.outputs["statistics"], class_names)
    learned_from = {
        "examples": transform.outputs["transformed_examples"],
        "transform_graph": transform.outputs["transform_graph"],
        "schema": schema.outputs["completed_schema"],
        "class_names": class_names,
        "class_weights": class_weights[0].outputs["class_weights"] if class_weights else None,
    }
    tuner = tuner_of(config, custom_config=_learning_config(config), **learned_from)
    trainer = Trainer(
        run_fn=f"{_ROOM}.run_fn.run_fn",
        hyperparameters=tuner[0].outputs["best_hyperparameters"] if tuner else None,
        custom_config=_train_config(config),
        **learned_from,
    )
    skew = SkewValidator(
        examples,
        trainer.outputs["model"],
        trainer.outputs["model_run"],
        split=features.EVAL,
        max_difference=config.skew.max_difference,
    )
    judged = _judge_and_push(config, ingest, trainer.outputs["model"], after=skew)
    return [ingest, *described, transform, *class_weights, *tuner, trainer, skew, *judged]


def _described(examples: types.BaseChannel) -> list[BaseNode]:
    """Statistics, the schema that they suggest, what does not keep to it, and the schema with the features of bytes."""
    statistics = StatisticsGen(
        examples,
        stats_options=tfdv.StatsOptions(
            feature_allowlist=list(features.DESCRIPTIVE),
            num_rank_histogram_buckets=_MOST_CLASSES,  # ClassWeights reads the counts of all classes from there
        ),
    )
    inferred = SchemaGen(statistics.outputs["statistics"], infer_feature_shape=True)
    validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=inferred.outputs["schema"])
    return [statistics, inferred, validator, ImageSchema(inferred.outputs["schema"])]


def _judge_and_push(config: Config, ingest: BaseNode, model: types.BaseChannel, after: BaseNode) -> list[BaseNode]:
    baseline = Resolver(
        strategy_class=LastBlessedModel,
        model=types.Channel(type=Model),
        model_blessing=types.Channel(type=ModelBlessing),
        candidate=model,
    ).with_id("Baseline")
    evaluator = Evaluator(
        examples=ingest.outputs["examples"],
        model=model,
        class_names=ingest.outputs["class_names"],
        baseline_model=baseline.outputs["model"],
        **evaluator_arguments(config.evaluation),
    )
    serving = pusher_pb2.PushDestination.Filesystem(base_directory=os.path.join(config.output, "serving"))
    pusher = Pusher(
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        push_destination=pusher_pb2.PushDestination(filesystem=serving),
    )
    # A model that serves other than it was trained is neither blessed, for later ones to be compared with, nor pushed.
    for component in (evaluator, pusher):
        component.add_upstream_node(after)
    return [baseline, evaluator, pusher, *prediction_components(config, model, evaluator.outputs["blessing"])]


def _image_config(config: Config) -> dict[str, Any]:
    height, width = cast(tuple[int, int], config.image.size)  # resolve() has replaced "auto"
    image = {"height": height, "width": width, "color_mode": config.image.color_mode}
    # TFX sees the names of our functions, not what they do; the version makes a change of code run again.
    return {"image": image, "code_version": code_version()}


def _learning_config(config: Config) -> dict[str, Any]:
    return {
        **_image_config(config),
        "model": dataclasses.asdict(config.model),
        "weights_fingerprint": _fingerprint(config.model.weights),
        "augmentation": list(config.augmentation.layers),
        "custom_code": _custom_code(config),
        "imbalance": {"strategy": config.imbalance.strategy, **config.imbalance.options},
        "train": dataclasses.asdict(config.train),
    }


def _train_config(config: Config) -> dict[str, Any]:
    return {
        **_learning_config(config),
        "export": dataclasses.asdict(config.export),
        "skew": {"images": config.skew.images},
        CHECKPOINTS_KEY: CHECKPOINTS,
    }


def _custom_code(config: Config) -> dict[str, str]:
    """The user's own code by its content: the cache must see what was edited under the same name."""
    names = [config.model.builder, *(table.get("layer") for table in config.augmentation.layers)]
    return {name: code_fingerprint(name) for name in names if isinstance(name, str) and is_reference(name)}


def _fingerprint(weights: str | None) -> list[tuple[str, int, int]]:
    """Path, size and time of each weights file: the cache must see other weights under the same name."""
    if weights is None:
        return []
    files = [Path(weights)] if os.path.isfile(weights) else sorted(Path(weights).rglob("*"))
    return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
