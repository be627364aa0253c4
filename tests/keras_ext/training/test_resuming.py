"""Killed, run again, and at the end what it would have been: to the last bit."""

import os
import runpy
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.datasets import image_dataset_from_directory, image_keys
from keras_ext.layers import Augmentation
from keras_ext.training import fit, learning_rate_schedule
from keras_ext.training.checkpoint import read_checkpoint, write_checkpoint
from keras_ext.training.resuming import Resumable

EPOCHS, STEPS, BATCH = 8, 4, 8
SHAPE = (6, 6, 3)
FLIPS = [{"layer": "RandomFlip"}, {"layer": "RandomBrightness", "factor": 0.2}]


class Killed(BaseException):
    pass


class Kill(keras.callbacks.Callback):
    """Ends a training in the middle of an epoch: after so many batches."""

    def __init__(self, batches=None):
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Killed


def examples(count, seed):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, *SHAPE)).astype(np.float32), random.integers(0, 2, count)


def tiny_model():
    keras.utils.set_random_seed(0)
    images = keras.Input(SHAPE)
    x = keras.layers.GaussianNoise(0.1)(keras.layers.Rescaling(1 / 255)(images))
    x = keras.layers.Dropout(0.3)(keras.layers.Dense(16, activation="relu")(keras.layers.Flatten()(x)))
    return keras.Model(images, keras.layers.Dense(2, activation="softmax")(x))


def from_an_epoch_on(first):
    """Batches of the epochs from `first` on, in an order and augmented as the epoch has it."""
    images, labels = examples(STEPS * BATCH, 1)
    augment = Augmentation(FLIPS, seed=3)

    def batch(epoch, indices):
        keys = image_keys(tf.strings.as_string(indices))
        return augment(tf.gather(images, indices), training=True, keys=keys, epoch=epoch), tf.gather(labels, indices)

    def of_epoch(epoch):
        order = tf.random.experimental.stateless_shuffle(tf.range(len(labels)), tf.stack([epoch, 0]))
        batches = tf.data.Dataset.from_tensor_slices(order).batch(BATCH)
        return batches.map(lambda indices: batch(epoch, indices))

    return tf.data.Dataset.range(first, EPOCHS).flat_map(of_epoch).prefetch(2)


def augmented_by_state():
    """The same order in each epoch; what the random layers draw depends on what they drew before."""
    augment = Augmentation(FLIPS, seed=3)
    batches = tf.data.Dataset.from_tensor_slices(examples(STEPS * BATCH, 1)).batch(BATCH)
    return batches.map(lambda images, labels: (augment(images, training=True), labels)).prefetch(2)


def files(folder):
    augment = Augmentation(FLIPS, seed=3)
    dataset = image_dataset_from_directory(folder, image_size=SHAPE[:2], batch_size=BATCH, seed=5, verbose=False)
    return dataset.map(lambda images, labels: (augment(images, training=True), labels))


def training(checkpoint_dir, data, kill_after=None, callbacks=(), **arguments):
    """Trains once; returns all that a training leaves."""
    model = tiny_model()
    validation = tf.data.Dataset.from_tensor_slices(examples(16, 2)).batch(BATCH)
    history = fit(
        model,
        data,
        validation,
        **{"epochs": EPOCHS, "patience": 3, "verbose": 0, **arguments},
        checkpoint_dir=checkpoint_dir,
        callbacks=[*callbacks, Kill(kill_after)],
    )
    variables = [np.array(variable) for variable in (*model.variables, *model.optimizer.variables)]
    return variables, history.history, history.epoch


def assert_equal(one, other):
    for before, after in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(before, after)
    assert one[1:] == other[1:]


def killed_and_run_again(tmp_path, data, kill_after, **arguments):
    """What a training ends at, without and with being killed; `data` and the callbacks are made anew each time."""

    def run(name, kill=None):
        callbacks = [make() for make in arguments.get("callbacks", ())]
        return training(tmp_path / name, data(), kill, **{**arguments, "callbacks": callbacks})

    with pytest.raises(Killed):
        run("killed", kill_after)
    return run("whole"), run("killed")


@pytest.mark.parametrize("kill_after", [2, STEPS + 1, 4 * STEPS - 1])
def test_a_function_of_the_epoch(tmp_path, kill_after):
    schedule = learning_rate_schedule("cosine", 0.05, steps=EPOCHS * STEPS, warmup_steps=STEPS)
    arguments = {"steps_per_epoch": STEPS, "learning_rate": schedule}
    whole, resumed = killed_and_run_again(tmp_path, lambda: from_an_epoch_on, kill_after, **arguments)
    assert_equal(whole, resumed)
    assert 4 <= len(whole[2]) < EPOCHS  # it stopped early, and not before it was killed


def test_what_random_layers_of_the_dataset_draw_and_a_learning_rate_that_a_callback_lowers(tmp_path):
    def plateau():
        return keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=2, min_delta=1.0)

    arguments = {"callbacks": [plateau], "learning_rate": 0.01, "optimizer": "adamw", "patience": None}
    whole, resumed = killed_and_run_again(tmp_path, augmented_by_state, 3 * STEPS + 1, **arguments)
    assert_equal(whole, resumed)
    assert len(set(whole[1]["learning_rate"])) > 2  # lowered before and after


