"""The Python of README.md and of the pages in docs/ runs as written.

A page's blocks marked `python` run one after another in one process, in an empty folder that holds `photos/cats` and
`photos/dogs`, forty small images each, `photos/cats/a.png` among them. Blocks marked `py` are shown only: the old code
of a migration, for example. Under a line `<!-- slow -->` a block runs by itself, in a process of its own. Under a line
`<!-- file: NAME -->` a block is a file that the others find; one `<!-- after the commands -->` of the quick start needs
what those made.

A `toml` block is a file of settings, and a line of a `sh` block that begins with `keras-ext` a command: the reader of
settings and the parser of commands take them, though they do not run.
"""

import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import cli
from pipelines.config import read_config
from pipelines.image_classification import Config
from pipelines.image_classification.search_space import check_search_space

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^(?:<!-- ([^\n]*) -->\n)?```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
MARKS = ("", "slow", "after the commands")


def marked_blocks(page):
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    assert all(mark in MARKS or mark.startswith("file: ") for mark, _ in found), found
    return found


def blocks(page, slow):
    return [code for mark, code in marked_blocks(page) if mark == ("slow" if slow else "")]


def write_files(page, directory):
    for mark, code in marked_blocks(page):
        if mark.startswith("file: "):
            file = directory / mark.removeprefix("file: ")
            file.parent.mkdir(exist_ok=True)
            file.write_text(code, encoding="utf-8")


README, *OTHERS = PAGES  # the README has tests of its own
WITH_CODE = [page for page in OTHERS if blocks(page, slow=False)]
SLOW = [pytest.param(page, code, id=f"{page.stem}-{i}") for page in OTHERS for i, code in enumerate(blocks(page, True))]

COMMAND = re.compile(r"^ *(?:[\w./]*/)?keras-ext (.*)$", re.MULTILINE)
SHELL_OPERATORS = set("();<>|&")

LINK = re.compile(r"\]\(([^)\s:]+)\)")
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
LINKING = [*PAGES, ROOT / "CONTRIBUTING.md", *ROOT.glob("benchmarks/*.md"), *ROOT.glob("examples/**/*.md")]


def shown(language, pages):
    """The page and the text of each block of a language that no test runs."""
    block = re.compile(rf"^ *```{language}\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
    for page in pages:
        yield from ((page, text) for text in block.findall(page.read_text(encoding="utf-8")))


SETTINGS = [pytest.param(text, id=f"{page.stem}-{i}") for i, (page, text) in enumerate(shown("toml", PAGES))]
COMMANDS = [
    pytest.param(command, id=f"{page.relative_to(ROOT)}: {command}")
    for page, text in shown("sh", LINKING)
    for command in COMMAND.findall(re.sub(r"\\\n *", "", text))
]


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
    write_files(page, photos.parent)
    run("".join(blocks(page, slow=False)), photos.parent)


@pytest.mark.slow
@pytest.mark.parametrize("page, code", SLOW)
def test_slow_block(photos, page, code):
    write_files(page, photos.parent)
    run(code, photos.parent)


@pytest.mark.slow
def test_the_quick_start_in_its_order(photos):
    """Its commands, one after another, and then the code that uses what they made."""
    page = ROOT / "docs" / "index.md"
    commands = re.findall(r"^\.venv/bin/keras-ext (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["inspect", "run", "run", "preview", "predict"]
    for command in commands:
        run(f"import sys; from pipelines.cli import main; sys.exit(main({command.split()!r}))", photos.parent)
    rows = (photos.parent / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 41 + 40
    [serving] = [code for mark, code in marked_blocks(page) if mark == "after the commands"]
    assert re.match(r"(cats|dogs) [01]\.", run(serving, photos.parent))


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


@pytest.mark.parametrize("text", SETTINGS)
def test_settings_are_read(tmp_path, text):
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    check_search_space(read_config(Config, file, images="photos", output="runs/first"))


@pytest.mark.parametrize("command", COMMANDS)
def test_command_parses(command):
    words = shlex.shlex(command, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    arguments = itertools.takewhile(lambda word: not set(word) <= SHELL_OPERATORS, words)
    options = cli._parser().parse_args(list(arguments))
    read_config(Config, overrides=options.set, images="photos", output="runs/first")


def anchors(page):
    """The anchors of a page's headings, as views of repositories make them."""
    headings = re.findall(r"^#+ (.*)", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_hold_in_a_view_of_the_repository(page):
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{link} in {page}"
        assert not anchor or anchor in anchors(target), f"{link} in {page}"
