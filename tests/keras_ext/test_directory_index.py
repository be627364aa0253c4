import os
import unicodedata
from pathlib import Path

import pytest

from keras_ext.directory_index import DirectoryIndex, Record
from keras_ext.image_listing import ScannedFile, fingerprint_of


def read(directory, **options) -> DirectoryIndex:
    return DirectoryIndex.from_directory(directory, **options)


def touch(directory: Path, *paths: str) -> Path:
    for path in paths:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(b"not opened by an index")
    return directory


def edit_and_keep_the_time(path: Path) -> None:
    times = path.stat()
    path.write_bytes(b"longer than it was before, by a little")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.fixture
def images(tmp_path) -> Path:
    return tmp_path / "images"


class TestLayouts:
    def test_class_folders(self, make_image_folder):
        index = read(make_image_folder({"dogs": 2, "cats": 1}))
        assert index.records == (
            Record("cats/0000.png", "cats"),
            Record("dogs/0000.png", "dogs"),
            Record("dogs/0001.jpg", "dogs"),
        )
        assert index.class_names == ("cats", "dogs")
        assert (index.given_splits, index.rejected, index.ignored, index.warnings) == ((), (), 0, ())
        assert (index.layout, index.found) == ("<class>/<image>", 3)

    def test_split_folders(self, make_image_folder):
        counts = {"train": {"a": 1, "b": 1}, "validation": {"a": 1, "b": 1}, "test": {"a": 1, "b": 1}}
        index = read(make_image_folder(counts))
        assert index.given_splits == ("train", "eval", "test")
        assert [(record.path, record.label, record.split) for record in index.records] == [
            ("test/a/0000.png", "a", "test"),
            ("test/b/0000.png", "b", "test"),
            ("train/a/0000.png", "a", "train"),
            ("train/b/0000.png", "b", "train"),
            ("validation/a/0000.png", "a", "eval"),
            ("validation/b/0000.png", "b", "eval"),
        ]
        assert index.layout == "<split>/<class>/<image>"

    @pytest.mark.parametrize("name, split", [("val", "eval"), ("valid", "eval"), ("eval", "eval"), ("Test", "test")])
    def test_names_of_split_folders(self, images, name, split):
        index = read(touch(images, "Train/a/1.png", "Train/b/1.png", f"{name}/a/1.png", f"{name}/b/1.png"))
        assert index.given_splits == ("train", split)

    def test_train_alone_is_a_split(self, images):
        assert read(touch(images, "train/a/1.png", "train/b/1.png")).given_splits == ("train",)

    def test_train_beside_other_classes_is_a_class(self, images):
        index = read(touch(images, "train/1.png", "bus/1.png", "car/1.png"))
        assert (index.class_names, index.given_splits) == (("bus", "car", "train"), ())
        assert index.warnings == ("Folder 'train' is taken as a class, as it lies beside other class folders.",)

    def test_nested_folders_belong_to_the_class(self, images):
        index = read(touch(images, "cats/outdoors/garden/1.png", "cats/2.png", "dogs/train/1.png"))
        assert [(record.path, record.label) for record in index.records] == [
            ("cats/2.png", "cats"),
            ("cats/outdoors/garden/1.png", "cats"),
            ("dogs/train/1.png", "dogs"),
        ]

    def test_named_split_folders(self, images):
        touch(images, "training_set/a/1.png", "training_set/b/1.png", "x/held/a/1.png", "x/held/b/1.png", "other/1.png")
        index = read(images, split_folders={"training_set": "train", "x/held": "test"})
        assert index.given_splits == ("train", "test")
        assert [record.path for record in index.records if record.split == "test"] == [
            "x/held/a/1.png",
            "x/held/b/1.png",
        ]
        assert index.found == 4

    def test_classes_choose_and_order(self, images):
        index = read(touch(images, "a/1.png", "b/1.png", "c/1.png"), classes=["c", "a"])
        assert index.class_names == ("c", "a")
        assert [record.path for record in index.records] == ["a/1.png", "c/1.png"]
        assert index.warnings == ("Classes that `classes` does not name are left out: b.",)

    def test_classes_that_look_like_splits_are_warned_of(self, images):
        touch(images, *(f"{part}/{name}/1.png" for part in ("Training", "Testing") for name in ("a", "b")))
        [warning] = read(images).warnings
        assert "Testing, Training all hold folders of the same names (a, b). If they are meant as splits" in warning


