"""What of a `tf.data` dataset depends on how often it was read: variables, which can be kept, and what cannot."""

from collections.abc import Iterator

import tensorflow as tf


def dataset_variables(dataset: tf.data.Dataset) -> list[tf.Variable]:
    """Returns the variables that the functions of a dataset read and change, always in the same order.

    Such are the states of random layers in `map`, and the number of the epoch of an `ImageDataset`.
    """
    found: dict[int, tf.Variable] = {}
    for graph in _graphs(dataset):
        for variable in graph.variables:
            found.setdefault(id(variable), variable)
    return list(found.values())


def unrepeatable_step(dataset: tf.data.Dataset) -> str | None:
    """Names a step whose results depend on a hidden state of TensorFlow, or returns None."""
    for step in _steps(dataset):
        if getattr(step, "_reshuffle_each_iteration", False) and type(step).__name__ == "_ShuffleDataset":
            return "shuffle"
    for graph in _graphs(dataset):
        for operation in graph.get_operations():
            attributes = {attribute.name for attribute in operation.op_def.attr}
            if operation.op_def.is_stateful and {"seed", "seed2"} <= attributes:
                return operation.type
    return None


def _steps(dataset: tf.data.Dataset) -> Iterator[tf.data.Dataset]:
    for before in dataset._inputs():  # noqa: SLF001 - how every kind of dataset says what it is made of
        yield from _steps(before)
    yield dataset


def _graphs(dataset: tf.data.Dataset) -> Iterator[tf.Graph]:
    for step in _steps(dataset):
        for function in step._functions():  # noqa: SLF001 - the same
            yield function.function.graph
