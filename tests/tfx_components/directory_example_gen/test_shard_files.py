import pytest
import tensorflow as tf

from tfx_components.directory_example_gen.shard_files import UNFINISHED, ShardFiles


@pytest.fixture
def uri(tmp_path):
    for folder in (UNFINISHED, "Split-train", "Split-eval"):
        (tmp_path / folder).mkdir()
    return tmp_path


def files(uri):
    return sorted(str(path.relative_to(uri)) for path in uri.rglob("*") if path.is_file())


def test_shard(uri):
    with ShardFiles(str(uri), 3, "x") as shard:
        shard.write("train", b"one")
        shard.write("eval", b"two")
        shard.write("train", b"three")
        assert not any(path.startswith("Split-") for path in files(uri))
    assert files(uri) == ["Split-eval/data_tfrecord-00003", "Split-train/data_tfrecord-00003"]
    records = tf.data.TFRecordDataset(str(uri / "Split-train/data_tfrecord-00003"))
    assert list(records.as_numpy_iterator()) == [b"one", b"three"]


def test_failure_leaves_nothing(uri):
    def fail():
        with ShardFiles(str(uri), 0, "x") as shard:
            shard.write("train", b"one")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert files(uri) == []


def test_second_attempt_writes_the_same(uri):
    for attempt in "xy":
        with ShardFiles(str(uri), 0, attempt) as shard:
            shard.write("train", b"one")
    assert files(uri) == ["Split-train/data_tfrecord-00000"]
