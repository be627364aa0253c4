import logging

from tfx_components.directory_example_gen import progress


def test_lines_say_how_far_it_is(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "keras_ext.progress")
    clock = iter(range(0, 10_000, 1))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock) / 1000)
    with progress.counted(2500) as key:
        for _ in range(2500):
            progress.advance(key)
    assert [record.getMessage() for record in caplog.records] == ["1,000 of 2,500 images", "2,000 of 2,500 images"]


def test_another_process_says_nothing(caplog):
    caplog.set_level(logging.INFO, "keras_ext.progress")
    progress.advance("a key of somewhere else")
    assert not caplog.records
