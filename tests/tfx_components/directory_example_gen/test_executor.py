import hashlib
import logging
import os

import pytest
import tensorflow as tf
from tfx.types import artifact_utils

from keras_ext import features
from keras_ext.directory_index import Record
from keras_ext.image_file import ImageInfo
from keras_ext.image_reader import Image
from tfx_components.directory_example_gen import split_ratios
from tfx_components.directory_example_gen.beam_ingest import batches
from tfx_components.directory_example_gen.shard_writer import example_of

THIRDS = split_ratios({"train": 0.5, "eval": 0.25, "test": 0.25})


def value(example, name):
    feature = example.features.feature[name]
    return getattr(feature, feature.WhichOneof("kind")).value[0]


def keys_of(ingested, splits=("train", "eval", "test")) -> dict[bytes, str]:
    return {value(example, features.SHA256): split for split in splits for example in ingested.examples(split)}


class TestExamples:
    def test_features(self, make_image_folder, ingest):
        folder = make_image_folder({"cats": 6, "dogs": 6})
        [example, *_] = ingest(folder, output_config=split_ratios({"train": 1})).examples("train")
        path = folder / value(example, features.FILENAME).decode()
        data = path.read_bytes()
        image = tf.io.decode_image(data)
        assert value(example, features.ENCODED) == data
        assert value(example, features.FORMAT).decode() == {".png": "png", ".jpg": "jpeg"}[path.suffix]
        assert (value(example, features.HEIGHT), value(example, features.WIDTH)) == tuple(image.shape[:2])
        assert value(example, features.CHANNELS) == 3
        assert value(example, features.SHA256).decode() == hashlib.sha256(data).hexdigest()
        assert value(example, features.CLASS_TEXT).decode() == path.parent.name
        assert value(example, features.CLASS_LABEL) == ["cats", "dogs"].index(path.parent.name)
        assert features.GROUP not in example.features.feature
        assert features.WEIGHT not in example.features.feature

    def test_group_and_weight_where_given(self):
        image = Image(b"", ImageInfo("png", 1, 1, 1), "00")
        example = tf.train.Example.FromString(example_of(Record("p", "a", None, "patient 7", 2.5), 0, image))
        assert value(example, features.GROUP) == b"patient 7"
        assert value(example, features.WEIGHT) == 2.5

    def test_artifact_says_what_stock_readers_ask(self, make_image_folder, ingest):
        examples = ingest(make_image_folder({"a": 20, "b": 20}), output_config=THIRDS).artifacts["examples"]
        assert artifact_utils.decode_split_names(examples.split_names) == ["train", "eval", "test"]
        assert examples.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"

    def test_classes_give_the_index(self, make_image_folder, ingest):
        ingested = ingest(
            make_image_folder({"a": 9, "b": 9, "c": 9}), classes=["c", "a"], output_config=split_ratios({"train": 1})
        )
        assert ingested.class_names == ["c", "a"]
        labels = {(value(x, features.CLASS_TEXT), value(x, features.CLASS_LABEL)) for x in ingested.examples("train")}
        assert labels == {(b"c", 0), (b"a", 1)}

    @pytest.mark.parametrize("name", ["my cat (1)", "Кошка 猫", "a,b"])
    def test_names(self, make_image_folder, ingest, name):
        ingested = ingest(make_image_folder({name: 4, "other": 4}), output_config=split_ratios({"train": 1}))
        assert name in ingested.class_names
        assert name.encode() in {value(example, features.CLASS_TEXT) for example in ingested.examples("train")}


