import functools
import http.server
import threading
import time
import zipfile

import pytest

from keras_ext.image_input import InputSettings, read_images
from keras_ext.image_listing import Record


@pytest.fixture
def touch(tmp_path):
    def touch(*paths):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(path.encode())
        return tmp_path

    return touch


class TestInputs:
    def test_folder(self, touch):
        index = read_images(str(touch("a/1.png", "b/1.png")))
        assert (index.class_names, index.source.read("a/1.png")) == (("a", "b"), b"a/1.png")

    def test_manifest(self, touch):
        folder = touch("1.png", "2.png")
        (folder / "Labels.CSV").write_text("path,label\n1.png,a\n2.png,b\n")
        assert read_images(str(folder / "Labels.CSV")).records == (Record("1.png", "a"), Record("2.png", "b"))

    def test_manifest_beside_the_images(self, touch, tmp_path):
        folder = touch("in/1.png", "in/2.png")
        (folder / "labels.jsonl").write_text('{"file": "1.png", "y": 0}\n{"file": "2.png", "y": 1}')
        settings = InputSettings(manifest=str(folder / "labels.jsonl"), columns={"path": "file", "label": "y"})
        assert read_images(str(folder / "in"), settings).records == (Record("1.png", "0"), Record("2.png", "1"))

    def test_address_of_an_archive(self, touch, tmp_path):
        folder = touch("a/1.png", "b/1.png")
        with zipfile.ZipFile(tmp_path / "photos.zip", "w") as packed:
            for path in ("a/1.png", "b/1.png"):
                packed.write(folder / path, path)
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
            address = f"http://127.0.0.1:{server.server_port}/photos.zip"
            index = read_images(address, InputSettings(cache_dir=str(tmp_path / "cache")))
            server.shutdown()
        assert (index.class_names, index.source.read("b/1.png")) == (("a", "b"), b"b/1.png")
        # Nobody answers any more: the copy is taken.
        assert read_images(address, InputSettings(cache_dir=str(tmp_path / "cache"))).records == index.records

    def test_unlabelled(self, touch):
        index = read_images(str(touch("1.png", "deep/er/2.png", ".x/3.png")), InputSettings(labelled=False))
        assert index.records == (Record("1.png", None), Record("deep/er/2.png", None))
        assert (index.class_names, index.layout) == ((), "<image>")

    def test_other_addresses(self):
        with pytest.raises(ValueError, match="must be local, or an http or https address. Received: 'gs://bucket/x'"):
            read_images("gs://bucket/x")

    def test_nothing(self, tmp_path):
        with pytest.raises(ValueError, match=r"No such directory: .*gone.zip"):
            read_images(str(tmp_path / "gone.zip"))


class TestSeveral:
    def test_folders(self, touch):
        root = touch("x/photos/a/1.png", "x/photos/b/1.png", "y/a/2.png", "y/c/1.png", "z/d/1.png", "y/notes.txt")
        index = read_images([str(root / "x/photos"), str(root / "y")])
        assert index.records == (
            Record("x/photos/a/1.png", "a"),
            Record("x/photos/b/1.png", "b"),
            Record("y/a/2.png", "a"),
            Record("y/c/1.png", "c"),
        )
        assert (index.directory, index.class_names, index.ignored) == (str(root), ("a", "b", "c"), 1)

    def test_splits(self, touch):
        root = touch(*(f"{d}/train/{c}/1.png" for d in "xy" for c in "ab"), "x/val/a/1.png", "y/test/b/1.png")
        index = read_images([str(root / "x"), str(root / "y")])
        assert index.given_splits == ("train", "eval", "test")
        assert index.warnings == ("Classes without an image in 'x/val': b.", "Classes without an image in 'y/test': a.")

    def test_class_absent_from_one_of_two_train_folders_is_fine(self, touch):
        root = touch("x/train/a/1.png", "x/test/a/1.png", "y/train/b/1.png", "y/test/b/1.png")
        index = read_images([str(root / "x"), str(root / "y")])
        assert (index.class_names, index.warnings) == (("a", "b"), ())

    def test_one_in_a_list(self, touch):
        assert read_images([str(touch("a/1.png", "b/1.png"))]).found == 2

    @pytest.mark.parametrize(
        "folders, match",
        [
            (["x", "y"], "must all give splits, or none"),
            (["x", "x/train"], "must not lie in one another"),
            (["x", "x"], "must not lie in one another"),
            (["x", "gone"], "Several inputs must be folders of this machine. Received: .*gone"),
            ([], "Several inputs must be folders of this machine"),
        ],
    )
    def test_bad(self, touch, folders, match):
        root = touch("x/train/a/1.png", "x/train/b/1.png", "y/a/1.png", "y/b/1.png")
        with pytest.raises(ValueError, match=match):
            read_images([str(root / folder) for folder in folders])


