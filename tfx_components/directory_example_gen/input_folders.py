"""TFX's `input_config` for image folders: spans and versions, and which folder is which split."""

import os
from collections.abc import Sequence

from tfx.components.example_gen import input_processor, utils
from tfx.proto import example_gen_pb2, range_config_pb2

from keras_ext.directory_index import DirectoryIndex
from keras_ext.features import SPLIT_OF_FOLDER
from keras_ext.image_input import InputSettings, read_images
from tfx_components.directory_example_gen.beam_source import open_elsewhere

_FILES = (".zip", ".tar", ".tar.gz", ".tgz", ".csv", ".jsonl", ".parquet")
_IN_FOLDER = "/*"  # TFX finds spans by files; a folder is found by what lies in it


def folder_of(pattern: str) -> str:
    """Returns the folder, relative to the input, that a pattern means: 'a' for 'a', 'a/*' and 'a/*/*'.

    Raises:
      ValueError: The pattern means something else.
    """
    parts = pattern.strip("/").split("/")
    while parts and parts[-1] in ("*", "**", ""):
        parts.pop()
    if any(character in part for part in parts for character in "*?["):
        raise ValueError(
            f"A pattern of input_config must be a folder below input_base, such as 'training_set/*' or "
            f"'span-{{SPAN}}/*'. Received: pattern={pattern!r}."
        )
    return "/".join(parts)


def check_input(input_config: example_gen_pb2.Input, range_config: range_config_pb2.RangeConfig | None) -> None:
    """Refuses at construction what `resolve` and `read_index` would refuse later.

    Raises:
      ValueError: A pattern or the name of a split has no meaning here, or there is a range but no span.
    """
    has_span = False
    for split in input_config.splits:
        folder_of(split.pattern)
        has_span |= any(utils.verify_split_pattern_specs(split))
        if len(input_config.splits) > 1 and split.name not in SPLIT_OF_FOLDER:
            raise ValueError(
                f"Several input splits must be named among {', '.join(SPLIT_OF_FOLDER)}. Received: {split.name!r}."
            )
    if range_config is not None and not has_span:
        raise ValueError(
            "range_config needs a pattern with a span or date in input_config, such as 'span-{SPAN}/*'. "
            f"Received: {[split.pattern for split in input_config.splits]}."
        )


def _searched(pattern: str) -> str:
    """Returns what TFX looks for: an archive itself, or the files in a folder."""
    folder = folder_of(pattern)
    return folder if folder.lower().endswith(_FILES) else folder + _IN_FOLDER


def resolve(
    input_base: str, input_config: example_gen_pb2.Input, range_config: range_config_pb2.RangeConfig | None
) -> tuple[example_gen_pb2.Input, int, int | None]:
    """Fills spans, versions and dates in, as TFX's file-based ExampleGens do.

    Returns:
      The `input_config` with plain folders as patterns, the span and the version.
    """
    splits = [
        example_gen_pb2.Input.Split(name=split.name, pattern=_searched(split.pattern)) for split in input_config.splits
    ]
    if not any(any(utils.verify_split_pattern_specs(split)) for split in splits):
        return example_gen_pb2.Input(splits=splits), 0, None
    processor = input_processor.FileBasedInputProcessor(input_base, splits, range_config)
    span, version = processor.resolve_span_and_version()
    for split in splits:
        split.pattern = processor.get_pattern_for_span_version(split.pattern, span, version)
    return example_gen_pb2.Input(splits=splits), span, version


def base_and_folders(input_base: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> tuple[str, list[str]]:
    """Returns the input, or the folder that holds all of several inputs and where they lie in it."""
    if isinstance(input_base, str | os.PathLike):
        return os.fspath(input_base), []
    folders = [os.path.abspath(folder) for folder in input_base]
    if not folders:
        raise ValueError("input_base must name a folder. Received: an empty list.")
    base = os.path.commonpath(folders)
    return base, [os.path.relpath(folder, base) for folder in folders]


def read_index(
    input_base: str,
    input_config: example_gen_pb2.Input,
    settings: InputSettings | None = None,
    folders: Sequence[str] = (),
) -> DirectoryIndex:
    """Lists the images of an input whose patterns are resolved.

    Several input splits are taken as given; one, or none, is a folder or archive whose layout is recognised.

    Args:
      input_base: The input.
      input_config: Which folder or archive below `input_base` to take, or which folder is which split.
      settings: How the images are read.
      folders: The folders below `input_base` to take, where they are several.
    """
    splits = {folder_of(split.pattern): SPLIT_OF_FOLDER.get(split.name, "") for split in input_config.splits}
    if len(input_config.splits) > 1:
        return read_images(input_base, settings, splits, open_elsewhere)
    if folders:
        return read_images([os.path.join(input_base, folder) for folder in folders], settings)
    return read_images(os.path.join(input_base, *splits), settings, open_elsewhere=open_elsewhere)
