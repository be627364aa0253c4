import pytest

from keras_ext.training_choices import STRATEGIES, check_for_several_devices, check_strategy


def test_strategies_of_one_machine_pass():
    assert [check_strategy(name) for name in STRATEGIES] == ["default", "mirrored"]


@pytest.mark.parametrize("name", ["MultiWorkerMirroredStrategy", "multi_worker_mirrored", "ParameterServerStrategy"])
def test_several_machines_are_refused_with_the_reason(name):
    with pytest.raises(
        ValueError, match=rf"single machine.*Keras 3 fails.*\(PerReplica\).*Received: strategy='{name}'"
    ):
        check_strategy(name)


def test_the_nearest_name_is_suggested():
    with pytest.raises(ValueError, match=r"strategy must be one of .*Did you mean 'mirrored'\?"):
        check_strategy("mirored")


def test_what_fails_on_several_devices_is_refused():
    for jit_compile, steps in ((False, None), ("auto", 1)):
        check_for_several_devices(jit_compile, steps)
    with pytest.raises(ValueError, match=r"jit_compile must be False or 'auto' .*Received: jit_compile=True"):
        check_for_several_devices(True, 1)
    with pytest.raises(ValueError, match=r"gradient_accumulation_steps must be 1 .*=2. Make batches larger"):
        check_for_several_devices("auto", 2)
