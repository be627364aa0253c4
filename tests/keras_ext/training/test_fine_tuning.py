import importlib
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.architectures.keras_cv_backbones import import_keras_cv
from keras_ext.training import fine_tune, image_classifier

RANDOM = np.random.default_rng(0)
LABELS = np.arange(16) % 2
IMAGES = (RANDOM.integers(0, 100, (16, 16, 16, 3)) + 100 * LABELS[:, None, None, None]).astype(np.uint8)
DATA = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(8)


class Recorder(keras.callbacks.Callback):
    """The learning rate and the weights of the backbone after each epoch."""

    def __init__(self):
        super().__init__()
        self.rates, self.weights = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))
        self.weights.append(backbone_of(self.model).get_weights())


def backbone_of(model):
    return next(layer for layer in model.layers if isinstance(layer, keras.Model))


def classifier(seed=0, dropout=0.2):
    return image_classifier("small_cnn", (16, 16, 3), 2, seed=seed, dropout=dropout)


def tune(model, **options):
    arguments = {"frozen_epochs": 2, "epochs": 2, "fine_tuning_learning_rate": 1e-2, "verbose": 0}
    return fine_tune(model, DATA, DATA, **{**arguments, **options})


def test_the_backbone_is_frozen_first_and_its_batch_normalization_for_good():
    model, recorder = classifier(), Recorder()
    before = backbone_of(model).get_weights()
    top = model.layers[-1].get_weights()[0]
    frozen, unfrozen = tune(model, callbacks=[recorder], learning_rate=1e-3)
    assert recorder.rates == pytest.approx([1e-3, 1e-3, 1e-2, 1e-2])
    assert (len(frozen.epoch), len(unfrozen.epoch)) == (2, 2)
    kernels = [number for number, weight in enumerate(before) if weight.ndim == 4]
    others = [number for number, weight in enumerate(before) if weight.ndim == 1]
    assert len(kernels) >= 3
    assert len(others) == 4 * len(kernels)
    for weights in recorder.weights[:2]:
        assert all(np.array_equal(weights[number], before[number]) for number in kernels + others)
    for weights in recorder.weights[2:]:
        assert all(np.array_equal(weights[number], before[number]) for number in others)
        assert all(np.abs(weights[number] - before[number]).max() > 1e-4 for number in kernels)
    assert np.abs(model.layers[-1].get_weights()[0] - top).max() > 1e-4


def test_afterwards_all_is_as_trainable_as_before():
    model = classifier()
    before = [layer.trainable for layer in backbone_of(model).layers]
    tune(model)
    assert [layer.trainable for layer in backbone_of(model).layers] == before
    assert model.trainable


def test_layers_that_did_not_learn_stay_frozen():
    model = classifier()
    first = next(layer for layer in backbone_of(model).layers if isinstance(layer, keras.layers.Conv2D))
    first.trainable = False
    before = first.get_weights()[0]
    tune(model)
    np.testing.assert_array_equal(first.get_weights()[0], before)


def test_backbone_that_came_frozen_is_unfrozen():
    model, recorder = classifier(), Recorder()
    backbone_of(model).trainable = False
    tune(model, callbacks=[recorder])
    assert np.abs(recorder.weights[3][0] - recorder.weights[0][0]).max() > 1e-4


