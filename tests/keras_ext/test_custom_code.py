import subprocess
import sys

import pytest

from keras_ext.custom_code import absolute_reference, code_fingerprint, is_reference, load_object


@pytest.fixture
def write(tmp_path):
    """Writes a file below the test's folder and returns its path."""

    def write(name, text):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return str(file)

    return write


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder on the path of imports."""
    (tmp_path / "installed").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    yield "installed"
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "name, expected",
    [("my_model.py:build", True), ("models:build", True), ("my_model.py", True), ("small_cnn", False), ("a.B", False)],
)
def test_references_are_told_from_names(name, expected):
    assert is_reference(name) is expected


def test_file_is_run_anew_so_that_an_edit_of_the_same_size_is_seen(write):
    file = write("my_model.py", "def build(): return 1")
    assert load_object(f"{file}:build")() == 1
    write("my_model.py", "def build(): return 2")
    assert load_object(f"{file}:build")() == 2


def test_relative_path_starts_at_the_current_directory(write, tmp_path, monkeypatch):
    file = write("code/my_model.py", "VALUE = 3")
    monkeypatch.chdir(tmp_path)
    assert load_object("code/my_model.py:VALUE") == 3
    assert absolute_reference("code/my_model.py:VALUE") == f"{file}:VALUE"
    assert absolute_reference("my_package.models:build") == "my_package.models:build"


def test_modules_beside_are_found_and_forgotten(write):
    main = "from parts.sizes import SIZE\nimport shapes\ndef build(): return shapes.SHAPE, SIZE"
    one, other = write("one/my_model.py", main), write("other/my_model.py", main)
    for folder, value in (("one", 1), ("other", 2)):
        write(f"{folder}/shapes.py", f"SHAPE = {value}")
        write(f"{folder}/parts/sizes.py", f"SIZE = {value * 10}")
    path = list(sys.path)
    assert [load_object(f"{file}:build")() for file in (one, other, one)] == [(1, 10), (2, 20), (1, 10)]
    write("one/shapes.py", "SHAPE = 5")
    assert load_object(f"{one}:build")() == (5, 10)
    assert not {"shapes", "parts", "parts.sizes"} & set(sys.modules)
    assert sys.path == path


def test_the_folder_is_left_as_it_was(write, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    write("shapes.py", "SHAPE = 1")
    load_object(write("my_model.py", "import shapes\ndef build(): pass") + ":build")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my_model.py", "shapes.py"]


def test_importable_modules_of_the_folder_stay(write, installed):
    write("installed/my_kept.py", "VALUE = object()")
    file = write("installed/my_model.py", "import my_kept\nVALUE = my_kept.VALUE")
    assert load_object(f"{file}:VALUE") is load_object("my_kept:VALUE")


def test_a_file_may_be_called_like_a_library(write):
    import json

    file = write("json.py", "import dataclasses\n@dataclasses.dataclass\nclass Size:\n    side: int = 4")
    assert load_object(f"{file}:Size")().side == 4
    assert sys.modules["json"] is json


def test_dotted_name(write, installed):
    write("installed/my_package/models.py", "def build(): return 7")
    assert load_object("my_package.models:build")() == 7


@pytest.mark.parametrize("reference", ["my_model.py", ":build", "my_model.py:", "my_model.py:a b", "my_model"])
def test_other_forms_are_refused(reference):
    with pytest.raises(ValueError, match=r"must be named as 'path/to/file.py:name' or .*Write '\w+.py:name'"):
        load_object(reference)


@pytest.mark.parametrize(
    "text, message",
    [
        ("def bild(): pass\nclass Net: pass", r"must define 'build'. It defines 'bild', 'Net'. Did you mean 'bild'\?"),
        ("import json\nfrom pathlib import Path\nVALUE = 1", "It defines no function and no class"),
        ("", "It defines no function and no class"),
        ("x = 1\n1 / 0", "my_model.py' cannot be run: ZeroDivisionError in line 2: division by zero"),
        ("def build(:", r"SyntaxError in .*my_model.py, line 1"),
        ("import not_there_at_all", "ModuleNotFoundError in line 1: No module named 'not_there_at_all'"),
        ("import sys\nsys.exit(2)", "it ends the program. Put what a script does under"),
    ],
)
def test_file_that_defines_nothing_of_that_name(write, text, message):
    with pytest.raises(ValueError, match=message):
        load_object(write("my_model.py", text) + ":build")


def test_missing_file_and_module(tmp_path):
    for function in (load_object, code_fingerprint):
        with pytest.raises(
            ValueError, match=r"There is no file '.*gone.py'. A relative path starts at the current dir"
        ):
            function("gone.py:build")
    with pytest.raises(ValueError, match=r"'not_there.models' cannot be imported: .*No module named 'not_there'"):
        load_object("not_there.models:build")
    with pytest.raises(ValueError, match="'not_there.models' has no Python sources"):
        code_fingerprint("not_there.models:build")


@pytest.mark.parametrize(
    "edited, changes",
    [
        ("my_model.py", True),
        ("direct.py", True),
        ("indirect.py", True),
        ("lazy.py", True),
        ("package/deep/inside.py", True),
        ("loose/part.py", True),
        ("stranger.py", False),
        ("loose/stranger.py", False),
        ("notes.txt", False),
    ],
)
def test_fingerprint_holds_the_file_and_what_it_imports_from_its_folder(write, edited, changes):
    lazy = "def build():\n    import lazy"
    file = write("my_model.py", f"import os, direct\nfrom package import x\nfrom loose import part\n{lazy}")
    write("direct.py", "from indirect import y")
    for name in ("indirect.py", "lazy.py", "package/__init__.py", "package/deep/inside.py", "loose/part.py"):
        write(name, "")
    for name in ("stranger.py", "loose/stranger.py", "notes.txt"):
        write(name, "")
    before = code_fingerprint(f"{file}:build")
    assert code_fingerprint(f"{file}:build") == before
    with open(write(edited, "") if edited != "my_model.py" else file, "a") as stream:
        stream.write("\n# edited")
    assert (code_fingerprint(f"{file}:build") != before) is changes


def test_fingerprint_is_the_same_in_another_place(write):
    files = [write(f"{folder}/my_model.py", "import part") for folder in ("one", "other")]
    for folder in ("one", "other"):
        write(f"{folder}/part.py", "")
    first, second = [code_fingerprint(f"{file}:build") for file in files]
    assert first == second


def test_fingerprint_of_a_file_that_does_not_parse(write):
    assert len(code_fingerprint(write("my_model.py", "def build(:") + ":build")) == 64


def test_fingerprint_of_a_dotted_name_holds_its_package(write, installed):
    write("installed/my_package/__init__.py", "raise RuntimeError('it is not run')")
    write("installed/my_package/deep/other.py", "")
    before = code_fingerprint("my_package.models:build")
    write("installed/my_package/deep/other.py", "# edited")
    assert code_fingerprint("my_package.models:build") != before


def test_fingerprint_of_a_dotted_name_that_is_one_module(write, installed):
    write("installed/my_module.py", "import my_part")
    write("installed/my_part.py", "")
    write("installed/my_stranger.py", "")
    before = code_fingerprint("my_module:build")
    write("installed/my_stranger.py", "# edited")
    assert code_fingerprint("my_module:build") == before
    write("installed/my_part.py", "# edited")
    assert code_fingerprint("my_module:build") != before


def test_the_module_is_pure():
    code = "import sys, keras_ext.custom_code; assert not {'tensorflow', 'keras', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
