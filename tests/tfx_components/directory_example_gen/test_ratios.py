import pytest
from tfx.proto import example_gen_pb2

from tfx_components.directory_example_gen.ratios import ratios_of, split_ratios


def buckets(output) -> dict[str, int]:
    return {split.name: split.hash_buckets for split in output.split_config.splits}


@pytest.mark.parametrize(
    "ratios, expected",
    [
        ({"train": 0.8, "eval": 0.1, "test": 0.1}, {"train": 8, "eval": 1, "test": 1}),
        ({"train": 1 / 3, "eval": 1 / 3, "test": 1 / 3}, {"train": 1, "eval": 1, "test": 1}),
        ({"train": 70, "test": 30, "eval": 0}, {"train": 7, "test": 3}),
        ({"train": 0.999, "eval": 0.001}, {"train": 999, "eval": 1}),
        ({"train": 1.0, "eval": 1e-9}, {"train": 1_000_000, "eval": 1}),
    ],
)
def test_shares_become_hash_buckets_and_come_back(ratios, expected):
    output = split_ratios(ratios)
    assert buckets(output) == expected
    assert ratios_of(output) == expected


def test_default():
    assert ratios_of(example_gen_pb2.Output()) == {"train": 8, "eval": 1, "test": 1}


@pytest.mark.parametrize("ratios", [{"train": 0}, {"train": -1, "test": 2}, {"test": 1}, {"train": 1, "holdout": 1}])
def test_ratios_without_meaning_are_refused(ratios):
    with pytest.raises(ValueError, match="split ratios"):
        split_ratios(ratios)


def test_partition_feature_is_refused():
    output = split_ratios({"train": 1})
    output.split_config.partition_feature_name = "patient"
    with pytest.raises(ValueError, match="partition_feature_name is not supported"):
        ratios_of(output)


def test_split_named_twice_is_refused():
    split = example_gen_pb2.SplitConfig.Split(name="train", hash_buckets=1)
    with pytest.raises(ValueError, match="names a split twice"):
        ratios_of(example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=[split, split])))
