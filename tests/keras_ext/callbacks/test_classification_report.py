import json
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from keras_ext.callbacks import ClassificationReport
from keras_ext.class_figures import FIGURES
from keras_ext.metrics import ConfusionMatrix

NAMES = ["cat", "dog", "größe"]
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(60, 4)), np.arange(60) % 3
X[:, :3] += 2 * np.eye(3)[Y]
TRAIN, VALIDATION = (X[:40], Y[:40]), (X[40:], Y[40:])


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(inputs))


def compile_with(model, *metrics):
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy", *metrics])
    return model


def fit(model, *callbacks, validation=VALIDATION, **options):
    options = {"epochs": 3, "verbose": 0, **options}
    return model.fit(*TRAIN, validation_data=validation, callbacks=list(callbacks), **options).history


def test_history_holds_scikit_learns_figures_of_the_validation_data(model):
    report = ClassificationReport(NAMES)
    history = fit(compile_with(model, ConfusionMatrix(3)), report)
    taken = model.predict(VALIDATION[0], verbose=0).argmax(axis=1)
    np.testing.assert_array_equal(report.matrix, confusion_matrix(VALIDATION[1], taken))
    expected = precision_recall_fscore_support(VALIDATION[1], taken, zero_division=0)
    for figure, values in zip(("precision", "recall", "f1"), expected, strict=False):
        for name, value in zip(NAMES, values, strict=True):
            assert len(history[f"val_{figure}_{name}"]) == 3
            assert history[f"val_{figure}_{name}"][-1] == pytest.approx(value)
        assert history[f"val_macro_{figure}"][-1] == pytest.approx(values.mean(), rel=1e-5)


def test_validation_runs_once_an_epoch(model):
    batches = []
    seen = tf.data.Dataset.from_tensor_slices(VALIDATION).batch(10)
    seen = seen.map(lambda x, y: (tf.py_function(lambda one: batches.append(1) or one, [x], x.dtype), y))
    seen = seen.map(lambda x, y: (tf.ensure_shape(x, [None, 4]), y))
    fit(compile_with(model, ConfusionMatrix(3)), ClassificationReport(NAMES), validation=seen)
    assert len(batches) == 3 * 2


def test_history_holds_the_confusion_matrix_of_each_epoch(model):
    matrices, report = [], ClassificationReport(NAMES)
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: matrices.append(report.matrix.tolist()))
    history = fit(compile_with(model, ConfusionMatrix(3)), report, keep)
    assert history["val_confusion_matrix"] == matrices
    assert len({str(matrix) for matrix in matrices}) > 1
    json.dumps(history)  # as people keep it


def test_history_holds_no_matrix_of_very_many_classes(monkeypatch, model):
    monkeypatch.setattr("keras_ext.callbacks.classification_report._MATRICES_KEPT", 2)
    assert "val_confusion_matrix" not in fit(compile_with(model, ConfusionMatrix(3)), ClassificationReport(NAMES))


@pytest.mark.parametrize("logged", [(), ("recall",)])
def test_progress_bar_has_the_macro_figures_and_what_is_asked_for(model, logged, capsys):
    fit(compile_with(model, ConfusionMatrix(3)), ClassificationReport(NAMES, logged=logged), verbose=2, epochs=1)
    printed = set(re.findall(r"val_[a-zöß0-9_]+", capsys.readouterr().out))
    macro = {"val_macro_precision", "val_macro_recall", "val_macro_f1"}
    assert printed == {"val_accuracy", "val_loss"} | macro | ({f"val_recall_{name}" for name in NAMES if logged})


