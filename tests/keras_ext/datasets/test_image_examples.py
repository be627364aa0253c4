import numpy as np
import pytest
import tensorflow as tf

from keras_ext import features
from keras_ext.balanced_sampler import BalancedSampler
from keras_ext.datasets import ImageExamples, apply_class_weights, image_examples
from keras_ext.datasets.pixels import serialize_images
from keras_ext.layers import Augmentation

SHAPE = (2, 3, 3)
COUNT = 23


def image(number: int) -> np.ndarray:
    return np.full(SHAPE, number, np.uint8)


def example(number: int) -> bytes:
    values = {
        features.SHA256: tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"key-%d" % number])),
        features.FILENAME: tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"a/%d.png" % number])),
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


def test_evaluation_with_file_names(examples):
    names, images, labels = next(iter(examples.evaluation_dataset(batch_size=5, with_file_names=True)))
    assert names.numpy().tolist() == [b"a/0.png", b"a/1.png", b"a/2.png", b"a/3.png", b"a/4.png"]
    np.testing.assert_array_equal(images, [image(number) for number in range(5)])
    assert labels.numpy().tolist() == [0, 1, 2, 3, 0]
    with pytest.raises(ValueError, match="with_keys and with_file_names exclude each other"):
        examples.evaluation_dataset(batch_size=5, with_keys=True, with_file_names=True)


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


