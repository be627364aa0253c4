import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import confusion_matrix, recall_score

from keras_ext.class_figures import class_figures
from keras_ext.metrics import ConfusionMatrix

CLASSES = 5
RANDOM = np.random.default_rng(0)
# Class 3 has no images.
LABELS = RANDOM.choice([0, 0, 0, 1, 2, 4], 200)
PROBABILITIES = RANDOM.dirichlet(np.ones(CLASSES), 200) + 0.3 * np.eye(CLASSES)[LABELS]
TAKEN = PROBABILITIES.argmax(axis=1)
WEIGHTS = RANDOM.uniform(0, 3, 200)


def counted(labels, weights=None, predictions=PROBABILITIES, classes=CLASSES):
    metric = ConfusionMatrix(classes)
    for start in range(0, 200, 64):
        part = slice(start, start + 64)
        metric.update_state(labels[part], predictions[part], None if weights is None else weights[part])
    return metric


@pytest.mark.parametrize(
    "labels", [LABELS, LABELS.astype(np.uint8), LABELS[:, None], np.eye(CLASSES)[LABELS], LABELS.astype(np.float32)]
)
def test_sparse_and_one_hot_labels_give_scikit_learns_matrix(labels):
    matrix = counted(labels).matrix
    np.testing.assert_array_equal(matrix, confusion_matrix(LABELS, TAKEN, labels=range(CLASSES)))
    assert matrix.sum() == 200


def test_sample_weights_give_scikit_learns_weighted_matrix():
    expected = confusion_matrix(LABELS, TAKEN, labels=range(CLASSES), sample_weight=WEIGHTS)
    np.testing.assert_allclose(counted(LABELS, WEIGHTS).matrix, expected, rtol=1e-5)
    np.testing.assert_allclose(counted(LABELS, WEIGHTS[:, None]).matrix, expected, rtol=1e-5)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_result_is_macro_recall_of_the_classes_with_images(weights):
    metric = counted(LABELS, weights)
    expected = recall_score(LABELS, TAKEN, labels=[0, 1, 2, 4], average="macro", sample_weight=weights)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    assert class_figures(metric.matrix).macro_recall == pytest.approx(expected, rel=1e-5)


def test_result_before_any_image_is_zero():
    assert float(ConfusionMatrix(3).result()) == 0


@pytest.mark.parametrize("label", [-1, CLASSES, CLASSES + 1])
@pytest.mark.parametrize("jit", [False, True])
def test_a_label_outside_the_classes_shows(label, jit):
    metric = ConfusionMatrix(CLASSES)
    update = tf.function(metric.update_state, jit_compile=jit)
    update(tf.constant([0, label]), tf.one_hot([0, CLASSES - 1], CLASSES))
    assert np.isnan(metric.result())


def test_one_column_is_the_probability_of_class_1():
    labels, probability = np.array([0, 1, 1, 0] * 50), np.array([0.2, 0.9, 0.4, 0.6] * 50)
    matrix = counted(labels, predictions=probability[:, None], classes=2).matrix
    np.testing.assert_array_equal(matrix, [[50, 50], [50, 50]])


def test_reset_forgets():
    metric = counted(LABELS)
    metric.reset_state()
    assert metric.matrix.sum() == 0
    metric.update_state([1], [[0.0, 0.0, 1.0, 0.0, 0.0]])
    assert metric.matrix[1, 2] == metric.matrix.sum() == 1


def test_matrix_is_a_copy():
    metric = counted(LABELS)
    before = metric.matrix
    metric.reset_state()
    assert before.sum() == 200


@pytest.mark.parametrize(
    "labels, predictions, message",
    [
        (
            np.zeros((4, 2)),
            np.zeros((4, 3)),
            r"y_true must be class indices .* or one-hot rows \(batch, 3\). Received: .*4, 2",
        ),
        (np.zeros(4), np.zeros((4, 2)), r"y_pred must be one probability for each class, \(batch, 3\)"),
        (np.zeros(4), np.zeros((4, 1)), r"y_pred must be one probability for each class"),
        (np.zeros((4, 6, 6)), np.zeros((4, 6, 6, 3)), "y_true must be class indices"),
    ],
)
def test_other_shapes_are_refused(labels, predictions, message):
    with pytest.raises(ValueError, match=message):
        ConfusionMatrix(3).update_state(labels, predictions)