class TestSplits:
    def test_same_bytes_are_in_the_same_split(self, make_image_folder, ingest):
        folder = make_image_folder({"a": 30, "b": 30})
        for path in list(folder.rglob("*.png")):
            path.with_name(f"copy of {path.name}").write_bytes(path.read_bytes())
        ingested = ingest(folder, output_config=THIRDS)
        counts = {
            split: [value(x, features.SHA256) for x in ingested.examples(split)] for split in ("train", "eval", "test")
        }
        assert sum(map(len, counts.values())) == 90
        assert not set(counts["train"]) & set(counts["eval"])
        assert not {*counts["train"], *counts["eval"]} & set(counts["test"])

    def test_more_files_and_other_names_move_no_image(self, make_image_folder, ingest):
        folder = make_image_folder({"a": 20, "b": 20})
        before = keys_of(ingest(folder, output_config=THIRDS))
        (folder / "a").rename(folder / "z")
        for number, path in enumerate(make_image_folder({"a": 30, "c": 20}, name="more").rglob("*.*")):
            (folder / "c").mkdir(exist_ok=True)
            path.rename(folder / "c" / f"{number}{path.suffix}")
        after = keys_of(ingest(folder, output_config=THIRDS))
        assert len(after) > len(before)
        assert {key: after[key] for key in before} == before

    def test_given_splits_stay_and_eval_is_carved_from_train(self, make_image_folder, ingest):
        folder = make_image_folder({"train": {"a": 30, "b": 30}, "test": {"a": 5, "b": 4}})
        ingested = ingest(folder)
        assert {value(x, features.FILENAME).split(b"/")[0] for x in ingested.examples("test")} == {b"test"}
        assert {value(x, features.FILENAME).split(b"/")[0] for x in ingested.examples("eval")} == {b"train"}
        splits = ingested.report["splits"]
        assert splits["test"] == {"a": 5, "b": 4}
        assert sum(splits["train"].values()) + sum(splits["eval"].values()) == 60

    def test_missing_test_stays_missing(self, make_image_folder, ingest):
        ingested = ingest(make_image_folder({"train": {"a": 3, "b": 3}, "val": {"a": 2, "b": 2}}))
        assert list(ingested.report["splits"]) == ["train", "eval"]
        assert sorted(path.name for path in (ingested.uri / "examples").iterdir()) == ["Split-eval", "Split-train"]


class TestRepeatable:
    @pytest.mark.parametrize(
        "beam",
        [
            ("--runner=FnApiRunner", "--direct_running_mode=multi_threading", "--direct_num_workers=3"),
            ("--runner=BundleBasedDirectRunner",),
        ],
    )
    def test_same_bytes_for_any_runner_and_number_of_workers(self, make_image_folder, ingest, beam):
        folder = make_image_folder({"a": 40, "b": 25})
        expected = ingest(folder, shard_size=9).files()
        assert len(expected) > 20
        assert ingest(folder, shard_size=9, beam=beam).files() == expected

    def test_same_bytes_with_and_without_threads(self, make_image_folder, ingest, monkeypatch):
        folder = make_image_folder({"a": 40, "b": 25})
        (folder / "a" / "empty.png").write_bytes(b"")
        monkeypatch.setattr("keras_ext.image_reader._THREADED_BYTES", 1 << 20)
        plain = ingest(folder).files()
        monkeypatch.setattr("keras_ext.image_reader._THREADED_BYTES", 0)
        assert ingest(folder).files() == plain

    @pytest.mark.parametrize("shard_size", [1, 7, 1000])
    def test_same_examples_for_any_size_of_shards(self, make_image_folder, ingest, shard_size):
        folder = make_image_folder({"a": 15, "b": 10})
        ingested = ingest(folder, shard_size=shard_size, output_config=THIRDS)
        assert keys_of(ingested) == keys_of(ingest(folder, output_config=THIRDS))
        assert ingested.report["written"] == 25

    def test_same_bytes_for_any_order_of_listing(self, make_image_folder, ingest, monkeypatch):
        folder = make_image_folder({"a": 12, "b": 12})
        expected = ingest(folder).files()
        scandir = os.scandir

        class Reversed(list):
            def __enter__(self):
                return self

            def __exit__(self, *error):
                pass

        monkeypatch.setattr("keras_ext.local_folder.os.scandir", lambda path: Reversed(list(scandir(path))[::-1]))
        assert ingest(folder).files() == expected


class TestBatches:
    RECORDS = tuple(Record(f"{label}/{number}", label) for label in ("a", "b") for number in range(500))

    def test_every_record_once_in_batches_of_about_equal_size(self):
        divided = batches(self.RECORDS, 256)
        assert [number for number, _, _ in divided] == [0, 1, 2, 3]
        assert {len(batch) for _, batch, _ in divided} == {250}
        assert sorted(
            (record for _, batch, _ in divided for record in batch), key=lambda record: record.path
        ) == sorted(self.RECORDS, key=lambda record: record.path)

    def test_batches_are_of_mixed_classes(self):
        for _, batch, _ in batches(self.RECORDS, 100):
            assert 25 < sum(record.label == "a" for record in batch) < 75

    def test_batches_hold_one_given_split_each(self):
        records = tuple(Record(f"{split}/{number}", "a", split) for split in ("train", "test") for number in range(10))
        assert [{record.split for record in batch} for _, batch, _ in batches(records, 6)] == [
            {"test"}, {"test"}, {"train"}, {"train"},
        ]  # fmt: skip


