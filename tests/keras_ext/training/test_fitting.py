import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.callbacks import ClassificationReport
from keras_ext.layers import Augmentation
from keras_ext.losses import LogitAdjustedCrossentropy
from keras_ext.metrics import ConfusionMatrix
from keras_ext.training import fit, image_classifier

SHAPE = (8, 8, 3)
AUGMENTATION = [{"layer": "RandomFlip"}, {"layer": "RandomRotation", "factor": 0.1}]


def bright_or_dark(count: int, seed: int) -> tf.data.Dataset:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = random.integers(0, 128, (count, *SHAPE), np.uint8) + 127 * labels.astype(np.uint8)[:, None, None, None]
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(8)


def test_classifier_from_uint8_or_floats_to_probabilities():
    model = image_classifier("small_cnn", SHAPE, 3, seed=0)
    images = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)
    probabilities = model(images).numpy()
    assert (probabilities.dtype, probabilities.shape) == (np.float32, (5, 3))
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_array_equal(probabilities, model(images.astype(np.float32)))
    # Floats are not cut to integers.
    assert np.abs(model(images + np.float32(0.5)) - probabilities).max() > 0


def test_dropout_is_off_at_inference():
    model = image_classifier("small_cnn", SHAPE, 3, dropout=0.5, seed=0)
    images = np.random.default_rng(0).integers(0, 256, (4, *SHAPE), np.uint8)
    np.testing.assert_array_equal(model(images, training=False), model(images, training=False))
    assert np.abs(model(images, training=True) - model(images, training=True)).max() > 0


def trained(seed: int) -> list[np.ndarray]:
    model = image_classifier("small_cnn", SHAPE, 2, seed=seed)
    augment = Augmentation(AUGMENTATION, seed=seed)
    train = bright_or_dark(32, 1).map(lambda images, labels: (augment(images, training=True), labels))
    fit(model, train, bright_or_dark(16, 2), epochs=2)
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


@pytest.mark.parametrize(
    "val_losses, patience, epochs_run, best",
    [
        ([2.0, 1.0, 3.0, 4.0], 1, 3, 1),
        ([2.0, 1.0, 3.0, 4.0], None, 4, 1),
        ([math.nan, 3.0, 2.0, math.nan], 2, 4, 2),
        ([math.nan, math.nan, 2.0, 3.0], None, 4, 2),
    ],
)
def test_best_weights_are_restored_when_it_stops_early_and_when_it_does_not(val_losses, patience, epochs_run, best):
    model = image_classifier("small_cnn", SHAPE, 2, seed=0)
    after_epoch = []
    losses = iter(val_losses)

    class BadValidation(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            logs["val_loss"] = next(losses)
            after_epoch.append(model.get_weights())

    # Given callbacks run ahead of early stopping, which sees these losses.
    options = {"epochs": 4, "patience": patience, "callbacks": [BadValidation()]}
    history = fit(model, bright_or_dark(16, 1), bright_or_dark(8, 2), **options)
    assert len(history.epoch) == epochs_run
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), after_epoch[best], strict=True))


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


def test_a_logit_adjusted_model_says_what_it_would_of_equally_likely_classes():
    """Of images that tell nothing, nine in ten of class 0: undecided, where crossentropy says nine tenths."""
    labels = np.arange(80) % 10 == 0
    data = tf.data.Dataset.from_tensor_slices((np.ones((80, 2), np.float32), labels.astype(np.int64))).batch(80)
    said = []
    for loss in (None, LogitAdjustedCrossentropy({0: 72, 1: 8})):
        inputs = keras.Input((2,))
        model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax", kernel_initializer="zeros")(inputs))
        fit(model, data, data, epochs=60, learning_rate=0.1, loss=loss, verbose=0)
        said.append(model.predict(np.ones((1, 2)), verbose=0)[0])
    np.testing.assert_allclose(said, [[0.9, 0.1], [0.5, 0.5]], atol=0.01)


def test_given_metrics_and_callbacks_work_before_early_stopping():
    model = image_classifier("small_cnn", SHAPE, 2, seed=0)
    report = ClassificationReport(["dark", "bright"])
    history = fit(
        model,
        bright_or_dark(64, 1),
        bright_or_dark(32, 2),
        epochs=5,
        metrics=["accuracy", ConfusionMatrix(2)],
        callbacks=[report],
    )
    assert history.history["val_macro_recall"][-1] == history.history["val_recall_dark"][-1] == 1.0
    assert report.matrix.tolist() == [[16, 0], [0, 16]]