@pytest.mark.parametrize("classes", [1, 2.0, "3"])
def test_other_numbers_of_classes_are_refused(classes):
    with pytest.raises(ValueError, match="num_classes must be an integer of at least 2"):
        ConfusionMatrix(classes)


def model(metrics):
    inputs = keras.Input((2,))
    one = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(inputs))
    one.compile("sgd", "sparse_categorical_crossentropy", **metrics)
    return one


X, Y = RANDOM.normal(size=(50, 2)), np.arange(50) % 3


def test_macro_recall_stands_in_the_history_and_sample_weights_count_in_weighted_metrics_alone():
    weights = np.where(Y == 0, 4.0, 1.0)
    plain, weighted = ConfusionMatrix(3), ConfusionMatrix(3, name="weighted")
    compiled = model({"metrics": [plain], "weighted_metrics": [weighted]})
    history = compiled.fit(X, Y, sample_weight=weights, validation_data=(X, Y), epochs=2, verbose=0).history
    assert set(history) >= {"macro_recall", "val_macro_recall", "weighted"}
    compiled.evaluate(X, Y, sample_weight=weights, verbose=0)
    assert plain.matrix.sum(axis=1).tolist() == [17, 17, 16]
    assert weighted.matrix.sum(axis=1).tolist() == [68, 17, 16]


def test_round_trip_through_a_saved_model(tmp_path):
    compiled = model({"metrics": [ConfusionMatrix(3, name="confusion")]})
    compiled.fit(X, Y, verbose=0)
    compiled.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(X, Y, verbose=0, return_dict=True) == compiled.evaluate(X, Y, verbose=0, return_dict=True)
    config = ConfusionMatrix(7, name="seven").get_config()
    again = ConfusionMatrix.from_config(config)
    assert (again.num_classes, again.name) == (7, "seven")


def printed_last(code, backend, folder):
    """Runs code in a process of its own, on another backend."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd=folder
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()[-1]


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_other_backends_give_the_same(backend, tmp_path):
    pytest.importorskip("jax")  # Keras's NumPy backend needs it too
    np.savez(tmp_path / "data.npz", labels=LABELS, probabilities=PROBABILITIES)
    code = """if True:
        import json
        import keras
        import numpy as np
        from keras_ext.metrics import ConfusionMatrix
        metric, data = ConfusionMatrix(5), np.load("data.npz")
        metric.update_state(data["labels"], data["probabilities"])
        metric.reset_state()
        metric.update_state(data["labels"], data["probabilities"])
        print(json.dumps([keras.backend.backend(), metric.matrix.tolist(), float(metric.result())]))
    """
    used, matrix, macro_recall = json.loads(printed_last(code, backend, tmp_path))
    assert used == backend
    np.testing.assert_array_equal(matrix, counted(LABELS).matrix)
    assert macro_recall == pytest.approx(float(counted(LABELS).result()))


def test_jax_fits_and_reports_with_it(tmp_path):
    pytest.importorskip("jax")
    code = """if True:
        import keras
        import numpy as np
        from keras_ext.callbacks import ClassificationReport
        from keras_ext.metrics import ConfusionMatrix
        x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy", ConfusionMatrix(2)])
        report = ClassificationReport(["a", "b"])
        history = model.fit(x, y, validation_data=(x[:30], y[:30]), epochs=2, callbacks=[report], verbose=0).history
        assert report.matrix.sum() == 30
        np.testing.assert_allclose(report.figures.accuracy, history["val_accuracy"][-1], rtol=1e-6)
        assert len(history["val_confusion_matrix"]) == 2
        print(keras.backend.backend())
    """
    assert printed_last(code, "jax", tmp_path) == "jax"
