"""Balanced epochs of anything that can be loaded one by one."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_ext.balanced_sampler import BalancedSampler
from keras_ext.datasets.dataset_marks import OVERSAMPLED, marked


def balanced_dataset(
    elements: Any,
    sampler: BalancedSampler,
    *,
    batch_size: int,
    epochs: int,
    initial_epoch: int = 0,
    load: Callable[..., Any] | None = None,
) -> tf.data.Dataset:
    """Returns batches `(elements, labels)` of the epochs `initial_epoch` to `epochs - 1`, one after another.

    What comes, and in which order, is a function of the sampler's seed and the number of the epoch alone; see
    `keras_ext.balanced_sampler.BalancedSampler`. First is drawn, then loaded: nothing is loaded in vain, and no more
    than a few batches are held. Every epoch ends with a batch of what is left. Give `fit` the sampler's
    `steps_per_epoch`, since Keras would otherwise take all epochs for one.

    Args:
      elements: What there is for each of the sampler's labels, in their order: paths, say, or images in memory. An
        array, or a dict or tuple of arrays, all with the images along the first axis.
      sampler: Draws the epochs, and has the labels: class indices come as int64 `(batch,)`, rows of zeros and ones as
        float32 `(batch, classes)`.
      batch_size: Images in a batch.
      epochs: Where to end, as in `fit`.
      initial_epoch: Where to start, as in `fit`.
      load: Called with one element and its label, in parallel and inside the graph; returns what is to be batched,
        such as `(image, label)`. None: the elements as they are.

    Raises:
      ValueError: There are not as many elements as labels.

    Example:

    >>> sampler = BalancedSampler(labels, seed=0)
    >>> read = lambda path, label: (decode(tf.io.read_file(path)), label)
    >>> dataset = balanced_dataset(paths, sampler, batch_size=32, epochs=10, load=read)
    >>> model.fit(dataset, epochs=10, steps_per_epoch=sampler.steps_per_epoch(32))
    """
    labels = sampler.labels if sampler.labels.ndim == 1 else sampler.labels.astype("float32")
    everything = tf.nest.map_structure(tf.convert_to_tensor, (elements, labels))
    for array in tf.nest.flatten(everything):
        if array.shape[:1] != labels.shape[:1]:
            raise ValueError(
                f"elements must have one for each of the sampler's {len(labels)} labels, along the first axis. "
                f"Received: shape={tuple(array.shape)}."
            )

    def taken(indices: tf.Tensor) -> Any:
        return tf.nest.map_structure(lambda array: tf.gather(array, indices), everything)

    def batches_of(epoch: tf.Tensor) -> tf.data.Dataset:
        indices = tf.numpy_function(sampler.indices, [epoch], tf.int64, stateful=False)
        drawn = tf.data.Dataset.from_tensor_slices(tf.ensure_shape(indices, [sampler.epoch_length]))
        if load is None:
            return drawn.batch(batch_size).map(taken)
        loaded = drawn.map(lambda index: load(*taken(index)), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return loaded.batch(batch_size)

    dataset = tf.data.Dataset.range(initial_epoch, epochs).flat_map(batches_of)
    steps = max(0, epochs - initial_epoch) * sampler.steps_per_epoch(batch_size)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    if sampler.epoch_length > len(labels):
        dataset = marked(dataset, OVERSAMPLED)
    return dataset.prefetch(tf.data.AUTOTUNE)
