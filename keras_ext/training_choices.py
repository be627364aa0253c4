"""What training can be asked for by name, and what it cannot do: known without loading TensorFlow."""

from typing import Literal, TypeAlias, get_args

from keras_ext.choices import check_choice

Optimizer: TypeAlias = Literal["adam", "adamw", "sgd"]
LearningRateSchedule: TypeAlias = Literal["constant", "cosine", "exponential", "step"]
Precision: TypeAlias = Literal["float32", "mixed_float16", "mixed_bfloat16"]
Strategy: TypeAlias = Literal["default", "mirrored"]

OPTIMIZERS: tuple[str, ...] = get_args(Optimizer)
LEARNING_RATE_SCHEDULES: tuple[str, ...] = get_args(LearningRateSchedule)
PRECISIONS: tuple[str, ...] = get_args(Precision)
STRATEGIES: tuple[str, ...] = get_args(Strategy)


def check_strategy(name: str) -> str:
    """Returns the name of a strategy of distribution if training can use it.

    Raises:
      ValueError: It cannot: an unknown name, or a strategy for several machines.

    Example:

    >>> check_strategy("mirrored")
    'mirrored'
    """
    if any(part in name.lower() for part in ("multi", "worker", "parameter")):
        raise ValueError(
            "strategy must be one for a single machine, 'default' or 'mirrored': Keras 3 fails under TensorFlow's for "
            f"several, with \"unsupported type (PerReplica)\". Received: strategy={name!r}. Pass 'mirrored' for all "
            "GPUs of one machine."
        )
    return check_choice("strategy", name, STRATEGIES)


def check_for_several_devices(jit_compile: bool | str, gradient_accumulation_steps: int | None) -> None:
    """Refuses what fails where several devices share each batch.

    Raises:
      ValueError: XLA, or gradients of several batches, are asked for.

    Example:

    >>> check_for_several_devices("auto", None)
    """
    if jit_compile is True:
        raise ValueError(
            "jit_compile must be False or 'auto' with strategy 'mirrored': XLA fails on variables of another device. "
            "Received: jit_compile=True."
        )
    if gradient_accumulation_steps not in (None, 1):
        raise ValueError(
            "gradient_accumulation_steps must be 1 with strategy 'mirrored', under which Keras 3 cannot accumulate. "
            f"Received: gradient_accumulation_steps={gradient_accumulation_steps}. Make batches larger: each device "
            "holds its share alone."
        )
