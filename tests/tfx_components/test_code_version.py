"""A change in any of our sources is another version."""

import shutil
import subprocess
import sys

from tfx_components import code_version

CODE = "from tfx_components.code_version import code_version; print(code_version())"


def version(directory):
    return subprocess.run(
        [sys.executable, "-c", CODE], cwd=directory, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_every_source_counts_and_nothing_else(tmp_path):
    for package in ("keras_ext", "tfx_components", "pipelines"):
        (tmp_path / package / "room").mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    shutil.copy(code_version.__file__, tmp_path / "tfx_components")
    before = version(tmp_path)
    assert len(before) == 64
    (tmp_path / "keras_ext" / "notes.txt").write_text("no source")
    assert version(tmp_path) == before
    (tmp_path / "pipelines" / "room" / "new.py").write_text("x = 1")
    after = version(tmp_path)
    assert after != before
    (tmp_path / "pipelines" / "room" / "new.py").rename(tmp_path / "pipelines" / "room" / "moved.py")
    assert version(tmp_path) not in (before, after)