class TestFiles:
    def test_hidden_files_and_folders_and_empty_folders_are_not_looked_at(self, images):
        touch(images, "a/1.png", "b/1.png", "a/.hidden.png", ".cache/1.png", "b/.thumbnails/1.png")
        (images / "empty" / "inner").mkdir(parents=True)
        index = read(images)
        assert (index.class_names, index.found, index.ignored, index.rejected) == (("a", "b"), 2, 0, ())

    def test_other_files_are_counted(self, images):
        index = read(touch(images, "a/1.png", "b/1.JPG", "a/notes.txt", "labels.csv", "texts/read.me"))
        assert (index.found, index.ignored, index.class_names) == (2, 3, ("a", "b"))

    def test_images_beside_the_class_folders_are_rejected(self, images):
        assert read(touch(images, "a/1.png", "b/1.png", "stray.png")).rejected == (("stray.png", "no class folder"),)

    def test_images_beside_split_and_class_folders_are_rejected(self, images):
        index = read(touch(images, "train/a/1.png", "train/b/1.png", "train/stray.png", "top.png"))
        assert index.rejected == (("top.png", "no class folder"), ("train/stray.png", "no class folder"))
        assert (index.found, len(index.records)) == (4, 2)

    @pytest.mark.parametrize("name", ["my cat (1)", "Кошка", "猫", "naïve", "a,b;\"c'", "100%", "cats.d"])
    def test_names(self, images, name):
        index = read(touch(images, f"{name}/{name}.png", "other/1.png"))
        assert Record(f"{name}/{name}.png", name) in index.records

    def test_decomposed_and_composed_names_are_two_names(self, images):
        names = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
        touch(images, *(f"{name}/1.png" for name in names))
        if len(os.listdir(images)) == 2:  # not so on a file system that normalises
            assert set(read(images).class_names) == set(names)

    def test_name_that_is_not_utf8_is_rejected(self, images):
        touch(images, "a/1.png", "b/1.png")
        try:
            Path(os.fsdecode(os.fsencode(images) + b"/a/\xff.png")).write_bytes(b"")
        except OSError:
            pytest.skip("this file system allows UTF-8 names only")
        index = read(images)
        assert index.rejected == (("a/\\xff.png", "name is not valid UTF-8"),)
        assert len(index.fingerprint) == 64

    def test_links(self, images, tmp_path):
        touch(images, "a/1.png", "b/1.png", "stray.png")
        touch(tmp_path, "elsewhere/3.png")
        (images / "a" / "2.png").symlink_to(tmp_path / "elsewhere" / "3.png")
        (images / "a" / "broken.png").symlink_to(tmp_path / "nothing")
        (images / "c").symlink_to(tmp_path / "elsewhere")
        (images / "a" / "loop").symlink_to(images)
        index = read(images)
        assert [record.path for record in index.records] == ["a/1.png", "a/2.png", "b/1.png"]
        assert index.rejected == (("a/broken.png", "broken link"), ("stray.png", "no class folder"))
        assert index.warnings == ("Linked folders are not followed: a/loop, c.",)

    def test_pipe_is_not_read(self, images):
        os.mkfifo(touch(images, "a/1.png", "b/1.png") / "a" / "pipe.png")
        assert read(images).rejected == (("a/pipe.png", "not a regular file"),)

    def test_size(self, images):
        touch(images, "a/1.png", "b/1.png")
        assert read(images).size_bytes == 2 * len(b"not opened by an index")


class TestFingerprint:
    @pytest.fixture
    def folder(self, images) -> Path:
        return touch(images, "a/1.png", "a/2.png", "b/1.png", "b/3.png")

    def test_untouched(self, folder):
        assert read(folder).fingerprint == read(folder).fingerprint

    def test_does_not_depend_on_where_the_folder_is(self, folder, tmp_path):
        before = read(folder).fingerprint
        folder.rename(tmp_path / "moved")
        assert read(tmp_path / "moved").fingerprint == before

    @pytest.mark.parametrize(
        "change",
        [
            lambda folder: (folder / "a/2.png").rename(folder / "b/2.png"),
            lambda folder: (folder / "a/2.png").rename(folder / "a/9.png"),
            lambda folder: (folder / "a/2.png").unlink(),
            lambda folder: touch(folder, "a/4.png"),
            lambda folder: touch(folder, "stray.png"),
            lambda folder: (folder / "a/2.png").write_bytes(b"other"),
            lambda folder: os.utime(folder / "a/2.png", ns=(0, 12345)),
            lambda folder: edit_and_keep_the_time(folder / "a/2.png"),
            lambda folder: (folder / "a").rename(folder / "c"),
        ],
    )
    def test_sees_a_change(self, folder, change):
        before = read(folder).fingerprint
        change(folder)
        assert read(folder).fingerprint != before

    def test_two_files_exchanged_within_a_second(self, folder):
        for number, name in enumerate(("a/1.png", "b/1.png")):
            os.utime(folder / name, ns=(0, 10**18 + number))
        before = read(folder).fingerprint
        (folder / "a/1.png").rename(folder / "x")
        (folder / "b/1.png").rename(folder / "a/1.png")
        (folder / "x").rename(folder / "b/1.png")
        assert read(folder).fingerprint != before

    def test_file_that_became_readable(self, folder):
        (folder / "a/1.png").chmod(0o000)
        before = read(folder).fingerprint
        (folder / "a/1.png").chmod(0o644)
        assert read(folder).fingerprint != before

    @pytest.mark.parametrize("name", ["a/notes.txt", ".hidden.png", "a/.DS_Store"])
    def test_files_that_do_not_matter(self, folder, name):
        before = read(folder).fingerprint
        touch(folder, name)
        assert read(folder).fingerprint == before

    def test_does_not_depend_on_the_order_of_listing(self):
        files = [ScannedFile("a", size=1, mtime_ns=2), ScannedFile("b", size=3, mtime_ns=4)]
        assert fingerprint_of(files) == fingerprint_of(files[::-1])


