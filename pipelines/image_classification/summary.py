"""What each component produced, in a few words, and the result of the run."""

import csv
import os
from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table
from tfx import types
from tfx.types import artifact_utils
from tfx.utils import io_utils

from keras_ext import features
from keras_ext.balanced_sampler import repeat_factors
from keras_ext.image_listing import one_line
from pipelines.image_classification.config import Imbalance
from pipelines.image_classification.search_space import describe
from pipelines.runners import ComponentRun
from tfx_components import artifacts
from tfx_components.bulk_predictions.executor import PREDICTIONS_FILE
from tfx_components.evaluator.judgement import EVALUATION_FILE, Judgement


def produced(component: ComponentRun) -> str:
    """Says what a component of this pipeline produced."""
    describe = _DESCRIPTIONS.get(component.name)
    return describe(component) if describe else ""


def judgement_of(component: ComponentRun) -> Judgement:
    """Reads what Evaluator found."""
    return Judgement.read(_one(component.outputs, "evaluation").uri)


def evaluation_file(component: ComponentRun) -> str:
    """The path of what Evaluator found, as JSON."""
    return os.path.join(_one(component.outputs, "evaluation").uri, EVALUATION_FILE)


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


def class_table(components: Mapping[str, ComponentRun], imbalance: Imbalance, rows: int = 20) -> Table:
    """Each class's training images, what the strategy makes of them, its scored images, and its recall on them.

    Args:
      components: Those of a finished run, by name.
      imbalance: The strategy: one of weights shows them, oversampling how often an image of the class comes.
      rows: The most classes that are shown; of more, those of lowest recall.
    """
    judgement = judgement_of(components["Evaluator"])
    scored = judgement.result.classes
    recall = {name: row["recall"] for name, row in scored.items()}
    counts = ingest_report(components["DirectoryExampleGen"])["splits"][features.TRAIN]
    heading, values = _emphasis(components, imbalance, counts)
    shown = list(counts) if len(counts) <= rows else sorted(counts, key=lambda name: recall.get(name, 1.0))[:rows]
    table = Table("class", box=None)
    for column in filter(None, ("train images", heading, f"{judgement.split} images", "recall")):
        table.add_column(column, justify="right")
    for name in shown:
        # No recall where the scored split holds no image of the class.
        value = [f"{values[name]:.3g}"] if heading else []
        found = [f"{scored[name]['images']:,}", f"{recall[name]:.4f}"] if name in scored else ["0", "-"]
        table.add_row(one_line(name), f"{counts[name]:,}", *value, *found)
    if len(shown) < len(counts):
        table.add_row(f"... and {len(counts) - len(shown):,} more")
    return table


def _emphasis(
    components: Mapping[str, ComponentRun], imbalance: Imbalance, counts: dict[str, int]
) -> tuple[str, dict[str, float]]:
    """What rare classes have more of, by class name, and the name of it; none of both where a loss sees to it."""
    if imbalance.weighs:
        content = _class_weights_content(components["ClassWeights"])
        return "weight", {name: content["weights"][str(index)] for index, name in enumerate(content["class_names"])}
    if imbalance.strategy == "oversample":
        factors = repeat_factors([*counts.values()], **imbalance.options)
        return "times an epoch", dict(zip(counts, factors.values(), strict=True))
    return "", {}


def _class_weights_content(component: ComponentRun) -> dict[str, Any]:
    return artifacts.read_json(_one(component.outputs, "class_weights").uri, artifacts.CLASS_WEIGHTS_FILE)


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


def _class_weights(component: ComponentRun) -> str:
    content = _class_weights_content(component)
    counts, weights = content["counts"].values(), content["weights"].values()
    said = f"{min(counts):,} to {max(counts):,} images a class"
    if content["strategy"] == "none":
        return said
    return f"{said}, weights {min(weights):.3g} to {max(weights):.3g}"


def _search(component: ComponentRun) -> str:
    best, *others = artifacts.read_json(_one(component.outputs, "tuner_results").uri, "tuner_results.json")
    values = {name: value for name, value in best.items() if name not in ("trial_id", "score")}
    return f"best of {len(others) + 1} trials, with score {best['score']:.4f}: {describe(values)}"


def _model(component: ComponentRun) -> str:
    return os.path.relpath(_one(component.outputs, "model").uri)


def _skew(component: ComponentRun) -> str:
    report = artifacts.read_json(_one(component.outputs, "report").uri, artifacts.SKEW_FILE)
    formats = ", ".join(f"{count} {name}" for name, count in report["formats"].items())
    return f"serving equals training to {report['largest_difference']:.1e} on {report['images']} images ({formats})"


def _baseline(component: ComponentRun) -> str:
    models = component.outputs.get("model", [])
    candidates = {artifact.id for artifact in component.outputs.get("candidate", [])}
    earlier = [os.path.relpath(model.uri) for model in models if model.id not in candidates]
    return f"compare with {earlier[0]}" if earlier else "nothing to compare with"


def _evaluation(component: ComponentRun) -> str:
    judgement = judgement_of(component)
    blessed = "blessed" if judgement.blessed else "not blessed"
    accuracy, images = judgement.result.figures["accuracy"].value, judgement.result.images
    return f"accuracy {accuracy:.4f} on {images:,} images: {blessed}"


def _pushed(component: ComponentRun) -> str:
    path = pushed_path(component)
    return os.path.relpath(path) if path else "not pushed: the model is not blessed"


def _images_to_classify(component: ComponentRun) -> str:
    report = ingest_report(component)
    return f"found {report['found']:,} = written {report['written']:,} + rejected {report['rejected']:,}"


def predictions_file(component: ComponentRun) -> str | None:
    """The path of the table of predictions, or None where there is none as the model is not blessed."""
    path = os.path.join(_one(component.outputs, "predictions").uri, PREDICTIONS_FILE)
    return path if os.path.exists(path) else None


def _predictions(component: ComponentRun) -> str:
    path = predictions_file(component)
    if path is None:
        return "no predictions: the model is not blessed"
    with open(path, newline="", encoding="utf-8") as file:
        errors = [bool(row["error"]) for row in csv.DictReader(file)]
    return f"classified {errors.count(False):,} images, {errors.count(True):,} cannot be read"


_DESCRIPTIONS: dict[str, Callable[[ComponentRun], str]] = {
    "DirectoryExampleGen": _ingest,
    "StatisticsGen": _statistics,
    "SchemaGen": _schema,
    "ImageSchema": _schema,
    "ExampleValidator": _anomalies,
    "Transform": _examples,
    "ClassWeights": _class_weights,
    "Tuner": _search,
    "Trainer": _model,
    "SkewValidator": _skew,
    "Baseline": _baseline,
    "Evaluator": _evaluation,
    "Pusher": _pushed,
    "PredictionExampleGen": _images_to_classify,
    "BulkPredictions": _predictions,
}
