"""One image file from disk, checked; reasons for those that cannot be used."""

import errno
import hashlib
import os
from dataclasses import dataclass

from keras_ext.image_file import ImageFileError, ImageInfo, read_image_info

_MAX_BYTES = 1 << 29  # an example must stay below protobuf's limit of 2 GiB

# What can befall a single file. Anything else (no memory, too many open files) is the machine's fault and an error.
_REASONS = {
    errno.ENOENT: "vanished while reading",
    errno.ENOTDIR: "vanished while reading",
    errno.EISDIR: "vanished while reading",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EIO: "cannot be read from disk",
    errno.ELOOP: "broken link",
}


@dataclass(frozen=True, slots=True)
class Image:
    """The content of an image file.

    Attributes:
      data: The bytes of the file.
      info: What they hold.
      digest: Their SHA-256, in hexadecimal.
    """

    data: bytes
    info: ImageInfo
    digest: str


def read_image(path: str, verify: str) -> Image:
    """Reads and checks one file.

    Args:
      path: The file.
      verify: 'decode' or 'header'; see `keras_ext.image_file.read_image_info`.

    Raises:
      ImageFileError: The file cannot be used; the message is a short reason.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size > _MAX_BYTES:
                raise ImageFileError(f"larger than {_MAX_BYTES >> 20} MiB")
            data = file.read()
    except OSError as error:
        if error.errno not in _REASONS:
            raise
        raise ImageFileError(_REASONS[error.errno]) from error
    return Image(data, read_image_info(data, verify), hashlib.sha256(data).hexdigest())
