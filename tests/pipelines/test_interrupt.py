"""Ctrl-C is not lost."""

import contextlib
import signal

import pytest

from pipelines.interrupt import remembered_interrupt


def test_a_swallowed_interrupt_comes_back():
    before = signal.getsignal(signal.SIGINT)
    with remembered_interrupt() as check:
        check()
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(signal.SIGINT) is before
