"""Runs a search, and fails when a trial did."""

import math
from typing import Any

from keras_tuner.engine.base_tuner import BaseTuner
from tfx import types
from tfx.components.trainer import fn_args_utils
from tfx.components.tuner.executor import write_best_hyperparameters
from tfx.components.util import udf_utils
from tfx.dsl.components.base import base_executor

from tfx_components.trainer.executor import with_classes

_Artifacts = dict[str, list[types.Artifact]]


class Executor(base_executor.BaseExecutor):
    """Searches in a folder that TFX removes afterwards, and writes what TFX's Tuner writes."""

    def Do(self, input_dict: _Artifacts, output_dict: _Artifacts, exec_properties: dict[str, Any]) -> None:
        tuner_fn = udf_utils.get_fn(exec_properties, "tuner_fn")
        fn_args = fn_args_utils.get_common_fn_args(input_dict, exec_properties, self._get_tmp_dir())
        fn_args.custom_config = with_classes(fn_args.custom_config, input_dict)
        tuner, fit_kwargs = tuner_fn(fn_args)
        tuner.search(**fit_kwargs)
        check_trials(tuner)
        write_best_hyperparameters(tuner, output_dict)


def check_trials(tuner: BaseTuner) -> None:
    """Refuses a search in which a trial has no score.

    Raises:
      RuntimeError: There is such a trial, or none at all; the message holds its values and why.
    """
    trials = tuner.oracle.trials.values()
    without = [trial for trial in trials if trial.score is None or not math.isfinite(trial.score)]
    if without:
        values = ", ".join(f"{name}={value!r}" for name, value in without[0].hyperparameters.values.items())
        # KerasTuner keeps the whole traceback, of which the last line says what happened.
        reason = (without[0].message or f"its score is {without[0].score}").strip().splitlines()[-1]
        raise RuntimeError(
            f"{len(without)} of {len(trials)} trials have no score, so the best of the others would be luck. "
            f"The first, with {values}: {reason}. Leave out of the search what cannot be trained."
        )
    if not trials:
        raise RuntimeError("The search made no trial. Give it a larger space, or more trials.")
