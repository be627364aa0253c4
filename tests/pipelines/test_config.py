"""Reading settings: what is given wins in order, and what is wrong is named."""

import pytest

from pipelines.config import ConfigurationError, read_config, to_toml
from pipelines.image_classification.config import Config


def _read(*overrides, file=None):
    return read_config(Config, file, overrides, images="photos", output="out")


def test_defaults_suffice():
    config = _read()
    assert (config.images, config.output) == ("photos", "out")
    assert config.train.epochs == 20
    assert config.evaluation.tolerance == 0.01


def test_file_then_overrides(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[train]\nepochs = 3\nseed = 7\n[ingest.ratios]\ntest = 0.3\n[image]\nsize = [32, 48]\n")
    config = _read("train.epochs=4", "model.architecture=MobileNetV3Small", "ingest.ratios.eval=0.2", file=file)
    assert (config.train.epochs, config.train.seed) == (4, 7)
    assert config.model.architecture == "MobileNetV3Small"
    assert config.image.size == (32, 48)
    assert (config.ingest.ratios.train, config.ingest.ratios.eval, config.ingest.ratios.test) == (0.8, 0.2, 0.3)


def test_what_is_printed_reads_back(tmp_path):
    config = _read("train.epochs=3", 'ingest.classes=["b", "ä \\"quoted\\""]')
    file = tmp_path / "printed.toml"
    file.write_text(to_toml(config), encoding="utf-8")
    assert read_config(Config, file) == config


def test_what_has_no_value_is_printed_as_a_comment():
    lines = to_toml(_read("evaluation.top_k=3"), leave_out=("images", "output")).split("\n")
    section = lines[lines.index("[evaluation]") : lines.index("[evaluation.thresholds]")]
    assert section == [
        "[evaluation]",
        "# slices =",
        "# min_accuracy =",
        'split = "auto"',
        "top_k = 3",
        "tolerance = 0.01",
        "",
    ]
    assert lines[lines.index("[ingest]") + 1] == "# manifest ="
    assert not any("images" in line for line in lines[:2])


@pytest.mark.parametrize(
    "override, message",
    [
        ("train.epoch=3", r"'train.epoch' is not a setting. Did you mean 'train.epochs'\?"),
        ("trian.epochs=3", r"'trian' is not a setting. Did you mean 'train'\?"),
        ("ingest.ratios.trian=1", r"Did you mean 'ingest.ratios.train'\?"),
        ("train.epochs=many", r"train.epochs: Input should be a valid integer.*Received: 'many'"),
        ("train.epochs=0", r"train.epochs: Input should be greater than 0. Received: 0"),
        ("train=3", r"train: .*Received: 3"),
        ("output=elsewhere", r"'output' is an argument of the command, not a setting"),
        ("train.epochs.x=3", r"train.epochs: "),
        ("train.epochs", r"--set expects section.key=value. Received: 'train.epochs'"),
        ("image.size=[32]", r'image.size: size must be "auto" or \[height, width\] .*Received: \[32\]'),
        ("ingest.ratios={train=0, eval=0, test=0}", r"ingest.ratios: .*sum to a positive number"),
        ("ingest.ratios.test=-1", r"ingest.ratios: .*non-negative"),
        ("ingest.ratios.eval=0", r"ingest.ratios: train and eval must be positive"),
        ("evaluation.thresholds.acuracy=0.5", r"evaluation: thresholds must be one of .*Did you mean 'accuracy'\?"),
        ("evaluation.thresholds.accuracy=50", r"evaluation: thresholds.accuracy must be in \[0, 1\]. Received: 50"),
        ("evaluation={min_accuracy=0.5, thresholds={accuracy=0.5}}", r"evaluation: min_accuracy is short for"),
        ('ingest.extra_columns=["group"]', r"ingest: extra_columns must be a list of different names, none of class"),
        ("evaluation.split=tset", r"evaluation.split: Input should be 'auto', 'test' or 'eval'"),
    ],
)
def test_a_wrong_setting_is_named(override, message):
    with pytest.raises(ConfigurationError, match=message):
        _read(override)


@pytest.mark.parametrize(
    "text, overrides, message",
    [
        ("[train]\nepoch = 3\n", [], r"^settings.toml: 'train.epoch' is not a setting. Did you mean 'train.epochs'\?$"),
        ("[train]\nepochs = 0\n", [], r"^settings.toml: train.epochs: Input should be greater than 0. Received: 0.$"),
        ("[train]\nepochs = 0\n", ["train.seed=3"], r"^settings.toml: train.epochs: "),
        ("output = 'elsewhere'\n", [], r"^settings.toml: 'output' is an argument of the command"),
        ("[train]\nepochs = 5\n", ["train.epochs=0"], r"^train.epochs: "),
        ("[ingest.ratios]\ntest = 0.2\n", ["ingest.ratios.eval=0"], r"^ingest.ratios: train and eval"),
        ("[ingest.ratios]\neval = 0\n", ["train.epochs=3"], r"^settings.toml: ingest.ratios: train and eval"),
        ("[train]\nepochs = 5\n", ["train.epoch=3"], r"^'train.epoch' is not a setting"),
    ],
)
def test_an_error_names_the_file_it_stands_in(tmp_path, monkeypatch, text, overrides, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        _read(*overrides, file="settings.toml")


def test_a_missing_file_is_named():
    with pytest.raises(ConfigurationError, match=r"No configuration file 'nowhere.toml'"):
        _read(file="nowhere.toml")


def test_a_broken_file_says_where(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[train\n")
    with pytest.raises(ConfigurationError, match=r"is not TOML: .*line 1"):
        _read(file=file)


def test_beam_arguments():
    in_process = ("--runner=FnApiRunner", "--sdk_container_image=unused")
    assert _read().beam.arguments == in_process
    assert _read("beam.workers=2").beam.arguments == (
        *in_process,
        "--direct_running_mode=multi_threading",
        "--direct_num_workers=2",
    )
    flink = _read("beam.runner=FlinkRunner", 'beam.options=["--flink_master=localhost:8081"]').beam.arguments
    assert flink == ("--runner=FlinkRunner", "--flink_master=localhost:8081")
