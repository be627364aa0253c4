"""The Pusher component."""

from tfx.components.pusher import component
from tfx.dsl.components.base import executor_spec

from tfx_components.pusher import executor
from tfx_components.pusher.driver import Driver


class Pusher(component.Pusher):
    """TFX's Pusher, with three promises more: a model is pushed once, the last one pushed serves, and appears whole.

    The stock Pusher pushes a model again when it is blessed again; does nothing when an older model is to serve again
    or when the pushed folder is gone, since its outputs are cached; and copies file by file into the place that a model
    server watches. This one compares the newest version with the model: if they are the same, there is nothing to do,
    otherwise the model becomes a new, highest version, renamed into place when the copy is finished.

    Arguments, inputs and outputs are those of `tfx.components.Pusher`; the destination must be a file system. Versions
    are milliseconds since 1970.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)
    DRIVER_CLASS = Driver