class TestLinks:
    @pytest.fixture
    def linked(self, touch, tmp_path):
        root = touch("in/a/1.png", "in/b/1.png", "out/c/1.png", "out/c/deep/2.png")
        (root / "in/c").symlink_to(root / "out/c")
        (root / "in/a/again").symlink_to(root / "in/a")
        (root / "in/a/loop").symlink_to(root / "in")
        (root / "in/d").symlink_to(root / "in/c")
        return str(root / "in")

    def test_followed_once(self, linked):
        index = read_images(linked, InputSettings(follow_links=True))
        assert [record.path for record in index.records] == ["a/1.png", "b/1.png", "c/1.png", "c/deep/2.png"]
        assert index.warnings == ("Linked folders are not followed: a/again, a/loop, d.",)

    def test_not_followed(self, linked):
        index = read_images(linked)
        assert index.class_names == ("a", "b")
        assert index.warnings == ("Linked folders are not followed: a/again, a/loop, c, d.",)


class TestFingerprint:
    def test_by_content(self, touch):
        folder = touch("a/1.png", "b/1.png")
        settings = InputSettings(fingerprint="content")
        before, by_time = read_images(str(folder), settings).fingerprint, read_images(str(folder)).fingerprint
        (folder / "a/1.png").write_bytes(b"a/1.png")
        assert read_images(str(folder), settings).fingerprint == before
        assert read_images(str(folder)).fingerprint != by_time
        (folder / "a/1.png").write_bytes(b"A/1.png")
        assert read_images(str(folder), settings).fingerprint != before
        (folder / "a/1.png").unlink()
        (folder / "b/2.png").write_bytes(b"a/1.png")
        (folder / "a/3.png").write_bytes(b"a/1.png")
        assert read_images(str(folder), settings).fingerprint != before


class TestSettings:
    @pytest.mark.parametrize(
        "settings, match",
        [
            ({"pattern": "(?P<label>.*)", "manifest": "x.csv"}, "pattern and manifest exclude each other"),
            ({"classes": ["a"], "labelled": False}, "classes have no meaning where images have no labels"),
            ({"fingerprint": "contents"}, "Did you mean 'content'"),
            ({"sha256": "abc"}, "sha256 must be 64 hexadecimal digits"),
            ({"max_file_bytes": 0}, "max_file_bytes must be a positive integer. Received: max_file_bytes=0"),
            ({"max_pixels": 1.5}, "max_pixels must be a positive integer"),
            ({"max_unpacked_bytes": True}, "max_unpacked_bytes must be a positive integer"),
            ({"extra_columns": "camera"}, "extra_columns must be a list of different names"),
            ({"extra_columns": ["a", "a"]}, "extra_columns must be a list of different names"),
            ({"extra_columns": ["group"]}, "none of class, group, which have a meaning. Received: .'group'."),
        ],
    )
    def test_refused(self, settings, match):
        with pytest.raises(ValueError, match=match):
            InputSettings(**settings)

    def test_classes_as_one_string(self):
        with pytest.raises(TypeError, match="classes must be a list of class names"):
            InputSettings(classes="ab")

    def test_extra_columns_of_plain_folders(self, touch):
        folder = touch("a/0.png", "b/0.png")
        with pytest.raises(ValueError, match=r"columns of a manifest or named groups of a pattern. Received: camera"):
            read_images(str(folder), InputSettings(extra_columns=["camera"]))

    def test_json(self):
        settings = InputSettings(classes=["b", "a"], columns={"label": None}, max_pixels=7, fingerprint="content")
        assert InputSettings.from_json(settings.to_json()) == settings


@pytest.mark.slow
def test_hundred_thousand_files_in_one_folder(touch, tmp_path):
    folder = touch("a/0.png", "b/0.png")
    for number in range(100_000):
        (folder / "a" / f"{number:06d}.jpg").touch()
    start = time.process_time()
    index = read_images(str(folder))
    assert index.found == 100_002
    assert time.process_time() - start < 3
