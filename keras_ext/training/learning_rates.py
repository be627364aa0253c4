"""Learning rates that change from step to step, by name."""

from typing import Any

import keras
from keras import ops

from keras_ext.choices import check_choice
from keras_ext.training_choices import LEARNING_RATE_SCHEDULES

_EXPONENTIAL_END = 0.01
_STEP_FACTOR = 0.1


def learning_rate_schedule(
    name: str, learning_rate: float, *, steps: int, warmup_steps: int = 0
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Returns a learning rate for `fit` that changes over the steps of a training.

    Args:
      name: What comes after the warmup. "constant" stays at `learning_rate`; "cosine" falls along half a cosine to 0;
        "exponential" falls by the same factor in each step, to a hundredth; "step" falls to a tenth after half and
        again after three quarters of the way.
      learning_rate: The highest rate.
      steps: Batches in the whole training, warmup included: epochs times batches in an epoch.
      warmup_steps: Batches in which the rate first rises, in a straight line from 0.

    Returns:
      A schedule; the number itself where nothing changes it, which callbacks such as `ReduceLROnPlateau` may then do.

    Raises:
      ValueError: An unknown name, or a warmup that leaves no step.

    Example:

    >>> steps = 10 * len(train)
    >>> schedule = learning_rate_schedule("cosine", 1e-3, steps=steps, warmup_steps=len(train))
    >>> history = fit(model, train, validation, epochs=10, learning_rate=schedule)

    Cosine: Loshchilov and Hutter, https://arxiv.org/abs/1608.03983. Steps: He et al., https://arxiv.org/abs/1512.03385.
    Warmup: Goyal et al., https://arxiv.org/abs/1706.02677.
    """
    check_choice("name", name, LEARNING_RATE_SCHEDULES)
    if not 0 <= warmup_steps < steps:
        raise ValueError(
            f"warmup_steps must be at least 0 and less than steps. Received: warmup_steps={warmup_steps}, "
            f"steps={steps}. Train for more epochs, or warm up for fewer."
        )
    rate = _decaying(name, learning_rate, steps - warmup_steps)
    return WarmUp(rate, warmup_steps) if warmup_steps else rate


def _decaying(name: str, learning_rate: float, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    schedules = keras.optimizers.schedules
    if name == "cosine":
        return schedules.CosineDecay(learning_rate, steps)
    if name == "exponential":
        return schedules.ExponentialDecay(learning_rate, steps, _EXPONENTIAL_END)
    if name == "step":
        rates = [learning_rate * _STEP_FACTOR**times for times in range(3)]
        return schedules.PiecewiseConstantDecay([steps // 2, steps * 3 // 4], rates)
    return learning_rate


@keras.saving.register_keras_serializable(package="keras_ext")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises in a straight line from 0 to another one's beginning, which then takes over.

    Args:
      learning_rate: What comes after: a number or a schedule, whose steps count from there.
      steps: Batches of the rise.

    Example:

    >>> model.compile(keras.optimizers.Adam(WarmUp(1e-3, steps=500)), loss="sparse_categorical_crossentropy")
    """

    def __init__(self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule, steps: int) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        after = ops.maximum(step - self.steps, 0)
        rate = self.learning_rate(after) if callable(self.learning_rate) else self.learning_rate
        return rate * ops.minimum((step + 1) / self.steps, 1)

    def get_config(self) -> dict[str, Any]:
        return {"learning_rate": keras.saving.serialize_keras_object(self.learning_rate), "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WarmUp":
        return cls(keras.saving.deserialize_keras_object(config["learning_rate"]), config["steps"])
