"""Trials and their scores, with training left out."""

import json
import math
from types import SimpleNamespace

import pytest
from keras_tuner import errors
from tfx.components.trainer.fn_args_utils import FnArgs

from pipelines.config import read_config
from pipelines.image_classification import Config, create_pipeline, tuning
from pipelines.image_classification.checkpoints import TrainingFolders

SPACE = {
    "train.learning_rate": {"min": 1e-4, "max": 1e-1, "step": None, "sampling": "log"},
    "train.batch_size": [8, 16, 32],
    "model.arguments.width": {"min": 2, "max": 10, "step": 2, "sampling": "linear"},
}


@pytest.fixture
def search(tmp_path, monkeypatch):
    """Runs a search whose trials give figures that a function makes of their settings; returns what was tried."""

    def search(figures, seed=0, name="a", **settings):
        tried = []

        def train_model(fn_args, folders):
            assert folders == TrainingFolders(checkpoint_dir=None, log_dir=None)
            tried.append((fn_args.custom_config["train"]["epochs"], fn_args.hyperparameters["values"]))
            history = figures(fn_args.hyperparameters["values"])
            return None, [SimpleNamespace(history=one) for one in history]

        monkeypatch.setattr(tuning, "train_model", train_model)
        config = {"algorithm": "random", "trials": 5, "objective": "val_accuracy", "space": SPACE, **settings}
        arguments = FnArgs(
            working_dir=str(tmp_path / name), custom_config={"train": {"epochs": 9, "seed": seed}, "tuner": config}
        )
        tuner, fit_kwargs = tuning.tuner_fn(arguments)
        tuner.search(**fit_kwargs)
        return tuner, tried

    return search


def by_rate(values):
    return [{"val_loss": [1.0], "val_accuracy": [values["train.learning_rate"]]}]


def test_the_best_is_that_of_the_highest_accuracy(search):
    tuner, tried = search(by_rate)
    assert len(tried) == 5
    rates = [values["train.learning_rate"] for _, values in tried]
    assert tuner.get_best_hyperparameters()[0].values["train.learning_rate"] == max(rates)
    assert len(set(rates)) == 5
    assert all(1e-4 <= rate <= 1e-1 for rate in rates)
    assert {values["train.batch_size"] for _, values in tried} <= {8, 16, 32}
    assert {values["model.arguments.width"] for _, values in tried} <= {2, 4, 6, 8, 10}
    assert {epochs for epochs, _ in tried} == {9}


def test_a_loss_is_the_lower_the_better(search):
    tuner, tried = search(lambda values: [{"val_loss": [values["train.learning_rate"]]}], objective="val_loss")
    rates = [values["train.learning_rate"] for _, values in tried]
    assert tuner.get_best_hyperparameters()[0].values["train.learning_rate"] == min(rates)


@pytest.mark.parametrize("algorithm", ["random", "bayesian", "hyperband"])
def test_the_search_follows_from_the_seed(search, algorithm):
    options = {"algorithm": algorithm, "trials": None if algorithm == "hyperband" else 5}
    first, again, other = (
        [values for _, values in search(by_rate, seed, name, **options)[1]]
        for seed, name in ((0, "a"), (0, "b"), (1, "c"))
    )
    assert first == again
    assert first != other


def test_hyperband_says_how_many_epochs(search):
    _, tried = search(by_rate, algorithm="hyperband", trials=None)
    assert {epochs for epochs, _ in tried} == {1, 3, 9}
    assert all(epochs == values["tuner/epochs"] for epochs, values in tried)


def test_a_small_space_ends_the_search(search):
    _, tried = search(
        lambda values: [{"val_loss": [1.0], "val_accuracy": [0.5]}], space={"train.batch_size": [8, 16]}, trials=10
    )
    assert sorted(values["train.batch_size"] for _, values in tried) == [8, 16]


