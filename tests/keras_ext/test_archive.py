"""Archives as they come, and as they come from somebody who means harm."""

import contextlib
import gzip
import io
import os
import pickle
import random
import shutil
import struct
import tarfile
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from keras_ext import archive_source
from keras_ext.archive import open_archive
from keras_ext.image_file import ImageFileError
from keras_ext.image_input import InputSettings, read_images

KINDS = ("zip", "tar", "tar.gz")
FILES = {
    f"photos/{label}/{number}.png": f"{label} {number}".encode() * 9 for label in ("a", "b") for number in range(4)
}


def pack(path, files, kind):
    """Writes an archive of (name, content or a prepared member) in the given order."""
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in files:
                packed.writestr(name, content)
        return str(path)
    with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as packed:
        for name, content in files:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return str(path)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def packed(tmp_path, kind):
    return pack(tmp_path / "any name", FILES.items(), kind)


def rejected(path, **settings):
    return dict(read_images(path, InputSettings(**settings)).rejected)


class TestReading:
    def test_listing(self, packed):
        index = read_images(packed)
        assert [record.path for record in index.records] == sorted(FILES)
        assert (index.class_names, index.given_splits, index.layout) == (("a", "b"), (), "<class>/<image>")
        assert index.size_bytes == sum(map(len, FILES.values()))

    def test_contents_in_any_order_from_any_thread_and_after_pickling(self, packed):
        source = open_archive(packed)
        names = [*FILES] * 3
        random.Random(0).shuffle(names)
        assert [source.read(name) for name in names] == [FILES[name] for name in names]
        source = pickle.loads(pickle.dumps(source))
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(source.read, names)) == [FILES[name] for name in names]

    def test_a_stream_is_passed_once(self, tmp_path, monkeypatch):
        names = [*FILES]
        random.Random(1).shuffle(names)
        source = open_archive(pack(tmp_path / "x", [(name, FILES[name]) for name in names], "tar.gz"))
        source.scan()
        opened = []
        open_file = archive_source.LocalFile.open
        monkeypatch.setattr(archive_source.LocalFile, "open", lambda file: opened.append(1) or open_file(file))
        in_order = sorted(FILES, key=source.position)
        assert in_order == names
        assert [source.read(name) for name in in_order] == [FILES[name] for name in in_order]
        assert len(opened) == 1
        source.read(in_order[0])
        assert len(opened) == 2

    def test_listed_once_in_a_process(self, packed, monkeypatch):
        read_images(packed)
        monkeypatch.setattr(archive_source, "_take_in", lambda *arguments: pytest.fail("listed again"))
        assert read_images(packed).found == 8

    def test_split_folders(self, tmp_path, kind):
        files = {f"set/{split}/{label}/1.png": b"x" for split in ("train", "val") for label in ("a", "b")}
        index = read_images(pack(tmp_path / "x", files.items(), kind))
        assert (index.given_splits, index.class_names) == (("train", "eval"), ("a", "b"))

    @pytest.mark.parametrize("root", ["", "photos/", "./", "deep/er/"])
    def test_folder_around_all_is_no_class(self, tmp_path, kind, root):
        index = read_images(pack(tmp_path / "x", [(f"{root}{label}/1.png", b"") for label in "ab"], kind))
        assert index.class_names == ("a", "b")

    def test_other_and_hidden_members(self, tmp_path, kind):
        files = [*FILES.items(), ("photos/read.me", b""), ("__MACOSX/photos/a/._1.png", b""), ("photos/.b/1.png", b"")]
        index = read_images(pack(tmp_path / "x", files, kind))
        assert (index.found, index.ignored, index.class_names) == (8, 1, ("a", "b"))

    @pytest.mark.parametrize("name", ["my cat (1)", "Кошка", "猫 🐈", "a,b;\"c'", "new\nline", "x" * 300])
    def test_names(self, tmp_path, kind, name):
        index = read_images(pack(tmp_path / "x", [(f"{name}/{name}.png", b"1"), ("other/1.png", b"2")], kind))
        assert name in index.class_names
        assert index.source.read(f"{name}/{name}.png") == b"1"

    def test_manifest_and_pattern(self, tmp_path, packed):
        manifest = tmp_path / "labels.csv"
        manifest.write_text("path,label\nphotos/a/1.png,x\nphotos/b/1.png,y\nphotos/b/9.png,y\n")
        index = read_images(packed, InputSettings(manifest=str(manifest)))
        assert [(record.path, record.label) for record in index.records] == [
            ("photos/a/1.png", "x"),
            ("photos/b/1.png", "y"),
        ]
        assert index.rejected == (("photos/b/9.png", "no such file"),)
        inside = pack(
            tmp_path / "inside", {**FILES, "photos/labels.csv": b"path,label\na/1.png,x\nb/1.png,y\n"}.items(), kind
        )
        settings = InputSettings(manifest="photos/labels.csv")
        assert read_images(inside, settings).records == index.records
        with pytest.raises(ValueError, match="The manifest 'labels.csv' in '.*inside' cannot be read: no such file"):
            read_images(inside, InputSettings(manifest="labels.csv"))
        by_number = read_images(packed, InputSettings(pattern=r"photos/./(?P<label>\d)[.]png"))
        assert by_number.class_names == ("0", "1", "2", "3")