@pytest.mark.parametrize("figure", ["val_macro_f1", "val_recall_größe"])
def test_early_stopping_may_monitor_every_logged_figure_after_it(model, figure):
    compile_with(model, ConfusionMatrix(3))
    stop = keras.callbacks.EarlyStopping(figure, mode="max", patience=0, min_delta=2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # Keras warns of a figure that is not there
        history = fit(model, ClassificationReport(NAMES, logged=["recall"]), stop, epochs=9)
    assert {len(values) for values in history.values()} == {2}  # nothing twice


def test_classes_without_images_have_no_figures(model):
    only = VALIDATION[1] != 1
    report = ClassificationReport(NAMES, logged=["recall"])
    history = fit(
        compile_with(model, ConfusionMatrix(3)), report, validation=(VALIDATION[0][only], VALIDATION[1][only])
    )
    named = {name for name in history if name.startswith(("val_recall", "val_precision", "val_f1"))}
    assert named == {f"val_{figure}_{name}" for figure in FIGURES for name in ("cat", "größe")}
    assert np.isnan(report.figures.recall[1])


@pytest.mark.parametrize("metrics", [(), (ConfusionMatrix(3), ConfusionMatrix(3, name="b"))])
def test_a_model_without_the_metric_is_refused_in_the_first_batch(model, metrics):
    batches = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    with pytest.raises(ValueError, match=r"Pass metrics=\[..., ConfusionMatrix\(3\)\] to model.compile"):
        fit(compile_with(model, *metrics), ClassificationReport(NAMES), count, batch_size=4)
    assert not batches


def test_another_number_of_names_is_refused(model):
    with pytest.raises(ValueError, match=r"4 class names. Received: a model compiled with ConfusionMatrix\(3\)"):
        fit(compile_with(model, ConfusionMatrix(3)), ClassificationReport([*NAMES, "more"]))


def test_epochs_without_validation_add_nothing(model):
    history = fit(compile_with(model, ConfusionMatrix(3)), ClassificationReport(NAMES), validation_freq=2, epochs=4)
    assert len(history["val_recall_cat"]) == len(history["val_confusion_matrix"]) == len(history["val_loss"]) == 2
    assert len(history["loss"]) == 4


def test_what_evaluate_saw_is_not_taken_for_an_epochs_validation(model):
    report = ClassificationReport(NAMES)
    compile_with(model, ConfusionMatrix(3)).evaluate(*TRAIN, callbacks=[report], verbose=0)
    assert len(fit(model, report, validation_freq=2, epochs=2)["val_recall_cat"]) == 1


def test_no_validation_at_all_is_a_warning(model):
    report = ClassificationReport(NAMES)
    with pytest.warns(UserWarning, match="saw no validation. Call fit with validation_data"):
        fit(compile_with(model, ConfusionMatrix(3)), report, validation=None)
    for table in (report.table, report.matrix_table):
        with pytest.raises(ValueError, match="no figures before the first validation"):
            table()


def test_evaluate_reports_on_other_data(model):
    report = ClassificationReport(NAMES)
    fit(compile_with(model, ConfusionMatrix(3)), report)
    model.evaluate(*TRAIN, callbacks=[report], verbose=0)
    assert report.matrix.sum() == 40
    assert report.matrix_table().splitlines()[1].split() == ["0", "cat", *(f"{count:g}" for count in report.matrix[0])]
    assert report.table().splitlines()[-1].endswith("  40")


def test_tables_are_printed_where_asked_for(model, capsys):
    fit(compile_with(model, ConfusionMatrix(3)), ClassificationReport(NAMES, verbose=1), epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.split() == ["precision", "recall", "f1", "images"] for line in lines) == 2
    assert sum(line.startswith("größe ") for line in lines) == 2


def test_pictures_lie_beside_tensorboards_own_logs(model, tmp_path):
    pytest.importorskip("matplotlib")
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    report = ClassificationReport(NAMES, log_dir=tmp_path)
    fit(compile_with(model, ConfusionMatrix(3)), report, board)
    assert {path.name for path in tmp_path.iterdir()} == {"train", "validation", "report"}
    [file] = (tmp_path / "report").iterdir()
    records = [tf.compat.v1.Event.FromString(one.numpy()) for one in tf.data.TFRecordDataset(str(file))]
    values = [(event.step, value) for event in records for value in event.summary.value]
    assert [(step, value.tag) for step, value in values] == [(step, "confusion matrix") for step in range(3)]
    width, height, png = values[-1][1].tensor.string_val
    pixels = tf.io.decode_png(png).numpy()
    assert pixels.shape == (int(height), int(width), 3)
    # White paper, and the dark blue of a class that is always right or the light one of what never happens.
    assert (pixels == 255).all(axis=-1).any()
    assert (pixels[..., 2].astype(int) - pixels[..., 0] > 50).sum() > 1000


@pytest.mark.parametrize("every, drawn", [(2, [0, 2]), (3, [0, 2]), (5, [0, 2])])
def test_pictures_of_some_epochs_and_of_the_last(model, tmp_path, every, drawn):
    pytest.importorskip("matplotlib")
    report = ClassificationReport(NAMES, log_dir=tmp_path, every=every)
    fit(compile_with(model, ConfusionMatrix(3)), report)
    [file] = (tmp_path / "report").iterdir()
    events = [tf.compat.v1.Event.FromString(one.numpy()) for one in tf.data.TFRecordDataset(str(file))]
    assert [event.step for event in events for _ in event.summary.value] == drawn
    with pytest.raises(ValueError, match="every must be a positive number of epochs. Received: every=0"):
        ClassificationReport(NAMES, every=0)


def test_names_in_one_string_are_refused():
    with pytest.raises(TypeError, match="class_names must be a list of class names"):
        ClassificationReport("cat")


def test_an_unknown_figure_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'recall'"):
        ClassificationReport(NAMES, logged=["recal"])
