"""`python pipeline.py IMAGES OUTPUT EPOCHS`: the stock pipeline; prints the seconds of each component as JSON."""

import json
import os
import sys
import time
from pathlib import Path

import apache_beam as beam
import tensorflow as tf
import tensorflow_model_analysis as tfma
from apache_beam.io import fileio
from tfx import v1 as tfx
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.orchestration.portable import launcher


class Executor(BaseExampleGenExecutor):
    """Reads image files; the label is the number of the folder among the sorted folders."""

    def GetInputSourceToExamplePTransform(self):  # noqa: N802
        return examples


@beam.ptransform_fn
def examples(pipeline, exec_properties, split_pattern):
    base = exec_properties["input_base"]
    classes = sorted(os.listdir(base))
    files = pipeline | fileio.MatchFiles(os.path.join(base, split_pattern)) | fileio.ReadMatches()
    return files | beam.Map(example, classes)


def example(file, classes):
    label = classes.index(Path(file.metadata.path).parent.name)
    feature = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[file.read()])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature))


def create_pipeline(images, output, epochs):
    module = str(Path(__file__).with_name("module.py"))
    buckets = [
        tfx.proto.SplitConfig.Split(name=name, hash_buckets=count)
        for name, count in (("train", 8), ("eval", 1), ("test", 1))
    ]
    gen = FileBasedExampleGen(
        images,
        input_config=tfx.proto.Input(splits=[tfx.proto.Input.Split(name="all", pattern="*/*")]),
        output_config=tfx.proto.Output(split_config=tfx.proto.SplitConfig(splits=buckets)),
        custom_executor_spec=executor_spec.BeamExecutorSpec(Executor),
    )
    statistics = tfx.components.StatisticsGen(gen.outputs["examples"])
    schema = tfx.components.SchemaGen(statistics.outputs["statistics"], infer_feature_shape=True)
    validator = tfx.components.ExampleValidator(statistics.outputs["statistics"], schema.outputs["schema"])
    transform = tfx.components.Transform(gen.outputs["examples"], schema.outputs["schema"], module_file=module)
    trainer = tfx.components.Trainer(
        module_file=module,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=tfx.proto.TrainArgs(),
        eval_args=tfx.proto.EvalArgs(),
        custom_config={"classes": len(os.listdir(images)), "epochs": epochs},
    )
    baseline = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("Baseline")
    accuracy = tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.0}))
    metrics = [
        tfma.MetricConfig(class_name="SparseCategoricalAccuracy", threshold=accuracy),
        tfma.MetricConfig(class_name="SparseCategoricalCrossentropy"),
        tfma.MetricConfig(class_name="ExampleCount"),
    ]
    evaluator = tfx.components.Evaluator(
        examples=gen.outputs["examples"],
        example_splits=["test"],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        eval_config=tfma.EvalConfig(
            model_specs=[tfma.ModelSpec(label_key="label", prediction_key="probabilities")],
            slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["label"])],
            metrics_specs=[tfma.MetricsSpec(metrics=metrics)],
        ),
    )
    serving = tfx.proto.PushDestination.Filesystem(base_directory=os.path.join(output, "serving"))
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(filesystem=serving),
    )
    return tfx.dsl.Pipeline(
        pipeline_name="stock",
        pipeline_root=os.path.join(output, "artifacts"),
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(output, "metadata.sqlite")
        ),
        components=[gen, statistics, schema, validator, transform, trainer, baseline, evaluator, pusher],
        beam_pipeline_args=["--runner=FnApiRunner"],
    )


SECONDS = {}


class TimedLauncher(launcher.Launcher):
    """Notes how long each component takes."""

    def launch(self):
        start = time.perf_counter()
        result = super().launch()
        SECONDS[self._pipeline_node.node_info.id] = time.perf_counter() - start
        return result


def main():
    images, output, epochs = sys.argv[1:]
    launcher.Launcher = TimedLauncher
    sys.argv = sys.argv[:1]
    os.makedirs(output, exist_ok=True)
    tfx.orchestration.LocalDagRunner().run(create_pipeline(images, output, int(epochs)))
    print(json.dumps(SECONDS))


if __name__ == "__main__":
    main()
