from pathlib import Path

import pytest

from keras_ext.atomic_file import atomic_file


def write(file, text, error=None):
    """Writes a file and returns what was under its name before the end."""
    with atomic_file(file) as unfinished:
        Path(unfinished).write_text(text)
        if error:
            raise error
        return file.read_text() if file.exists() else None


def test_appears_whole_or_not_at_all(tmp_path):
    file = tmp_path / "table.csv"
    with pytest.raises(OSError, match="disk full"):
        write(file, "half", OSError("disk full"))
    assert not list(tmp_path.iterdir())
    assert write(file, "one") is None
    assert write(file, "another") == "one"
    with pytest.raises(OSError, match="disk full"):
        write(file, "half", OSError("disk full"))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"table.csv": "another"}
