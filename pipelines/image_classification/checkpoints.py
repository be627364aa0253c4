"""Where a training leaves its checkpoint and logs, so that the next run finds them.

Every execution of TFX has folders of its own, and those of one that was killed are removed.
"""

import contextlib
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

CHECKPOINTS_KEY = "checkpoints"
# From the folder of a model run, artifacts/Trainer/model_run/<execution>: TFX's cache sees no absolute path, so that
# the output may be moved.
CHECKPOINTS = "../../../../checkpoints"


@dataclass(frozen=True)
class TrainingFolders:
    """Folders of one training.

    Attributes:
      checkpoint_dir: For `fit`; None where no checkpoints are kept.
      log_dir: For TensorBoard; None where nobody looks, as in the trials of a search.
    """

    checkpoint_dir: str | None
    log_dir: str | None


@contextlib.contextmanager
def training_folders(fn_args: FnArgs) -> Iterator[TrainingFolders]:
    """Yields the folders; those of a training that ends well are left to the model run, without the checkpoint.

    The checkpoint lies in a folder whose name is a hash of all that the weights depend on: the examples, the
    configuration, which holds the version of the code, and the versions of TensorFlow and Keras. So a run that was
    killed goes on, and one with other settings begins anew.

    Args:
      fn_args: TFX's. `custom_config["checkpoints"]` is the path of all checkpoints from the folder of the model run;
        without it, none are kept.
    """
    given = fn_args.custom_config.get(CHECKPOINTS_KEY)
    if given is None or "://" in fn_args.model_run_dir:
        yield TrainingFolders(None, fn_args.model_run_dir)
        return
    root = Path(os.path.normpath(os.path.join(fn_args.model_run_dir, given)))
    folder = root / _hash(fn_args, root)
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    yield TrainingFolders(str(folder), str(logs))
    shutil.copytree(logs, fn_args.model_run_dir, dirs_exist_ok=True)
    shutil.rmtree(folder)
    with contextlib.suppress(OSError):  # others are kept there
        root.rmdir()


def _hash(fn_args: FnArgs, root: Path) -> str:
    depends_on: dict[str, Any] = {
        "config": fn_args.custom_config,
        "examples": [_fingerprints(files, root) for files in (fn_args.train_files, fn_args.eval_files)],
        "hyperparameters": fn_args.hyperparameters,
        "base_model": fn_args.base_model and os.path.relpath(fn_args.base_model, root),
        "versions": [tf.__version__, keras.__version__],
    }
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]


def _fingerprints(patterns: list[str], root: Path) -> list[tuple[str, int, int]]:
    """Path, size and time of each file: an artifact is never written again."""
    files = sorted(file for pattern in patterns for file in glob.glob(pattern))
    return [(os.path.relpath(file, root), os.stat(file).st_size, os.stat(file).st_mtime_ns) for file in files]
