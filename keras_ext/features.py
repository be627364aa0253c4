"""The names that pass between rooms: features of an example, splits, image files.

Everything that reads or writes an image record takes its names from here, so that ingest, training and serving cannot
disagree. The feature names are those that TensorFlow's image records always had.
"""

from typing import Final

ENCODED: Final = "image/encoded"
FORMAT: Final = "image/format"
ORIGINAL_FORMAT: Final = "image/original_format"  # where ingest made PNG of something else
HEIGHT: Final = "image/height"
WIDTH: Final = "image/width"
CHANNELS: Final = "image/channels"
FILENAME: Final = "image/filename"
SHA256: Final = "image/key/sha256"
CLASS_TEXT: Final = "image/class/text"
CLASS_LABEL: Final = "image/class/label"
GROUP: Final = "image/group"
WEIGHT: Final = "image/weight"
COLUMN: Final = "image/column/"  # and the name of a further column of a manifest; its values are texts

# What statistics can describe: bytes and names say nothing there, and bytes make them slow.
DESCRIPTIVE: Final = (HEIGHT, WIDTH, CHANNELS, CLASS_TEXT, CLASS_LABEL)

# What Transform adds: a serialized uint8 tensor (height, width, channels), decoded and resized once.
PIXELS: Final = "image/pixels"

TRAIN: Final = "train"
EVAL: Final = "eval"
TEST: Final = "test"
SPLITS: Final = (TRAIN, EVAL, TEST)

# Folder names that are taken as splits.
SPLIT_OF_FOLDER: Final = {
    "train": TRAIN,
    "eval": EVAL,
    "val": EVAL,
    "valid": EVAL,
    "validation": EVAL,
    "test": TEST,
}

# Files with one of these extensions are "found"; other files are counted as "ignored".
IMAGE_EXTENSIONS: Final = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".gif",
        ".bmp",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".jp2",
        ".heic",
        ".heif",
        ".avif",
    }
)
