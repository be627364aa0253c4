import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.training import fit, image_classifier, precision, strategy

SHAPE = (8, 8, 3)


def bright_or_dark(count: int, seed: int) -> tf.data.Dataset:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = random.integers(0, 128, (count, *SHAPE), np.uint8) + 127 * labels.astype(np.uint8)[:, None, None, None]
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(8)


@pytest.mark.parametrize("name, compute", [("mixed_float16", "float16"), ("mixed_bfloat16", "bfloat16")])
def test_mixed_precision_computes_in_half_and_says_float32(name, compute):
    with precision(name):
        model = image_classifier("small_cnn", SHAPE, 2, seed=0)
    assert keras.config.dtype_policy().name == "float32"
    kernels = [layer for layer in model.layers if layer.weights]
    assert {layer.compute_dtype for layer in kernels[:-1]} == {compute}
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    history = fit(model, bright_or_dark(64, 1), bright_or_dark(32, 2), epochs=4, verbose=0)
    assert max(history.history["val_accuracy"]) == 1.0
    assert type(model.optimizer).__name__ == ("LossScaleOptimizer" if compute == "float16" else "Adam")
    probabilities = model(next(iter(bright_or_dark(8, 3)))[0]).numpy()
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-6)


def test_an_interrupted_training_in_mixed_precision_goes_on(tmp_path):
    def train(epochs, checkpoint_dir):
        with precision("mixed_float16"):
            model = image_classifier("small_cnn", SHAPE, 2, seed=0)
        data = bright_or_dark(32, 1)
        fit(model, data, data, epochs=3, checkpoint_dir=checkpoint_dir, callbacks=[Stop(epochs)], verbose=0)
        return [np.array(one) for one in (*model.variables, *model.optimizer.variables)]

    class Stop(keras.callbacks.Callback):
        def __init__(self, epochs):
            super().__init__()
            self.epochs = epochs

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == self.epochs:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(1, tmp_path / "killed")
    for whole, resumed in zip(train(3, tmp_path / "whole"), train(3, tmp_path / "killed"), strict=True):
        np.testing.assert_array_equal(whole, resumed)


def test_names():
    assert strategy() is tf.distribute.get_strategy()
    with (
        pytest.raises(ValueError, match=r"precision must be one of .*Did you mean 'mixed_float16'\?"),
        precision("mixed_float"),
    ):
        pass
    with pytest.raises(ValueError, match=r"strategy must be one of .*Did you mean 'mirrored'\?"):
        strategy("mirored")
    with pytest.raises(ValueError, match=r"single machine.*Keras 3 fails .*unsupported type.*'MultiWorkerMirrored"):
        strategy("MultiWorkerMirroredStrategy")


TWO_DEVICES = """
import json, os, sys
import keras, numpy as np, tensorflow as tf
from keras_ext.callbacks import ClassificationReport, MostWrongImages
from keras_ext.export import export_classifier
from keras_ext.layers import DecodeImage
from keras_ext.metrics import ConfusionMatrix
from keras_ext.training import fit, image_classifier, strategy

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

class Kill(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt

def train(checkpoint_dir, kill=None, count=64, epochs=6, **options):
    with strategy("mirrored").scope():
        model = image_classifier("small_cnn", (8, 8, 3), 2, seed=0, dropout=0.2)
    labels = np.arange(count) % 2
    random = np.random.default_rng(0)
    images = random.integers(0, 128, (count, 8, 8, 3)) + 127 * labels[:, None, None, None]
    data = tf.data.Dataset.from_tensor_slices((images.astype(np.uint8), labels)).batch(16)
    report = ClassificationReport(["dark", "bright"])
    history = fit(model, data, data, epochs=epochs, learning_rate=0.01, checkpoint_dir=checkpoint_dir, verbose=0,
                  metrics=["accuracy", ConfusionMatrix(2)], callbacks=[report, Kill(kill)], **options)
    variables = [np.array(one).tolist() for one in (*model.variables, *model.optimizer.variables)]
    return model, report.matrix, history.history, variables

folder = sys.argv[1]
try:
    train(folder, kill=4)
except KeyboardInterrupt:
    pass
resumed, whole = train(folder), train(folder + "-whole")
model, short_end, _, _ = train(None, count=17, epochs=1)
_, one_image, _, _ = train(None, count=1, epochs=1)
images = np.random.default_rng(1).integers(0, 256, (17, 8, 8, 3)).astype(np.uint8)
labels = np.arange(17) % 2
names = [str(number) for number in range(17)]
expected = model(images, training=False).numpy()
export_classifier(model, folder + "-model", ["dark", "bright"], DecodeImage(8, 8))
serve = tf.saved_model.load(folder + "-model").signatures["serving_default"]
served = serve(image_bytes=tf.stack([tf.io.encode_png(image) for image in images]))["probabilities"].numpy()
named = tf.data.Dataset.from_tensor_slices((names, images, labels)).batch(8)
found = MostWrongImages(named, ["dark", "bright"], count=20).find(model)
found.sort(key=lambda one: int(one.name))
refused = []
for options in ({"jit_compile": True}, {"gradient_accumulation_steps": 2}):
    try:
        train(None, **options)
    except ValueError as error:
        refused.append(str(error).partition(" ")[0])
said = {
    "refused": refused,
    "replicas": whole[0].distribute_strategy.num_replicas_in_sync,
    "accuracy": max(whole[2]["val_accuracy"]),
    "counted": int(whole[1].sum()),
    "counted with a last batch of one": [short_end.sum(axis=1).tolist(), one_image.sum(axis=1).tolist()],
    "resumed equals whole": resumed[2:] == whole[2:],
    "served as it is": np.allclose(served, expected, rtol=0, atol=1e-5),
    "most wrong": [int(one.name) for one in found],
    "with their losses": np.allclose([one.loss for one in found], -np.log(expected[np.arange(17), labels]), rtol=1e-4),
}
print(json.dumps(said))
"""


def test_mirrored_on_two_devices(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, str(tmp_path / "checkpoints")], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert json.loads(run.stdout.splitlines()[-1]) == {
        "refused": ["jit_compile", "gradient_accumulation_steps"],
        "replicas": 2,
        "accuracy": 1.0,
        "counted": 64,
        "counted with a last batch of one": [[10, 8], [2, 0]],  # twice, one on each device
        "resumed equals whole": True,
        "served as it is": True,
        "most wrong": [*range(17)],
        "with their losses": True,
    }