def test_batch_normalization_within_layers_is_found():
    class Block(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.convolution = keras.layers.Conv2D(4, 3)
            self.normalization = keras.layers.BatchNormalization()

        def call(self, images):
            return self.normalization(self.convolution(images))

    images = keras.Input((16, 16, 3))
    block = Block()
    inner = keras.Model(images, block(images))
    outer = keras.layers.Dense(2, activation="softmax")(keras.layers.GlobalAveragePooling2D()(inner(images)))
    tune(keras.Model(images, outer))
    np.testing.assert_array_equal(block.normalization.moving_mean, np.zeros(4))


def test_the_weights_are_those_of_the_best_epoch_of_both_phases():
    model = classifier(dropout=0.0)
    frozen, unfrozen = tune(model, frozen_epochs=3, learning_rate=1e-2, fine_tuning_learning_rate=10.0)
    best = min(frozen.history["val_loss"])
    assert best < min(unfrozen.history["val_loss"])
    assert model.evaluate(DATA, verbose=0)[0] == pytest.approx(best, rel=1e-4)


def test_a_loss_that_is_no_number_is_not_the_best():
    class FirstIsNone(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = math.nan if epoch == 0 else logs["val_loss"]

    model = classifier(dropout=0.0)
    options = {"frozen_epochs": 3, "learning_rate": 1e-2, "fine_tuning_learning_rate": 10.0}
    frozen, unfrozen = tune(model, callbacks=[FirstIsNone()], **options)
    best = min(frozen.history["val_loss"][1:])
    assert best < unfrozen.history["val_loss"][1]
    assert model.evaluate(DATA, verbose=0)[0] == pytest.approx(best, rel=1e-4)


class Interrupt(keras.callbacks.Callback):
    """Presses Ctrl-C at the beginning of an epoch of this training; counts them."""

    def __init__(self, at=None):
        super().__init__()
        self.at, self.epochs = at, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs += 1
        if self.epochs == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at, left", [(2, 3), (4, 1)])
def test_interrupted_in_either_phase_it_ends_at_the_same_weights(tmp_path, at, left):
    whole = classifier()
    histories = tune(whole, checkpoint_dir=tmp_path / "whole", callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        tune(classifier(), checkpoint_dir=tmp_path / "part", callbacks=[Interrupt(at)])
    for epochs in (left, 0):  # the third time all is finished
        again, interrupt = classifier(seed=1), Interrupt()
        continued = tune(again, checkpoint_dir=tmp_path / "part", callbacks=[interrupt])
        assert interrupt.epochs == epochs
        assert [one.history for one in continued] == [one.history for one in histories]
        for one, other in zip(again.get_weights(), whole.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_function_is_asked_for_epochs_that_were_not_yet(tmp_path):
    asked = []

    def train(epoch):
        asked.append(epoch)
        return DATA

    fine_tune(classifier(), train, DATA, frozen_epochs=3, epochs=1, verbose=0)
    assert asked == [0, 3]


def test_logs_of_both_phases(tmp_path):
    tune(classifier(), frozen_epochs=1, epochs=1, log_dir=tmp_path)
    assert {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("events*")} == {
        (phase, split) for phase in ("frozen", "unfrozen") for split in ("train", "validation")
    }


def test_model_without_a_backbone():
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    with pytest.raises(ValueError, match="Received: a model with 0 such layers. Pass backbone="):
        tune(model)


def test_any_layer_is_a_backbone():
    layer = keras.layers.Conv2D(4, 3)
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), layer, keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
    )
    kernels, before = [], layer.get_weights()[0]
    record = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kernels.append(layer.get_weights()[0]))
    tune(model, callbacks=[record], backbone=layer)
    assert [np.array_equal(kernel, before) for kernel in kernels] == [True, True, False, False]


def test_nothing_outside_of_the_backbone_learns():
    inner = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    images = keras.Input((16, 16, 3))
    with pytest.raises(ValueError, match="weights outside of its backbone.*which has none"):
        tune(keras.Model(images, inner(images)))


def test_no_frozen_epochs():
    with pytest.raises(ValueError, match="frozen_epochs must be a positive number. Received: 0"):
        tune(classifier(), frozen_epochs=0)


@pytest.fixture
def weights(tmp_path):
    """Makes local weights of a network by its name."""

    def make(architecture):
        if architecture == "MobileNetV3Small":
            keras.applications.MobileNetV3Small(include_top=False, weights=None).save_weights(tmp_path / "a.weights.h5")
            return str(tmp_path / "a.weights.h5")
        tiny = import_keras_cv().models.ResNetV2Backbone(
            stackwise_filters=[4, 8], stackwise_blocks=[2, 2], stackwise_strides=[1, 2], include_rescaling=False
        )
        importlib.import_module("keras_cv.src.utils.preset_utils").save_to_preset(tiny, str(tmp_path))
        return str(tmp_path)

    return make


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["MobileNetV3Small", "ResNet18V2Backbone"])
def test_networks_with_local_weights(weights, architecture):
    images = tf.data.Dataset.from_tensor_slices((np.tile(IMAGES, (1, 2, 2, 1)), LABELS)).batch(8)
    model = image_classifier(architecture, (32, 32, 3), 2, weights=weights(architecture), seed=0)
    before, recorder = backbone_of(model).get_weights(), Recorder()
    paths = [variable.path for variable in backbone_of(model).weights]
    arguments = {"frozen_epochs": 1, "epochs": 1, "fine_tuning_learning_rate": 1e-2, "verbose": 0}
    fine_tune(model, images, images, callbacks=[recorder], **arguments)
    frozen, unfrozen = recorder.weights
    assert all(map(np.array_equal, frozen, before))
    fixed = [any(name in path for name in ("gamma", "beta", "moving")) for path in paths]
    assert sum(fixed) >= 12
    same = list(map(np.array_equal, unfrozen, before))
    assert all(stays for stays, is_fixed in zip(same, fixed, strict=True) if is_fixed)
    # Of random weights, some get no gradient.
    assert same.count(False) >= 4
