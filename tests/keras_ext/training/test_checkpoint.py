import numpy as np
import pytest

from keras_ext.training.checkpoint import read_checkpoint, write_checkpoint

STATE = {
    "epoch": 3,
    "best": None,
    "name": "ä",
    "history": {"loss": [0.1 + 0.2, float("inf")], "matrix": [[[1, 2]]]},
    "weights": [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(True), np.array([], np.int64)],
}


def test_what_is_written_is_read(tmp_path):
    file = tmp_path / "folder" / "checkpoint.npz"
    assert read_checkpoint(file) is None
    write_checkpoint(file, {"old": True})
    write_checkpoint(file, {**STATE, "scalar": np.float32(0.5)})
    read = read_checkpoint(file)
    arrays = read.pop("weights")
    assert read == {**{name: value for name, value in STATE.items() if name != "weights"}, "scalar": 0.5}
    for before, after in zip(STATE["weights"], arrays, strict=True):
        np.testing.assert_array_equal(before, after)
        assert before.dtype == after.dtype
    assert [path.name for path in file.parent.iterdir()] == ["checkpoint.npz"]


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([None])])
def test_what_cannot_be_written_is_named_and_the_file_before_stays(tmp_path, value):
    file = tmp_path / "checkpoint.npz"
    write_checkpoint(file, {"epoch": 1})
    with pytest.raises(TypeError, match=r"must be dicts, lists, numbers, texts and NumPy arrays. Received: .* of type"):
        write_checkpoint(file, {"epoch": 2, "value": value})
    assert read_checkpoint(file) == {"epoch": 1}


def test_a_damaged_file_is_an_error(tmp_path):
    file = tmp_path / "checkpoint.npz"
    write_checkpoint(file, STATE)
    whole = file.read_bytes()
    changed = whole.replace(np.arange(6, dtype=np.float32).tobytes(), np.ones(6, np.float32).tobytes())
    assert changed != whole
    for content in (whole[:-10], whole[: len(whole) // 2], b"", b"text", changed):
        file.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"must be a checkpoint of keras_ext. .* Delete it to train from the start"
        ):
            read_checkpoint(file)
    np.savez(file, other=np.zeros(3))
    with pytest.raises(ValueError, match="must be a checkpoint of keras_ext"):
        read_checkpoint(file)


def test_nothing_is_unpickled(tmp_path):
    file = tmp_path / "checkpoint.npz"
    np.savez(file, state=np.array([{"epoch": 1}], object))
    with pytest.raises(ValueError, match="must be a checkpoint of keras_ext"):
        read_checkpoint(file)
