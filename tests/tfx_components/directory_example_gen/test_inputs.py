"""Whatever images are in, the same examples come out."""

import functools
import http.server
import io
import shutil
import tarfile
import threading
import zipfile

import pytest
import tensorflow as tf
from PIL import Image

from keras_ext import features
from tfx_components.directory_example_gen import split_ratios

TRAIN = split_ratios({"train": 1})


def value(example, name):
    feature = example.features.feature[name]
    return getattr(feature, feature.WhichOneof("kind")).value[0]


def contents(ingested, split="train"):
    """File name to label, index and bytes."""
    return {
        value(example, features.FILENAME).decode(): (
            value(example, features.CLASS_TEXT).decode(),
            value(example, features.CLASS_LABEL),
            value(example, features.ENCODED),
        )
        for example in ingested.examples(split)
    }


def packed(folder, kind):
    path = folder.parent / f"photos.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(folder.rglob("*.*")):
                archive.write(file, f"photos/{file.relative_to(folder)}")
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
            archive.add(folder, "photos")
    return path


@pytest.fixture
def folder(make_image_folder):
    return make_image_folder({"cats": 30, "dogs": 20})


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_gives_what_its_folder_gives(folder, ingest, kind, threads, monkeypatch):
    threshold = 0 if threads else 1 << 30
    monkeypatch.setattr("keras_ext.image_reader._THREADED_BYTES", threshold)
    expected = {f"photos/{name}": rest for name, rest in contents(ingest(folder, output_config=TRAIN)).items()}
    (folder / "cats" / "bad.png").write_bytes(b"")
    ingested = ingest(packed(folder, kind), output_config=TRAIN, shard_size=7)
    assert contents(ingested) == expected
    assert len(ingested.shards("train")) == 8
    assert ingested.rejected == "path,reason\nphotos/cats/bad.png,empty file\n"
    assert (ingested.report["found"], ingested.report["written"]) == (51, 50)


def test_shards_of_a_stream_are_of_mixed_classes(make_image_folder, ingest):
    ingested = ingest(packed(make_image_folder({"a": 60, "b": 60}), "tar.gz"), output_config=TRAIN, shard_size=30)
    for shard in ingested.shards("train"):
        records = list(tf.data.TFRecordDataset(str(shard)).as_numpy_iterator())
        labels = [value(tf.train.Example.FromString(record), features.CLASS_TEXT) for record in records]
        assert 5 <= labels.count(b"a") <= 25


def test_a_stream_gives_the_same_bytes_for_any_runner_and_number_of_workers(folder, ingest, monkeypatch):
    monkeypatch.setattr("tfx_components.directory_example_gen.beam_ingest._STREAM_SHARDS", 3)
    archive = packed(folder, "tar.gz")
    expected = ingest(archive, shard_size=5).files()
    threads = ("--runner=FnApiRunner", "--direct_running_mode=multi_threading", "--direct_num_workers=3")
    assert ingest(archive, shard_size=5, beam=threads).files() == expected
    assert ingest(archive, shard_size=5, split="stratified").report["written"] == 50


