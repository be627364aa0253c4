"""The public names exist, and importing a package costs nothing until a name is used."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

HEAVY = {"tensorflow", "keras", "tfx", "apache_beam", "rich", "pydantic", "numpy", "PIL"}


@pytest.mark.parametrize("module", ["keras_ext", "tfx_components", "pipelines", "pipelines.cli"])
def test_importing_is_free(module):
    code = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_component_is_importable():
    components = importlib.import_module("tfx_components")
    names = {name: getattr(components, name) for name in components.__all__}
    assert names["DirectoryExampleGen"].__module__ == "tfx_components.directory_example_gen.component"
    assert all(thing.__name__ == name for name, thing in names.items())


def test_every_room_of_components_has_a_public_name():
    components = importlib.import_module("tfx_components")
    rooms = {module.name for module in pkgutil.iter_modules(components.__path__) if module.ispkg}
    homes = {getattr(components, name).__module__.split(".")[1] for name in components.__all__}
    assert rooms - homes == set()


def test_rooms_of_keras_ext():
    import keras_ext

    assert keras_ext.layers.__name__ == "keras_ext.layers"
    with pytest.raises(AttributeError, match="no attribute 'laeyrs'"):
        keras_ext.laeyrs  # noqa: B018
