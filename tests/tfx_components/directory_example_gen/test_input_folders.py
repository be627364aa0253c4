import shutil

import pytest
from tfx.proto import example_gen_pb2, range_config_pb2

from tfx_components.directory_example_gen import input_folders

LATEST = range_config_pb2.RangeConfig(rolling_range=range_config_pb2.RollingRange(num_spans=1))


def config(**patterns: str) -> example_gen_pb2.Input:
    return example_gen_pb2.Input(
        splits=[example_gen_pb2.Input.Split(name=name, pattern=pattern) for name, pattern in patterns.items()]
    )


def span(number: int) -> range_config_pb2.RangeConfig:
    static = range_config_pb2.StaticRange(start_span_number=number, end_span_number=number)
    return range_config_pb2.RangeConfig(static_range=static)


@pytest.mark.parametrize(
    "pattern, folder",
    [
        ("*", ""),
        ("a", "a"),
        ("a/", "a"),
        ("a/*", "a"),
        ("a/b/*/*", "a/b"),
        ("a/**", "a"),
        ("span-{SPAN}/*", "span-{SPAN}"),
    ],
)
def test_folder_of(pattern, folder):
    assert input_folders.folder_of(pattern) == folder


@pytest.mark.parametrize("pattern", ["a*/b", "*.jpg", "a/?/*", "[ab]/*"])
def test_pattern_that_is_no_folder_is_refused(pattern):
    with pytest.raises(ValueError, match="must be a folder below input_base"):
        input_folders.folder_of(pattern)


def test_several_splits_are_given_splits(make_image_folder):
    folder = make_image_folder({"training_set": {"a": 2, "b": 2}, "test_set": {"a": 1, "b": 1}})
    index = input_folders.read_index(str(folder), config(train="training_set/*", test="test_set/*"))
    assert index.given_splits == ("train", "test")
    assert index.records[0].path == "test_set/a/0000.png"


def test_one_split_is_a_folder_whose_layout_is_recognised(make_image_folder):
    folder = make_image_folder({"v1": {"train": {"a": 2, "b": 2}}, "v2": {"a": 2, "b": 2}})
    assert input_folders.read_index(str(folder), config(all="v1/*")).given_splits == ("train",)
    assert input_folders.read_index(str(folder), config(all="v2/*")).given_splits == ()


def test_latest_span_and_version(make_image_folder):
    folder = make_image_folder(
        {"span-8": {"v-1": {"a": 1, "b": 1}}, "span-10": {"v-1": {"a": 1}, "v-2": {"a": 2, "b": 2}}}
    )
    resolved, number, version = input_folders.resolve(str(folder), config(all="span-{SPAN}/v-{VERSION}/*"), LATEST)
    assert (number, version) == (10, 2)
    assert input_folders.read_index(str(folder), resolved).found == 4


def test_span_of_a_range(make_image_folder):
    folder = make_image_folder({"s08": {"a": 1, "b": 1}, "s10": {"a": 2, "b": 2}})
    resolved, number, version = input_folders.resolve(str(folder), config(all="s{SPAN:2}/*"), span(8))
    assert (number, version) == (8, None)
    assert input_folders.read_index(str(folder), resolved).found == 2


def test_date(make_image_folder):
    folder = make_image_folder({"2026-01-02": {"train": {"a": 1, "b": 1}, "test": {"a": 1, "b": 1}}})
    patterns = config(train="{YYYY}-{MM}-{DD}/train", test="{YYYY}-{MM}-{DD}/test")
    resolved, number, _ = input_folders.resolve(str(folder), patterns, None)
    assert number == 20455  # days since 1970
    assert input_folders.read_index(str(folder), resolved).given_splits == ("train", "test")


def test_resolved_patterns_stay_as_they_are(make_image_folder):
    folder = str(make_image_folder({"s3": {"a": 1, "b": 1}}))
    resolved, _, _ = input_folders.resolve(folder, config(all="s{SPAN}/*"), None)
    assert input_folders.resolve(folder, resolved, None) == (resolved, 0, None)


def test_span_of_archives(make_image_folder, tmp_path):
    folder = make_image_folder({"s1": {"a": 1, "b": 1}, "s2": {"a": 2, "b": 2}})
    for name in ("s1", "s2"):
        shutil.make_archive(str(tmp_path / "packed" / name), "zip", folder / name)
    patterns = config(all="s{SPAN}.zip")
    resolved, number, _ = input_folders.resolve(str(tmp_path / "packed"), patterns, LATEST)
    assert number == 2
    assert input_folders.read_index(str(tmp_path / "packed"), resolved).found == 4
    resolved, _, _ = input_folders.resolve(str(tmp_path / "packed"), patterns, span(1))
    assert input_folders.read_index(str(tmp_path / "packed"), resolved).found == 2


def test_no_such_span(make_image_folder):
    with pytest.raises(ValueError, match="Cannot find matching for split all"):
        input_folders.resolve(str(make_image_folder({"s3": {"a": 1}})), config(all="s{SPAN}/*"), span(4))


@pytest.mark.parametrize(
    "input_config, ranges, match",
    [
        (config(), LATEST, "range_config needs a pattern with a span"),
        (config(all="a/*"), LATEST, "range_config needs a pattern with a span"),
        (config(train="a/*", holdout="b/*"), None, "Several input splits must be named among"),
        (config(all="a*/b"), None, "must be a folder below input_base"),
        (config(all="{VERSION}/*"), None, "Version spec provided, but Span or Date spec is not present"),
    ],
)
def test_configuration_without_meaning_is_refused(input_config, ranges, match):
    with pytest.raises(ValueError, match=match):
        input_folders.check_input(input_config, ranges)
