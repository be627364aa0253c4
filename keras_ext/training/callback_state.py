"""What callbacks remember from epoch to epoch.

A callback that remembers something takes part in resuming with two methods, as `keras_ext.callbacks` and your own may
have them: `get_state()`, called after each epoch when the callback is done with it, returns a dict of numbers, texts,
lists, dicts and NumPy arrays; `set_state(state)`, called after `on_train_begin`, takes the same. Keras's own callbacks
need none: theirs is known here.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import keras

_REMEMBERED: dict[type[keras.callbacks.Callback], tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("best", "best_epoch", "best_weights", "stopped_epoch", "wait"),
    keras.callbacks.ModelCheckpoint: ("best",),
    keras.callbacks.ReduceLROnPlateau: ("best", "cooldown_counter", "wait"),
}


def callback_states(callbacks: Iterable[keras.callbacks.Callback]) -> list[dict[str, Any]]:
    """Returns the state of each callback; an empty one where there is none."""
    return [_state_of(callback) for callback in callbacks]


def set_callback_states(callbacks: Iterable[keras.callbacks.Callback], states: Iterable[Mapping[str, Any]]) -> None:
    """Gives each callback its state again."""
    for callback, state in zip(callbacks, states, strict=True):
        if hasattr(callback, "set_state"):
            callback.set_state(state)
        else:
            for name, value in state.items():
                setattr(callback, name, value)


def _state_of(callback: keras.callbacks.Callback) -> dict[str, Any]:
    if hasattr(callback, "get_state"):
        return callback.get_state()
    names = [name for kind, names in _REMEMBERED.items() if isinstance(callback, kind) for name in names]
    return {name: getattr(callback, name) for name in names}
