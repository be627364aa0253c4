"""Fixtures that every test may use."""

import io
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that no process of pytest-xdist is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def make_image() -> Callable[..., bytes]:
    """Returns `make_image(label, number, image_format="png", size=(height, width))`: the bytes of one image file."""
    return encoded_image


@pytest.fixture
def make_image_folder(tmp_path) -> Callable[..., Path]:
    """Returns `make_image_folder(counts, name="images")`: a folder of small labelled images, the same every time.

    `make_image_folder({"cats": 12, "dogs": 9})` makes two class folders; folders nest as the mappings do:
    `make_image_folder({"train": {"cats": 8, "dogs": 8}, "val": {"cats": 2, "dogs": 2}})`. Formats alternate between
    PNG and JPEG, sizes vary between 20 and 43 pixels, no two images are equal, and a class has a look of its own that a
    small network can learn.
    """

    def make(counts: Mapping[str, Any], name: str = "images") -> Path:
        directory = tmp_path / name
        _fill(directory, counts)
        return directory

    return make


def encoded_image(label: str, number: int, image_format: str = "png", size: tuple[int, int] | None = None) -> bytes:
    """Stripes whose direction and colour belong to the label, with noise that belongs to the number."""
    generator = np.random.default_rng([zlib.crc32(label.encode()), number])
    look = np.random.default_rng(zlib.crc32(label.encode()))
    angle, colour = look.uniform(0, np.pi), look.uniform(40, 215, size=3)
    height, width = size or generator.integers(20, 44, size=2)
    rows, columns = np.mgrid[:height, :width]
    stripes = 60 * np.sin(rows * np.sin(angle) + columns * np.cos(angle) + generator.uniform(0, 2 * np.pi))
    pixels = colour + stripes[..., np.newaxis] + generator.normal(0, 12, (height, width, 3))
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, image_format)
    return buffer.getvalue()


def _fill(folder: Path, counts: Mapping[str, Any]) -> None:
    for name, content in counts.items():
        if isinstance(content, Mapping):
            _fill(folder / name, content)
            continue
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(content):
            image_format = ("png", "jpeg")[number % 2]
            # The whole path is hashed, so that the splits of a class do not hold the same images.
            data = encoded_image(name, zlib.crc32(f"{folder.name}/{number}".encode()), image_format)
            (folder / name / f"{number:04d}.{'png' if image_format == 'png' else 'jpg'}").write_bytes(data)
