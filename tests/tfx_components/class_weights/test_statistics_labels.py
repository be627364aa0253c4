"""Counts from TFDV's statistics are exact, or refused."""

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2

from keras_ext.features import CLASS_LABEL, CLASS_TEXT
from tfx_components.class_weights.statistics_labels import count_statistics_labels

NAMES = [f"class {number:04}" for number in range(1500)]


def statistics(names, **options):
    frame = pd.DataFrame(
        {CLASS_TEXT: names, CLASS_LABEL: [NAMES.index(name) if name in NAMES else 0 for name in names]}
    )
    schema = schema_pb2.Schema()
    schema.feature.add(name=CLASS_TEXT, type=schema_pb2.BYTES)
    if options.pop("categorical", False):
        schema.feature.add(name=CLASS_LABEL, type=schema_pb2.INT).int_domain.is_categorical = True
    return tfdv.generate_statistics_from_dataframe(frame, tfdv.StatsOptions(schema=schema, **options), n_jobs=1)


def long_tail(classes):
    return [name for number, name in enumerate(NAMES[:classes]) for _ in range(1 + number % 7)]


def test_every_class_of_many_is_counted_exactly():
    counts = count_statistics_labels(statistics(long_tail(900)), NAMES[:901])
    assert counts == {**{number: 1 + number % 7 for number in range(900)}, 900: 0}


def test_slices_are_not_taken_for_the_split():
    given = statistics(long_tail(3))
    given.datasets[0].name = "All Examples"
    for position in (0, 2):
        given.datasets.insert(position, statistics(long_tail(1)).datasets[0])
        given.datasets[position].name = "slice"
    assert [one.name for one in given.datasets] == ["slice", "All Examples", "slice"]
    assert count_statistics_labels(given, NAMES[:3]) == {0: 1, 1: 2, 2: 3}


def test_more_classes_than_tfdv_keeps_are_refused_and_more_buckets_help():
    with pytest.raises(ValueError, match=r"Received: 1000 of 1500 values.*num_rank_histogram_buckets"):
        count_statistics_labels(statistics(long_tail(1500)), NAMES)
    counts = count_statistics_labels(statistics(long_tail(1500), num_rank_histogram_buckets=2000), NAMES)
    assert counts == {number: 1 + number % 7 for number in range(1500)}


def test_categorical_indices_are_counted_and_other_numbers_refused():
    given = statistics(long_tail(12), categorical=True)
    assert count_statistics_labels(given, NAMES[:12], label_feature=CLASS_LABEL) == {
        number: 1 + number % 7 for number in range(12)
    }
    with pytest.raises(ValueError, match="are those of numbers: ranges of values, and no counts"):
        count_statistics_labels(statistics(long_tail(12)), NAMES[:12], label_feature=CLASS_LABEL)


def test_an_example_without_a_label_is_refused():
    with pytest.raises(ValueError, match="in 2 of 3 examples"):
        count_statistics_labels(statistics(["class 0000", None, "class 0001"]), NAMES[:2])


def test_a_class_that_class_names_lack_is_refused():
    with pytest.raises(ValueError, match="class in the statistics must be one of .*'class 0001'. Received"):
        count_statistics_labels(statistics(long_tail(3)), NAMES[:2])


def test_another_feature_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'image/class/text'"):
        count_statistics_labels(statistics(["class 0000"]), NAMES[:2], label_feature="image/class/txt")
