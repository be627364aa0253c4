import hashlib

import numpy as np
import pytest

from keras_ext.image_checks import ImageChecks
from keras_ext.image_facts import ImageFact, facts_of
from keras_ext.image_file import ImageInfo
from keras_ext.image_findings import Findings, Place


def picture(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8))
    return np.kron(coarse, np.ones((8, 8))).astype(np.uint8)


def findings(*images, checks=ImageChecks(), width=64):  # noqa: B008 - it cannot be changed
    """Findings of images (path, split, content, thumbnail); the class is the first part of the path."""
    facts = [
        ImageFact(
            0, 0, "png", ImageInfo("png", width, 64, 1), hashlib.sha256(content.encode()).hexdigest(), 1, thumbnail
        )
        for _, _, content, thumbnail in images
    ]
    places = [Place(path, path.split("/")[0], split) for path, split, _, _ in images]
    return Findings.of(facts_of(facts), places, checks)


def paths(groups):
    return [[place.path for place in group] for group in groups]


BRIGHTER = np.minimum(picture(1).astype(int) + 6, 255).astype(np.uint8)
FOUND = findings(
    ("a/1", "train", "x", picture(1)),
    ("a/2", "train", "y", picture(2)),
    ("b/1", "test", "x", picture(1)),
    ("a/3", "train", "z", BRIGHTER),
    ("a/4", "train", "y", picture(2)),
    ("b/2", "eval", "dark", np.zeros((64, 64), np.uint8)),
)


def test_exact_duplicates():
    assert paths(FOUND.exact_duplicates) == [["a/1", "b/1"], ["a/2", "a/4"]]


def test_near_duplicates_bring_their_copies_along():
    assert paths(FOUND.near_duplicates) == [["a/1", "b/1", "a/3"]]


@pytest.mark.parametrize("width, groups", [(16, [["a/1", "a/3"]]), (15, [])])
def test_tiny_images_are_no_near_duplicates(width, groups):
    found = findings(("a/1", "train", "x", picture(1)), ("a/3", "train", "z", BRIGHTER), width=width)
    assert paths(found.near_duplicates) == groups


def test_conflicting_labels():
    assert paths(FOUND.conflicting_labels) == [["a/1", "b/1"]]


def test_flagged():
    assert {name: [place.path for place in places] for name, places in FOUND.flagged.items() if places} == {
        "dark": ["b/2"],
        "low_information": ["b/2"],
    }


def test_as_dict_counts_and_names_what_lies_in_several_splits_first():
    report = findings(
        ("a/1", "train", "x", None),
        ("a/2", "train", "x", None),
        ("a/3", "train", "y", None),
        ("a/4", "eval", "y", None),
    ).as_dict()
    assert report["exact_duplicates"] == {
        "groups": 2,
        "images": 4,
        "groups_in_several_splits": 1,
        "first": [
            [{"path": "a/3", "class": "a", "split": "train"}, {"path": "a/4", "class": "a", "split": "eval"}],
            [{"path": "a/1", "class": "a", "split": "train"}, {"path": "a/2", "class": "a", "split": "train"}],
        ],
    }
    assert report["near_duplicates"]["groups"] == 0
    assert FOUND.as_dict()["flagged"]["dark"] == {"images": 1, "first": ["b/2"]}


def test_as_dict_stays_short():
    report = findings(*((f"a/{number}", "train", str(number // 2), None) for number in range(500))).as_dict()
    assert report["exact_duplicates"]["groups"] == 250
    assert len(report["exact_duplicates"]["first"]) == 100
    report = findings(*((f"a/{number}", "train", "x", None) for number in range(500))).as_dict()
    assert report["exact_duplicates"]["images"] == 500
    assert [len(group) for group in report["exact_duplicates"]["first"]] == [20]


def test_rows_hold_everything():
    rows = list(FOUND.rows())
    assert ("exact_duplicate", "1", "b/1", "b", "test") in rows
    assert ("exact_duplicate", "2", "a/4", "a", "train") in rows
    assert ("near_duplicate", "1", "a/3", "a", "train") in rows
    assert ("conflicting_label", "1", "a/1", "a", "train") in rows
    assert ("dark", "", "b/2", "b", "eval") in rows
    assert len(rows) == 4 + 3 + 2 + 2


def test_warnings_name_both_sides():
    assert FOUND.warnings == [
        "1 group of images of the same bytes lie in several splits: a/1 (train) and b/1 (test).",
        "1 group of images that show the same lie in several splits: a/1 (train) and b/1 (test).",
        "1 group of images of the same bytes have different labels: a/1 (train) and b/1 (test).",
        "1 group of images that show the same have different labels: a/1 (train) and b/1 (test).",
    ]
    harmless = findings(("a/1", None, "x", None), ("a/2", None, "x", None))
    assert harmless.warnings == []


@pytest.mark.parametrize("checks", [None, ImageChecks(near_duplicates=-1)])
def test_near_duplicates_can_be_left_out(checks):
    found = findings(("a/1", "train", "x", picture(1)), ("a/2", "train", "z", BRIGHTER), checks=checks)
    assert found.near_duplicates == []
    assert (found.flagged == {}) == (checks is None)


def test_no_images():
    assert findings().as_dict()["exact_duplicates"]["groups"] == 0