class TestRejected:
    def test_bad_files_become_rows(self, make_image_folder, ingest, make_image, caplog):
        caplog.set_level(logging.INFO, "keras_ext.progress")
        folder = make_image_folder({"a": 20, "b": 20})
        jpeg = make_image("a", 1, "jpeg")
        (folder / "a" / "empty.png").write_bytes(b"")
        (folder / "a" / "text.jpg").write_text("I am not an image")
        (folder / "b" / "cut, (1).jpg").write_bytes(jpeg[:-100])
        (folder / "b" / "картинка.gif").write_bytes(b"GIF89a")
        (folder / "stray.png").write_bytes(make_image("a", 2))
        (folder / "notes.txt").write_text("ignored")
        (folder / "b" / "really a.png").write_bytes(jpeg)  # the content decides
        ingested = ingest(folder, max_rejected=0.2, output_config=THIRDS)
        report = ingested.report
        assert (report["found"], report["written"], report["rejected"], report["ignored"]) == (46, 41, 5, 1)
        assert ingested.rejected.splitlines() == [
            "path,reason",
            "a/empty.png,empty file",
            "a/text.jpg,not an image",
            '"b/cut, (1).jpg",truncated JPEG',
            "b/картинка.gif,truncated GIF",
            "stray.png,no class folder",
        ]
        assert report["formats"] == {"jpeg": 21, "png": 20}
        assert report["rejected_by_reason"]["truncated JPEG"] == 1
        assert "41 of 46 images in 2 classes written" in caplog.messages[-1]

    def test_too_many_stop_the_run(self, make_image_folder, ingest):
        folder = make_image_folder({"a": 8, "b": 8})
        for number in range(2):
            (folder / "a" / f"bad{number}.png").write_bytes(b"")
        with pytest.raises(ValueError, match=r"2 of 18 image files cannot be used.*a/bad0.png \(empty file\)"):
            ingest(folder)

    def test_damaged_data_passes_where_only_headers_are_read(self, make_image_folder, ingest, make_image):
        folder = make_image_folder({"a": 8, "b": 8})
        (folder / "a" / "cut.jpg").write_bytes(make_image("a", 1, "jpeg")[:-100])
        assert ingest(folder, verify="header", output_config=split_ratios({"train": 1})).report["rejected"] == 0

    def test_file_that_vanishes_meanwhile(self, make_image_folder, ingest, monkeypatch):
        folder = make_image_folder({"a": 20, "b": 20})
        from tfx_components.directory_example_gen import executor

        def list_then_remove(*arguments):
            index = read_index(*arguments)
            (folder / "a" / "0000.png").unlink()
            return index

        read_index = executor.read_index
        monkeypatch.setattr(executor, "read_index", list_then_remove)
        ingested = ingest(folder, output_config=THIRDS)
        assert ingested.rejected == "path,reason\na/0000.png,vanished while reading\n"
        assert ingested.report["found"] == ingested.report["written"] + 1

    def test_full_disk_is_an_error_and_not_a_row(self, make_image_folder, ingest, monkeypatch):
        def full(*arguments):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("tfx_components.directory_example_gen.shard_files.ShardFiles.write", full)
        with pytest.raises(Exception, match="No space left on device"):
            ingest(make_image_folder({"a": 8, "b": 8}))


class TestTooFew:
    def test_class_without_an_image_in_train(self, make_image_folder, ingest):
        folder = make_image_folder({"a": 8, "b": 1})
        (folder / "b" / "0000.png").write_bytes(b"")
        with pytest.raises(ValueError, match="Classes without a usable image in the train split: b"):
            ingest(folder, max_rejected=0.5)

    def test_class_with_fewer_images_than_splits_is_warned_of(self, make_image_folder, ingest):
        ingested = ingest(make_image_folder({"a": 60, "b": 2}), output_config=split_ratios({"train": 8, "test": 1}))
        assert ingested.report["splits"]["test"]["b"] == 0
        assert ingested.report["warnings"] == ["Classes without an image in the split 'test': b."]

    def test_empty_split(self, make_image_folder, ingest):
        with pytest.raises(ValueError, match="The split 'test' is empty: 4 images in all"):
            ingest(make_image_folder({"a": 2, "b": 2}), output_config=split_ratios({"train": 1, "test": 1e-6}))
