"""The reference of settings says what the dataclasses say."""

import dataclasses
import importlib.util
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipelines.config import read_config
from pipelines.image_classification.config import Config

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "scripts" / "configuration_page.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("configuration_page", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(script):
    written = script.PAGE.read_text(encoding="utf-8")
    assert script.page(written) == written, "Run scripts/configuration_page.py"


def test_every_setting_is_on_the_page(script):
    def count(kind):
        fields = dataclasses.fields(kind)
        nested = [field.type for field in fields if dataclasses.is_dataclass(field.type)]
        return len(fields) - len(nested) + sum(map(count, nested))

    rows = re.findall(r"^\| `\w+` \|", script.PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == count(Config) - 2  # images and output are arguments


def test_the_example_file_is_read(script, tmp_path):
    [text] = re.findall(r"```toml\n(.*?)```", script.PAGE.read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    config = read_config(Config, file, images="photos", output="out")
    assert (config.train.epochs, config.image.size) == (30, (96, 96))
    assert config.augmentation.layers[0]["horizontal_flip"] is True


def test_what_a_setting_takes(script):
    @dataclass
    class Settings:
        """One of each kind.

        Attributes:
          share: Of all, `a | b`.
          count: How many,
            or "some".
          name: One of "a" and "(?P<b>c)".
          sizes: Two.
          tables: More.
        """

        share: Annotated[float, Field(ge=0, lt=1)] = 0.5
        count: Annotated[int, Field(gt=0)] | None = None
        name: Literal["a", "b"] = "a"
        sizes: tuple[int, int] | Literal["auto"] = "auto"
        tables: tuple[dict[str, Any], ...] = ({"layer": "A", "factor": [0.1, 1]},)

    assert script._section("some", Settings) == (
        "\n## [some]\n\nOne of each kind.\n\n"
        "| setting | default | meaning | takes |\n"
        "| --- | --- | --- | --- |\n"
        "| `share` | `0.5` | Of all, `a \\| b`. | number in [0, 1) |\n"
        '| `count` | – | How many, or `"some"`. | integer > 0 |\n'
        '| `name` | `"a"` | One of `"a"` and `"(?P<b>c)"`. | `"a"`, `"b"` |\n'
        '| `sizes` | `"auto"` | Two. | [integer, integer] or `"auto"` |\n'
        '| `tables` | `[{layer = "A", factor = [0.1, 1]}]` | More. | a list of tables |\n'
    )


def test_a_setting_without_a_meaning_is_an_error(script):
    @dataclass
    class Settings:
        """Nothing is said."""

        epochs: int = 1

    with pytest.raises(ValueError, match=r"Settings.epochs has no line in the docstring's Attributes"):
        script._section("some", Settings)