def test_shuffled_files_and_accumulated_gradients(tmp_path, make_image_folder):
    folder = make_image_folder({"cats": 15, "dogs": 14})
    arguments = {"gradient_accumulation_steps": 3, "optimizer": "sgd", "patience": None, "epochs": 4}
    whole, resumed = killed_and_run_again(tmp_path, lambda: files(folder), 2 * STEPS + 2, **arguments)
    assert_equal(whole, resumed)


def test_a_finished_training_returns_at_once(tmp_path):
    first = training(tmp_path, from_an_epoch_on, steps_per_epoch=STEPS)
    # A batch would raise.
    again = training(tmp_path, from_an_epoch_on, kill_after=1, steps_per_epoch=STEPS)
    assert_equal(first, again)
    assert len(again[2]) == len(again[1]["loss"]) > 1


def test_killed_after_the_last_epoch_the_best_weights_are_still_put_back(tmp_path, monkeypatch):
    def kill(self):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Resumable, "finish", kill)
        with pytest.raises(Killed):
            training(tmp_path / "killed", from_an_epoch_on, steps_per_epoch=STEPS, learning_rate=0.05)
    assert read_checkpoint(tmp_path / "killed" / "checkpoint.npz")["stopped"]
    resumed = training(tmp_path / "killed", from_an_epoch_on, 1, steps_per_epoch=STEPS, learning_rate=0.05)
    assert_equal(training(tmp_path / "whole", from_an_epoch_on, steps_per_epoch=STEPS, learning_rate=0.05), resumed)


def test_killed_while_it_writes_a_checkpoint_it_takes_the_one_before(tmp_path, monkeypatch):
    def kill(descriptor):
        raise Killed

    arguments = {"steps_per_epoch": STEPS, "epochs": 3}
    with pytest.raises(Killed):
        training(tmp_path / "killed", from_an_epoch_on, STEPS + 1, **arguments)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", kill)
        with pytest.raises(Killed):
            training(tmp_path / "killed", from_an_epoch_on, **arguments)
    assert read_checkpoint(tmp_path / "killed" / "checkpoint.npz")["epoch"] == 1
    resumed = training(tmp_path / "killed", from_an_epoch_on, **arguments)
    assert_equal(training(tmp_path / "whole", from_an_epoch_on, **arguments), resumed)
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["checkpoint.npz"]


class Counter(keras.callbacks.Callback):
    """Remembers, and so takes part."""

    def __init__(self):
        super().__init__()
        self.seen = {"epochs": [], "last": None}

    def get_state(self):
        return self.seen

    def set_state(self, state):
        self.seen = state

    def on_epoch_end(self, epoch, logs=None):
        self.seen["epochs"].append(epoch)
        self.seen["last"] = np.arange(epoch + 1)


def test_a_callback_of_ones_own_remembers(tmp_path):
    arguments = {"steps_per_epoch": STEPS, "epochs": 4, "patience": None}
    with pytest.raises(Killed):
        training(tmp_path, from_an_epoch_on, 2 * STEPS + 1, [Counter()], **arguments)
    counter = Counter()
    training(tmp_path, from_an_epoch_on, None, [counter], **arguments)
    assert counter.seen["epochs"] == [0, 1, 2, 3]
    np.testing.assert_array_equal(counter.seen["last"], np.arange(4))
    # It is told what it knew too where nothing is left to train.
    finished = Counter()
    training(tmp_path, from_an_epoch_on, None, [finished], **arguments)
    assert finished.seen["epochs"] == [0, 1, 2, 3]


def test_a_changed_setting_is_an_error(tmp_path):
    with pytest.raises(Killed):
        training(tmp_path, from_an_epoch_on, STEPS + 1, steps_per_epoch=STEPS)
    for changed, said in (
        ({"epochs": 9}, r"of one with epochs=8, while here epochs=9\. Pass another checkpoint_dir, or delete"),
        ({"learning_rate": 0.5}, r"with optimizer\.config\.learning_rate=0\.001.*, while here .*=0\.5"),
        ({"optimizer": "sgd"}, r"optimizer\.class_name='Adam', while here optimizer\.class_name='SGD'"),
        ({"patience": 4}, "patience=3, while here patience=4"),
        ({"metrics": ()}, r"metrics=\['accuracy'\], while here metrics=\[\]"),
        ({"callbacks": [Counter()]}, r"callbacks=\['TerminateOnNaN', 'ProgressLog', 'Kill', .*'Counter', 'Kill'"),
    ):
        with pytest.raises(ValueError, match=f"checkpoint_dir must hold a checkpoint of this training.*{said}"):
            training(tmp_path, from_an_epoch_on, **{"steps_per_epoch": STEPS, **changed})


