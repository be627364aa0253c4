"""What each component produced, in a few words, and the result of the run."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from tfx import types
from tfx.types import artifact_utils
from tfx.utils import io_utils

from pipelines.image_classification.evaluation import Verdict, read_verdict
from pipelines.runners import ComponentRun
from tfx_components import artifacts


def produced(component: ComponentRun) -> str:
    """Says what a component of this pipeline produced."""
    describe = _DESCRIPTIONS.get(component.name)
    return describe(component) if describe else ""


def verdict_of(components: Mapping[str, ComponentRun]) -> Verdict:
    """Reads Evaluator's verdict of a finished run."""
    return read_verdict(_one(components["Evaluator"].outputs, "evaluation").uri)


def pushed_path(component: ComponentRun) -> str | None:
    """Where the model was pushed, or None if it was not."""
    pushed = _one(component.outputs, "pushed_model")
    if not pushed.get_int_custom_property("pushed"):
        return None
    return pushed.get_string_custom_property("pushed_destination")


def ingest_report(component: ComponentRun) -> dict[str, Any]:
    """The ingest report as a dictionary."""
    return artifacts.read_json(_one(component.outputs, "report").uri, artifacts.REPORT_FILE)


def rejected_file(component: ComponentRun) -> str:
    """The path of the table of rejected files."""
    return os.path.join(_one(component.outputs, "report").uri, artifacts.REJECTED_FILE)


def _one(outputs: Mapping[str, list[types.Artifact]], key: str) -> types.Artifact:
    return artifact_utils.get_single_instance(outputs[key])


def _ingest(component: ComponentRun) -> str:
    report = ingest_report(component)
    splits = ", ".join(f"{split} {sum(counts.values()):,}" for split, counts in report["splits"].items())
    return (
        f"found {report['found']:,} = written {report['written']:,} + rejected {report['rejected']:,} "
        f"({splits}; {len(report['class_names'])} classes)"
    )


def _statistics(component: ComponentRun) -> str:
    splits = artifact_utils.decode_split_names(_one(component.outputs, "statistics").split_names)
    return f"statistics of {', '.join(splits)}"


def _schema(component: ComponentRun) -> str:
    [artifact] = next(iter(component.outputs.values()))
    schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(artifact.uri))
    return f"{len(schema.feature)} features"


def _anomalies(component: ComponentRun) -> str:
    found = []
    artifact = _one(component.outputs, "anomalies")
    for split in artifact_utils.decode_split_names(artifact.split_names):
        uri = io_utils.get_only_uri_in_dir(artifact_utils.get_split_uri([artifact], split))
        anomalies = _read_anomalies(uri)
        found += [f"{split}: {name} ({info.short_description})" for name, info in anomalies.anomaly_info.items()]
    return "; ".join(found) if found else "no anomalies"


def _read_anomalies(uri: str) -> Any:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    return anomalies_pb2.Anomalies.FromString(io_utils.read_bytes_file(uri))


def _examples(component: ComponentRun) -> str:
    splits = artifact_utils.decode_split_names(_one(component.outputs, "transformed_examples").split_names)
    return f"decoded and resized {', '.join(splits)}"


def _model(component: ComponentRun) -> str:
    return os.path.relpath(_one(component.outputs, "model").uri)


def _baseline(component: ComponentRun) -> str:
    models = component.outputs.get("model", [])
    candidates = {artifact.id for artifact in component.outputs.get("candidate", [])}
    earlier = [os.path.relpath(model.uri) for model in models if model.id not in candidates]
    return f"compare with {earlier[0]}" if earlier else "nothing to compare with"


def _evaluation(component: ComponentRun) -> str:
    verdict = read_verdict(_one(component.outputs, "evaluation").uri)
    blessed = "blessed" if verdict.blessed else "not blessed"
    return f"accuracy {verdict.accuracy:.4f} on {verdict.images:,} images: {blessed}"


def _pushed(component: ComponentRun) -> str:
    path = pushed_path(component)
    return os.path.relpath(path) if path else "not pushed: the model is not blessed"


_DESCRIPTIONS: dict[str, Callable[[ComponentRun], str]] = {
    "DirectoryExampleGen": _ingest,
    "StatisticsGen": _statistics,
    "SchemaGen": _schema,
    "ImageSchema": _schema,
    "ExampleValidator": _anomalies,
    "Transform": _examples,
    "Trainer": _model,
    "Baseline": _baseline,
    "Evaluator": _evaluation,
    "Pusher": _pushed,
}
