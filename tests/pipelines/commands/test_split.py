"""What `keras-ext split` writes and prints."""

import hashlib
import os
import subprocess
import sys

import pytest

from keras_ext.directory_index import DirectoryIndex
from keras_ext.splits import split_of
from pipelines.cli import main
from pipelines.commands import split as command


@pytest.fixture
def photos(make_image_folder):
    return make_image_folder({"cats": 14, "dogs": {"indoors": 6, "outdoors": 5}})


def split(images, output, *more):
    return main(["split", str(images), "--output", str(output), *more])


def files(directory):
    return {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_image_goes_where_its_content_says(photos, tmp_path, capsys):
    assert split(photos, tmp_path / "out", "--ratios", "0.5", "0.25", "0.25") == 0
    ratios = {"train": 0.5, "eval": 0.25, "test": 0.25}
    expected = {f"{split_of(digest(path), ratios)}/{name}": path for name, path in files(photos).items()}
    written = files(tmp_path / "out")
    assert written.keys() == expected.keys()
    assert all(os.path.samefile(path, expected[name]) for name, path in written.items())
    index = DirectoryIndex.from_directory(tmp_path / "out")
    assert index.given_splits == ("train", "eval", "test")
    assert index.class_names == ("cats", "dogs")
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines()]
    assert ["class", "train", "eval", "test"] in lines
    for name, count in (("cats", 14), ("dogs", 11), ("all", 25)):
        [row] = [line for line in lines if line[:1] == [name]]
        assert sum(map(int, row[1:])) == count
    assert "Found 25 images: 25 written, 0 cannot be used. Ignored 0 other files.\n" in printed


def test_stratified(photos, tmp_path):
    assert split(photos, tmp_path / "out", "--strategy", "stratified", "--ratios", "3", "1", "1") == 0
    names = files(tmp_path / "out")
    assert [sum(name.startswith(f"{part}/cats") for name in names) for part in ("train", "eval", "test")] == [8, 3, 3]


def test_groups(photos, tmp_path):
    pattern = r"(?P<label>[a-z]+)/(.*/)?(?P<group>[0-9]+)[.].*"
    options = ["--strategy", "group", "--set", f"ingest.pattern='{pattern}'"]
    assert split(photos, tmp_path / "out", *options, "--ratios", "0.5", "0.3", "0.2") == 0
    splits = {}
    for name in files(tmp_path / "out"):
        splits.setdefault(name.split("/")[-1][:4], set()).add(name.split("/")[0])
    assert {len(one) for one in splits.values()} == {1}
    assert len(set.union(*splits.values())) > 1


def test_given_splits_stay_and_a_missing_one_is_carved(make_image_folder, tmp_path):
    images = make_image_folder({"train": {"a": 12, "b": 12}, "Test": {"a": 3, "b": 2}})
    assert split(images, tmp_path / "out", "--ratios", "0.6", "0.4", "0") == 0
    written = files(tmp_path / "out")
    assert sum(name.startswith("test/") for name in written) == 5
    assert sum(name.startswith("eval/") for name in written) > 2
    assert {digest(path) for path in written.values()} == {digest(path) for path in files(images).values()}


def test_unreadable_files_are_listed(photos, tmp_path, capsys):
    (photos / "cats" / "0000.png").write_bytes(b"text")
    (photos / "dogs" / "empty.jpg").touch()
    assert split(photos, tmp_path / "out", "--strategy", "stratified") == 0
    printed = capsys.readouterr().out
    assert "cats/0000.png: not an image\ndogs/empty.jpg: empty file\n" in printed
    assert "Found 26 images: 24 written, 2 cannot be used." in printed
    assert len(files(tmp_path / "out")) == 24


def test_copies_where_there_are_no_hard_links(photos, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert split(photos, tmp_path / "out") == 0
    for path in files(tmp_path / "out").values():
        assert path.stat().st_nlink == 1
    assert sorted(map(digest, files(tmp_path / "out").values())) == sorted(map(digest, files(photos).values()))


def test_links_become_files(photos, tmp_path):
    outside = tmp_path / "outside.png"
    (photos / "cats" / "0000.png").rename(outside)
    (photos / "cats" / "0000.png").symlink_to(outside)
    assert split(photos, tmp_path / "out") == 0
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def test_archives_and_manifests(photos, tmp_path):
    import shutil

    archive = shutil.make_archive(str(tmp_path / "photos"), "zip", photos)
    manifest = photos / "photos.csv"
    manifest.write_text("path,label\n" + "".join(f"{name},{name[:4]}\n" for name in files(photos)))
    assert split(archive, tmp_path / "zip") == 0
    assert split(manifest, tmp_path / "csv") == 0
    assert len(files(tmp_path / "zip")) == len(files(tmp_path / "csv")) == 25


def test_the_output_appears_whole_or_not_at_all(photos, tmp_path, monkeypatch, capsys):
    place = command._place

    def fails(source, path, target):
        if path.startswith("dogs"):
            raise OSError("No space left on device")
        place(source, path, target)

    monkeypatch.setattr(command, "_place", fails)
    assert split(photos, tmp_path / "out") == 1
    assert "No space left" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["images"]


def test_the_output_must_be_empty(photos, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert split(photos, tmp_path / "out") == 0
    before = files(tmp_path / "out").keys()
    assert split(photos, tmp_path / "out") == 1
    assert "--output must be a new or an empty folder" in capsys.readouterr().err
    assert files(tmp_path / "out").keys() == before


@pytest.mark.parametrize("options, message", [
    (["--ratios", "0", "1", "1"], "'train' a positive share"),
    (["--ratios", "1", "-1", "1"], "non-negative"),
    (["--ratios", "1", "0.00001", "0.00001"], "is empty"),
    (["--strategy", "given"], "needs an input that gives splits"),
])  # fmt: skip
def test_bad_options(photos, tmp_path, capsys, options, message):
    assert split(photos, tmp_path / "out", *options) == 1
    assert message in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["images"]


def test_bad_input(photos, tmp_path, capsys):
    assert split(tmp_path / "nowhere", tmp_path / "out") == 2
    assert split(photos, photos / "out") == 1
    assert "--output must not lie in the images" in capsys.readouterr().err
    for path in (photos / "cats").iterdir():
        path.write_bytes(b"")
    assert split(photos, tmp_path / "out") == 1
    assert "Classes without a usable image in the train split: cats" in capsys.readouterr().err


def test_no_tfx_is_loaded(photos, tmp_path):
    code = (
        "import sys; from pipelines.cli import main; main(sys.argv[1:]);"
        "print(sorted({'tfx', 'tensorflow', 'keras', 'apache_beam'} & set(sys.modules)))"
    )
    arguments = [sys.executable, "-c", code, "split", str(photos), "--output", str(tmp_path / "out")]
    printed = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "[]"
