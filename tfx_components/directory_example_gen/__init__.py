"""Image folders into TFX: the component and its helper for ratios."""

from tfx_components.directory_example_gen.component import DirectoryExampleGen
from tfx_components.directory_example_gen.ratios import split_ratios

__all__ = ["DirectoryExampleGen", "split_ratios"]
