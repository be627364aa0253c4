"""The user's own code, named in a configuration: loading it, and a fingerprint of what it consists of.

A reference is `"path/to/file.py:name"`, the path absolute or relative to the current directory, or
`"package.module:name"`, which must be importable.
"""

import ast
import contextlib
import difflib
import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any


def is_reference(name: str) -> bool:
    """Whether a name is that of the user's own code: built-in names hold no colon.

    Example:

    >>> is_reference("my_model.py:build"), is_reference("small_cnn")
    (True, False)
    """
    return ":" in name or name.endswith(".py")


def load_object(reference: str) -> Any:
    """Returns what a reference names: a function, a class.

    A file is run anew with each call, so that an edit is seen. While it runs, it can import the modules beside it.

    Args:
      reference: `"path/to/file.py:name"` or `"package.module:name"`.

    Raises:
      ValueError: No such file or module; one that fails when it is run, with the line; or one that does not define the
        name, with what it does define.

    Example:

    >>> build = load_object("my_model.py:build")
    """
    place, name = _split(reference)
    module = _run_file(Path(place)) if place.endswith(".py") else _import(place)
    if not hasattr(module, name):
        raise ValueError(f"'{place}' must define '{name}'. {_said_of(module, name)}")
    return getattr(module, name)


def absolute_reference(reference: str) -> str:
    """Returns a reference with the absolute path of its file; a dotted name stays as it is.

    Example:

    >>> absolute_reference("my_package.models:build")
    'my_package.models:build'
    """
    place, name = _split(reference)
    return f"{os.path.abspath(place)}:{name}" if place.endswith(".py") else reference


def code_fingerprint(reference: str) -> str:
    """Returns the SHA-256 (hex) of the sources that a reference stands for, without running them.

    Of a file, these are the file, the modules and packages beside it that its `import` statements name, and theirs in
    turn; of a dotted name, all sources of its topmost package, or, where that is a single module, as of a file. Other
    installed packages do not count, nor do modules whose names are made up while running.

    Raises:
      ValueError: No such file or module.

    Example:

    >>> code_fingerprint("my_model.py:build") == code_fingerprint("my_model.py:build")
    True
    """
    root, files = _sources(_split(reference)[0])
    digest = hashlib.sha256()
    for file in sorted(files):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _split(reference: str) -> tuple[str, str]:
    place, _, name = reference.rpartition(":")
    if not place or not name.isidentifier():
        file = reference if reference.endswith(".py") else "my_code.py"
        raise ValueError(
            "Code of your own must be named as 'path/to/file.py:name' or 'package.module:name'. "
            f"Received: {reference!r}. Write '{file}:name', with the name of the function or class in it."
        )
    return place, name


def _run_file(file: Path) -> ModuleType:
    _check_file(file)
    file = file.resolve()
    # A name of its own: a file may be called like a module that is already there.
    name = f"{file.stem}_{zlib.crc32(str(file.parent).encode()):08x}"
    loader = importlib.machinery.SourceFileLoader(name, str(file))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))  # type: ignore[arg-type]
    sys.modules[name] = module  # where dataclasses, for example, look
    try:
        with _modules_of(file.parent):
            loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ValueError(f"'{file}' cannot be run: {_reason(error, file)}.") from error
    return module


@contextlib.contextmanager
def _modules_of(folder: Path) -> Iterator[None]:
    """Lets what runs import the modules of a folder, and forgets these afterwards: other folders have others."""
    before, writes_bytecode = set(sys.modules), sys.dont_write_bytecode
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True  # the folder is the user's
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_bytecode
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if _lies_in(sys.modules[name], folder) and not _is_importable(name.partition(".")[0]):
                del sys.modules[name]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    places = [file] if file else getattr(module, "__path__", [])  # a folder without __init__.py has no file
    return any(folder in Path(place).parents for place in places)


def _is_importable(name: str) -> bool:
    """Whether a module can be found, loaded or not."""
    return any(finder.find_spec(name, None) for finder in sys.meta_path)


def _import(place: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"'{place}' cannot be imported: {_reason(error)}. A dotted name must be that of an installed module, or of "
            "one on PYTHONPATH; a file is named by its path, 'path/to/file.py:name'."
        ) from error


def _check_file(file: Path) -> None:
    if not file.is_file():
        raise ValueError(f"There is no file '{file}'. A relative path starts at the current directory, '{Path.cwd()}'.")


def _reason(error: BaseException, file: Path | None = None) -> str:
    if isinstance(error, SystemExit):
        return "it ends the program. Put what a script does under `if __name__ == '__main__':`"
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__} in {error.filename}, line {error.lineno}: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f"{type(error).__name__}{f' in line {lines[-1]}' if lines else ''}: {error}"


def _said_of(module: ModuleType, name: str) -> str:
    own = [
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and callable(value) and getattr(value, "__module__", None) == module.__name__
    ]
    if not own:
        return "It defines no function and no class."
    near = difflib.get_close_matches(name, own, n=1)
    return f"It defines {', '.join(map(repr, own))}." + (f" Did you mean {near[0]!r}?" if near else "")


def _sources(place: str) -> tuple[Path, list[Path]]:
    """The folder that imports start from, and the files."""
    if place.endswith(".py"):
        file = Path(os.path.abspath(place))
        _check_file(file)
        return file.parent, _with_imports(file)
    top = place.partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is not None and spec.submodule_search_locations:
        package = Path(next(iter(spec.submodule_search_locations)))
        return package.parent, list(package.rglob("*.py"))
    if spec is None or not spec.has_location or spec.origin is None:
        raise ValueError(f"'{place}' has no Python sources: there is no such module on the path of imports.")
    return Path(spec.origin).parent, _with_imports(Path(spec.origin))


def _with_imports(file: Path) -> list[Path]:
    """The file, and the modules of its folder that it imports, and that these import."""
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += [beside for module in _imports(one) for beside in _modules_beside(file.parent, module)]
    return list(found)


def _imports(file: Path) -> list[str]:
    """The full names that a file's import statements may mean, wherever in it they stand."""
    try:
        nodes = list(ast.walk(ast.parse(file.read_bytes())))
    except (SyntaxError, ValueError):  # loading the file says so
        return []
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return plain + [
        f"{node.module}.{alias.name}"
        for node in nodes
        # Relative imports are those of packages, which are taken as a whole.
        if isinstance(node, ast.ImportFrom) and node.level == 0
        for alias in node.names
    ]


def _modules_beside(folder: Path, module: str) -> list[Path]:
    """The files of a folder that a module's full name stands for: one, all of a package, or none."""
    head, _, rest = module.partition(".")
    if (folder / head / "__init__.py").is_file():
        return list((folder / head).rglob("*.py"))
    if (folder / f"{head}.py").is_file():
        return [folder / f"{head}.py"]
    return _modules_beside(folder / head, rest) if rest and (folder / head).is_dir() else []
