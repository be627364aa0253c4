"""Runs the image tests of Keras-Preprocessing 1.1.2 against `keras_ext.ImageDataGenerator`.

Nothing of them is kept: the source distribution is downloaded from the package index into a temporary folder, and its
`tests/image/` meet a package `keras_preprocessing` whose classes are ours. What fails without being listed here is an
error, and so is what is listed and passes.
"""

import argparse
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from xml.etree import ElementTree

PACKAGE = "keras-preprocessing==1.1.2"
# Those that test what a generator and its iterators do.
OURS = ("image_data_generator_test", "numpy_array_iterator_test", "directory_iterator_test", "dataframe_iterator_test",
        "iterator_test")  # fmt: skip
_FUNCTION = "tests a function of a module, which the class does not have"
EXPECTED = {
    "image_data_generator_test.test_deterministic_transform": (
        "pins a bug: it turns about a point that lies a pixel off the centre, so that a turned square is lopsided"
    ),
    "iterator_test.test_iterator_empty_directory": (
        "pins an internal, the generator of indices of an iterator over nothing; ours is an error that says so"
    ),
    **{
        f"affine_transformations_test.{name}": _FUNCTION
        for name in (
            *("test_random_transforms", "test_deterministic_transform", "test_random_zoom", "test_random_zoom_error"),
            *("test_apply_brightness_shift_error", "test_random_brightness", "test_random_brightness_error"),
            "test_apply_affine_transform_error",
        )
    },
    "test_image_api.test_api_functions": _FUNCTION,
    "utils_test.test_validate_filename": _FUNCTION,
    "utils_test.test_list_pictures": _FUNCTION,
}
# What stands in for the package under test: old names and arguments, our classes.
STAND_IN = {
    "__init__": "",
    "image/__init__": """
from keras_preprocessing.image import image_data_generator, numpy_array_iterator, dataframe_iterator, utils
from keras_preprocessing.image.image_data_generator import ImageDataGenerator
from keras_preprocessing.image.numpy_array_iterator import NumpyArrayIterator
from keras_preprocessing.image.dataframe_iterator import DataFrameIterator
from keras_ext.generators import DirectoryIterator
from keras_ext.generators.image_iterator import ImageIterator as Iterator
from keras.utils import array_to_img, img_to_array, load_img, save_img
""",
    "image/image_data_generator": "from keras_ext import ImageDataGenerator",
    "image/numpy_array_iterator": """
def NumpyArrayIterator(x, y, image_data_generator, shuffle=False, **arguments):
    return image_data_generator.flow(x, y, shuffle=shuffle, **arguments)
""",
    "image/dataframe_iterator": """
from keras_ext import ImageDataGenerator

def DataFrameIterator(dataframe, directory=None, image_data_generator=None, **arguments):
    return (image_data_generator or ImageDataGenerator()).flow_from_dataframe(dataframe, directory, **arguments)
""",
    "image/affine_transformations": "",
    "image/iterator": "from keras_ext.generators.image_iterator import ImageIterator as Iterator",
    "image/utils": "from keras.utils import array_to_img, img_to_array, load_img, save_img",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sdist", type=Path, help="a source distribution that was downloaded before")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        unpack(options.sdist or download(directory), directory)
        write_stand_in(directory)
        outcomes = run(directory)
    problems = report(outcomes)
    sys.exit(1 if problems else 0)


def download(directory: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
    subprocess.run([*command, "--quiet", "--dest", str(directory), PACKAGE], check=True)
    return next(directory.glob("*.tar.gz"))


def unpack(sdist: Path, directory: Path) -> None:
    """Takes the tests out of the archive, each below its own name only."""
    (directory / "tests").mkdir()
    with tarfile.open(sdist) as archive:
        for member in archive.getmembers():
            if "/tests/image/" in member.name and "test" in Path(member.name).name:
                (directory / "tests" / Path(member.name).name).write_bytes(archive.extractfile(member).read())


def write_stand_in(directory: Path) -> None:
    for name, code in STAND_IN.items():
        path = directory / "keras_preprocessing" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")


def run(directory: Path) -> dict[str, str]:
    """Returns the first line of what went wrong for each test; '' where nothing did."""
    results = directory / "results.xml"
    arguments = ["-q", "-p", "no:cacheprovider", f"--junitxml={results}", "--tb=short", str(directory / "tests")]
    # The stand-in comes before any package of that name; our own follows, in case it is not installed.
    paths = [str(directory), str(Path(__file__).parent.parent)]
    code = f"import sys; sys.path[:0] = {paths!r}; import pytest; pytest.main({arguments!r})"
    subprocess.run([sys.executable, "-c", code], cwd=directory, check=True)
    cases = ElementTree.parse(results).iter("testcase")  # noqa: S314 - written by the pytest that was run here
    return {f"{case.get('classname').split('.')[-1]}.{case.get('name')}": problem(case) for case in cases}


def problem(case: ElementTree.Element) -> str:
    bad = [child.get("message", "").splitlines()[0] for child in case if child.tag in ("failure", "error")]
    return bad[0] if bad else ""


def report(outcomes: dict[str, str]) -> list[str]:
    for title, names in (
        ("generator and iterators", [name for name in outcomes if name.split(".")[0] in OURS]),
        ("all of tests/image", list(outcomes)),
    ):
        passed = sum(not outcomes[name] for name in names)
        print(f"{title}: {passed} of {len(names)} pass")
    for name, reason in outcomes.items():
        if reason:
            print(f"- {name}: {EXPECTED.get(name, 'NOT EXPECTED: ' + reason)}")
    unexpected = [name for name, reason in outcomes.items() if bool(reason) != (name in EXPECTED)]
    for name in unexpected:
        print(f"unexpected: {name} {'fails: ' + outcomes[name] if outcomes[name] else 'passes'}")
    return unexpected


if __name__ == "__main__":
    main()
