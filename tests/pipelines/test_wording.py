"""Words that commands print."""

from pipelines.wording import counted


def test_one_is_singular():
    assert [counted(number, "image") for number in (0, 1, 1234)] == ["0 images", "1 image", "1,234 images"]
