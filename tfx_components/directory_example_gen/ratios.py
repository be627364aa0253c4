"""Split ratios in TFX's terms: an `Output` with hash buckets."""

import math
from collections.abc import Mapping

from tfx.proto import example_gen_pb2

from keras_ext.features import EVAL, TEST, TRAIN
from keras_ext.splits import SplitPlan, check_ratios

_DEFAULT = {TRAIN: 8, EVAL: 1, TEST: 1}
_RESOLUTION = 1_000_000


def split_ratios(ratios: Mapping[str, float]) -> example_gen_pb2.Output:
    """Returns ratios as the `output_config` of `DirectoryExampleGen`.

    Args:
      ratios: 'train', 'eval' and 'test' to a share of the data, any non-negative numbers that sum to a positive number.
        A split of ratio zero is left out.

    Raises:
      ValueError: The ratios are not such numbers, or 'train' has no share.

    Example:

    >>> [split.hash_buckets for split in split_ratios({"train": 0.7, "eval": 0.1, "test": 0.2}).split_config.splits]
    [7, 1, 2]
    """
    shares = check_ratios(SplitPlan((), ratios).ratios)
    buckets = {name: max(1, round(share * _RESOLUTION)) for name, share in shares.items()}
    divisor = math.gcd(*buckets.values())
    splits = [
        example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=count // divisor) for name, count in buckets.items()
    ]
    return example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits))


def ratios_of(output_config: example_gen_pb2.Output) -> dict[str, int]:
    """Returns the ratios in an `output_config`; the default 8 : 1 : 1 where it names no splits.

    Raises:
      ValueError: A split is named twice or is none of ours, 'train' has no share, or a field has no meaning here.
    """
    config = output_config.split_config
    if config.HasField("partition_feature_name"):
        raise ValueError(
            "output_config.split_config.partition_feature_name is not supported: images go to splits by their content."
        )
    ratios = {split.name: split.hash_buckets for split in config.splits}
    if len(ratios) < len(config.splits):
        raise ValueError(f"output_config names a split twice: {', '.join(split.name for split in config.splits)}.")
    SplitPlan((), ratios or _DEFAULT)  # checks them
    return ratios or dict(_DEFAULT)
