"""The component: arguments, outputs, and the checks that can be made before anything runs."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from keras_ext.choices import check_choice
from keras_ext.image_file import VERIFY
from keras_ext.image_input import InputSettings
from keras_ext.splits import STRATEGIES
from tfx_components import artifacts
from tfx_components.code_version import code_version
from tfx_components.directory_example_gen import input_folders, options
from tfx_components.directory_example_gen.driver import Driver
from tfx_components.directory_example_gen.executor import CLASS_NAMES_KEY, REPORT_KEY, Executor
from tfx_components.directory_example_gen.ratios import ratios_of, split_ratios


class DirectoryExampleGenSpec(types.ComponentSpec):
    """The specification of `DirectoryExampleGen`."""

    PARAMETERS = {
        standard_component_specs.INPUT_BASE_KEY: ExecutionParameter(type=str),
        standard_component_specs.INPUT_CONFIG_KEY: ExecutionParameter(type=example_gen_pb2.Input),
        standard_component_specs.OUTPUT_CONFIG_KEY: ExecutionParameter(type=example_gen_pb2.Output),
        standard_component_specs.RANGE_CONFIG_KEY: ExecutionParameter(type=range_config_pb2.RangeConfig, optional=True),
        options.FOLDERS_KEY: ExecutionParameter(type=str),
        options.SETTINGS_KEY: ExecutionParameter(type=str),
        options.MAX_REJECTED_KEY: ExecutionParameter(type=float),
        options.SHARD_SIZE_KEY: ExecutionParameter(type=int),
        options.VERIFY_KEY: ExecutionParameter(type=str),
        options.SPLIT_KEY: ExecutionParameter(type=str),
        options.IMAGE_CHECKS_KEY: ExecutionParameter(type=str),
        options.CODE_VERSION_KEY: ExecutionParameter(type=str),
    }
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {
        standard_component_specs.EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        REPORT_KEY: ChannelParameter(type=artifacts.IngestReport),
        CLASS_NAMES_KEY: ChannelParameter(type=artifacts.ClassNames),
    }


class DirectoryExampleGen(base_beam_component.BaseBeamComponent):
    """Turns labelled images into TFX examples.

    Two layouts are read, nested folders below a class included:

        images/                        images/
          cats/                          train/
            a.jpg                          cats/a.jpg
            outdoors/b.png                 dogs/b.jpg
          dogs/                          val/
            c.jpg                          cats/c.jpg
                                         test/
                                           dogs/d.jpg

    A manifest says it row by row, and a pattern in the names of files; in both cases folders mean nothing:

        labels.csv                     images/                 pattern=r"(?P<group>site-[0-9]+)/(?P<label>[a-z]+)_.*"
          path,label,split,group         site-1/cat_001.jpg
          1.jpg,cat,train,site-1         site-1/dog_001.jpg
          2.jpg,dog,test,site-2          site-2/cat_002.jpg

    Each may be packed into a zip, tar or tar.gz file, which may be fetched from an http or https address, and is never
    unpacked to disk. JPEG, PNG, GIF and BMP files stay as they are, byte for byte; WebP, TIFF, PPM, AVIF and JPEG 2000
    become PNG, and `image/original_format` says so.

    Images without a given split are divided by content: the same bytes are always in the same split, and adding files
    never moves others; see `split` for other ways. Split folders (`train`; `val`, `valid`, `validation` or `eval`;
    `test`) are taken as they are; a missing `eval` is carved from `train`, a missing `test` stays missing. Hidden files
    and folders are not looked at, and linked folders are not followed.

    A file that cannot be decoded becomes a row in the report and never an example. A folder in which nothing was
    added, removed, renamed, moved or edited is served from cache.

    Component `outputs` contains:
      `examples`: `standard_artifacts.Examples`, uncompressed TFRecord; the features are named in `keras_ext.features`.
      `report`: `IngestReport`, what was found, written and rejected.
      `class_names`: `ClassNames`; the class index is the position in this list.

    Args:
      input_base: The images: a folder, a zip, tar or tar.gz file or the address of one, a manifest (.csv, .jsonl,
        .parquet), a folder or archive at an address that Beam reads ('gs://bucket/images'), or a list of folders.
      input_config: Where the layout alone does not say it: one input split whose pattern is a folder below
        `input_base`, or several, named 'train', 'eval' and 'test', each with its folder. Patterns may hold `{SPAN}`,
        `{VERSION}` or `{YYYY}`, `{MM}` and `{DD}` as in other ExampleGens.
      output_config: Ratios of the splits as hash buckets, train 8, eval 1, test 1 by default; `split_ratios` makes one
        from shares.
      range_config: Which spans to consider; the latest by default.
      max_rejected: Largest share of unreadable image files; with more of them the component fails.
      shard_size: Images read into one shard of each split.
      verify: 'decode' decodes every image once, so that no later step meets a damaged one; 'header' reads sizes only
        and is several times as fast.
      split: How images are divided. 'hash': by content, so that identical files stay together and adding files never
        moves others. 'group': as 'hash', but by the group that a manifest or a pattern gives to an image. 'stratified':
        each class in exactly these ratios, to one image; content and groups stay together, but adding files may move
        others, and the files are read twice. 'given': not at all; the input names the split of every image.
      image_checks: Whether to look, on a small picture of each image that `verify` decodes, for dark, bright, blurry,
        empty and oddly shaped images and for near duplicates; thresholds that differ from those of
        `keras_ext.image_checks.ImageChecks`, such as `{"dark": 0.1}`, or False. What is found is reported, not dropped.
      **reading: How the images are read: `classes`, `manifest`, `columns`, `extra_columns`, `pattern`, `labelled`,
        `follow_links`, `fingerprint`, `sha256`, `cache_dir`, `max_file_bytes`, `max_unpacked_bytes` and `max_pixels`;
        see `keras_ext.image_input.InputSettings`.

    Raises:
      ValueError: An argument has no meaning; what lies in the folder is looked at when the component runs.

    Example:

    ```python
    ingest = DirectoryExampleGen("images", output_config=split_ratios({"train": 0.8, "eval": 0.1, "test": 0.1}))
    statistics = StatisticsGen(ingest.outputs["examples"])
    ```
    """

    SPEC_CLASS = DirectoryExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(  # noqa: PLR0913 - the stock arguments, and ours
        self,
        input_base: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        input_config: example_gen_pb2.Input | None = None,
        output_config: example_gen_pb2.Output | None = None,
        range_config: range_config_pb2.RangeConfig | None = None,
        max_rejected: float = 0.1,
        shard_size: int = 256,
        verify: str = "decode",
        split: str = "hash",
        image_checks: bool | Mapping[str, float] = True,
        **reading: Any,
    ) -> None:
        base, folders = input_folders.base_and_folders(input_base)
        settings = InputSettings(**reading)
        input_config = input_config or example_gen_pb2.Input()
        output_config = output_config or example_gen_pb2.Output()
        input_folders.check_input(input_config, range_config)
        if folders and input_config.splits:
            raise ValueError("input_config has no meaning with several inputs. Pass one input_base.")
        _check_arguments(max_rejected, shard_size)
        options.image_checks_of(image_checks)
        spec = DirectoryExampleGenSpec(
            input_base=base,
            input_config=input_config,
            # The default is written out, so that the pipeline shows it.
            output_config=split_ratios(ratios_of(output_config)),
            range_config=range_config,
            input_folders=json.dumps(folders),
            input_settings=settings.to_json(),
            max_rejected=float(max_rejected),
            shard_size=shard_size,
            verify=check_choice("verify", verify, VERIFY),
            split=check_choice("split", split, STRATEGIES),
            image_checks=json.dumps(image_checks if isinstance(image_checks, bool) else dict(image_checks)),
            code_version=code_version(),
            examples=types.Channel(type=standard_artifacts.Examples),
            report=types.Channel(type=artifacts.IngestReport),
            class_names=types.Channel(type=artifacts.ClassNames),
        )
        super().__init__(spec=spec)


def _check_arguments(max_rejected: float, shard_size: int) -> None:
    if not 0 <= max_rejected <= 1:
        raise ValueError(f"max_rejected must be a share in [0, 1]. Received: max_rejected={max_rejected}.")
    if not isinstance(shard_size, int) or shard_size < 1:
        raise ValueError(f"shard_size must be a positive integer. Received: shard_size={shard_size!r}.")
