"""Runs ingest as TFX does, or its executor alone."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Ingested:
    """What an executor wrote.

    Attributes:
      uri: The folder that holds `examples`, `report` and `class_names`.
      artifacts: The output artifacts by key.
    """

    uri: Path
    artifacts: dict[str, Any]

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.uri / "report" / "report.json").read_text())

    @property
    def rejected(self) -> str:
        return (self.uri / "report" / "rejected.csv").read_text()

    @property
    def class_names(self) -> list[str]:
        return json.loads((self.uri / "class_names" / "class_names.json").read_text())

    def shards(self, split: str) -> list[Path]:
        return sorted((self.uri / "examples" / f"Split-{split}").iterdir())

    def examples(self, split: str) -> list[Any]:
        """The parsed examples of a split, in the order of its shards."""
        import tensorflow as tf

        paths = [str(path) for path in self.shards(split)]
        records = tf.data.TFRecordDataset(paths).as_numpy_iterator()
        return [tf.train.Example.FromString(record) for record in records]

    def files(self) -> dict[str, bytes]:
        """Every file that was written."""
        return {str(path.relative_to(self.uri)): path.read_bytes() for path in self.uri.rglob("*") if path.is_file()}


@pytest.fixture
def ingest(tmp_path) -> Callable[..., Ingested]:
    """Returns `ingest(folder, beam=(...), **arguments of DirectoryExampleGen)`, which runs the executor alone."""
    from apache_beam import Pipeline
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import standard_artifacts

    from tfx_components import artifacts
    from tfx_components.directory_example_gen import DirectoryExampleGen
    from tfx_components.directory_example_gen.executor import Executor

    runs = iter(range(1000))

    def run(folder: Path, beam: tuple[str, ...] = ("--runner=FnApiRunner",), **arguments: Any) -> Ingested:
        uri = tmp_path / f"ingested-{next(runs)}"
        outputs = {
            "examples": standard_artifacts.Examples(),
            "report": artifacts.IngestReport(),
            "class_names": artifacts.ClassNames(),
        }
        for key, artifact in outputs.items():
            (uri / key).mkdir(parents=True)
            artifact.uri = str(uri / key)
        # Given only arguments, TFX would first build a wheel of itself for workers elsewhere, which takes a second.
        context = BaseBeamExecutor.Context(make_beam_pipeline_fn=lambda: Pipeline(argv=list(beam)))
        executor = Executor(context)
        component = DirectoryExampleGen(folder, **arguments)
        executor.Do({}, {key: [artifact] for key, artifact in outputs.items()}, dict(component.exec_properties))
        return Ingested(uri, outputs)

    return run