def test_folders_of_other_files_are_no_classes_and_are_named(images):
    index = read(touch(images, "a/1.png", "b/1.png", "birds/deep/x.webm", "a/notes.txt", "readme.txt"))
    assert index.class_names == ("a", "b")
    assert index.warnings == ("Folders that hold other files but no images are no classes: birds.",)


class TestBadInput:
    def refused(self, directory, match, **options):
        with pytest.raises(ValueError, match=match) as refusal:
            read(directory, **options)
        return str(refusal.value)

    def test_no_such_directory(self, images):
        message = self.refused(images, "No such directory: .*images")
        assert "Expected <directory>/<class>/<image>" in message
        assert "images/train/cats/a.jpg" in message

    def test_a_file(self, tmp_path):
        (tmp_path / "a.zip").write_bytes(b"")
        self.refused(tmp_path / "a.zip", "a.zip' is a file")

    def test_empty_directory(self, tmp_path):
        self.refused(tmp_path, "No images found in .*; it holds 0 other files. Expected")

    def test_no_images(self, images):
        self.refused(touch(images, "a/1.txt", "b/1.csv"), "No images found in .*; it holds 2 other files")

    def test_images_without_class_folders(self, images):
        self.refused(touch(images, "1.png", "2.png"), "holds 2 images and no class folders. Expected")

    def test_one_class_only(self, images):
        self.refused(
            touch(images, "cats/1.png", "cats/2.png"), "fewer than two classes: found images of 'cats' only in"
        )

    def test_one_class_only_among_classes(self, images):
        self.refused(touch(images, "a/1.png", "b/1.png"), "fewer than two classes", classes=["a"])

    def test_classes_that_are_absent(self, images):
        folder = touch(images, "cats/1.png", "dogs/1.png")
        (folder / "birds").mkdir()
        self.refused(folder, "without images: Cats, birds. Found: cats, dogs", classes=["Cats", "dogs", "birds"])

    def test_classes_named_twice(self, images):
        self.refused(touch(images, "a/1.png", "b/1.png"), "must name each class once", classes=["a", "b", "a"])

    def test_classes_as_one_string(self, images):
        with pytest.raises(TypeError, match="classes must be a list of class names"):
            read(touch(images, "a/1.png", "b/1.png"), classes="ab")

    def test_class_absent_from_train(self, images):
        folder = touch(images, "train/a/1.png", "train/b/1.png", "val/a/1.png", "val/c/1.png")
        self.refused(folder, "Classes without an image in 'train': c. A class can only be learned")

    def test_class_absent_from_eval_is_a_warning(self, images):
        folder = touch(images, "train/a/1.png", "train/b/1.png", "val/a/1.png", "test/b/1.png")
        assert read(folder).warnings == (
            "Classes without an image in 'test': a.",
            "Classes without an image in 'val': b.",
        )

    @pytest.mark.parametrize("paths", [("train/1.png", "test/1.png"), ("train/a/1.png", "train/b/1.png", "test/1.png")])
    def test_split_folders_that_hold_images_directly(self, images, paths):
        message = self.refused(touch(images, *paths), "test' holds 1 images and no class folders")
        assert "images/train/cats/a.jpg" in message

    def test_train_folder_that_holds_images_directly(self, images):
        self.refused(touch(images, "train/1.png"), "train' holds 1 images and no class folders")

    def test_split_folders_beside_other_folders(self, images):
        folder = touch(images, "train/a/1.png", "test/a/1.png", "extra/1.png", "more/1.png")
        self.refused(folder, r"split folders \(test, train\) beside other folders \(extra, more\)")

    def test_two_folders_that_mean_the_same_split(self, images):
        folder = touch(images, *(f"{split}/{name}/1.png" for split in ("train", "val", "valid") for name in "ab"))
        self.refused(folder, "Folders val, valid all mean the split 'eval'. Keep one of them")

    def test_splits_without_train(self, images):
        self.refused(touch(images, "val/a/1.png", "test/b/1.png"), r"split folders \(test, val\) but no 'train'")

    @pytest.mark.parametrize(
        "split_folders, match",
        [
            ({"x": "train", "y": "holdout"}, "split of folder 'y' must be one of train, eval, test"),
            ({"x": "train", "../y": "test"}, "plain path below the input"),
            ({"x": "train", "x/y": "test"}, "must not hold another one"),
            ({"x": "eval"}, "no 'train'"),
            ({"x": "train", "gone": "test"}, "No such directory: .*gone"),
        ],
    )
    def test_split_folders(self, images, split_folders, match):
        touch(images, "x/a/1.png", "x/b/1.png", "x/y/1.png", "y/a/1.png", "y/b/1.png")
        self.refused(images, match, split_folders=split_folders)
