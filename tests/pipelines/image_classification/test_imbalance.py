"""What each strategy brings into the pipeline, and what is refused before it runs."""

import json

import pytest

from pipelines.config import ConfigurationError, read_config, to_toml
from pipelines.image_classification.config import Config
from pipelines.image_classification.imbalance import check_imbalance
from pipelines.image_classification.pipeline import create_pipeline

MIXUP = 'augmentation.layers=[{layer="MixUp"}]'


def settings(*overrides, images="photos"):
    return read_config(Config, None, [f"imbalance.{one}" for one in overrides], images=str(images), output="out")


@pytest.mark.parametrize(
    "overrides, options",
    [
        (["strategy=balanced"], {}),
        (["strategy=power"], {}),
        (["strategy=power", "power=0.25", "max_ratio=10"], {"power": 0.25, "max_ratio": 10.0}),
        (["strategy=effective_number", "beta=0.99"], {"beta": 0.99}),
        (["strategy=oversample", "sampling=square_root"], {"sampling": "square_root"}),
        (["strategy=logit_adjustment", "tau=2"], {"tau": 2.0}),
    ],
)
def test_options_of_a_strategy(overrides, options, tmp_path):
    config = settings(*overrides)
    assert config.imbalance.options == options
    file = tmp_path / "printed.toml"
    file.write_text(to_toml(config), encoding="utf-8")
    assert read_config(Config, file) == config


@pytest.mark.parametrize(
    "overrides, message",
    [
        (["strategy=balancd"], "imbalance.strategy: Input should be 'none', 'balanced'"),
        (["tau=1"], "imbalance: tau is no option of strategy 'none', which takes none"),
        (["strategy=balanced", "beta=0.9"], "beta is no option of strategy 'balanced', which takes max_ratio"),
        (
            ["strategy=oversample", "max_ratio=3"],
            "max_ratio is no option of strategy 'oversample', which takes sampling",
        ),
        (["strategy=effective_number", "beta=1"], r"imbalance.beta: Input should be less than 1\. Received: 1"),
        (["strategy=logit_adjustment", "tau=-1"], "imbalance.tau"),
        (["strategy=oversample", "sampling=all"], "imbalance.sampling"),
        (["strategi=balanced"], "Did you mean 'imbalance.strategy'"),
    ],
)
def test_what_cannot_be_is_refused(overrides, message):
    with pytest.raises(ConfigurationError, match=message):
        settings(*overrides)


@pytest.mark.parametrize("strategy", ["balanced", "power", "effective_number", "median_frequency"])
def test_class_weights_and_mixed_labels_are_refused_before_anything_runs(strategy, make_image_folder, tmp_path):
    folder = make_image_folder({"a": 3, "b": 3})
    overrides = [f"imbalance.strategy={strategy}", 'augmentation.layers=[{layer="MixUp"}]']
    config = read_config(Config, None, overrides, images=str(folder), output=str(tmp_path / "out"))
    with pytest.raises(ValueError, match=f"'{strategy}' weighs each image by its class, and an image that MixUp"):
        create_pipeline(config)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("strategy", ["none", "oversample", "logit_adjustment"])
def test_other_strategies_take_mixed_labels(strategy):
    overrides = [f"imbalance.strategy={strategy}", 'augmentation.layers=[{layer="CutMix"}]']
    check_imbalance(read_config(Config, None, overrides, images="photos", output="out"))


@pytest.mark.parametrize(
    "strategy, component",
    [
        ("none", None),
        ("balanced", ("balanced", {"max_ratio": 5.0})),
        ("oversample", ("none", {})),
        ("logit_adjustment", ("none", {})),
    ],
)
def test_class_weights_stand_between_statistics_and_trainer(strategy, component, make_image_folder, tmp_path):
    folder = make_image_folder({"a": 3, "b": 3})
    overrides = [f"imbalance.strategy={strategy}", *(["imbalance.max_ratio=5"] if strategy == "balanced" else [])]
    config = read_config(Config, None, overrides, images=str(folder), output=str(tmp_path / "out"))
    nodes = {node.id: node for node in create_pipeline(config).components}
    assert ("ClassWeights" in nodes) == (component is not None)
    upstream = {node.id for node in nodes["Trainer"].upstream_nodes}
    assert ("ClassWeights" in upstream) == (component is not None)
    given = json.loads(nodes["Trainer"].exec_properties["custom_config"])["imbalance"]
    assert given == {"strategy": strategy, **config.imbalance.options}
    if component is not None:
        weighing = nodes["ClassWeights"]
        assert {node.id for node in weighing.upstream_nodes} == {"StatisticsGen", "DirectoryExampleGen"}
        properties = weighing.exec_properties
        assert (properties["strategy"], json.loads(properties["options"])) == component
