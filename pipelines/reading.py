"""How commands read images: from everywhere, and with downloads that say how far they are."""

import contextlib
import logging
from collections.abc import Iterator

from keras_ext.image_input import InputSettings
from keras_ext.image_source import ImageSource
from keras_ext.progress import progress_logger


@contextlib.contextmanager
def shown_progress() -> Iterator[None]:
    """Shows on standard error what `keras_ext` says of its progress."""
    handler, level = logging.StreamHandler(), progress_logger.level
    progress_logger.addHandler(handler)
    progress_logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        progress_logger.removeHandler(handler)
        progress_logger.setLevel(level)


def open_elsewhere(address: str, settings: InputSettings) -> ImageSource:
    """Opens an address that Beam's file systems know."""
    from tfx_components.directory_example_gen import beam_source  # takes seconds, and is needed for gs:// and the like

    return beam_source.open_elsewhere(address, settings)
