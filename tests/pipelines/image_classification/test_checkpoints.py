import os
import shutil

import pytest
from tfx.components.trainer.fn_args_utils import FnArgs

from pipelines.image_classification.checkpoints import CHECKPOINTS, CHECKPOINTS_KEY, training_folders


def fn_args(output, execution=7, **config):
    model_run = output / "artifacts" / "Trainer" / "model_run" / str(execution)
    model_run.mkdir(parents=True, exist_ok=True)
    examples = output / "artifacts" / "Transform" / "transformed_examples" / "6"
    for split in ("train", "eval"):
        (examples / split).mkdir(parents=True, exist_ok=True)
        if not (examples / split / "part").exists():
            (examples / split / "part").write_text(split)
    return FnArgs(
        train_files=[str(examples / "train" / "*")],
        eval_files=[str(examples / "eval" / "*")],
        model_run_dir=str(model_run),
        custom_config={CHECKPOINTS_KEY: CHECKPOINTS, "train": {"epochs": 3}, "class_weights": {0: 1.0}, **config},
    )


def interrupted(arguments):
    """Where the checkpoint lies, seen from the folder of the model run."""

    def train():
        with training_folders(arguments) as folders:
            raise KeyboardInterrupt(folders.checkpoint_dir)

    with pytest.raises(KeyboardInterrupt) as interrupt:
        train()
    [folder] = interrupt.value.args
    assert os.path.isdir(folder)
    return os.path.relpath(folder, arguments.model_run_dir)


def test_the_next_execution_finds_it_also_in_another_place(tmp_path):
    first = interrupted(fn_args(tmp_path / "out"))
    assert os.path.dirname(first) == CHECKPOINTS
    assert interrupted(fn_args(tmp_path / "out", execution=9)) == first
    shutil.move(tmp_path / "out", tmp_path / "moved")
    assert interrupted(fn_args(tmp_path / "moved", execution=11)) == first


def test_other_settings_code_or_examples_begin_anew(tmp_path):
    output = tmp_path / "out"
    changed = [{}, {"train": {"epochs": 4}}, {"code_version": "2"}, {"class_weights": {0: 2.0}}]
    folders = {interrupted(fn_args(output, **config)) for config in changed}
    os.utime(output / "artifacts/Transform/transformed_examples/6/train/part", ns=(1, 1))
    folders.add(interrupted(fn_args(output)))
    assert len(folders) == 5


def test_what_ends_well_leaves_its_logs_and_no_checkpoint(tmp_path):
    arguments = fn_args(tmp_path)
    with training_folders(arguments) as folders:
        assert folders.checkpoint_dir is not None
        with open(os.path.join(folders.log_dir, "events"), "w") as file:
            file.write("log")
    assert os.listdir(arguments.model_run_dir) == ["events"]
    assert not (tmp_path / "checkpoints").exists()


def test_those_of_others_stay(tmp_path):
    other = interrupted(fn_args(tmp_path, train={"epochs": 9}))
    with training_folders(fn_args(tmp_path)):
        pass
    assert os.listdir(tmp_path / "checkpoints") == [os.path.basename(other)]


def test_without_the_key_none_are_kept(tmp_path):
    arguments = fn_args(tmp_path)
    del arguments.custom_config[CHECKPOINTS_KEY]
    with training_folders(arguments) as folders:
        assert (folders.checkpoint_dir, folders.log_dir) == (None, arguments.model_run_dir)
    assert not (tmp_path / "checkpoints").exists()
