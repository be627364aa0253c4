import hashlib
import subprocess
import sys

import apache_beam as beam
import pytest
import tensorflow as tf
from apache_beam.testing.util import assert_that, equal_to

from keras_ext import features
from keras_ext.image_input import read_images
from tfx_components.directory_example_gen.beam_ingest import ImageExamples

RATIOS = {"train": 1, "test": 1}


def key(data):
    example = tf.train.Example.FromString(data)
    return example.features.feature[features.SHA256].bytes_list.value[0].decode()


@pytest.mark.parametrize("threads", [0, 1 << 30])
def test_images_into_any_pipeline(make_image_folder, threads, monkeypatch):
    monkeypatch.setattr("keras_ext.image_reader._THREADED_BYTES", threads)
    folder = make_image_folder({"a": 6, "b": 6})
    (folder / "a" / "empty.png").write_bytes(b"")
    (folder / "stray.png").write_bytes(b"")
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.*") if path.stat().st_size]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        images = pipeline | ImageExamples(read_images(str(folder)), RATIOS)
        keys = images["examples"] | beam.MapTuple(lambda split, data: key(data))
        assert_that(keys, equal_to(digests), label="examples")
        rejected = [("a/empty.png", "empty file"), ("stray.png", "no class folder")]
        assert_that(images["rejected"], equal_to(rejected), label="rejected")


def test_exact_shares_are_not_to_be_had_in_one_pass(make_image_folder):
    index = read_images(str(make_image_folder({"a": 2, "b": 2})))
    with pytest.raises(ValueError, match="split must be one of 'hash', 'group', 'given'"):
        ImageExamples(index, RATIOS, split="stratified")


def test_no_tfx_is_loaded():
    code = "import sys, tfx_components.directory_example_gen.beam_ingest; print('tfx' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "False"
