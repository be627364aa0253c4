"""A script for a process of its own that has TensorFlow alone: it runs a SavedModel as a stranger's server would.

Arguments: the parent's `sys.path`, a JSON list. On standard input: one JSON line with `model`, `signature`, `files` (a
TFRecord file), `batch_size` and `answer`, the `.npy` file to write the probabilities to.
"""

import json
import sys
from typing import Any, NoReturn

# What an exported model must do without. TensorFlow loads Keras, and jax, for nothing where they are there.
BLOCKED = frozenset(
    {
        "apache_beam",
        "jax",
        "keras",
        "keras_cv",
        "keras_ext",
        "pipelines",
        "tensorflow_transform",
        "tf_keras",
        "tfx",
        "tfx_bsl",
        "tfx_components",
    }
)


def main() -> None:
    """Answers one request."""
    # As if they were not installed, wherever they are.
    sys.modules.update(dict.fromkeys(BLOCKED))  # type: ignore[arg-type]
    sys.path += [path for path in json.loads(sys.argv[1]) if path and path not in sys.path]
    import tensorflow as tf  # while the parent gets the images ready

    line = sys.stdin.readline()
    if line:  # else the parent is gone
        answer(json.loads(line))
    loaded = {name for name, module in sys.modules.items() if module and name.partition(".")[0] in BLOCKED}
    if loaded:
        _fail(f"beside TensorFlow {tf.__version__}, these were loaded: {', '.join(sorted(loaded))}")


def answer(request: dict[str, Any]) -> None:
    """Runs the signature on the files and writes the probabilities."""
    import numpy as np
    import tensorflow as tf

    signatures = tf.saved_model.load(request["model"]).signatures
    name = request["signature"]
    if name not in signatures:
        _fail(f"the model must have the signature {name!r}. Received: {', '.join(map(repr, signatures)) or 'none'}")
    signature = signatures[name]
    inputs = signature.structured_input_signature[1]
    if [spec.dtype for spec in inputs.values()] != [tf.string] or "probabilities" not in signature.structured_outputs:
        _fail(
            f"{name!r} must take one input, the bytes of image files, to 'probabilities'. "
            f"Received: {inputs} to {', '.join(map(repr, signature.structured_outputs))}"
        )
    [input_name] = inputs
    batches = tf.data.TFRecordDataset(request["files"]).batch(request["batch_size"])
    probabilities = [signature(**{input_name: files})["probabilities"].numpy() for files in batches]
    np.save(request["answer"], np.concatenate(probabilities))


def _fail(message: str) -> NoReturn:
    sys.exit(message)


if __name__ == "__main__":
    main()
