import subprocess
import sys

import pytest

from keras_ext import features


def test_names_are_those_of_tensorflows_image_records():
    assert features.ENCODED == "image/encoded"
    assert features.SHA256 == "image/key/sha256"
    assert (features.CLASS_TEXT, features.CLASS_LABEL) == ("image/class/text", "image/class/label")


def test_every_split_folder_maps_to_a_split():
    assert set(features.SPLIT_OF_FOLDER.values()) == set(features.SPLITS)
    assert {name for name, split in features.SPLIT_OF_FOLDER.items() if split == "eval"} == {
        "eval",
        "val",
        "valid",
        "validation",
    }


@pytest.mark.parametrize(
    "module",
    [
        "features",
        "splits",
        "progress",
        "directory_scan",
        "directory_layout",
        "directory_index",
        "jpeg_file",
        "png_file",
        "image_file",
    ],
)
def test_pure_module_loads_neither_tensorflow_nor_keras_nor_tfx(module):
    code = (
        f"import sys, keras_ext.{module}\n"
        "heavy = {'tensorflow', 'keras', 'tfx', 'apache_beam', 'jax', 'torch', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
