import csv
import dataclasses
import io
import itertools

import pytest

from keras_ext.directory_index import DirectoryIndex, Record
from tfx_components.directory_example_gen.report import Report, check_report, rejected_files, rejected_table
from tfx_components.directory_example_gen.tally import Tally, merge_tallies

RATIOS = {"train": 8, "eval": 1}


def index(rejected=(), **images) -> DirectoryIndex:
    records = [Record(f"{name}/{number}.png", name) for name, count in images.items() for number in range(count)]
    return DirectoryIndex("", tuple(records), tuple(images), (), tuple(rejected), 4, 0, "", ("From the index.",))


def tally(rejected=(), **written) -> Tally:
    total = Tally(rejected=list(rejected))
    for key, count in written.items():
        for _ in range(count):
            total.add(*key.split("_"), "png")
    return total


def checked(listed, counted, max_rejected=0.1, ratios=RATIOS):
    check_report(Report.of(listed, counted, ratios), rejected_files(listed, counted), max_rejected)


def test_report():
    listed = index(a=5, b=3, rejected=[("stray.png", "no class folder")])
    counted = tally(train_a=4, train_b=2, eval_b=1, rejected=[("a/1.png", "truncated PNG")])
    report = Report.of(listed, counted, RATIOS)
    assert dataclasses.asdict(report) == {
        "found": 9,
        "written": 7,
        "rejected": 2,
        "ignored": 4,
        "layout": "<class>/<image>",
        "class_names": ("a", "b"),
        "splits": {"train": {"a": 4, "b": 2}, "eval": {"a": 0, "b": 1}},
        "formats": {"png": 7},
        "rejected_by_reason": {"no class folder": 1, "truncated PNG": 1},
        "warnings": ["From the index.", "Classes without an image in the split 'eval': a."],
    }
    assert report.summary == ("7 of 9 images in 2 classes written (train 6, eval 1); 2 rejected, 4 other files ignored")


def test_class_that_the_index_already_missed_is_warned_of_once():
    listed = dataclasses.replace(
        index(),
        class_names=("a", "b"),
        given_splits=("train", "eval"),
        records=(Record("t/a/1", "a", "train"), Record("t/b/1", "b", "train"), Record("v/a/1", "a", "eval")),
    )
    report = Report.of(listed, tally(train_a=1, train_b=1, eval_a=1), RATIOS)
    assert report.warnings == ["From the index."]


def test_found_that_is_not_written_nor_rejected_is_a_bug():
    with pytest.raises(RuntimeError, match="found 4 images, but wrote 3 and rejected 0: this is a bug"):
        checked(index(a=2, b=2), tally(train_a=1, train_b=1, eval_a=1))


def test_too_many_rejected():
    rejected = [(f"a/{number}.png", "empty file") for number in range(5)]
    listed, counted = index(a=10, b=10), tally(train_a=4, eval_a=1, train_b=10, rejected=rejected)
    with pytest.raises(
        ValueError,
        match=r"5 of 20 image files cannot be used, more than max_rejected=0.2 allows: "
        r"a/0.png \(empty file\), a/1.png \(empty file\), a/2.png \(empty file\) and 2 more. Repair",
    ):
        checked(listed, counted, max_rejected=0.2)
    checked(listed, counted, max_rejected=0.25)


def test_class_absent_from_train():
    with pytest.raises(ValueError, match="Classes without a usable image in the train split: b"):
        checked(index(a=2, b=1), tally(train_a=2, eval_b=1))


def test_empty_split():
    with pytest.raises(ValueError, match="The split 'eval' is empty: 2 images in all"):
        checked(index(a=1, b=1), tally(train_a=1, train_b=1))
    checked(index(a=1, b=1), tally(train_a=1, train_b=1), ratios={"train": 1})


def test_table_survives_any_name():
    rows = [('a,"b"\n;c.png', "empty file"), ("猫/é 1.jpg", "truncated JPEG"), ("=1+1.png", "not an image")]
    assert list(csv.reader(io.StringIO(rejected_table(rows), newline=""))) == [["path", "reason"], *map(list, rows)]


def test_tallies_add_up_in_any_order_and_grouping():
    parts = [
        tally(train_a=2, rejected=[("x", "empty file")]).as_dict(),
        tally(train_a=1, eval_b=3).as_dict(),
        tally(rejected=[("a", "not an image")]).as_dict(),
    ]
    sums = [merge_tallies([merge_tallies(order[:2]), *order[2:]]) for order in itertools.permutations(parts)]
    assert all(total == sums[0] for total in sums)
    assert sums[0] == {
        "written": [["eval", "b", 3], ["train", "a", 3]],
        "formats": {"png": 6},
        "rejected": [["a", "not an image"], ["x", "empty file"]],
    }
