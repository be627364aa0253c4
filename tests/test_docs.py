"""The Python of README.md and of the pages in docs/ runs as written.

A page's blocks marked `python` run one after another in one process, in an empty folder that holds `photos/cats` and
`photos/dogs`, forty small images each, `photos/cats/a.png` among them. Blocks marked `py` are shown only: the old code
of a migration, for example. Under a line `<!-- slow -->` a block runs by itself, in a process of its own.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^(<!-- slow -->\n)?```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page, slow):
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [code for mark, code in found if bool(mark) == slow]


README, *OTHERS = PAGES  # the README has tests of its own
WITH_CODE = [page for page in OTHERS if blocks(page, slow=False)]
SLOW = [pytest.param(page, code, id=f"{page.stem}-{i}") for page in OTHERS for i, code in enumerate(blocks(page, True))]


@pytest.fixture
def photos(make_image_folder, make_image):
    """The folder that the pages speak of."""
    directory = make_image_folder({"cats": 40, "dogs": 40}, name="photos")
    (directory / "cats" / "a.png").write_bytes(make_image("cats", 0))
    return directory


def run(code, directory):
    result = subprocess.run([sys.executable, "-c", code], cwd=directory, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_page(photos, page):
    run("".join(blocks(page, slow=False)), photos.parent)


@pytest.mark.slow
@pytest.mark.parametrize("page, code", SLOW)
def test_slow_block(photos, page, code):
    run(code, photos.parent)


def test_the_readme_s_notebook_classifies(photos):
    notebook = blocks(README, slow=False)
    assert len(notebook) == 2
    assert re.search(r"b'(cats|dogs)'", run("".join(notebook), photos.parent))


@pytest.mark.slow
def test_the_readme_s_pipeline_makes_a_schema(photos):
    [pipeline] = blocks(README, slow=True)
    run(pipeline, photos.parent)
    [schema] = photos.parent.glob("artifacts/ImageSchema/completed_schema/*/schema.pbtxt")
    assert 'name: "image/encoded"' in schema.read_text()
    assert 'name: "image/width"' in schema.read_text()
