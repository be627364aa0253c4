import subprocess
import sys
from pathlib import Path

import pytest

import keras_ext
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


GLUE = {"__init__", "export", "image_data_generator", "plots", "training"}
PURE = sorted({file.stem for file in Path(keras_ext.__file__).parent.glob("*.py")} - GLUE)


@pytest.mark.parametrize("module", PURE)
def test_pure_module_loads_the_standard_library_numpy_and_pillow_alone(module):
    code = (
        # What NumPy and Pillow load themselves is theirs.
        "import sys, numpy.random, PIL.Image; PIL.Image.init(); before = set(sys.modules)\n"
        f"import keras_ext.{module}\n"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "foreign = loaded - set(sys.stdlib_module_names) - {'keras_ext', 'numpy', 'PIL'}\n"
        "assert not foreign, foreign"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
