import numpy as np
import pytest
import tensorflow as tf

from keras_ext import features
from keras_ext.datasets import ImageExamples, image_examples
from keras_ext.datasets.pixels import serialize_images

SHAPE = (2, 3, 3)
COUNT = 23


def image(number: int) -> np.ndarray:
    return np.full(SHAPE, number, np.uint8)


def example(number: int) -> bytes:
    values = {
        features.SHA256: tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"key-%d" % number])),
        features.PIXELS: tf.train.Feature(
            bytes_list=tf.train.BytesList(value=serialize_images(image(number)[None]).numpy())
        ),
        features.CLASS_LABEL: tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 4])),
    }
    return tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString()


@pytest.fixture(params=["", "GZIP"])
def examples(request, tmp_path):
    for shard, numbers in enumerate(np.array_split(np.arange(COUNT), 3)):
        with tf.io.TFRecordWriter(str(tmp_path / f"shard-{shard}"), request.param) as writer:
            for number in numbers:
                writer.write(example(number))
    return ImageExamples([str(tmp_path / "shard-*")], SHAPE, compression_type=request.param)


def numbers(dataset: tf.data.Dataset) -> list[int]:
    return [int(key.split(b"-")[1]) for keys, _, _ in dataset.as_numpy_iterator() for key in keys]


def epochs(examples: ImageExamples, *, seed: int = 0, initial_epoch: int = 0, epochs: int = 3) -> list[list[int]]:
    dataset = examples.training_dataset(
        batch_size=5, seed=seed, epochs=epochs, initial_epoch=initial_epoch, with_keys=True
    )
    return np.reshape(numbers(dataset), (-1, COUNT)).tolist()


def test_count_and_steps(examples):
    assert examples.count() == COUNT
    assert examples.steps_per_epoch(batch_size=5) == 5


def test_evaluation_keeps_the_order_of_the_files(examples):
    dataset = examples.evaluation_dataset(batch_size=5, with_keys=True)
    assert numbers(dataset) == list(range(COUNT))
    assert len(dataset) == -(-COUNT // 5)


def test_batches_hold_the_images_and_labels_of_their_keys(examples):
    dataset = examples.training_dataset(batch_size=5, seed=1, epochs=1, with_keys=True)
    sizes = []
    for keys, images, labels in dataset.as_numpy_iterator():
        of_keys = [int(key.split(b"-")[1]) for key in keys]
        np.testing.assert_array_equal(images, [image(number) for number in of_keys])
        np.testing.assert_array_equal(labels, np.mod(of_keys, 4))
        sizes.append(len(keys))
    assert sizes == [5, 5, 5, 5, 3]


def test_element_spec_is_known_for_fit(examples):
    images, labels = examples.training_dataset(batch_size=5, seed=0, epochs=1).element_spec
    assert (images.dtype, images.shape.as_list()) == (tf.uint8, [None, *SHAPE])
    assert (labels.dtype, labels.shape.as_list()) == (tf.int64, [None])


def test_every_epoch_holds_every_image_in_another_order(examples):
    orders = epochs(examples)
    assert [sorted(order) for order in orders] == [list(range(COUNT))] * 3
    assert len({tuple(order) for order in [*orders, list(range(COUNT))]}) == 4


def test_order_depends_on_seed_and_epoch_alone(examples):
    expected = epochs(examples, seed=5)
    tf.random.set_seed(99)
    assert epochs(examples, seed=5) == expected
    assert epochs(examples, seed=5, initial_epoch=2) == expected[2:]
    assert epochs(examples, seed=5, epochs=1) == expected[:1]
    assert epochs(examples, seed=6) != expected


def test_iterating_again_gives_the_same_order_and_leaves_the_global_seed_alone(examples):
    tf.random.set_seed(3)
    expected = float(tf.random.uniform([]))
    tf.random.set_seed(3)
    dataset = examples.training_dataset(batch_size=5, seed=8, epochs=2, with_keys=True)
    assert numbers(dataset) == numbers(dataset)
    assert float(tf.random.uniform([])) == expected


def test_order_is_a_function_of_the_epoch_when_the_buffer_is_smaller_than_the_data(examples, monkeypatch):
    monkeypatch.setattr(image_examples, "_SHUFFLE_BYTES", 4 * np.prod(SHAPE))
    orders = epochs(examples)
    assert [sorted(order) for order in orders] == [list(range(COUNT))] * 3
    assert epochs(examples, initial_epoch=1) == orders[1:]


def test_another_image_shape_is_an_error(examples):
    wrong = ImageExamples(examples.files, (3, 2, 3), compression_type=examples.compression_type)
    with pytest.raises(tf.errors.InvalidArgumentError, match="shape"):
        next(iter(wrong.evaluation_dataset(batch_size=2)))


def test_no_files_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"files must name TFRecord files. Received: files=\['.*nothing-\*'\]"):
        ImageExamples([str(tmp_path / "nothing-*")], SHAPE)
