"""The search for settings: the component, if there is one, and what it runs."""

import dataclasses
import importlib.util
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attr
from tfx import types
from tfx.components.trainer.fn_args_utils import FnArgs

from keras_ext.progress import progress_logger
from pipelines.image_classification.checkpoints import TrainingFolders
from pipelines.image_classification.config import Config
from pipelines.image_classification.run_fn import train_model
from pipelines.image_classification.search_space import Range, describe

if TYPE_CHECKING:
    from keras_tuner import HyperParameters
    from tfx.components.tuner.component import TunerFnResult

    from tfx_components.tuner import Tuner

_LOWER_IS_BETTER = "val_loss"
_EPOCHS = "tuner/epochs"  # what Hyperband asks for


def tuner_of(config: Config, custom_config: Mapping[str, Any], **channels: types.BaseChannel | None) -> "list[Tuner]":
    """Returns the component that searches, or none where there is nothing to search for.

    Args:
      config: The settings.
      custom_config: What Trainer gets of them, as far as trials have use for it.
      **channels: What Trainer learns from.

    Raises:
      ModuleNotFoundError: KerasTuner is not installed.
    """
    settings = config.tuner
    if not settings.space:
        return []
    if importlib.util.find_spec("keras_tuner") is None:
        raise ModuleNotFoundError(
            "The settings in [tuner] need KerasTuner, which is not installed. "
            "Install it with: pip install 'keras-ext[tuner]'",
            name="keras_tuner",
        )
    from tfx_components.tuner import Tuner

    space = {
        name: dataclasses.asdict(values) if isinstance(values, Range) else values
        for name, values in settings.settings.items()
    }
    search = {"algorithm": settings.algorithm, "trials": settings.trials, "objective": settings.objective}
    train = {**custom_config["train"], "epochs": settings.epochs}  # how long Trainer trains is none of its business
    return [
        Tuner(
            tuner_fn=f"{__name__}.tuner_fn",
            custom_config={**custom_config, "train": train, "tuner": {**search, "space": space}},
            **channels,
        )
    ]


def tuner_fn(fn_args: FnArgs) -> "TunerFnResult":
    """Returns a KerasTuner whose trials train as `run_fn` does.

    Args:
      fn_args: TFX's. `custom_config` holds what `run_fn` takes, with the epochs of a trial, and `"tuner"`:
        `"algorithm"`, `"trials"`, `"objective"` and `"space"`, a range or a list for each setting.
    """
    from keras_tuner import errors
    from keras_tuner.engine import base_tuner
    from tfx.components.tuner.component import TunerFnResult

    objective = fn_args.custom_config["tuner"]["objective"]

    class Search(base_tuner.BaseTuner):
        def run_trial(self, trial: Any, *fit_args: Any, **fit_kwargs: Any) -> dict[str, float]:
            values = trial.hyperparameters.values
            try:
                score = _score(_with_values(fn_args, values), objective)
            except Exception as error:
                # KerasTuner would note it and go on.
                raise errors.FatalRuntimeError(f"the trial of {describe(values)} failed: {error}") from error
            progress_logger.info("Trial %s: %s = %.4g with %s", trial.trial_id, objective, score, describe(values))
            return {objective: score}

    tuner = Search(_oracle(fn_args.custom_config), directory=fn_args.working_dir, project_name="trials")
    return TunerFnResult(tuner, fit_kwargs={"verbose": 0})


def _oracle(config: Mapping[str, Any]) -> Any:
    import keras_tuner
    from keras_tuner import oracles

    search = config["tuner"]
    direction = "min" if search["objective"] == _LOWER_IS_BETTER else "max"
    arguments = {
        "objective": keras_tuner.Objective(search["objective"], direction),
        "hyperparameters": _hyperparameters(search["space"]),
        "seed": config["train"]["seed"] + 1,  # it takes 0 for none
    }
    if search["algorithm"] == "hyperband":
        return oracles.HyperbandOracle(max_epochs=config["train"]["epochs"], **arguments)
    kinds = {"random": oracles.RandomSearchOracle, "bayesian": oracles.BayesianOptimizationOracle}
    return kinds[search["algorithm"]](max_trials=search["trials"], **arguments)


def _hyperparameters(space: Mapping[str, Any]) -> "HyperParameters":
    import keras_tuner

    hyperparameters = keras_tuner.HyperParameters()
    for name, values in space.items():
        if isinstance(values, Mapping):
            limits = Range(**values)
            add = hyperparameters.Int if limits.is_integer else hyperparameters.Float
            add(name, limits.min, limits.max, step=limits.step, sampling=limits.sampling)
        else:
            hyperparameters.Choice(name, list(values))
    return hyperparameters


def _with_values(fn_args: FnArgs, values: Mapping[str, Any]) -> FnArgs:
    config = fn_args.custom_config
    train = {**config["train"], "epochs": values.get(_EPOCHS, config["train"]["epochs"])}
    return attr.evolve(fn_args, custom_config={**config, "train": train}, hyperparameters={"values": dict(values)})


def _score(fn_args: FnArgs, objective: str) -> float:
    """The objective at the epoch whose weights training keeps: that of the lowest loss on the validation images."""
    _, histories = train_model(fn_args, TrainingFolders(checkpoint_dir=None, log_dir=None))
    return score_of([history.history for history in histories], objective)


def score_of(histories: Sequence[Mapping[str, Sequence[float]]], objective: str) -> float:
    """Returns the objective at the epoch of the lowest validation loss.

    Args:
      histories: The figures of each phase of training, by name.
      objective: Name of the figure.

    Raises:
      ValueError: It is no finite number there.
    """
    epochs = [
        (loss, value)
        for history in histories
        for loss, value in zip(history["val_loss"], history[objective], strict=True)
        if not math.isnan(loss)
    ]
    score = min(epochs, key=lambda pair: pair[0])[1] if epochs else math.nan
    if not math.isfinite(score):
        raise ValueError(f"{objective} must be a finite number. Received: {score}.")
    return float(score)
