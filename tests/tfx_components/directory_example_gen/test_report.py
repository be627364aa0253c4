import csv
import dataclasses
import io
import itertools

import pytest

from keras_ext.directory_index import DirectoryIndex, Record
from keras_ext.image_facts import ImageFact, facts_of
from keras_ext.image_file import ImageInfo
from keras_ext.image_findings import Findings
from keras_ext.splits import SplitPlan
from tfx_components.directory_example_gen.report import (
    Report,
    check_groups,
    check_report,
    csv_table,
    rejected_files,
    rejected_table,
)
from tfx_components.directory_example_gen.tally import Ingested, Tally, merge_tallies

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


def ingested(counted, *images) -> Ingested:
    """What was written, with facts of images (record, split)."""
    facts = [
        ImageFact(0, split, "png", ImageInfo("png", 30 + number, 20, 3), f"{number:064x}", 100 * number, None)
        for number, (_, split) in enumerate(images)
    ]
    return Ingested(counted, [record for record, _ in images], facts_of(facts))


def report_of(listed, counted, *images, ratios=RATIOS, strategy="hash") -> Report:
    plan = SplitPlan(listed.given_splits, ratios, strategy)
    written = ingested(counted, *images)
    return Report.of(listed, written, plan, Findings.of(written.facts, written.places, None))


def checked(listed, counted, max_rejected=0.1, ratios=RATIOS):
    check_report(report_of(listed, counted, ratios=ratios), rejected_files(listed, counted), max_rejected)


def test_report():
    listed = index(a=5, b=3, rejected=[("stray.png", "no class folder")])
    counted = tally(train_a=4, train_b=2, eval_b=1, rejected=[("a/1.png", "truncated PNG")])
    nothing = {"groups": 0, "images": 0, "groups_in_several_splits": 0, "first": []}
    report = report_of(listed, counted, *((record, 0) for record in listed.records[:3]))
    assert dataclasses.asdict(report) == {
        "found": 9,
        "written": 7,
        "rejected": 2,
        "ignored": 4,
        "layout": "<class>/<image>",
        "class_names": ("a", "b"),
        "split": "hash",
        "splits": {"train": {"a": 4, "b": 2}, "eval": {"a": 0, "b": 1}},
        "formats": {"png": 7},
        "sizes": {
            "width": {"least": 30, "median": 31, "most": 32},
            "height": {"least": 20, "median": 20, "most": 20},
            "shorter_side": {"least": 20, "median": 20, "most": 20},
            "bytes": {"least": 0, "median": 100, "most": 200},
        },
        "rejected_by_reason": {"no class folder": 1, "truncated PNG": 1},
        "findings": {
            "exact_duplicates": nothing,
            "near_duplicates": nothing,
            "conflicting_labels": nothing,
            "flagged": {},
        },
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
    report = report_of(listed, tally(train_a=1, train_b=1, eval_a=1))
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
    counted = tally(train_a=1, train_b=1)
    with pytest.raises(
        ValueError, match="'eval' is empty: 2 images in all. Add images, or raise its ratio, or divide exactly"
    ):
        checked(index(a=1, b=1), counted)
    checked(index(a=1, b=1), counted, ratios={"train": 1})
    with pytest.raises(ValueError, match="2 images in all. Add groups, or raise its ratio"):
        check_report(dataclasses.replace(report_of(index(a=1, b=1), counted), split="group"), [], 0.1)


def test_table_survives_any_name():
    rows = [('a,"b"\n;c.png', "empty file"), ("猫/é 1.jpg", "truncated JPEG"), (" a-1=2@3.png", "not an image")]
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


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start):
    [_, row] = csv.reader(io.StringIO(csv_table(("path", "reason"), [(f"{start}1+1.png", "x")]), newline=""))
    assert row == [f"'{start}1+1.png", "x"]


def test_groups_in_several_splits_are_warned_of():
    records = [Record(f"a/{number}", "a", group=group) for number, group in enumerate(["p", "p", "q", None])]
    images = list(zip(records, (0, 1, 0, 0), strict=True))
    counted = tally(train_a=3, eval_a=1)
    assert report_of(index(a=4), counted, *images).warnings[1:] == [
        "Groups that lie in several splits: p. Pass split='group' to keep each in one."
    ]
    assert report_of(index(a=4), counted, *images[:1], *images[2:], strategy="group").warnings[1:] == [
        "Images without a group, divided by their content: 1."
    ]


def test_division_by_groups_needs_one():
    with pytest.raises(ValueError, match="split='group' needs groups"):
        check_groups([Record("a/1", "a")], SplitPlan((), RATIOS, "group"))
    check_groups([Record("a/1", "a"), Record("a/2", "a", group="p")], SplitPlan((), RATIOS, "group"))
    check_groups([Record("a/1", "a")], SplitPlan((), RATIOS))


def test_unlabelled_images():
    listed = dataclasses.replace(index(), records=(Record("1.png", None),), class_names=())
    counted = Tally()
    counted.add("train", "", "png")
    report = report_of(listed, counted, (listed.records[0], 0), ratios={"train": 1})
    assert (report.written, report.splits) == (1, {"train": {"": 1}})
    assert report.summary == "1 of 1 images written (train 1); 0 rejected, 4 other files ignored"
