"""A resolver strategy: which earlier model a candidate is compared with."""

from collections.abc import Iterable
from typing import Any

from tfx import types
from tfx.dsl.components.common import resolver
from tfx.dsl.io import fileio

from keras_ext.progress import progress_logger
from tfx_components.artifacts import CLASS_NAMES_PROPERTY


class LastBlessedModel(resolver.ResolverStrategy):
    """Resolves the last blessed model that is not the candidate and knows the same classes.

    TFX's `LatestBlessedModelStrategy` may answer with the candidate itself, which is then evaluated once more only to
    equal itself, or with a model of other classes, whose outputs mean something else.

    Channels: `model` (all models), `model_blessing` (all blessings) and `candidate` (the model to be judged). All three
    resolve to at most one artifact; `model` and `model_blessing` are empty where there is nothing to compare with.

    Example:

    ```python
    baseline = Resolver(
        strategy_class=LastBlessedModel,
        model=Channel(type=Model),
        model_blessing=Channel(type=ModelBlessing),
        candidate=trainer.outputs["model"],
    ).with_id("Baseline")
    evaluator = Evaluator(baseline_model=baseline.outputs["model"], ...)
    ```
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Returns the resolved artifacts of each channel; see the class."""
        candidates = input_dict["candidate"]
        resolved: dict[str, list[types.Artifact]] = {"model": [], "model_blessing": [], "candidate": candidates}
        if not candidates:
            return resolved
        model_of = {model.id: model for model in input_dict["model"]}
        earlier = [
            (model_of[number], blessing)
            for number, blessing in _blessed(input_dict["model_blessing"])
            # A model whose folder somebody moved or deleted cannot be compared with.
            if number in model_of and number != candidates[0].id and fileio.exists(model_of[number].uri)
        ]
        comparable = [pair for pair in earlier if _classes(pair[0]) == _classes(candidates[0])]
        if comparable:
            model, blessing = comparable[0]
            resolved.update(model=[model], model_blessing=[blessing])
        if earlier and earlier[0] not in comparable:
            progress_logger.warning("The last blessed model knows other classes: not compared with it.")
        return resolved


def _blessed(blessings: Iterable[types.Artifact]) -> list[tuple[int, types.Artifact]]:
    """Returns (id of model, blessing) of the models whose last verdict is good, the last verdict first."""
    verdicts: dict[int, types.Artifact] = {}
    for blessing in sorted(blessings, key=lambda blessing: blessing.id):
        model = blessing.get_int_custom_property("current_model_id")
        verdicts.pop(model, None)
        verdicts[model] = blessing
    return [
        (model, blessing)
        for model, blessing in reversed(verdicts.items())
        if blessing.get_int_custom_property("blessed") == 1
    ]


def _classes(model: types.Artifact) -> str:
    return model.get_string_custom_property(CLASS_NAMES_PROPERTY) or ""
