"""The site of docs/: it builds without a warning, needs no network, and names all that is public."""

import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import keras_ext

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"^ *```py(?:thon)?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
IMPORT = re.compile(r"^ *from ((?:keras_ext|tfx_components|pipelines)[\w.]*) import (\([^)]*\)|[^\n(]*)", re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "WARNING" not in result.stderr
    return folder


def pages(site):
    return {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}


def test_nothing_is_fetched_from_elsewhere(site):
    loaded = re.compile(r"<(?:script|img|iframe|link(?= [^>]*rel=\"?stylesheet))[^>]*(?:src|href)=\"?https?:[^>]*>")
    assert {name: loaded.findall(html) for name, html in pages(site).items() if loaded.search(html)} == {}


def test_links_to_sources_lead_to_their_pages(site):
    html = pages(site)
    assert 'href="source/pipelines/image_classification/pipeline.py.html"' in html["components.html"]
    assert "create_pipeline" in html["source/pipelines/image_classification/pipeline.py.html"]
    assert 'href="source/benchmarks/index.html"' in html["speed.html"]


def test_every_public_name_is_in_the_reference(site):
    reference = "".join(html for name, html in pages(site).items() if name.startswith("reference/"))
    rooms = [f"keras_ext.{module.name}" for module in pkgutil.iter_modules(keras_ext.__path__) if module.ispkg]
    things = [(room, name) for room in map(importlib.import_module, rooms) for name in room.__all__]
    # A function is found below the module of its name.
    names = [(room.__name__, name, name) for room, name in things if callable(getattr(room, name))]
    assert [name for name in names if not re.search(r'id="{}\.(?:{}\.)?{}"'.format(*name), reference)] == []
    components = importlib.import_module("tfx_components").__all__
    assert {name for name in components if not re.search(rf'id="tfx_components\.[\w.]*\b{name}"', reference)} == set()


def imported(code):
    """The module and name of each thing of ours that code imports."""
    for module, names in IMPORT.findall(re.sub(r"#.*", "", code)):
        yield from ((module, name.split()[0]) for name in names.strip("()").split(",") if name.strip())


def test_what_pages_and_examples_import_is_in_the_reference(site):
    reference = "".join(html for name, html in pages(site).items() if name.startswith("reference/"))
    shown = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")]
    code = [block for page in shown for block in BLOCK.findall(page.read_text(encoding="utf-8"))]
    modules = [file for file in ROOT.glob("examples/**/*.py") if ".venv" not in file.parts]
    code += [file.read_text(encoding="utf-8") for file in modules]
    names = {name for text in code for name in imported(text)}
    assert ("keras_ext.evaluation_result", "Predictions") in names
    # A name may be at home in a module below the one that it is imported from; a module is there by its names.
    missing = {name for name in names if not re.search(r'id="{}\.(?:\w+\.)*{}[".]'.format(*name), reference)}
    assert missing == set()


def test_docstrings_in_keras_s_form_are_read(site):
    html = pages(site)["reference/layers.html"]
    assert "<strong>Input shape:</strong>" in html
    assert "<blockquote>" not in html  # what Markdown takes >>> for
    assert re.search(r"<li><code>epoch</code>: Number of the epoch", html)
