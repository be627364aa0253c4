"""The pictures of docs/layers.md: the script still draws each of them, and the page shows every layer."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from keras_ext import layers

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")
PICTURES = sorted((ROOT / "docs" / "pictures").iterdir())


@pytest.mark.slow
def test_the_script_draws_every_picture(tmp_path):
    script = ROOT / "scripts" / "draw_layers.py"
    subprocess.run([sys.executable, script, tmp_path], cwd=ROOT, check=True, capture_output=True)
    sizes = {path.name: Image.open(path).size for path in tmp_path.iterdir()}
    assert sizes == {path.name: Image.open(path).size for path in PICTURES}


def test_the_page_shows_every_picture_and_each_is_small():
    assert set(re.findall(r"\(pictures/(.*?)\)", PAGE)) == {path.name for path in PICTURES}
    assert sum(path.stat().st_size for path in PICTURES) < 150_000


def test_every_layer_is_on_the_page():
    assert [name for name in layers.__all__ if f"| `{name}` |" not in PAGE] == []
