import pytest

from pipelines.config import ConfigurationError, read_config
from pipelines.image_classification.config import Config


def train_settings(*overrides):
    return read_config(Config, None, [f"train.{one}" for one in overrides], images="images", output="out").train


def test_settings_are_read():
    train = train_settings("jit_compile=true", "optimizer=sgd", "gradient_accumulation_steps=2", "warmup_epochs=0.5")
    assert (train.jit_compile, train.optimizer, train.warmup_epochs) == (True, "sgd", 0.5)
    train = train_settings("jit_compile=false", "strategy=mirrored")
    assert (train.jit_compile, train.strategy) == (False, "mirrored")
    assert train_settings("strategy=mirrored").jit_compile == "auto"


@pytest.mark.parametrize("setting", ["jit_compile=true", "gradient_accumulation_steps=2"])
def test_what_fails_on_several_devices_is_refused(setting):
    with pytest.raises(ConfigurationError, match=f"{setting.partition('=')[0]} must be .* with strategy 'mirrored'"):
        train_settings("strategy=mirrored", setting)


@pytest.mark.parametrize(
    "override, said",
    [
        ("optimizer=adm", r"train\.optimizer: must be one of .* \(did you mean 'adam'\?\)\. Received: 'adm'"),
        ("learning_rate_schedule=cosin", r"did you mean 'cosine'\?"),
        ("precision=mixed_float", r"did you mean 'mixed_float16'\?"),
        ("strategy=mirored", r"did you mean 'mirrored'\?"),
        ("strategy=MultiWorkerMirroredStrategy", r"single machine.*Keras 3 fails .*Received: 'MultiWorkerMirr"),
        ("gradient_accumulation_steps=0", r"train\.gradient_accumulation_steps: .*greater than 0"),
        ("jit_compile=maybe", r"train\.jit_compile"),
        ("warmup_epochs=20", r"warmup_epochs must be less than epochs, 20, and is 20"),
    ],
)
def test_errors(override, said):
    with pytest.raises(ConfigurationError, match=said):
        train_settings(override)
