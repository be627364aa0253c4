"""What a dataset knows of its images, and still knows after `map` and the like."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.datasets import ImageDataset, apply_class_weights, image_dataset_from_directory


@pytest.fixture
def dataset(make_image_folder):
    directory = make_image_folder({"cats": 9, "dogs": 8})
    return image_dataset_from_directory(directory, image_size=(8, 8), batch_size=5, seed=1, verbose=False)


def same(*element):
    return element if len(element) > 1 else element[0]


TRANSFORMATIONS = {
    "map": (lambda data: data.map(same), 4),
    "map and prefetch": (lambda data: data.map(same, num_parallel_calls=2).prefetch(1), 4),
    "unbatch and batch": (lambda data: data.unbatch().batch(3), 6),
    "take": (lambda data: data.take(3), 3),
    "skip": (lambda data: data.skip(1), 3),
    "repeat": (lambda data: data.repeat(2), 8),
    "shard": (lambda data: data.shard(2, 1), 2),
    "cache": (lambda data: data.cache(), 4),
    "apply": (lambda data: data.apply(lambda one: one.map(same)), 4),
    "with options": (lambda data: data.with_options(tf.data.Options()), 4),
    "class weights": (lambda data: apply_class_weights(data, {0: 1.0, 1: 2.0}), 4),
}


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_what_is_made_of_it_knows_the_same(dataset, name):
    transform, batches = TRANSFORMATIONS[name]
    made = transform(dataset)
    assert isinstance(made, ImageDataset)
    assert made.class_names == ["cats", "dogs"]
    assert made.file_paths == dataset.file_paths
    assert made.rejected == []
    assert sum(1 for _ in made) == batches
    if name != "unbatch and batch":  # the length of what was unbatched is known to nobody
        assert len(made) == batches


def test_length_is_unknown_where_it_is(dataset):
    assert dataset.filter(lambda images, labels: True).cardinality() == tf.data.UNKNOWN_CARDINALITY
    assert dataset.repeat().cardinality() == tf.data.INFINITE_CARDINALITY


def test_it_is_a_dataset_like_any_other(dataset):
    assert dataset.element_spec[0].shape.as_list() == [None, 8, 8, 3]
    together = tf.data.Dataset.zip((dataset, tf.data.Dataset.range(2)))
    assert sum(1 for _ in together) == 2
    assert int(dataset.reduce(0, lambda count, element: count + tf.size(element[1]))) == 17
    assert len(list(dataset.unbatch().as_numpy_iterator())) == 17


def test_labels_are_those_of_the_files(dataset):
    names = [path.split("/")[-2] for path in dataset.file_paths]
    assert [dataset.class_names[label] for label in dataset.labels] == names


def model(classes=2):
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(classes, "softmax")]
    built = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    built.compile("sgd", "sparse_categorical_crossentropy")
    return built


def test_fit_takes_it_and_counts_its_epochs(dataset, recwarn):
    history = model().fit(dataset, epochs=3, validation_data=dataset.take(1), verbose=0)
    assert len(history.history["val_loss"]) == 3
    assert not [warning for warning in recwarn if "ran out of data" in str(warning.message)]
    assert dataset.epoch.numpy() >= 3


def test_distribution_strategies_take_it(dataset):
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        assert np.isfinite(model().fit(dataset, verbose=0).history["loss"][0])


def order(dataset):
    return [name.decode() for names, *_ in dataset.as_numpy_iterator() for name in names]


def test_order_is_a_function_of_seed_and_epoch(make_image_folder):
    directory = make_image_folder({"cats": 9, "dogs": 8})

    def dataset(seed=3):
        options = {"image_size": (8, 8), "batch_size": 5, "with_file_names": True, "verbose": False}
        return image_dataset_from_directory(directory, seed=seed, **options)

    first = dataset()
    epochs = [order(first) for _ in range(3)]
    assert len({tuple(one) for one in epochs}) == 3
    assert all(sorted(one) == sorted(epochs[0]) for one in epochs)
    again = dataset()
    tf.random.set_seed(7)
    again.map(same).prefetch(1).set_epoch(1)
    assert order(again) == epochs[1]
    assert again.epoch.numpy() == 1
    assert order(dataset(seed=4)) != epochs[0]


def test_repeated_epochs_are_shuffled_anew(make_image_folder):
    directory = make_image_folder({"cats": 9, "dogs": 8})
    options = {"image_size": (8, 8), "with_file_names": True, "verbose": False, "seed": 0}
    names = order(image_dataset_from_directory(directory, **options).repeat(2))
    assert sorted(names[:17]) == sorted(names[17:])
    assert names[:17] != names[17:]


def test_order_never_changes_between_versions(make_image_folder):
    # A training that is resumed elsewhere must go on with the same batches; both stacks give these.
    directory = make_image_folder({"a": 4, "b": 4})
    options = {"image_size": (8, 8), "with_file_names": True, "verbose": False, "seed": 5}
    names = order(image_dataset_from_directory(directory, **options))
    assert "".join(name[0] + name[5] for name in names) == "a3a2b1b3b0a0a1b2"
