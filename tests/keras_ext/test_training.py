import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.training import augmentation_layers, fit, image_classifier

SHAPE = (8, 8, 3)
AUGMENTATION = [{"layer": "RandomFlip"}, {"layer": "RandomRotation", "factor": 0.1}]


def bright_or_dark(count: int, seed: int) -> tf.data.Dataset:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = random.integers(0, 128, (count, *SHAPE), np.uint8) + 127 * labels.astype(np.uint8)[:, None, None, None]
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(8)


def test_classifier_from_uint8_to_probabilities():
    model = image_classifier("small_cnn", SHAPE, 3, seed=0)
    assert (model.inputs[0].dtype, model.input_shape) == ("uint8", (None, *SHAPE))
    probabilities = model(np.full((5, *SHAPE), 200, np.uint8)).numpy()
    assert (probabilities.dtype, probabilities.shape) == (np.float32, (5, 3))
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-6)


def test_augmentation_and_dropout_are_off_at_inference():
    model = image_classifier("small_cnn", SHAPE, 3, augmentation=AUGMENTATION, dropout=0.5, seed=0)
    images = np.random.default_rng(0).integers(0, 256, (4, *SHAPE), np.uint8)
    np.testing.assert_array_equal(model(images, training=False), model(images, training=False))
    assert np.abs(model(images, training=True) - model(images, training=True)).max() > 0


def test_augmented_images_reach_the_network_in_their_range():
    model = image_classifier("small_cnn", SHAPE, 3, augmentation=AUGMENTATION, seed=0)
    augmented = keras.Model(model.inputs, model.layers[3].output)
    assert augmented.layers[-1].name.startswith("random_rotation")
    np.testing.assert_allclose(augmented(np.full((2, *SHAPE), 250, np.uint8), training=True), 250, atol=1e-3)


def test_augmentation_seeds_are_fixed_and_differ_by_layer():
    twice = [{"layer": "RandomFlip"}, {"layer": "RandomFlip", "seed": 99}, {"layer": "RandomFlip"}]
    assert [layer.seed for layer in augmentation_layers(twice, seed=7)] == [7, 99, 9]


def test_augmentation_keeps_its_arguments():
    [layer] = augmentation_layers([{"layer": "RandomRotation", "factor": 0.25, "fill_mode": "nearest"}], seed=1)
    assert (layer.factor, layer.fill_mode) == ((-0.25, 0.25), "nearest")


def test_configuration_of_augmentation_is_left_untouched():
    configuration = [{"layer": "RandomFlip"}]
    augmentation_layers(configuration, seed=1)
    assert configuration == [{"layer": "RandomFlip"}]


@pytest.mark.parametrize("layer, nearest", [("RandomRotate", "RandomRotation"), ("randomflip", "RandomFlip")])
def test_unknown_augmentation_suggests_the_nearest(layer, nearest):
    with pytest.raises(ValueError, match=f"Received: augmentation layer='{layer}'. Did you mean '{nearest}'"):
        augmentation_layers([{"layer": layer}])


def test_layers_that_mix_labels_are_refused():
    with pytest.raises(ValueError, match="augmentation layer must be one of"):
        augmentation_layers([{"layer": "MixUp"}])


def trained(seed: int) -> list[np.ndarray]:
    model = image_classifier("small_cnn", SHAPE, 2, augmentation=AUGMENTATION, seed=seed)
    fit(model, bright_or_dark(32, 1), bright_or_dark(16, 2), epochs=2)
    return model.get_weights()


def test_same_seed_gives_the_same_weights():
    first, again, other = trained(seed=3), trained(seed=3), trained(seed=4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_fit_learns_and_logs_for_tensorboard(tmp_path):
    model = image_classifier("small_cnn", SHAPE, 2, seed=0)
    history = fit(model, bright_or_dark(64, 1), bright_or_dark(32, 2), epochs=5, log_dir=str(tmp_path))
    assert max(history.history["val_accuracy"]) == 1.0
    assert model.evaluate(bright_or_dark(32, 3), verbose=0)[1] == 1.0
    assert {path.parent.name for path in tmp_path.rglob("events.out.tfevents*")} == {"train", "validation"}


@pytest.mark.parametrize("patience, epochs_run", [(1, 3), (None, 4)])
def test_best_weights_are_restored_when_it_stops_early_and_when_it_does_not(monkeypatch, patience, epochs_run):
    model = image_classifier("small_cnn", SHAPE, 2, seed=0)
    after_epoch = []
    losses = iter([2.0, 1.0, 3.0, 4.0])

    class BadValidation(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            logs["val_loss"] = next(losses)
            after_epoch.append(model.get_weights())

    stopping = keras.callbacks.EarlyStopping
    # Ahead of early stopping, so that it sees these losses.
    monkeypatch.setattr(keras.callbacks, "EarlyStopping", lambda *a, **k: _both(BadValidation(), stopping(*a, **k)))
    history = fit(model, bright_or_dark(16, 1), bright_or_dark(8, 2), epochs=4, patience=patience)
    assert len(history.epoch) == epochs_run
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), after_epoch[1], strict=True))


def _both(first: keras.callbacks.Callback, second: keras.callbacks.Callback) -> keras.callbacks.CallbackList:
    return keras.callbacks.CallbackList([first, second])


def test_steps_per_epoch_cut_a_dataset_of_several_epochs():
    model = image_classifier("small_cnn", SHAPE, 2, seed=0)
    history = fit(model, bright_or_dark(32, 1).repeat(3), bright_or_dark(8, 2), epochs=3, steps_per_epoch=4)
    assert len(history.epoch) == 3


def test_sample_weights_of_zero_leave_a_class_unlearned():
    weighted = bright_or_dark(64, 1).map(lambda x, y: (x, y, tf.cast(y == 0, tf.float32)))
    model = image_classifier("small_cnn", SHAPE, 2, seed=0)
    fit(model, weighted, weighted, epochs=3, patience=None)
    # Unweighted, it is below 0.25 for the other class.
    assert model.predict(bright_or_dark(16, 3), verbose=0)[:, 0].min() > 0.4
