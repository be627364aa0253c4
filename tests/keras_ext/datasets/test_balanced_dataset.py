import numpy as np
import pytest
import tensorflow as tf

from keras_ext.balanced_sampler import BalancedSampler
from keras_ext.datasets import balanced_dataset
from keras_ext.datasets.dataset_marks import OVERSAMPLED, marks_of

LABELS = np.repeat([0, 1], [9, 2])
NUMBERS = np.arange(11) * 10


def read(dataset):
    return [(numbers.tolist(), labels.tolist()) for numbers, labels in dataset.as_numpy_iterator()]


def test_batches_are_those_that_the_sampler_draws():
    sampler = BalancedSampler(LABELS, seed=1)
    dataset = balanced_dataset(NUMBERS, sampler, batch_size=4, epochs=3)
    assert len(dataset) == 3 * sampler.steps_per_epoch(4) == 15
    found = read(dataset)
    assert [len(numbers) for numbers, _ in found] == [4, 4, 4, 4, 2] * 3  # no batch holds images of two epochs
    drawn = np.concatenate([sampler.indices(epoch) for epoch in range(3)])
    assert [number for numbers, _ in found for number in numbers] == NUMBERS[drawn].tolist()
    assert [label for _, labels in found for label in labels] == LABELS[drawn].tolist()


def test_it_goes_on_where_it_was_stopped():
    sampler = BalancedSampler(LABELS, seed=1)
    whole = read(balanced_dataset(NUMBERS, sampler, batch_size=4, epochs=3))
    tf.random.set_seed(99)
    assert read(balanced_dataset(NUMBERS, sampler, batch_size=4, epochs=3, initial_epoch=2)) == whole[10:]


def test_files_are_loaded_after_they_are_drawn(tmp_path):
    paths = [str(tmp_path / str(number)) for number in NUMBERS]
    for path, number in zip(paths, NUMBERS, strict=True):
        tf.io.write_file(path, str(number))
    sampler = BalancedSampler(LABELS, seed=1)

    def load(path, label):
        return tf.strings.to_number(tf.io.read_file(path), tf.int64), label

    loaded = balanced_dataset(np.array(paths), sampler, batch_size=4, epochs=2, load=load)
    assert read(loaded) == read(balanced_dataset(NUMBERS, sampler, batch_size=4, epochs=2))
    assert len(loaded) == 10


def test_elements_may_be_a_dict_and_labels_one_hot():
    rows = np.eye(2)[LABELS]
    dataset = balanced_dataset({"number": NUMBERS}, BalancedSampler(rows, seed=1), batch_size=18, epochs=1)
    elements, labels = next(dataset.as_numpy_iterator())
    np.testing.assert_array_equal(labels, rows[elements["number"] // 10])
    assert (labels.dtype, labels.sum(axis=0).tolist()) == (np.float32, [9, 9])


def test_the_dataset_is_known_for_fit():
    images = np.zeros((11, 2, 2, 3), np.uint8)
    spec, labels = balanced_dataset(images, BalancedSampler(LABELS, seed=1), batch_size=4, epochs=1).element_spec
    assert (spec.shape.as_list(), spec.dtype, labels.shape.as_list()) == ([None, 2, 2, 3], tf.uint8, [None])


def test_only_what_comes_more_often_is_marked():
    assert marks_of(balanced_dataset(NUMBERS, BalancedSampler(LABELS, seed=1), batch_size=4, epochs=1)) == [OVERSAMPLED]
    plain = BalancedSampler(LABELS, {0: 1.0, 1: 1.0}, seed=1)
    dataset = balanced_dataset(NUMBERS, plain, batch_size=4, epochs=1)
    assert marks_of(dataset) == []
    assert sorted(number for numbers, _ in read(dataset) for number in numbers) == NUMBERS.tolist()


def test_there_must_be_an_element_for_each_label():
    with pytest.raises(ValueError, match=r"each of the sampler's 11 labels.*shape=\(10,\)"):
        balanced_dataset(NUMBERS[:10], BalancedSampler(LABELS, seed=1), batch_size=4, epochs=1)
