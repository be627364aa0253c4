"""Mistreats images of every format and looks at what ingest makes of them.

Usage: python benchmarks/fuzz_images.py [CASES] [--seed N] [--no-tensorflow]

The images and the damages are those of tests/keras_ext/test_image_file.py: truncated, bits flipped, bytes overwritten,
inserted and deleted, images concatenated, headers and checksums rewritten. For each case `decodable_image` must return
an image or a reason, within a second of processor time, and what it returns TensorFlow must decode to the size that it
says. Prints one line for each format; exits with 1 where the invariant does not hold.
"""

import argparse
import collections
import os
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path

from keras_ext.image_file import DecodableImage, ImageFileError, decodable_image

SAMPLES = Path(__file__).parent.parent / "tests" / "keras_ext" / "test_image_file.py"
SECONDS = 1.0


class Line:
    """What became of the cases of a format."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.slowest = 0.0

    def row(self, name: str) -> str:
        kinds = ("cases", "as it is", "to PNG", "rejected", "crashed", "refused by TF", "too slow")
        return f"{name:<10}" + "".join(f"{self.counts[kind]:>15,}" for kind in kinds) + f"{self.slowest * 1000:>12.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=int, nargs="?", default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-tensorflow", action="store_true", help="do not decode what passes")
    options = parser.parse_args()
    decoded = None if options.no_tensorflow else tensorflow_decoder()
    lines: dict[str, Line] = collections.defaultdict(Line)
    bad = []
    for what, data in runpy.run_path(str(SAMPLES))["damaged_images"](options.cases, options.seed):
        line = lines[what.split(",")[0].split(":")[0]]
        problem = look_at(data, line, decoded)
        if problem:
            bad.append(f"{what}: {problem}")
    columns = ("cases", "as it is", "to PNG", "rejected", "crashed", "refused by TF", "over 1 s")
    print(f"{'format':<10}" + "".join(f"{name:>15}" for name in columns) + f"{'slowest ms':>12}")
    for name, line in sorted(lines.items()):
        print(line.row(name))
    print("\n".join(bad[:50]) or f"{options.cases:,} cases: every one an image or a reason, none over {SECONDS:g} s")
    return 1 if bad else 0


def look_at(data: bytes, line: Line, decoded: Callable[[DecodableImage], str] | None) -> str:
    """Counts what becomes of one file; returns what is wrong with that, or ''."""
    line.counts["cases"] += 1
    start = time.process_time()  # others may use the machine
    image, problem = outcome(data, line)
    seconds = time.process_time() - start
    line.slowest = max(line.slowest, seconds)
    if seconds > SECONDS:
        line.counts["too slow"] += 1
        problem = problem or f"{seconds:.1f} s"
    if image is not None and decoded is not None and (refusal := decoded(image)):
        line.counts["refused by TF"] += 1
        problem = problem or refusal
    return problem


def outcome(data: bytes, line: Line) -> tuple[DecodableImage | None, str]:
    try:
        image = decodable_image(data)
    except ImageFileError:
        line.counts["rejected"] += 1
        return None, ""
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        line.counts["crashed"] += 1
        return None, repr(error)
    line.counts["as it is" if image.data is data else "to PNG"] += 1
    return image, ""


def tensorflow_decoder() -> Callable[[DecodableImage], str]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    def decoded(image: DecodableImage) -> str:
        try:
            shape = tf.io.decode_image(image.data, channels=3, expand_animations=False).shape
        except tf.errors.InvalidArgumentError as error:
            return f"TensorFlow says: {error.message}"
        expected = (image.info.height, image.info.width, 3)
        return "" if tuple(shape) == expected else f"TensorFlow finds {tuple(shape)}, expected {expected}"

    return decoded


if __name__ == "__main__":
    sys.exit(main())
