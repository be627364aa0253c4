import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.callbacks import AugmentationPreview
from keras_ext.datasets import image_dataset_from_directory, image_keys
from keras_ext.layers import Augmentation, RandomAffine

pytest.importorskip("matplotlib")

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 8, 3), np.uint8)
NAMES = np.array([f"cats/{number}.png" for number in range(6)])
IMAGES = tf.data.Dataset.from_tensor_slices(PIXELS).batch(2)
NAMED = tf.data.Dataset.from_tensor_slices((NAMES, PIXELS, np.arange(6) % 2)).batch(2)


@pytest.fixture
def grids(monkeypatch):
    """What is drawn: for each picture images, titles and columns."""
    drawn = []

    def image_grid(images, titles=None, columns=None, value_range=None):
        drawn.append((list(images), titles, columns))

    monkeypatch.setattr("keras_ext.callbacks.augmentation_preview.image_grid", image_grid)
    monkeypatch.setattr("keras_ext.callbacks.tensorboard_pictures.TensorBoardPictures.write", lambda *_: None)
    return drawn


def draw(preview, epochs=1):
    for epoch in range(epochs):
        preview.on_epoch_end(epoch)


def test_rows_of_an_image_and_its_versions(grids, tmp_path):
    draw(AugmentationPreview(lambda images: 255 - images, IMAGES, tmp_path, images=3, versions=2), epochs=2)
    _, (images, titles, columns), again = grids  # the first looks whether Matplotlib is there
    assert columns == 3
    assert titles == [""] * 9
    for row in range(3):
        original, *versions = images[3 * row : 3 * row + 3]
        np.testing.assert_array_equal(original, PIXELS[row])
        for version in versions:
            np.testing.assert_array_equal(version, 255 - PIXELS[row])
    np.testing.assert_array_equal(again[0], images)


def test_named_images_look_as_they_do_in_training(grids, tmp_path):
    augment = Augmentation([{"layer": "RandomAffine", "rotation": 30}, {"layer": "RandomBrightness", "factor": 0.2}], 0)
    draw(AugmentationPreview(augment, NAMED, tmp_path, images=2, versions=3), epochs=2)
    images, titles, _ = grids[2]
    assert titles == ["cats/0.png", "epoch 2", "epoch 3", "epoch 4", "cats/1.png", "", "", ""]
    for version, epoch in enumerate([1, 2, 3]):
        # The batch that training has: Keras's layers draw for all of it together.
        expected = augment(PIXELS[:2], training=True, keys=image_keys(NAMES[:2]), epoch=epoch)
        np.testing.assert_array_equal([images[1 + version], images[5 + version]], expected)


def test_several_layers_draw_anew_and_training_goes_on_as_without(grids, tmp_path):
    layers = [keras.layers.RandomBrightness(0.5, seed=1), RandomAffine(rotation=40, seed=2)]
    states = [variable.numpy().tolist() for layer in layers for variable in layer.variables]
    draw(AugmentationPreview(layers, IMAGES, tmp_path, images=1, versions=3))
    _, first, second, third = grids[1][0]
    assert np.abs(first - second).max() > 1
    assert np.abs(second - third).max() > 1
    assert [variable.numpy().tolist() for layer in layers for variable in layer.variables] == states
    assert states  # there is something to go wrong


@pytest.mark.parametrize("labels", [np.arange(6) % 2, np.eye(2, dtype=np.float32)[np.arange(6) % 2]])
def test_layers_that_mix_labels(grids, tmp_path, labels):
    dataset = tf.data.Dataset.from_tensor_slices((PIXELS, labels)).batch(6)
    augment = [Augmentation([{"layer": "MixUp", "alpha": 5.0}], seed=0), keras.layers.MixUp(seed=3)]
    draw(AugmentationPreview(augment, dataset, tmp_path, images=6, versions=1))
    images, *_ = grids[1]
    assert all(np.abs(images[2 * row] - images[2 * row + 1]).max() > 1 for row in range(3))


def test_pictures_of_some_epochs(grids, tmp_path):
    draw(AugmentationPreview(Augmentation([{"layer": "RandomFlip"}], 0), NAMED, tmp_path, every=3), epochs=7)
    assert [titles[1] for _, titles, _ in grids[1:]] == ["epoch 1", "epoch 4", "epoch 7"]


def test_classes_as_titles(grids, tmp_path):
    draw(AugmentationPreview(lambda images: images, NAMED, tmp_path, images=2, versions=1, class_names=["cat", "dog"]))
    assert grids[1][1] == ["cat", "", "dog", ""]


def test_what_does_not_draw_by_key_belongs_to_no_epoch(grids, tmp_path):
    draw(AugmentationPreview(keras.layers.RandomFlip(seed=0), NAMED, tmp_path, images=1, versions=2))
    assert grids[1][1] == ["cats/0.png", "", ""]


def test_an_image_dataset_still_begins_with_its_first_epoch(make_image_folder, tmp_path):
    dataset = image_dataset_from_directory(
        make_image_folder({"cats": 5, "dogs": 5}), image_size=(8, 8), batch_size=4, seed=1, verbose=False
    )
    first = next(dataset.as_numpy_iterator())[1]
    dataset.set_epoch(0)
    AugmentationPreview(lambda images: images, dataset, tmp_path)
    np.testing.assert_array_equal(next(dataset.as_numpy_iterator())[1], first)


def test_tensorboard_finds_a_picture_of_each_epoch(tmp_path):
    model = keras.Sequential([keras.Input((9, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(loss="mse")
    preview = AugmentationPreview(keras.layers.RandomFlip(seed=0), IMAGES, tmp_path, images=2, versions=1)
    model.fit(PIXELS, np.zeros(6), epochs=2, verbose=0, callbacks=[preview])
    [file] = (tmp_path / "augmentation").iterdir()
    events = [tf.compat.v1.Event.FromString(one.numpy()) for one in tf.data.TFRecordDataset(str(file))]
    values = [(event.step, value) for event in events for value in event.summary.value]
    assert [(step, value.tag) for step, value in values] == [(0, "augmentation"), (1, "augmentation")]
    width, height, png = values[0][1].tensor.string_val
    assert tf.io.decode_png(png).shape == (int(height), int(width), 3)


def test_values_above_the_originals_range_do_not_darken_the_picture(monkeypatch, tmp_path):
    ranges = []
    grid = "keras_ext.callbacks.augmentation_preview.image_grid"
    monkeypatch.setattr(grid, lambda *_, value_range=None, **others: ranges.append(value_range))
    monkeypatch.setattr("keras_ext.callbacks.tensorboard_pictures.TensorBoardPictures.write", lambda *_: None)
    draw(AugmentationPreview(lambda images: images + 0.1, IMAGES.map(lambda x: x / 255), tmp_path))
    assert ranges[1] == (0, 1)


def test_bad_input_is_named(tmp_path):
    with pytest.raises(ValueError, match="dataset must hold batches of images. Received: an empty one"):
        AugmentationPreview(lambda images: images, IMAGES.take(0), tmp_path)
    with pytest.raises(ValueError, match="versions must be a positive integer. Received: versions=0"):
        AugmentationPreview(lambda images: images, IMAGES, tmp_path, versions=0)
