"""The Pusher component."""

from tfx.components.pusher import component
from tfx.dsl.components.base import executor_spec

from tfx_components.pusher import executor


class Pusher(component.Pusher):
    """TFX's Pusher, with two promises more: one model is one version, and a version appears whole.

    The stock Pusher names a version after the time of pushing, so a model that is blessed again is pushed again, and
    copies file by file into the place that a model server watches. This one names the version after the model itself
    (the milliseconds since 1970 at which ML Metadata recorded it), so pushing again changes nothing, and renames a
    finished copy into place.

    Arguments, inputs and outputs are those of `tfx.components.Pusher`; the destination must be a file system.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)
