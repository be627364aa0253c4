"""A condition whose branch that is not taken costs nothing."""

from collections.abc import Callable

import tensorflow as tf


def functional_if(
    condition: tf.Tensor,
    if_true: Callable[..., tf.Tensor],
    if_false: Callable[..., tf.Tensor],
    *inputs: tf.Tensor,
) -> tf.Tensor:
    """Returns `if_true(*inputs)` or `if_false(*inputs)`, like `tf.cond`.

    TensorFlow dissolves `tf.cond` into the graph around it and then visits each operation of both branches, which in
    `tf.data` takes microseconds an operation. Here a branch is a function, called or not. For long branches that are
    seldom taken.

    Args:
      condition: A boolean scalar.
      if_true: Takes and returns tensors; holds no state and captures none.
      if_false: The same, with an output of the same dtype.
      *inputs: What the branches are given.
    """
    if tf.executing_eagerly():
        return if_true(*inputs) if condition else if_false(*inputs)
    specs = [tf.TensorSpec.from_tensor(tensor) for tensor in inputs]
    branches = [tf.function(branch, specs, autograph=False).get_concrete_function() for branch in (if_true, if_false)]
    [output] = tf.raw_ops.StatelessIf(
        cond=condition,
        input=inputs,
        Tout=[branches[0].structured_outputs.dtype],
        then_branch=branches[0],
        else_branch=branches[1],
    )
    shapes = [branch.structured_outputs.shape for branch in branches]
    return tf.ensure_shape(output, shapes[0].most_specific_common_supertype([shapes[1]]))
