"""Splits and findings, from files to examples and report."""

import csv
import io
from collections import Counter

import pytest
from PIL import Image

from keras_ext import features
from tfx_components.directory_example_gen import split_ratios

THIRDS = split_ratios({"train": 0.5, "eval": 0.25, "test": 0.25})
SPLITS = ("train", "eval", "test")


def value(example, name):
    feature = example.features.feature[name]
    return getattr(feature, feature.WhichOneof("kind")).value[0]


def placed(ingested, name, splits=SPLITS):
    """Pairs (value of a feature, split) of all examples."""
    return [(value(example, name), split) for split in splits for example in ingested.examples(split)]


def manifest(folder, rows):
    path = folder / "labels.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def findings(ingested):
    text = (ingested.uri / "report" / "findings.csv").read_text()
    return [tuple(row) for row in csv.reader(io.StringIO(text, newline=""))]


def test_stratified_is_exact_and_the_same_for_any_shards_and_runner(make_image_folder, ingest):
    folder = make_image_folder({"a": 20, "b": 12})
    (folder / "a" / "copy.png").write_bytes((folder / "a" / "0000.png").read_bytes())
    (folder / "a" / "bad.png").write_bytes(b"")
    ingested = ingest(folder, output_config=THIRDS, split="stratified")
    report = ingested.report
    assert report["split"] == "stratified"
    assert report["splits"]["train"] == {"a": pytest.approx(10.5, abs=1.5), "b": 6}
    assert report["splits"]["eval"] == {"a": pytest.approx(5.25, abs=1.5), "b": 3}
    assert (report["found"], report["written"], report["rejected"]) == (34, 33, 1)
    assert ingested.rejected == "path,reason\na/bad.png,empty file\n"
    keys = placed(ingested, features.SHA256)
    assert len(set(keys)) == len({key for key, _ in keys}) == 32
    beam = ("--runner=FnApiRunner", "--direct_running_mode=multi_threading", "--direct_num_workers=2")
    again = ingest(folder, output_config=THIRDS, split="stratified", shard_size=5, beam=beam)
    assert sorted(placed(again, features.SHA256)) == sorted(keys)
    assert again.report == report


def test_stratified_rejects_a_file_that_changes_between_looking_and_writing(make_image_folder, ingest, monkeypatch):
    from tfx_components.directory_example_gen.beam_ingest import BeamIngest

    folder = make_image_folder({"a": 12, "b": 12})

    def change_then_divide(*arguments, **named):
        (folder / "a" / "0000.png").write_bytes((folder / "b" / "0000.png").read_bytes())
        (folder / "a" / "0001.jpg").unlink()
        return facts(*arguments, **named)

    (folder / "b" / "copy.png").write_bytes((folder / "b" / "0002.png").read_bytes())
    facts = BeamIngest._facts
    monkeypatch.setattr(BeamIngest, "_facts", change_then_divide)
    ingested = ingest(folder, output_config=THIRDS, split="stratified", max_rejected=0.2)
    assert ingested.rejected.splitlines()[1:] == [
        "a/0000.png,changed while it was being read",
        "a/0001.jpg,vanished while reading",
    ]
    assert (ingested.report["found"], ingested.report["written"]) == (25, 23)
    assert [row[2] for row in findings(ingested) if row[0] == "exact_duplicate"] == ["b/0002.png", "b/copy.png"]


def test_groups_stay_together(make_image_folder, ingest):
    folder = make_image_folder({"a": 30, "b": 30})
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))
    rows = [(name, name[0], f"patient {number // 3}") for number, name in enumerate(names)]
    path = manifest(folder, [("path", "label", "group"), *rows])
    ingested = ingest(path, output_config=THIRDS, split="group")
    groups = placed(ingested, features.GROUP)
    assert len(groups) == 60
    assert len(set(groups)) == len({group for group, _ in groups}) == 20
    assert ingested.report["warnings"] == []
    by_content = ingest(path, output_config=THIRDS)
    assert "Pass split='group' to keep each in one." in by_content.report["warnings"][0]


def test_groups_must_be_there(make_image_folder, ingest):
    with pytest.raises(ValueError, match="split='group' needs groups"):
        ingest(make_image_folder({"a": 5, "b": 5}), split="group")


