"""A TFX pipeline of one's own: four components of keras-ext among four of TFX.

python pipeline.py IMAGES
"""

import sys
from pathlib import Path

import tensorflow_data_validation as tfdv
from tfx.components.pusher.component import Pusher
from tfx.components.schema_gen.component import SchemaGen
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.transform.component import Transform
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import pusher_pb2

from keras_ext import features
from tfx_components import ClassWeights, DirectoryExampleGen, ImageSchema, Trainer, split_ratios

HERE = Path(__file__).parent
MODULE = str(HERE / "training" / "module.py")  # alone there: TFX packs every .py file of the folder, and hashes it


def create_pipeline(images: str) -> Pipeline:
    ingest = DirectoryExampleGen(images, output_config=split_ratios({"train": 0.7, "eval": 0.3}))
    statistics = StatisticsGen(
        ingest.outputs["examples"],
        stats_options=tfdv.StatsOptions(feature_allowlist=list(features.DESCRIPTIVE)),  # image bytes say nothing there
    )
    inferred = SchemaGen(statistics.outputs["statistics"], infer_feature_shape=True)
    schema = ImageSchema(inferred.outputs["schema"])
    transform = Transform(
        examples=ingest.outputs["examples"], schema=schema.outputs["completed_schema"], module_file=MODULE
    )
    class_weights = ClassWeights(
        statistics=statistics.outputs["statistics"], class_names=ingest.outputs["class_names"], strategy="balanced"
    )
    trainer = Trainer(
        module_file=MODULE,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        class_weights=class_weights.outputs["class_weights"],
        class_names=ingest.outputs["class_names"],
        custom_config={"epochs": 15},
    )
    serving = pusher_pb2.PushDestination.Filesystem(base_directory=str(Path("serving").absolute()))
    pusher = Pusher(model=trainer.outputs["model"], push_destination=pusher_pb2.PushDestination(filesystem=serving))
    return Pipeline(
        pipeline_name="digits",
        pipeline_root="artifacts",
        metadata_connection_config=metadata.sqlite_metadata_connection_config("metadata.sqlite"),
        components=[ingest, statistics, inferred, schema, transform, class_weights, trainer, pusher],
        enable_cache=True,
        beam_pipeline_args=["--runner=FnApiRunner"],  # Beam's runner in this process
    )


if __name__ == "__main__":
    LocalDagRunner().run(create_pipeline(sys.argv[1]))
    print("Pushed:", *sorted(map(str, Path("serving").iterdir())))
