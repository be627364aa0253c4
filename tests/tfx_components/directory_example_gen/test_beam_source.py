"""Another file system, as Beam has them."""

import io
import os
import zipfile

import pytest
from apache_beam.io.filesystem import FileMetadata, FileSystem
from apache_beam.io.filesystems import FileSystems

from keras_ext.image_file import ImageFileError
from keras_ext.image_input import InputSettings, read_images
from tfx_components.directory_example_gen import split_ratios
from tfx_components.directory_example_gen.beam_source import BeamFolder, open_elsewhere

FILES: dict[str, bytes] = {}


class MemoryFileSystem(FileSystem):
    """Files at mem://, as an object store has them: names and contents, no folders."""

    @classmethod
    def scheme(cls):
        return "mem"

    def has_dirs(self):
        return False

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path):
        return path.rsplit("/", 1)

    def _list(self, dir_or_prefix):
        for path, data in FILES.items():
            if path.startswith(dir_or_prefix):
                yield FileMetadata(path, len(data), 1234.5)

    def open(self, path, mime_type=None, compression_type=None):
        if path not in FILES:
            raise OSError(f"no {path}")
        return io.BytesIO(FILES[path])

    def exists(self, path):
        return path in FILES

    def _no(self, *arguments, **options):
        raise NotImplementedError

    def metadata(self, path):
        return FileMetadata(path, len(FILES[path]), 1234.5)

    mkdirs = create = copy = rename = delete = size = checksum = last_updated = _no


@pytest.fixture
def bucket(make_image_folder):
    """`mem://bucket/images` and `mem://bucket/images.zip`, with the same images."""
    folder = make_image_folder({"cats": 12, "dogs": 9})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            FILES[f"mem://bucket/images/{path.relative_to(folder)}"] = path.read_bytes()
            archive.write(path, path.relative_to(folder))
    FILES["mem://bucket/images.zip"] = packed.getvalue()
    FILES["mem://bucket/images/notes.txt"] = FILES["mem://bucket/images/.hidden/1.png"] = b""
    yield folder
    FILES.clear()


@pytest.mark.parametrize("address", ["mem://bucket/images", "mem://bucket/images/", "mem://bucket/images.zip"])
def test_listing_and_reading(bucket, address):
    index = read_images(address, open_elsewhere=open_elsewhere)
    expected = read_images(str(bucket))
    assert (index.records, index.class_names) == (expected.records, expected.class_names)
    assert index.size_bytes == expected.size_bytes
    assert index.ignored == (0 if address.endswith("zip") else 1)
    for record in index.records:
        assert index.source.read(record.path) == (bucket / record.path).read_bytes()


def test_examples_are_those_of_a_local_folder(bucket, ingest):
    train = split_ratios({"train": 1})
    expected = ingest(bucket, output_config=train).files()
    for address in ("mem://bucket/images", "mem://bucket/images.zip"):
        files = ingest(address, output_config=train).files()
        assert {name: data for name, data in files.items() if name.startswith("examples")} == {
            name: data for name, data in expected.items() if name.startswith("examples")
        }


def test_fingerprint(bucket):
    before = read_images("mem://bucket/images", open_elsewhere=open_elsewhere).fingerprint
    FILES["mem://bucket/images/dogs/new.png"] = b""
    assert read_images("mem://bucket/images", open_elsewhere=open_elsewhere).fingerprint != before


def test_manifest(bucket, tmp_path):
    (tmp_path / "labels.csv").write_text("path,label\ncats/0000.png,a\ndogs/0000.png,b\ngone.png,b\n")
    settings = InputSettings(manifest=str(tmp_path / "labels.csv"))
    index = read_images("mem://bucket/images", settings, open_elsewhere=open_elsewhere)
    assert [record.path for record in index.records] == ["cats/0000.png", "dogs/0000.png"]
    assert index.rejected == (("gone.png", "no such file"),)
    FILES["mem://bucket/images/labels.csv"] = (tmp_path / "labels.csv").read_bytes()
    itself = read_images("mem://bucket/images/labels.csv", open_elsewhere=open_elsewhere)
    beside = InputSettings(manifest="mem://bucket/images/labels.csv")
    assert itself.records == read_images("mem://bucket/images", beside, None, open_elsewhere).records == index.records


def test_file_that_vanishes(bucket):
    source = BeamFolder("mem://bucket/images")
    with pytest.raises(ImageFileError, match="vanished while reading"):
        source.read("cats/none.png")


def test_file_that_is_too_large(bucket):
    with pytest.raises(ImageFileError, match=r"larger than .* MiB"):
        BeamFolder("mem://bucket/images", max_bytes=100).read("cats/0000.png")


def test_trouble_of_the_machine_is_an_error(bucket, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr(FileSystems, "open", refuse)
    with pytest.raises(OSError, match="no network"):
        BeamFolder("mem://bucket/images").read("cats/0000.png")


def test_nothing_there(bucket):
    with pytest.raises(ValueError, match="No images found in 'mem://bucket/other'"):
        read_images("mem://bucket/other", open_elsewhere=open_elsewhere)
    with pytest.raises(ValueError, match="No such file: 'mem://bucket/other.zip'"):
        read_images("mem://bucket/other.zip", open_elsewhere=open_elsewhere)


def test_signs_that_beam_takes_for_patterns():
    with pytest.raises(ValueError, match=r"read '\*', '\?' and '\[' as patterns. Received: 'mem://bucket/\[x\]'"):
        BeamFolder("mem://bucket/[x]")


def test_local_paths_work_too(bucket):
    assert BeamFolder(os.fspath(bucket)).scan().files[0].path == "cats/0000.png"
