"""Reads the counts of labels from TFDV's statistics, where these are exact."""

from collections.abc import Sequence

from tensorflow_metadata.proto.v0 import statistics_pb2

from keras_ext import features
from keras_ext.choices import check_choice


def count_statistics_labels(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    class_names: Sequence[str],
    *,
    label_feature: str = features.CLASS_TEXT,
) -> dict[int, int]:
    """Returns the number of examples of each class, `{class index: count}`, without reading one.

    TFDV counts each value of a string feature, and of an integer feature that the schema calls categorical, up to
    `StatsOptions(num_rank_histogram_buckets=1000)` values; of other numbers it keeps ranges only.

    Args:
      statistics: The statistics of a split.
      class_names: The name of each class, in the order of the class indices.
      label_feature: The feature that holds the class name, or, categorical, the class index.

    Raises:
      ValueError: The statistics do not tell the exact count of every class; the message says why and what to do.

    Example:

    >>> statistics = tfdv.load_stats_binary("statistics/Split-train/FeatureStats.pb")
    >>> weights = class_weights(count_statistics_labels(statistics, class_names))
    """
    # The others are of slices.
    everything = next((one for one in statistics.datasets if one.name == "All Examples"), statistics.datasets[0])
    label = _feature(everything, label_feature)
    buckets = label.string_stats.rank_histogram.buckets
    counted = sum(int(bucket.sample_count) for bucket in buckets)
    if counted != everything.num_examples:
        raise ValueError(
            f"The statistics of {label_feature!r} must count every label. Received: {len(buckets)} of "
            f"{label.string_stats.unique} values, in {counted} of {everything.num_examples} examples. "
            "Pass examples, or give StatisticsGen StatsOptions(num_rank_histogram_buckets=...), at least the number of "
            "classes; and each example one label."
        )
    is_index = label.type == statistics_pb2.FeatureNameStatistics.INT
    index_of = {str(index) if is_index else name: index for index, name in enumerate(class_names)}
    counts = dict.fromkeys(range(len(class_names)), 0)
    for bucket in buckets:
        counts[index_of[check_choice("class in the statistics", bucket.label, index_of)]] = int(bucket.sample_count)
    return counts


def _feature(statistics: statistics_pb2.DatasetFeatureStatistics, name: str) -> statistics_pb2.FeatureNameStatistics:
    # A path of one step, or the old field.
    found = {(feature.path.step or [feature.name])[0]: feature for feature in statistics.features}
    label = found[check_choice("label_feature", name, found)]
    if not label.HasField("string_stats"):
        raise ValueError(
            f"The statistics of {name!r} are those of numbers: ranges of values, and no counts of each. "
            "Pass examples, or a label_feature of strings, or one that the schema calls categorical."
        )
    return label
