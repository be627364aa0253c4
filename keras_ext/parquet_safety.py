"""What old versions of pyarrow do with a Parquet file that nobody would want: run code that the file brings along."""

import functools
import re
from typing import Any

_NAME = "arrow.py_extension_type"


@functools.cache
def forbid_python_types() -> None:
    """Makes pyarrow refuse columns that are declared as pickled Python objects.

    Before version 14.0.1 it unpickles the declaration as soon as the file is opened (CVE-2023-47248). The cure is that
    of the package pyarrow-hotfix: another type takes the name, and this one refuses.
    """
    import pyarrow

    class Forbidden(pyarrow.ExtensionType):
        def __init__(self) -> None:
            super().__init__(pyarrow.null(), _NAME)

        def __arrow_ext_serialize__(self) -> bytes:
            return b""

        @classmethod
        def __arrow_ext_deserialize__(cls, storage_type: Any, serialized: bytes) -> "Forbidden":
            raise ValueError("it declares a column of pickled Python objects, which could run any code")

    # Newer versions unpickle nothing, and end badly with a type that is still registered when Python ends.
    if tuple(map(int, re.findall("[0-9]+", pyarrow.__version__)[:3])) < (14, 0, 1):
        pyarrow.unregister_extension_type(_NAME)
        pyarrow.register_extension_type(Forbidden())