def test_a_trial_that_fails_ends_the_search(search):
    def figures(values):
        raise ValueError("loss must stay a finite number.")

    message = r"the trial of train.learning_rate = .*, train.batch_size = .* failed: loss must stay a finite number"
    with pytest.raises(errors.FatalRuntimeError, match=message):
        search(figures)


def test_a_score_that_is_no_number_ends_the_search(search):
    with pytest.raises(errors.FatalRuntimeError, match="val_accuracy must be a finite number. Received: nan"):
        search(lambda values: [{"val_loss": [1.0], "val_accuracy": [math.nan]}])


@pytest.mark.parametrize(
    "histories, score",
    [
        ([{"val_loss": [0.5, 0.3, 0.4], "val_accuracy": [0.7, 0.8, 0.9]}], 0.8),
        ([{"val_loss": [0.5, 0.3], "val_accuracy": [0.7, 0.8]}, {"val_loss": [0.2], "val_accuracy": [0.6]}], 0.6),
        ([{"val_loss": [0.5, 0.2], "val_accuracy": [0.7, 0.8]}, {"val_loss": [0.3], "val_accuracy": [0.6]}], 0.8),
        ([{"val_loss": [math.nan, 0.9], "val_accuracy": [0.7, 0.8]}], 0.8),
    ],
)
def test_the_score_is_that_of_the_epoch_that_is_kept(histories, score):
    assert tuning.score_of(histories, "val_accuracy") == score


def test_without_keras_tuner(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    config = SimpleNamespace(tuner=SimpleNamespace(space={"train": {"batch_size": [8, 16]}}))
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'keras-ext\[tuner\]'"):
        tuning.tuner_of(config, {})


MODEL = """
import keras


def build(image_shape, num_classes, width):
    top = keras.layers.Dense(num_classes, "softmax")
    return keras.Sequential([keras.Input(image_shape), keras.layers.Flatten(), top])


class Mine(keras.layers.Layer):
    pass
"""


@pytest.fixture
def configured(make_image_folder, tmp_path):
    folder = make_image_folder({"cats": 2, "dogs": 2})
    for name in ("my_model", "my_layers"):
        (tmp_path / f"{name}.py").write_text(MODEL)

    def configured(*overrides):
        own = (
            f"model.builder={tmp_path}/my_model.py:build",
            f'augmentation.layers=[{{layer = "RandomFlip"}}, {{layer = "{tmp_path}/my_layers.py:Mine"}}]',
        )
        return read_config(Config, None, (*own, *overrides), images=str(folder), output=str(tmp_path / "out"))

    return configured


def custom_config(config, name):
    [component] = [one for one in create_pipeline(config).components if one.id == name]
    return json.loads(component.exec_properties["custom_config"])


@pytest.mark.parametrize("edited", ["my_model", "my_layers"])
def test_the_cache_sees_an_edit_of_own_code(configured, tmp_path, edited):
    config = configured("tuner.space.model.arguments.width=[4, 8]")
    before = {name: custom_config(config, name) for name in ("Trainer", "Tuner", "Transform")}
    assert {name: custom_config(config, name) for name in before} == before
    (tmp_path / f"{edited}.py").write_text(MODEL + "# edited")
    changed = {name for name in before if custom_config(config, name) != before[name]}
    assert changed == {"Trainer", "Tuner"}


def test_the_search_is_there_only_with_a_space(configured):
    names = [component.id for component in create_pipeline(configured()).components]
    assert "Tuner" not in names
    searched = configured("tuner.space.model.arguments.width=[4, 8]", "tuner.epochs=2", "train.epochs=7")
    components = {component.id: component for component in create_pipeline(searched).components}
    assert components["Tuner"] in components["Trainer"].upstream_nodes
    config = custom_config(searched, "Tuner")
    assert config["train"]["epochs"] == 2
    assert config["tuner"] == {
        "algorithm": "random",
        "trials": 10,
        "objective": "val_accuracy",
        "space": {"model.arguments.width": [4, 8]},
    }
    assert custom_config(searched, "Trainer")["train"]["epochs"] == 7