def test_another_model_is_an_error(tmp_path):
    data = tf.data.Dataset.from_tensor_slices(examples(8, 1)).batch(8)
    for units in (4, 5):
        inputs = keras.Input(SHAPE)
        hidden = keras.layers.Dense(units)(keras.layers.Flatten()(inputs))
        model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(hidden))
        if units == 4:
            fit(model, data, data, epochs=1, checkpoint_dir=tmp_path, verbose=0)
            continue
        with pytest.raises(ValueError, match=r"variables\.model\[0\]='float32\[108, 4\]', while here .*108, 5\]'"):
            fit(model, data, data, epochs=1, checkpoint_dir=tmp_path, verbose=0)


def test_a_model_without_an_input_is_an_error(tmp_path):
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])
    data = tf.data.Dataset.from_tensor_slices(examples(8, 1)).batch(8)
    with pytest.raises(ValueError, match=r"model must be built .* Begin it with keras\.Input\(shape\)"):
        fit(model, data, data, epochs=1, checkpoint_dir=tmp_path, verbose=0)


def test_a_training_that_failed_fails_again_and_no_such_weights_are_kept(tmp_path):
    for _ in range(2):
        with pytest.raises(ValueError, match=r"loss must stay a finite number. It became nan in epoch 1"):
            training(tmp_path, augmented_by_state(), learning_rate=1e38, optimizer="sgd")
    assert not list(tmp_path.iterdir())


def test_data_that_cannot_be_repeated_is_warned_of_and_data_that_cannot_go_on_refused(tmp_path):
    shuffled = tf.data.Dataset.from_tensor_slices(examples(16, 1)).shuffle(16, seed=0).batch(8)
    with pytest.warns(UserWarning, match=r"train has a step, shuffle, .* Pass a function of the first epoch"):
        training(tmp_path / "shuffled", shuffled, epochs=1)
    with pytest.raises(ValueError, match=r"train must be a function.*steps_per_epoch=4\. Pass a function"):
        training(tmp_path / "several", from_an_epoch_on(0), steps_per_epoch=STEPS)
    with pytest.raises(ValueError, match=r"checkpoint_dir must be a local folder. Received: .*'gs://bucket/a'"):
        training("gs://bucket/a", augmented_by_state())


def scalars(folder):
    """Step and tag of all that TensorBoard would show."""
    found = []
    for file in sorted(folder.rglob("events.out.tfevents*")):
        events = [tf.compat.v1.Event.FromString(one.numpy()) for one in tf.data.TFRecordDataset(str(file))]
        found += [(file.parent.name, value.tag, event.step) for event in events for value in event.summary.value]
    return sorted(found)


def test_tensorboard_shows_each_epoch_once(tmp_path, monkeypatch):
    def kill(*arguments):
        raise Killed

    arguments = {"steps_per_epoch": STEPS, "epochs": 4, "patience": None}
    logs = [tmp_path / "killed logs", tmp_path / "whole logs"]
    written = []

    def write_or_kill(file, state):
        written.append(state["epoch"])
        # The logs of an epoch are written, but not its checkpoint.
        return write_checkpoint(file, state) if state["epoch"] < 3 else kill()

    with monkeypatch.context() as patch:
        patch.setattr("keras_ext.training.resuming.write_checkpoint", write_or_kill)
        with pytest.raises(Killed):
            training(tmp_path / "killed", from_an_epoch_on, log_dir=logs[0], **arguments)
    assert written == [1, 2, 3]
    training(tmp_path / "killed", from_an_epoch_on, log_dir=logs[0], **arguments)
    training(tmp_path / "whole", from_an_epoch_on, log_dir=logs[1], **arguments)
    assert scalars(logs[0]) == scalars(logs[1])
    assert ("validation", "epoch_loss", 3) in scalars(logs[1])


SCRIPT = """
import json, os, signal, sys
import keras, numpy as np, tensorflow as tf
from keras_ext.layers import Augmentation
from keras_ext.training import fit, image_classifier

class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == KILL_AT:
            os.kill(os.getpid(), signal.SIGKILL)

def train(checkpoint_dir):
    model = image_classifier("small_cnn", (8, 8, 3), 2, dropout=0.5, seed=0)
    random = np.random.default_rng(0)
    examples = random.uniform(0, 255, (32, 8, 8, 3)), random.integers(0, 2, 32)
    data = tf.data.Dataset.from_tensor_slices(examples).batch(8)
    augment = Augmentation([{"layer": "RandomFlip"}], seed=0)
    augmented = data.map(lambda images, labels: (augment(images, training=True), labels)).prefetch(1)
    history = fit(model, augmented, data, epochs=3, checkpoint_dir=checkpoint_dir, callbacks=[Kill()], verbose=0)
    return [np.array(one) for one in (*model.variables, *model.optimizer.variables)], history.history, history.epoch

KILL_AT = -1
if __name__ == "__main__":
    KILL_AT = 6
    train(sys.argv[1])
"""


def test_a_process_that_is_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    run = subprocess.run([sys.executable, str(script), str(tmp_path / "killed")], capture_output=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr
    train = runpy.run_path(str(script))["train"]
    assert_equal(train(str(tmp_path / "whole")), train(str(tmp_path / "killed")))
