"""A fresh process that runs a SavedModel with TensorFlow alone."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

_SCRIPT = os.path.join(os.path.dirname(__file__), "tensorflow_alone.py")


class FreshProcess:
    """Starts loading TensorFlow at once, so that its caller can get the images ready meanwhile.

    Example:

    >>> with FreshProcess() as fresh:
    ...     probabilities = fresh.probabilities("serving/1", [b"...", b"..."], batch_size=16)
    """

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        with open(self._path("errors"), "wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-I", _SCRIPT, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                text=True,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is this process's to handle
            )

    def __enter__(self) -> "FreshProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_alive(self) -> bool:
        """Whether it waits for a model."""
        return self._process.poll() is None

    def close(self) -> None:
        """Ends the process and removes its files."""
        self._process.kill()
        self._process.communicate()
        self._directory.cleanup()

    def probabilities(
        self, model: str, files: Sequence[bytes], *, batch_size: int, signature: str = "serving_default"
    ) -> np.ndarray:
        """Returns the signature's `probabilities` `(files, classes)` of image files; to be called once.

        Raises:
          RuntimeError: The model cannot be loaded or run there; the message tells why.
        """
        with tf.io.TFRecordWriter(self._path("files")) as writer:
            for file in files:
                writer.write(file)
        request = {
            "model": model,
            "signature": signature,
            "files": self._path("files"),
            "batch_size": batch_size,
            "answer": self._path("answer.npy"),
        }
        self._process.communicate(json.dumps(request) + "\n")
        if self._process.returncode:
            raise RuntimeError(f"The model {model!r} does not serve with TensorFlow alone: {self._reason()}.")
        return np.load(self._path("answer.npy"), allow_pickle=False)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory.name, name)

    def _reason(self) -> str:
        with open(self._path("errors"), encoding="utf-8", errors="replace") as file:
            # TensorFlow says last in which node something happened, in double brackets.
            lines = [line.strip() for line in file if line.strip() and not line.strip().startswith("[[")]
        return lines[-1].rstrip(".") if lines else f"exit code {self._process.returncode}"


_prepared: list[FreshProcess] = []


def prepare_fresh_process() -> None:
    """Starts a process for the next `fresh_process()`, which then need not wait until TensorFlow is loaded."""
    if not _prepared:
        _prepared.append(FreshProcess())
        atexit.register(_prepared[0].close)


def fresh_process() -> FreshProcess:
    """Returns the prepared process, or starts one."""
    prepared = _prepared.pop() if _prepared else None
    return prepared if prepared and prepared.is_alive else FreshProcess()


def _environment() -> dict[str, str]:
    # TFX asks TensorFlow for the old Keras.
    kept = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    # The GPU is this process's, and rounds in other ways than the CPU.
    return {**kept, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