def test_address(folder, ingest, tmp_path):
    archive = packed(folder, "zip")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(archive.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        address = f"http://127.0.0.1:{server.server_port}/{archive.name}"
        ingested = ingest(address, cache_dir=str(tmp_path / "cache"))
        server.shutdown()
    assert ingested.report["written"] == 50


def test_manifest(folder, ingest):
    rows = [f"cats/{number:04d}.{'jpg' if number % 2 else 'png'},p{number % 3},{number / 2}" for number in range(30)]
    lines = [f"{row},{'even' if index % 2 == 0 else 'odd'}" for index, row in enumerate(rows)]
    (folder / "labels.csv").write_text("\n".join(["path,patient,weight,parity", *lines, "cats/gone.png,p1,1,odd"]))
    columns = {"label": "parity", "group": "patient"}
    ingested = ingest(folder / "labels.csv", columns=columns, output_config=TRAIN)
    example = next(x for x in ingested.examples("train") if value(x, features.FILENAME) == b"cats/0005.jpg")
    assert value(example, features.CLASS_TEXT) == b"odd"
    assert value(example, features.GROUP) == b"p2"
    assert value(example, features.WEIGHT) == 2.5
    assert ingested.class_names == ["even", "odd"]
    assert ingested.rejected == "path,reason\ncats/gone.png,no such file\n"
    assert (ingested.report["layout"], ingested.report["found"]) == ("manifest", 31)


@pytest.mark.parametrize("archived", [False, True])
def test_extra_columns(folder, ingest, archived):
    names = [f"cats/{number:04d}.{'jpg' if number % 2 else 'png'}" for number in range(30)]
    rows = [f"{name},{number % 2},{'night' if number % 3 else ''},{number / 2},x" for number, name in enumerate(names)]
    (folder / "labels.csv").write_text("\n".join(["path,label,camera,temperature in °C,unused", *rows]))
    columns = ["camera", "temperature in °C"]
    if archived:
        archive = packed(folder, "zip")
        ingested = ingest(archive, manifest="photos/labels.csv", extra_columns=columns, output_config=TRAIN)
    else:
        ingested = ingest(folder / "labels.csv", extra_columns=columns, output_config=TRAIN)
    by_name = {value(example, features.FILENAME).decode()[-13:]: example for example in ingested.examples("train")}
    assert value(by_name["cats/0005.jpg"], features.COLUMN + "temperature in °C") == b"2.5"
    assert value(by_name["cats/0005.jpg"], features.COLUMN + "camera") == b"night"
    assert features.COLUMN + "camera" not in by_name["cats/0006.png"].features.feature
    assert not any(features.COLUMN + "unused" in example.features.feature for example in by_name.values())


def test_pattern(folder, ingest):
    ingested = ingest(folder, pattern=r"(?P<label>cats|dogs)/(?P<group>\d\d)\d\d[.](png|jpg)", output_config=TRAIN)
    assert {value(x, features.GROUP) for x in ingested.examples("train")} == {b"00"}
    assert ingested.report["layout"] == "pattern"


def test_several_folders(make_image_folder, ingest):
    folders = [make_image_folder({"a": 12, "b": 9}, name="2025"), make_image_folder({"b": 9, "c": 12}, name="2026")]
    ingested = ingest(folders, output_config=TRAIN)
    assert ingested.class_names == ["a", "b", "c"]
    names = contents(ingested)
    assert len(names) == 42
    assert names["2026/c/0000.png"][0] == "c"


def test_images_without_labels(folder, ingest):
    ingested = ingest(folder, labelled=False, output_config=TRAIN)
    examples = ingested.examples("train")
    assert len(examples) == 50
    assert not {features.CLASS_TEXT, features.CLASS_LABEL} & set(examples[0].features.feature)
    assert ingested.class_names == []
    assert (ingested.report["written"], ingested.report["layout"]) == (50, "<image>")


def test_other_formats_become_png_and_say_so(make_image_folder, ingest, make_image):
    folder = make_image_folder({"a": 6, "b": 6})
    original = make_image("a", 99)
    (folder / "a" / "photo.jpg").write_bytes(_as(original, "WEBP", lossless=True))
    (folder / "a" / "scan.tif").write_bytes(_as(original, "TIFF"))
    (folder / "b" / "old.gif").write_bytes(_as(original, "GIF"))
    (folder / "b" / "older.bmp").write_bytes(_as(original, "BMP"))
    ingested = ingest(folder, output_config=TRAIN)
    by_name = {value(example, features.FILENAME).decode(): example for example in ingested.examples("train")}
    for name, format_name in (("a/photo.jpg", b"webp"), ("a/scan.tif", b"tiff")):
        assert value(by_name[name], features.ORIGINAL_FORMAT) == format_name
        assert value(by_name[name], features.FORMAT) == b"png"
        decoded = tf.io.decode_image(value(by_name[name], features.ENCODED))
        tf.debugging.assert_equal(decoded, tf.io.decode_image(original))
    for name, format_name in (("b/old.gif", b"gif"), ("b/older.bmp", b"bmp")):
        assert features.ORIGINAL_FORMAT not in by_name[name].features.feature
        assert value(by_name[name], features.FORMAT) == format_name
        assert value(by_name[name], features.ENCODED) == (folder / name).read_bytes()
    assert ingested.report["formats"] == {"bmp": 1, "gif": 1, "jpeg": 6, "png": 6, "tiff": 1, "webp": 1}


def _as(data, image_format, **options):
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.save(buffer, image_format, **options)
    return buffer.getvalue()


def test_limits(folder, ingest):
    ingested = ingest(folder, max_pixels=30 * 30, max_rejected=1, output_config=TRAIN)
    assert ingested.report["rejected_by_reason"].keys() == {"more than 0.0009 megapixels"}
    assert ingested.report["found"] == ingested.report["written"] + ingested.report["rejected"] == 50
    smallest = sorted(path.stat().st_size for path in folder.rglob("*.*"))
    ingested = ingest(folder, max_file_bytes=smallest[40], max_rejected=1, output_config=TRAIN)
    assert ingested.report["written"] == sum(size <= smallest[40] for size in smallest)


@pytest.mark.parametrize("name", ["cats", "two\nlines", 'a "quoted", name', "猫 🐈", "=1+1"])
def test_class_names(folder, ingest, name):
    shutil.move(folder / "cats", folder / name)
    (folder / name / "bad.png").write_bytes(b"")
    ingested = ingest(folder, output_config=TRAIN)
    assert set(ingested.class_names) == {name, "dogs"}
    assert ingested.report["splits"]["train"] == {name: 30, "dogs": 20}
    assert {label for label, _, _ in contents(ingested).values()} == {name, "dogs"}


@pytest.mark.slow
def test_two_thousand_classes(tmp_path, ingest, make_image):
    for number in range(2000):
        folder = tmp_path / "many" / f"class {number}"
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(make_image(f"{number % 50}", number, size=(8, 8)))
    ingested = ingest(tmp_path / "many", output_config=TRAIN)
    assert len(ingested.class_names) == 2000
    assert ingested.report["written"] == 2000
