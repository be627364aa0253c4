import io
import re
import sys

import keras
import numpy as np
import pytest
from rich.console import Console

from keras_ext.callbacks import ProgressLine

UP_OR_CLEAR = re.compile(r"\x1b\[[?\d]*[A-Za-z]")


def console(terminal: bool, width: int = 60) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None, legacy_windows=False)


def fit(line: ProgressLine, *callbacks, **options):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse", metrics=["mae"])
    data = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
    options = {"epochs": 3, "validation_data": data, **options}
    model.fit(*data, batch_size=2, verbose=0, callbacks=[line, *callbacks], **options)


def test_terminal_shows_one_line_that_is_rewritten():
    to = console(terminal=True)
    fit(ProgressLine(to))
    written = to.file.getvalue()
    assert written.count("\n") == 1  # after the last epoch
    states = [state for state in UP_OR_CLEAR.sub("", written).split("\r") if state.strip()]
    assert any(state.startswith("epoch 1/3") for state in states)
    assert re.fullmatch(r"epoch 3/3  [\d,]+ images/s  loss \d+\.\d{3}  mae .*…\n", states[-1])
    assert all(len(state.rstrip("\n")) <= 60 for state in states)
    assert written.count("\x1b[?25h") >= 1


def test_what_is_printed_meanwhile_stands_above(monkeypatch):
    to = console(terminal=True)
    monkeypatch.setattr(sys, "stdout", to.file)
    said = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print("said"))
    fit(ProgressLine(to), said)
    assert to.file.getvalue().count("said\n") == 3
    assert sys.stdout is to.file


def test_file_has_a_line_for_each_epoch():
    to = console(terminal=False)
    fit(ProgressLine(to))
    lines = to.file.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all(re.search(r"  loss \d+\.\d{3}  mae .*  val_loss .*  val_mae \d+\.\d{3}$", line) for line in lines)


def test_an_error_leaves_nothing_behind_that_harms_the_next_training():
    class Interrupted(Exception):
        pass

    def interrupt(epoch, logs):
        raise Interrupted

    to = console(terminal=True)
    line = ProgressLine(to)
    before = sys.stdout
    with pytest.raises(Interrupted):
        fit(line, keras.callbacks.LambdaCallback(on_epoch_end=interrupt))
    fit(line)
    assert sys.stdout is before
    assert "epoch 3/3" in to.file.getvalue().splitlines()[-2]


@pytest.mark.parametrize("widgets", [None, "there"])
def test_notebooks_rewrite_the_line_where_they_can(monkeypatch, widgets):
    to = console(terminal=False)
    to.is_jupyter = True
    monkeypatch.setattr("importlib.util.find_spec", lambda name: widgets)
    assert ProgressLine(to)._is_live is (widgets is not None)
