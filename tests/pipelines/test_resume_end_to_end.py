"""A run that is killed while it trains, and run again: the weights of one that was left alone."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_ext.training.checkpoint import read_checkpoint

pytestmark = pytest.mark.slow

SETTINGS = ("train.epochs=12", "train.batch_size=16", "train.learning_rate_schedule=cosine", "train.warmup_epochs=1")


def command(folder, output):
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    return [sys.executable, "-m", "pipelines.cli", "run", str(folder), "--output", str(output), *settings]


def kill_in_training(folder, output, epochs=2, seconds=500):
    """Kills a run as soon as that many epochs are over; returns how many were."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command(folder, output), cwd=folder.parent, **quiet) as process:
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            for file in output.glob("checkpoints/*/checkpoint.npz"):
                done = read_checkpoint(file)["epoch"]
                if done >= epochs:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    return read_checkpoint(file)["epoch"]
            time.sleep(0.01)
        process.kill()
    pytest.fail(f"No checkpoint of epoch {epochs} after {seconds} seconds.")


def run(folder, output):
    result = subprocess.run(command(folder, output), cwd=folder.parent, capture_output=True, text=True, check=False)
    print(result.stdout, result.stderr)
    return result.stdout


def weights(output):
    """All variables of the exported model, sorted: an export numbers them in any order."""
    [folder] = output.glob("artifacts/Trainer/model/*/Format-Serving/variables")
    reader = tf.train.load_checkpoint(str(folder / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    return sorted((np.shape(value), np.asarray(value).tobytes()) for value in map(reader.get_tensor, names))


def scalars(output):
    found = []
    for file in sorted(output.glob("artifacts/Trainer/model_run/**/events.out.tfevents*")):
        events = [tf.compat.v1.Event.FromString(one.numpy()) for one in tf.data.TFRecordDataset(str(file))]
        found += [(file.parent.name, value.tag, event.step) for event in events for value in event.summary.value]
    return sorted(found)


def test_killed_in_the_middle_of_training_and_run_again(make_image_folder, tmp_path):
    folder = make_image_folder({"cats": 120, "dogs": 100})
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = kill_in_training(folder, killed)
    assert "Training goes on" not in run(folder, whole)
    assert f"Training goes on after epoch {done} of 12" in run(folder, killed)

    expected, found = weights(whole), weights(killed)
    assert [shape for shape, _ in expected] == [shape for shape, _ in found]
    assert expected == found
    assert scalars(whole) == scalars(killed)
    assert ("validation", "epoch_loss", done - 1) in scalars(killed)
    # What is finished needs no checkpoint.
    assert not (killed / "checkpoints").exists()
    assert json.loads((killed / "input.json").read_text())["images"] == str(folder)
