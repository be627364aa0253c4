import numpy as np
import tensorflow as tf

from keras_ext.datasets import image_dataset_from_directory
from keras_ext.layers import Augmentation
from keras_ext.training.dataset_state import dataset_variables, unrepeatable_step

IMAGES = tf.data.Dataset.from_tensor_slices(np.zeros((4, 2, 2, 3), np.float32)).batch(2)


def test_variables_of_random_layers_at_any_depth():
    augment = Augmentation([{"layer": "RandomFlip"}, {"layer": "RandomContrast", "factor": 0.1}], seed=0)

    def augmented(images):
        return augment(images, training=True)

    mapped = IMAGES.map(augmented)
    nested = tf.data.Dataset.range(2).flat_map(lambda _: IMAGES.map(augmented))
    for dataset in (mapped, mapped.prefetch(1).map(lambda images: images), nested, tf.data.Dataset.zip(mapped, IMAGES)):
        states = dataset_variables(dataset)
        assert [variable.shape.as_list() for variable in states] == [[2], [2]]
    before = [variable.numpy().tolist() for variable in states]
    list(mapped)
    assert [variable.numpy().tolist() for variable in states] != before
    assert dataset_variables(IMAGES) == []


def test_the_epoch_of_image_files(make_image_folder):
    dataset = image_dataset_from_directory(make_image_folder({"cats": 3, "dogs": 2}), image_size=8, verbose=False)
    variables = dataset_variables(dataset.map(lambda images, labels: (images, labels)))
    assert any(variable is dataset.epoch for variable in variables)
    assert unrepeatable_step(dataset) is None


def test_steps_with_a_hidden_state():
    assert unrepeatable_step(IMAGES.map(lambda images: images + 1).prefetch(1)) is None
    assert unrepeatable_step(IMAGES.shuffle(4, seed=0).map(lambda images: images)) == "shuffle"
    assert unrepeatable_step(IMAGES.shuffle(4, seed=0, reshuffle_each_iteration=False)) is None
    assert unrepeatable_step(IMAGES.map(lambda images: images + tf.random.uniform([], seed=1))) == "RandomUniform"
    stateless = IMAGES.map(lambda images: images + tf.random.stateless_uniform([], [0, 1]))
    assert unrepeatable_step(stateless) is None