def test_given_splits_stay_and_their_overlap_is_reported(make_image_folder, ingest):
    folder = make_image_folder({"train": {"a": 8, "b": 8}, "test": {"a": 3, "b": 3}})
    (folder / "test" / "a" / "leak.png").write_bytes((folder / "train" / "a" / "0000.png").read_bytes())
    with Image.open(folder / "train" / "b" / "0002.png") as image:
        image.save(folder / "test" / "b" / "again.jpg", quality=80)
    ingested = ingest(folder, split="given")
    assert {split: sum(counts.values()) for split, counts in ingested.report["splits"].items()} == {
        "train": 16,
        "test": 8,
    }
    assert ("exact_duplicate", "1", "test/a/leak.png", "a", "test") in findings(ingested)
    assert ("near_duplicate", "1", "test/b/again.jpg", "b", "test") in findings(ingested)
    assert ingested.report["warnings"] == [
        "1 group of images of the same bytes lie in several splits: test/a/leak.png (test) and "
        "train/a/0000.png (train).",
        "1 group of images that show the same lie in several splits: test/b/again.jpg (test) and "
        "train/b/0002.png (train).",
    ]
    assert ingested.report["findings"]["exact_duplicates"]["groups_in_several_splits"] == 1


def test_given_splits_must_be_there(make_image_folder, ingest):
    with pytest.raises(ValueError, match="split='given' needs an input that gives splits"):
        ingest(make_image_folder({"a": 5, "b": 5}), split="given")


def test_findings_are_reported_and_nothing_is_dropped(make_image_folder, ingest, make_image):
    folder = make_image_folder({"a": 10, "b": 10})
    (folder / "b" / "same.png").write_bytes((folder / "a" / "0000.png").read_bytes())
    Image.new("RGB", (400, 60), (3, 3, 3)).save(folder / "a" / "=night.png")
    ingested = ingest(folder, output_config=split_ratios({"train": 1}))
    report = ingested.report
    assert report["written"] == 22
    assert report["findings"]["conflicting_labels"]["first"] == [
        [
            {"path": "a/0000.png", "class": "a", "split": "train"},
            {"path": "b/same.png", "class": "b", "split": "train"},
        ]
    ]
    flagged = {name: found["first"] for name, found in report["findings"]["flagged"].items()}
    assert flagged["dark"] == flagged["low_information"] == flagged["odd_aspect"] == ["a/=night.png"]
    assert report["sizes"]["width"]["most"] == 400
    assert Counter(row[0] for row in findings(ingested)[1:])["conflicting_label"] == 2
    # Only sizes and contents are looked at where nothing is decoded, or where looking is off.
    for arguments in ({"verify": "header"}, {"image_checks": False}):
        other = ingest(folder, output_config=split_ratios({"train": 1}), **arguments).report["findings"]
        assert other["exact_duplicates"]["groups"] == 1
        assert other["flagged"].get("dark", {"images": 0})["images"] == 0
    stricter = ingest(folder, output_config=split_ratios({"train": 1}), image_checks={"odd_aspect": 1.0})
    assert stricter.report["findings"]["flagged"]["odd_aspect"]["images"] > 1


def test_shards_are_of_mixed_classes(make_image_folder, ingest):
    ingested = ingest(make_image_folder({"a": 60, "b": 60}), output_config=split_ratios({"train": 1}), shard_size=40)
    labels = [value(example, features.CLASS_TEXT) for example in ingested.examples("train")]
    for start in range(0, 120, 40):
        assert 8 < labels[start : start + 40].count(b"a") < 32


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"split": "stratify"}, "Did you mean 'stratified'"),
        ({"image_checks": {"drak": 1}}, "Did you mean 'dark'"),
        ({"image_checks": {"dark": float("nan")}}, "dark must be a finite number"),
    ],
)
def test_arguments_are_checked_when_the_component_is_made(arguments, message):
    from tfx_components import DirectoryExampleGen

    with pytest.raises(ValueError, match=message):
        DirectoryExampleGen("images", **arguments)
    with pytest.raises(TypeError, match="image_checks must be True, False, or thresholds"):
        DirectoryExampleGen("images", image_checks=0.5)