class TestFingerprint:
    def test_same_content(self, tmp_path, kind):
        first, second = pack(tmp_path / "x", FILES.items(), kind), str(tmp_path / "y")
        shutil.copy(first, second)
        os.utime(second, ns=(5, 5))
        # A tar knows no checksums of its files: the time of the whole counts.
        same = read_images(first).fingerprint == read_images(second).fingerprint
        assert same == (kind != "tar")
        by_content = [read_images(path, InputSettings(fingerprint="content")).fingerprint for path in (first, second)]
        assert by_content[0] == by_content[1]

    def test_one_byte_changed(self, tmp_path, kind):
        changed = {**FILES, "photos/a/1.png": b"X" + FILES["photos/a/1.png"][1:]}
        first, second = pack(tmp_path / "x", FILES.items(), kind), pack(tmp_path / "y", changed.items(), kind)
        if kind == "tar":
            os.utime(first, ns=(5, 5))
        assert read_images(first).fingerprint != read_images(second).fingerprint
        by_content = [read_images(path, InputSettings(fingerprint="content")).fingerprint for path in (first, second)]
        assert by_content[0] != by_content[1]


class TestHarm:
    @pytest.mark.parametrize("name", ["../a/x.png", "/a/x.png", "a/../../x.png", "a/../x.png", "C:/a/x.png", "c:x.png"])
    def test_names_that_lead_out_are_rejected(self, tmp_path, kind, name):
        (tmp_path / "inside").mkdir()
        path = pack(tmp_path / "inside" / "x", [*FILES.items(), (name, b""), ("../notes.txt", b"")], kind)
        before = sorted(tmp_path.rglob("*"))
        index = read_images(path)
        [(shown, reason)] = index.rejected
        assert reason == "unsafe path in the archive"
        assert shown == name
        assert (index.found, index.ignored) == (9, 1)
        assert sorted(tmp_path.rglob("*")) == before

    @pytest.mark.parametrize("member_type", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
    def test_links_and_devices_in_a_tar(self, tmp_path, member_type):
        member = tarfile.TarInfo("photos/a/x.png")
        member.type, member.linkname = member_type, "/etc/passwd"
        for kind in ("tar", "tar.gz"):
            path = pack(tmp_path / kind, [*FILES.items(), (member, b"")], kind)
            link = member_type in (tarfile.SYMTYPE, tarfile.LNKTYPE)
            assert rejected(path) == {"photos/a/x.png": "link in the archive" if link else "not a regular file"}

    @pytest.mark.parametrize(
        "change, reason",
        [
            ({"external_attr": 0o120777 << 16}, "link in the archive"),
            ({"external_attr": 0o020666 << 16}, "not a regular file"),
            ({"compress_type": zipfile.ZIP_LZMA}, "packed by an unsupported method"),
        ],
    )
    def test_links_devices_and_methods_in_a_zip(self, tmp_path, change, reason):
        with zipfile.ZipFile(tmp_path / "x", "w") as packed:
            for name, content in FILES.items():
                packed.writestr(name, content)
            info = zipfile.ZipInfo("photos/a/x.png")
            for key, value in change.items():
                setattr(info, key, value)
            packed.writestr(info, b"/etc/passwd")
        assert rejected(str(tmp_path / "x")) == {"photos/a/x.png": reason}

    def test_a_zip_unpacks_no_more_than_its_header_says(self, tmp_path):
        path = pack(tmp_path / "x", [("a/1.png", bytes(64 << 20)), ("b/1.png", b"1")], "zip")
        said, little = struct.pack("<I", 64 << 20), struct.pack("<I", 1000)
        (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes().replace(said, little))
        archive = open_archive(path)
        assert archive.scan().files[0].size == 1000
        tracemalloc.start()
        with pytest.raises(ImageFileError, match="damaged in the archive"):
            archive.read("a/1.png")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 << 20

    def test_encrypted(self, tmp_path):
        path = pack(tmp_path / "x", FILES.items(), "zip")
        data = bytearray((tmp_path / "x").read_bytes())
        at = data.index(b"PK\1\2") + 8
        data[at] |= 1
        (tmp_path / "x").write_bytes(data)
        assert rejected(path) == {"photos/a/0.png": "encrypted"}

    def test_name_listed_twice(self, tmp_path, kind):
        with pytest.warns(UserWarning, match="Duplicate name") if kind == "zip" else contextlib.nullcontext():
            path = pack(tmp_path / "x", [*FILES.items(), ("photos/a/1.png", b"newer")], kind)
        index = read_images(path)
        assert index.rejected == (("photos/a/1.png", "listed twice in the archive"),)
        assert index.source.read("photos/a/1.png") == b"newer"
        assert index.found == 9

    def test_file_that_is_too_large(self, tmp_path, kind):
        path = pack(tmp_path / "x", [*FILES.items(), ("photos/a/big.png", bytes(1 << 20))], kind)
        assert rejected(path, max_file_bytes=1 << 19) == {"photos/a/big.png": "larger than 0.5 MiB"}

    @pytest.mark.parametrize("bomb_kind", ["zip", "tar.gz"])
    def test_bomb_is_refused_while_little_is_read(self, tmp_path, bomb_kind, monkeypatch):
        monkeypatch.setattr(archive_source, "_ALWAYS_ALLOWED", 1 << 20)
        path = pack(tmp_path / "x", [*FILES.items(), ("photos/a/big.png", bytes(60 << 20))], bomb_kind)
        assert os.path.getsize(path) < 80_000
        with pytest.raises(ValueError, match="would unpack to more than .* GiB, as archive bombs do"):
            read_images(path)
        assert read_images(path, InputSettings(max_unpacked_bytes=1 << 30)).found == 9

    def test_header_that_claims_less_than_is_packed(self, tmp_path):
        path = pack(tmp_path / "x", [*FILES.items(), ("photos/a/big.png", bytes(60 << 20))], "zip")
        data = (tmp_path / "x").read_bytes()
        (tmp_path / "x").write_bytes(data.replace(struct.pack("<I", 60 << 20), struct.pack("<I", 100)))
        with pytest.raises(ImageFileError, match="damaged in the archive"):
            read_images(path).source.read("photos/a/big.png")

    def test_header_of_a_tar_that_would_fill_the_memory(self, tmp_path):
        member = tarfile.TarInfo("././@LongLink")
        member.type, member.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
        with gzip.open(tmp_path / "x", "wb") as file:
            file.write(member.tobuf(tarfile.GNU_FORMAT) + bytes(20 << 20))
        with pytest.raises(ValueError, match="is damaged: a header is too large"):
            read_images(str(tmp_path / "x"))


class TestDamage:
    def test_truncated_anywhere_is_an_error_or_shows_everything(self, tmp_path, kind):
        pack(tmp_path / "x", FILES.items(), kind)
        whole = (tmp_path / "x").read_bytes()
        for size in range(30, len(whole), len(whole) // 60 + 1):
            (tmp_path / "cut").write_bytes(whole[:size])
            try:
                found = read_images(str(tmp_path / "cut")).found
            except ValueError:
                continue
            assert found == 8 or kind == "tar", size  # the end mark of a tar may be missing between two members

    def test_bits_flipped(self, tmp_path, kind):
        pack(tmp_path / "x", FILES.items(), kind)
        whole = (tmp_path / "x").read_bytes()
        draw = random.Random(0)
        for number in range(300):
            data = bytearray(whole)
            for _ in range(draw.randrange(1, 4)):
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            (tmp_path / f"{number}").write_bytes(data)
            try:
                index = read_images(str(tmp_path / f"{number}"))
            except ValueError:
                continue
            for record in index.records:
                try:
                    content = index.source.read(record.path)
                except ImageFileError:
                    continue
                # Zip and gzip have checksums; in a tar a damaged image is for its decoder to find.
                assert kind == "tar" or content in FILES.values()

    @pytest.mark.parametrize("tar_kind", ["tar", "tar.gz"])
    def test_damaged_header_between_members_is_not_the_end(self, tmp_path, tar_kind):
        path = pack(tmp_path / "x", FILES.items(), "tar")
        data = (tmp_path / "x").read_bytes()
        at = data.index(b"photos/b/1.png")
        data = data[:at] + b"PHOTOS" + data[at + 6 :]
        (tmp_path / "x").write_bytes(gzip.compress(data) if tar_kind == "tar.gz" else data)
        with pytest.raises(ValueError, match="is damaged: it ends too early"):
            read_images(path)

    def test_damaged_member(self, tmp_path):
        path = pack(tmp_path / "x", FILES.items(), "zip")
        data = bytearray((tmp_path / "x").read_bytes())
        data[30 + len("photos/a/0.png") + 2] ^= 255
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(ImageFileError, match="damaged in the archive"):
            read_images(path).source.read("photos/a/0.png")

    @pytest.mark.parametrize("content", [b"", b"text", b"PK", b"\x1f\x8b", bytes(1024), b"Rar!\x1a\x07"])
    def test_what_is_no_archive(self, tmp_path, content):
        (tmp_path / "x.zip").write_bytes(content)
        with pytest.raises(
            ValueError, match=r"x.zip' (is no archive of images. Expected a zip, tar or tar.gz|is damaged)"
        ):
            read_images(str(tmp_path / "x.zip"))

    def test_empty_archive(self, tmp_path, kind):
        with pytest.raises(ValueError, match="No images found"):
            read_images(pack(tmp_path / "x", [("notes.txt", b"")], kind))
