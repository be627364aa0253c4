"""`make demo`: the main job on real data, scikit-learn's 1,797 scans of handwritten digits."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from pipelines import cli

_DEMO = Path("runs") / "demo"
_IMAGES = _DEMO.with_name("digits")
_BLACK = 16  # the scans count ink in sixteen steps
_SHOWN = 5


def main() -> int:
    """Writes the digits as PNG files, runs the pipeline over them and classifies a few from their raw bytes."""
    write_digits(_IMAGES)
    # The scans are 8 x 8 pixels, so the smallest size suffices.
    code = cli.main(["run", str(_IMAGES), "--output", str(_DEMO), "--set", "image.color_mode=grayscale"])
    return code or _classify_some()


def write_digits(directory: Path) -> None:
    """Writes every digit to `<directory>/<digit>/<number>.png`; files that are there stay untouched."""
    digits = load_digits()
    for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        file = directory / str(label) / f"{number:04}.png"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".partial")
            Image.fromarray((image * (255 / _BLACK)).astype(np.uint8)).save(partial, "PNG")
            partial.rename(file)


def _classify_some() -> int:
    """Loads the pushed model in a process that has TensorFlow alone, as a server would."""
    model = max((_DEMO / "serving").iterdir(), key=lambda version: int(version.name) if version.name.isdigit() else -1)
    files = sorted(str(file) for file in _IMAGES.glob("*/*.png"))[:: 1797 // _SHOWN][:_SHOWN]
    # Classic TensorFlow imports Google clients, which remind of their Python versions.
    return subprocess.run(
        [sys.executable, "-W", "ignore::FutureWarning", "-c", _CLASSIFY, str(model), *files], check=False
    ).returncode


_CLASSIFY = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
files = sys.argv[2:]
result = model.signatures["serving_default"](tf.constant([open(file, "rb").read() for file in files]))
print("\\nThe pushed model, loaded with TensorFlow alone, on raw PNG bytes:")
for file, label, probability in zip(files, result["label"].numpy(), result["probability"].numpy()):
    print(f"  {file}  ->  {label.decode()}  ({probability:.3f})")
"""


if __name__ == "__main__":
    sys.exit(main())
