"""What can be searched, and settings with what was found."""

import dataclasses

import pytest

from pipelines.config import ConfigurationError, read_config
from pipelines.image_classification.config import Config, Model, Train
from pipelines.image_classification.search_space import (
    Range,
    Tuner,
    check_search_space,
    describe,
    with_hyperparameters,
)


def configured(*overrides):
    config = read_config(Config, None, overrides, images="images", output="out")
    check_search_space(config)
    return config


def test_a_space_of_lists_and_ranges():
    config = configured(
        "tuner.space.train.learning_rate={min=1e-4, max=1e-2, sampling='log'}",
        "tuner.space.train.batch_size=[16, 32]",
        "tuner.space.model.dropout={min=0.0, max=0.5, step=0.1}",
    )
    assert config.tuner.settings == {
        "train.learning_rate": Range(1e-4, 1e-2, sampling="log"),
        "train.batch_size": [16, 32],
        "model.dropout": Range(0.0, 0.5, step=0.1),
    }
    assert config.tuner.trials == 10


def test_a_file_reads_alike(tmp_path):
    (tmp_path / "c.toml").write_text("[tuner.space]\ntrain.learning_rate = {min = 1e-4, max = 1e-2}\n")
    config = read_config(Config, tmp_path / "c.toml", images="images", output="out")
    assert config.tuner.settings == {"train.learning_rate": Range(1e-4, 1e-2)}


def test_arguments_of_a_builder_can_be_searched():
    config = configured("model.builder=a.py:build", "tuner.space.model.arguments.width=[8, 16]")
    assert config.tuner.settings == {"model.arguments.width": [8, 16]}


def test_nothing_is_searched_by_default():
    assert Tuner().settings == {}
    check_search_space(read_config(Config, images="images", output="out"))


def test_ranges_of_integers():
    assert Range(1, 8, step=2).is_integer
    assert not Range(1, 8.0).is_integer
    assert not Range(1, 8, step=0.5).is_integer


def test_hyperband_decides_how_many_trials():
    assert Tuner({"train": {"batch_size": [1, 2]}}, algorithm="hyperband").trials is None


@pytest.mark.parametrize(
    "overrides, message",
    [
        (
            ["tuner.space.train.learning_rat=[0.1]"],
            "tuner.space='train.learning_rat'. Did you mean 'train.learning_rate'",
        ),
        (["tuner.space.train.epochs=[1, 2]"], "Received: tuner.space='train.epochs'"),
        (["tuner.space.train.seed=[1, 2]"], "Received: tuner.space='train.seed'"),
        (["tuner.space.model.weights=['a', 'b']"], "Received: tuner.space='model.weights'"),
        (["tuner.space.model.arguments.width=[1, 2]"], "Received: tuner.space='model.arguments.width'"),
        (["tuner.space.imbalance.tau=[1.0]"], "Received: tuner.space='imbalance.tau'"),
        (
            ["tuner.space.train.learning_rate=[0.1, -1.0]"],
            r"tuner.space.train.learning_rate: .*greater than 0. Received: -1.0",
        ),
        (["tuner.space.model.dropout={min=0.5, max=1.5}"], r"tuner.space.model.dropout: .*less than 1. Received: 1.5"),
        (["tuner.space.train.batch_size={min=1.5, max=8.0}"], "tuner.space.train.batch_size: .*Received: 1.5"),
        (
            ["train.warmup_epochs=3", "tuner.epochs=2", "tuner.space.train.batch_size=[8]"],
            "tuner.epochs: warmup_epochs must be less than epochs, 2",
        ),
    ],
)
def test_settings_that_cannot_be_searched(overrides, message):
    with pytest.raises(ValueError, match=message):
        configured(*overrides)


@pytest.mark.parametrize(
    "overrides, message",
    [
        (["tuner.epochs=3"], "space must name what is searched, such as tuner.space.train.learning_rate"),
        (["tuner.space.train.learning_rate=0.1"], "must be a list of values of one type, or a range"),
        (["tuner.space.train.learning_rate=[]"], "must be a list of values of one type"),
        (["tuner.space.train.learning_rate=[0.1, 'a']"], "must be a list of values of one type"),
        (["tuner.space.train.learning_rate={min=2, max=1}"], "min must be less than max, and they are 2 and 1"),
        (["tuner.space.train.learning_rate={min=1}"], "train.learning_rate: max: Field required"),
        (["tuner.space.train.learning_rate={min=1, max=2, steps=3}"], "steps: Unexpected keyword argument"),
        (
            ["tuner.space.train.learning_rate={min=1, max=2, step=3}"],
            "step must be positive, and no more than max - min",
        ),
        (["tuner.space.train.learning_rate={min=0, max=2, sampling='log'}"], "'log' takes a positive min, and no step"),
        (
            ["tuner.space.train.batch_size=[8]", "tuner.algorithm=hyperband", "tuner.max_trials=3"],
            "max_trials is none of hyperband's",
        ),
        (["tuner.spase.train.batch_size=[8]"], "'tuner.spase' is not a setting. Did you mean 'tuner.space'"),
    ],
)
def test_wrong_forms(overrides, message):
    with pytest.raises(ConfigurationError, match=message):
        configured(*overrides)


def test_what_was_found_takes_the_place_of_settings():
    config = {"train": {"learning_rate": 0.1, "epochs": 3}, "model": {"arguments": {"width": 8}}, "image": {"a": 1}}
    found = {"space": [], "values": {"train.learning_rate": 0.5, "model.arguments.width": 4, "tuner/epochs": 1}}
    assert with_hyperparameters(config, found) == {
        "train": {"learning_rate": 0.5, "epochs": 3},
        "model": {"arguments": {"width": 4}},
        "image": {"a": 1},
    }
    assert config["train"]["learning_rate"] == 0.1
    assert with_hyperparameters(config, None) == config


def test_values_as_text():
    assert describe({"train.learning_rate": 0.00123456, "model.dropout": 0.5, "tuner/round": 0, "a.b": "c"}) == (
        "train.learning_rate = 0.001235, model.dropout = 0.5, a.b = c"
    )


@pytest.mark.parametrize(
    "overrides, message",
    [
        (["model.arguments.width=3"], "arguments width are those of a builder, and there is none"),
        (["model.builder=a.py:b", "model.dropout=0.5"], "put them into arguments"),
        (["model.builder=a.py:b", "model.architecture=VGG16"], "put them into arguments"),
        (["train.fine_tuning_learning_rate=1e-4"], "is that after frozen_epochs, of which there are none"),
        (["train.frozen_epochs=2", "train.warmup_epochs=2"], "warmup_epochs must be less than frozen_epochs"),
        (["train.frozen_epochs=-1"], "frozen_epochs: .*greater than or equal to 0"),
    ],
)
def test_settings_that_would_do_nothing(overrides, message):
    with pytest.raises(ConfigurationError, match=message):
        configured(*overrides)


def test_defaults_of_both_sections_are_plain():
    assert dataclasses.asdict(Model())["arguments"] == {}
    assert dataclasses.asdict(Train())["frozen_epochs"] == 0
