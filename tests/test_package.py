"""What the wheel and the source distribution hold; scripts/check_package.sh installs and tries them."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import keras_ext

ROOT = Path(__file__).parent.parent
PACKAGES = ("keras_ext", "pipelines", "tfx_components")
BUILD = ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md")


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The wheel and the source distribution, built from a copy: a build leaves files in its folder."""
    source = tmp_path_factory.mktemp("package") / "source"
    ignored = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info", "build", "dist", "runs")
    shutil.copytree(ROOT, source, ignore=ignored)
    output = source.parent / "dist"
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    [wheel], [sdist] = output.glob("*.whl"), output.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def wheel_files(archives):
    with zipfile.ZipFile(archives[0]) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


def sources():
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*") if file.is_file())
    return {str(file.relative_to(ROOT)) for file in files if "__pycache__" not in file.parts}


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel_files):
    assert {name for name in wheel_files if ".dist-info/" not in name} == sources()


def test_the_source_distribution_holds_what_builds_the_wheel_and_nothing_else(archives):
    with tarfile.open(archives[1]) as sdist:
        names = {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}
    assert {name for name in names if ".egg-info/" not in name} == sources() | set(BUILD) | {"PKG-INFO"}


def metadata(wheel_files):
    [name] = [name for name in wheel_files if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel_files[name].decode())


def test_metadata(wheel_files):
    found = metadata(wheel_files)
    assert (found["Name"], found["Version"]) == ("keras-ext", keras_ext.__version__)
    assert found["Description-Content-Type"] == "text/markdown"
    assert found.get_payload().strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()


def test_the_core_requires_little_and_no_tfx(wheel_files):
    core = [one for one in metadata(wheel_files).get_all("Requires-Dist") if "extra ==" not in one]
    names = {re.match(r"[\w-]+", one)[0] for one in core}
    assert names == {"keras", "numpy", "pillow", "pydantic", "rich", "tensorflow", "tomli", "tomli-w"}


def test_type_checkers_are_told(wheel_files):
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(wheel_files)
