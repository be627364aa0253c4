import csv
import logging
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.callbacks import InputMonitor
from keras_ext.callbacks.input_monitor import InputFigures
from keras_ext.datasets import apply_class_weights, image_dataset_from_directory
from keras_ext.datasets.dataset_marks import marked, marks_of

BATCHES, BATCH = 10, 8


def sleeping(seconds: float, tensor: tf.Tensor) -> tf.Tensor:
    def sleep(array):
        time.sleep(seconds)
        return array

    slept = tf.numpy_function(sleep, [tensor], tensor.dtype)
    slept.set_shape(tensor.shape)
    return slept


class Sleep(keras.layers.Layer):
    """A layer that takes a known time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def call(self, inputs):
        return sleeping(self.seconds, inputs) if self.seconds else inputs


def dataset(seconds: float = 0.0) -> tf.data.Dataset:
    batches = tf.data.Dataset.from_tensors((tf.ones((BATCH, 4)), tf.ones((BATCH, 1)))).repeat(BATCHES)
    return batches.map(lambda x, y: (sleeping(seconds, x), y)) if seconds else batches


def model(seconds: float = 0.0, **options) -> keras.Model:
    inputs = keras.Input((4,))
    made = keras.Model(inputs, keras.layers.Dense(1)(Sleep(seconds)(inputs)))
    made.compile("sgd", "mse", jit_compile=False, **options)
    return made


def fit(monitor, made, data, *callbacks, **options):
    return made.fit(data, verbose=0, callbacks=[monitor, *callbacks], **{"epochs": 2, **options}).history


@pytest.mark.parametrize(
    "of_input, of_model, least, most",
    [
        pytest.param(0.1, 0.0, 0.35, 1.0, id="slow input"),
        pytest.param(0.0, 0.1, 0.0, 0.2, id="slow model"),
        # Of each 120 ms the model takes 60, while the next batch is being made.
        pytest.param(0.12, 0.06, 0.1, 0.75, id="the input takes longer"),
        pytest.param(0.04, 0.1, 0.0, 0.3, id="the model takes longer"),
    ],
)
def test_share_of_time_that_is_waited(of_input, of_model, least, most):
    monitor = InputMonitor()
    history = fit(monitor, model(of_model), monitor.watch(dataset(of_input)))
    assert least <= history["input_wait"][-1] <= most
    assert history["images_per_second"][-1] < BATCH / max(of_input, of_model) * 1.3


def test_a_model_that_runs_eagerly():
    monitor = InputMonitor()
    history = fit(monitor, model(0.06, run_eagerly=True), monitor.watch(dataset()))
    assert history["input_wait"][-1] < 0.2


def test_time_of_validation_and_of_the_first_batch_does_not_count():
    class Build(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 0 and not hasattr(self, "done"):
                self.done = True
                time.sleep(2)

    monitor = InputMonitor()
    fit(monitor, model(0.02), monitor.watch(dataset()), Build(), validation_data=dataset(0.1), epochs=1)
    assert 0.02 * (BATCHES - 1) < monitor.figures.seconds < 1.0
    assert monitor.figures.images == (BATCHES - 1) * BATCH
    fit(monitor, model(), monitor.watch(dataset()), epochs=2)
    assert monitor.figures.images == BATCHES * BATCH


def test_an_epoch_of_one_batch_has_figures():
    monitor = InputMonitor()
    history = fit(monitor, model(), monitor.watch(dataset().take(1)))
    assert monitor.figures.images == BATCH
    assert all(rate > 0 for rate in history["images_per_second"])


def test_one_dataset_for_all_epochs():
    monitor = InputMonitor()
    fit(monitor, model(), monitor.watch(dataset().repeat()), steps_per_epoch=7, epochs=3)
    assert monitor.figures.images == 7 * BATCH


def test_figures_are_in_the_logs_of_the_callbacks_after_it(tmp_path):
    monitor = InputMonitor()
    file = tmp_path / "log.csv"
    history = fit(monitor, model(), monitor.watch(dataset()), keras.callbacks.CSVLogger(str(file)))
    with file.open() as rows:
        written = list(csv.DictReader(rows))
    for name in ("input_wait", "images_per_second"):
        assert [float(row[name]) for row in written] == pytest.approx(history[name])


def test_advice_is_given_once_and_fits_what_was_measured(caplog):
    monitor = InputMonitor()
    with caplog.at_level(logging.WARNING, logger="keras_ext.progress"):
        fit(monitor, model(), monitor.watch(dataset(0.05)), epochs=3)
    [advice] = caplog.messages
    assert advice.startswith("Training waited for data ")
    assert "num_parallel_calls" in advice  # two cores do not sleep while this process does
    caplog.clear()
    fit(monitor, model(0.05), monitor.watch(dataset()))
    assert not caplog.messages


def test_threshold_of_advice(caplog):
    monitor = InputMonitor(advise_above=1.0)
    fit(monitor, model(), monitor.watch(dataset(0.02)))
    assert not caplog.messages
    with pytest.raises(ValueError, match=r"advise_above must be a share in \[0, 1\]. Received: advise_above=30"):
        InputMonitor(advise_above=30)


def test_busy_cores_need_less_work_and_idle_ones_more_at_once(monkeypatch):
    monkeypatch.setattr("keras_ext.callbacks.input_monitor._core_count", lambda: 2)
    busy = InputFigures(seconds=10.0, waited=7.5, images=1000, busy=0.97).advice()
    assert busy.startswith(
        "Training waited for data 75% of the time (7.5 of 10.0 s), at 100 images/s. The model alone takes about 400 "
        "images/s. With 97% of 2 processor cores busy, only less work helps: decode each image once"
    )
    idle = InputFigures(seconds=10.0, waited=10.0, images=1000, busy=0.4).advice()
    assert "at 100 images/s. With 40% of 2 processor cores busy, the work is done one after another" in idle


def test_watched_dataset_yields_the_same_and_keeps_its_attributes(make_image_folder):
    images = image_dataset_from_directory(
        make_image_folder({"cats": 5, "dogs": 6}), image_size=(8, 8), batch_size=4, seed=0, shuffle=False, verbose=False
    )
    watched = InputMonitor().watch(images)
    assert (watched.class_names, len(watched), watched.element_spec) == (["cats", "dogs"], 3, images.element_spec)
    watched.set_epoch(0)
    for (pixels, labels), (same, classes) in zip(images, watched, strict=True):
        np.testing.assert_array_equal(pixels, same)
        np.testing.assert_array_equal(labels, classes)
    assert marks_of(InputMonitor().watch(marked(images, "oversampled"))) == ["oversampled"]
    with pytest.raises(AttributeError, match="no_such_thing"):
        watched.no_such_thing  # noqa: B018


@pytest.mark.parametrize("data", [np.zeros((4, 4)), [1, 2], keras.utils.PyDataset()])
def test_only_datasets_are_watched(data):
    with pytest.raises(TypeError, match=f"must be a tf.data.Dataset.*Received: {type(data).__name__}"):
        InputMonitor().watch(data)


def test_a_fit_on_something_else_is_refused():
    with pytest.raises(ValueError, match=r"saw no batch of this training. Call fit with monitor.watch\(dataset\)"):
        fit(InputMonitor(), model(), dataset())


def test_where_batches_are_fetched_ahead_there_are_no_figures(caplog):
    monitor = InputMonitor()
    history = fit(monitor, model(0.05), monitor.watch(dataset()), class_weight={0: 1.0, 1: 2.0})
    [warning] = caplog.messages
    assert warning.startswith("InputMonitor cannot tell waiting from training")
    assert monitor.figures is None
    assert "input_wait" not in history


def test_class_weights_in_the_dataset_are_fine():
    labelled = dataset().map(lambda x, y: (x, tf.cast(y[:, 0], tf.int64)))
    monitor = InputMonitor()
    fit(monitor, model(0.02), monitor.watch(apply_class_weights(labelled, {0: 1.0, 1: 2.0})))
    assert monitor.figures.images == BATCHES * BATCH


def test_several_steps_in_one_execution_are_refused():
    monitor = InputMonitor()
    with pytest.raises(ValueError, match="fetches batch by batch. Received: a model with steps_per_execution=5"):
        fit(monitor, model(steps_per_execution=5), monitor.watch(dataset()))


def test_strategies_are_refused():
    monitor = InputMonitor()
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        made = model()
    with pytest.raises(ValueError, match="and the strategy MirroredStrategy. Leave these or the monitor out"):
        fit(monitor, made, monitor.watch(dataset()))
