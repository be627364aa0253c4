"""The README's Python runs as written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def photos(make_image_folder, make_image):
    """The folder that the README speaks of."""
    directory = make_image_folder({"cats": 40, "dogs": 40}, name="photos")
    (directory / "cats" / "a.png").write_bytes(make_image("cats", 0))
    return directory


def run(code, directory):
    result = subprocess.run([sys.executable, "-c", code], cwd=directory, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_block_is_run_here():
    assert len(BLOCKS) == 3


def test_notebook(photos):
    printed = run(BLOCKS[0] + BLOCKS[1], photos.parent)
    assert re.search(r"b'(cats|dogs)'", printed)


@pytest.mark.slow
def test_own_pipeline(photos):
    run(BLOCKS[2], photos.parent)
    [schema] = photos.parent.glob("artifacts/ImageSchema/completed_schema/*/schema.pbtxt")
    assert 'name: "image/encoded"' in schema.read_text()
    assert 'name: "image/width"' in schema.read_text()