def mixed(dataset: tf.data.Dataset) -> tf.data.Dataset:
    augment = Augmentation([{"layer": "MixUp", "alpha": 1.0}], seed=0)

    def mix(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = augment({"images": images, "labels": tf.one_hot(labels, 2)}, training=True)
        return outputs["images"], outputs["labels"]

    return dataset.map(mix)


@pytest.mark.parametrize("validation_is_one_hot", [True, False])
def test_mixed_labels_are_learned_by_the_categorical_loss(validation_is_one_hot):
    validation = bright_or_dark(32, 2)
    if validation_is_one_hot:
        validation = validation.map(lambda images, labels: (images, tf.one_hot(labels, 2)))
    model = image_classifier("small_cnn", SHAPE, 2, seed=0)
    history = fit(model, mixed(bright_or_dark(64, 1)), validation, epochs=6)
    assert max(history.history["val_accuracy"]) == 1.0
    # Entropy of the mixed labels: a loss that took the largest share for the class would go lower.
    assert min(history.history["loss"]) > 0.2


def test_one_hot_labels_give_the_loss_of_class_indices():
    histories = []
    for convert in (lambda labels: labels, lambda labels: tf.one_hot(labels, 2), lambda labels: labels[:, None]):
        model = image_classifier("small_cnn", SHAPE, 2, seed=0)
        train, validation = (
            bright_or_dark(16, seed).map(lambda images, labels, convert=convert: (images, convert(labels)))
            for seed in (1, 2)
        )
        histories.append(fit(model, train, validation, epochs=2).history)
    for history in histories[1:]:
        np.testing.assert_allclose(list(history.values()), list(histories[0].values()), rtol=1e-4)


def test_a_loss_that_is_no_number_is_an_error_and_no_model():
    images = tf.random.stateless_uniform([16, 8, 8, 3], [0, 1], maxval=255.0)
    data = tf.data.Dataset.from_tensor_slices((images, tf.range(16) % 2)).batch(4)
    model = image_classifier("small_cnn", (8, 8, 3), 2, seed=0)
    with pytest.raises(
        ValueError, match=r"loss must stay a finite number. It became nan in epoch 1. Lower learning_rate=1e\+30"
    ):
        fit(model, data, data, epochs=3, learning_rate=1e30, verbose=0)


def test_a_validation_loss_that_never_is_a_number_is_an_error():
    validation = bright_or_dark(8, 2).map(lambda images, labels: (tf.cast(images, tf.float32) * math.nan, labels))
    model = image_classifier("small_cnn", SHAPE, 2, seed=0)
    with pytest.raises(ValueError, match=r"val_loss must be a finite number in some epoch.* was nan in the last of 2"):
        fit(model, bright_or_dark(16, 1), validation, epochs=2, verbose=0)


def linear_model() -> keras.Model:
    inputs = keras.Input(SHAPE)
    values = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(values))


def test_accumulated_gradients_of_two_batches_are_those_of_one_twice_as_large():
    def weights(batch_size: int, steps: int | None) -> np.ndarray:
        keras.utils.set_random_seed(0)
        batches = bright_or_dark(32, 1).unbatch().batch(batch_size)
        model, data = linear_model(), batches.apply(tf.data.experimental.assert_cardinality(32 // batch_size))
        fit(model, data, data, epochs=1, optimizer="sgd", gradient_accumulation_steps=steps, verbose=0)
        return model.get_weights()[0]

    large = weights(8, None)
    np.testing.assert_allclose(weights(4, 2), large, atol=1e-6)
    assert np.abs(weights(4, 1) - large).max() > 1e-4


@pytest.mark.parametrize("jit_compile", [True, False])
def test_xla_compiles_the_training_step_where_it_is_asked_to(jit_compile):
    model = linear_model()
    fit(model, bright_or_dark(8, 1), bright_or_dark(8, 2), epochs=1, jit_compile=jit_compile, verbose=0)
    assert model.jit_compile is jit_compile