def augmented_epochs(examples: ImageExamples, layers: list, initial_epoch: int = 0, batch_size: int = 5) -> list[dict]:
    """The augmented image of each key, for the epochs `initial_epoch` to 2."""
    dataset = examples.training_dataset(
        batch_size=batch_size,
        seed=4,
        epochs=3,
        initial_epoch=initial_epoch,
        augment=Augmentation(layers, seed=6),
        with_keys=True,
    )
    batches, steps = list(dataset.as_numpy_iterator()), -(-COUNT // batch_size)
    by_epoch = [batches[start : start + steps] for start in range(0, len(batches), steps)]
    return [
        {key: image for keys, images, _ in one for key, image in zip(keys, images, strict=True)} for one in by_epoch
    ]


BRIGHTNESS = [{"layer": "RandomBrightness", "factor": [0.1, 0.8]}]
AFFINE = [{"layer": "RandomAffine", "rotation": 20, "brightness": [0.5, 1.5], "channel_shift": [20, 60]}]


@pytest.mark.parametrize("layers", [BRIGHTNESS, AFFINE], ids=["keras", "ours"])
def test_resumed_training_sees_the_same_augmented_images(examples, layers):
    whole = augmented_epochs(examples, layers)
    resumed = augmented_epochs(examples, layers, initial_epoch=1)
    assert [len(epoch) for epoch in whole] == [COUNT] * 3
    for expected, epoch in zip(whole[1:], resumed, strict=True):
        for key, augmented in expected.items():
            np.testing.assert_array_equal(epoch[key], augmented)
    values = np.array([[epoch[key].mean() for key in sorted(epoch)] for epoch in whole])
    assert values.dtype == np.float32
    assert (np.ptp(values, axis=0) > 0.5).all()


def test_an_image_is_augmented_the_same_in_batches_of_any_size(examples):
    fives, sevens = augmented_epochs(examples, AFFINE), augmented_epochs(examples, AFFINE, batch_size=7)
    for one, other in zip(fives, sevens, strict=True):
        assert one.keys() == other.keys()
        for key, image in one.items():
            np.testing.assert_allclose(image, other[key], atol=1e-3)


def test_augmented_dataset_is_known_for_fit(examples):
    options = {"batch_size": 5, "seed": 0, "epochs": 1, "augment": Augmentation(BRIGHTNESS)}
    images, labels = examples.training_dataset(**options).element_spec
    assert (images.dtype, images.shape.as_list()) == (tf.float32, [None, *SHAPE])
    assert (labels.dtype, labels.shape.as_list()) == (tf.int64, [None])


def test_labels_are_mixed_with_their_images(examples):
    mix_up = {"augment": Augmentation([{"layer": "MixUp"}], seed=1), "num_classes": 4}
    [(keys, images, labels)] = examples.training_dataset(
        batch_size=COUNT, seed=0, epochs=1, with_keys=True, **mix_up
    ).as_numpy_iterator()
    own = np.array([int(key.split(b"-")[1]) for key in keys])
    assert labels.shape == (COUNT, 4)
    np.testing.assert_allclose(labels.sum(axis=-1), 1, atol=1e-6)
    assert (labels[np.arange(COUNT), own % 4] > 0).all()
    mixed = np.abs(images[:, 0, 0, 0] - own) > 0.1
    assert mixed.sum() > COUNT / 3
    assert (np.sort(labels[mixed], axis=-1)[:, -2] > 0).any()


def test_mixed_labels_need_the_number_of_classes(examples):
    with pytest.raises(ValueError, match="num_classes=None. Pass the number of classes"):
        examples.training_dataset(batch_size=5, seed=0, epochs=1, augment=Augmentation([{"layer": "MixUp"}]))


def test_one_hot_labels(examples):
    [(keys, _, labels)] = examples.training_dataset(batch_size=COUNT, seed=0, epochs=1, num_classes=4, with_keys=True)
    np.testing.assert_array_equal(labels, np.eye(4)[[int(key.split(b"-")[1]) % 4 for key in keys.numpy()]])


def test_layers_with_a_state_of_their_own_still_give_the_same_images(examples):
    cutout = [{"layer": "keras_cv.RandomCutout", "height_factor": 0.5, "width_factor": 0.5, "seed": 3}]
    first, again = augmented_epochs(examples, cutout), augmented_epochs(examples, cutout)
    for one, other in zip(first, again, strict=True):
        assert all(np.array_equal(one[key], other[key]) for key in one)


# Oversampling: of 23 examples, classes 0 to 2 have 6 each and class 3 has 5


def oversampled(examples, sampling="balanced"):
    return ImageExamples(examples.files, SHAPE, compression_type=examples.compression_type, sampling=sampling)


def test_oversampled_epochs_hold_every_image_and_every_class_as_often(examples):
    balanced = oversampled(examples)
    assert balanced.steps_per_epoch(batch_size=5) == 5
    assert balanced.count() == COUNT
    dataset = balanced.training_dataset(batch_size=5, seed=0, epochs=3, with_keys=True)
    batches = list(dataset.as_numpy_iterator())
    assert [len(keys) for keys, _, _ in batches] == [5, 5, 5, 5, 4] * 3
    for keys, images, labels in batches:
        of_keys = [int(key.split(b"-")[1]) for key in keys]
        np.testing.assert_array_equal(images, [image(number) for number in of_keys])
        np.testing.assert_array_equal(labels, np.mod(of_keys, 4))
    drawn = np.reshape(numbers(dataset), (3, 24))
    for epoch in drawn:
        assert set(epoch.tolist()) == set(range(COUNT))
        assert np.bincount(epoch % 4).tolist() == [6, 6, 6, 6]
    assert len({tuple(epoch) for epoch in drawn.tolist()}) == 3


def test_oversampled_order_depends_on_seed_and_epoch_alone(examples):
    def order(**arguments):
        return numbers(oversampled(examples).training_dataset(batch_size=5, with_keys=True, **arguments))

    expected = order(seed=5, epochs=3)
    tf.random.set_seed(99)
    assert order(seed=5, epochs=3, initial_epoch=2) == expected[48:]
    assert order(seed=5, epochs=3) == expected
    assert order(seed=6, epochs=3) != expected


def test_each_example_comes_as_often_as_the_sampler_says(examples):
    factors = {0: 1.0, 1: 3.0, 2: 1.5, 3: 2.0}
    dataset = oversampled(examples, factors).training_dataset(batch_size=50, seed=2, epochs=2, with_keys=True)
    sampler = BalancedSampler([number % 4 for number in range(COUNT)], factors, seed=2)
    for epoch, (keys, _, _) in enumerate(dataset.as_numpy_iterator()):
        copies = np.bincount([int(key.split(b"-")[1]) for key in keys])
        assert copies.tolist() == sampler.copies(epoch).tolist()


def test_evaluation_is_never_oversampled(examples):
    twice = oversampled(examples, dict.fromkeys(range(4), 2.0))
    dataset = twice.evaluation_dataset(batch_size=5, with_keys=True)
    assert numbers(dataset) == list(range(COUNT))
    assert (len(dataset), twice.steps_per_epoch(batch_size=5)) == (5, 10)


def test_oversampled_examples_and_class_weights_exclude_each_other(examples):
    dataset = oversampled(examples).training_dataset(batch_size=5, seed=0, epochs=1)
    with pytest.raises(ValueError, match="exclude each other"):
        apply_class_weights(dataset, dict.fromkeys(range(4), 1.0))


def test_mixed_labels_and_class_weights_exclude_each_other(examples):
    augment = Augmentation([{"layer": "MixUp"}], seed=0)
    dataset = examples.training_dataset(batch_size=5, seed=0, epochs=1, augment=augment, num_classes=4)
    with pytest.raises(ValueError, match="MixUp or CutMix blended"):
        apply_class_weights(dataset, dict.fromkeys(range(4), 1.0))


def test_sampling_must_have_a_known_name(examples):
    with pytest.raises(ValueError, match="Did you mean 'balanced'"):
        oversampled(examples, "balance")
