"""The choice of stack and interpreter, on machines made of environment variables and fake interpreters."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
TOOLS = ("dirname", "getconf", "head", "ls", "paste", "sed", "sh", "sort", "tr", "uname")


@pytest.fixture
def machine(tmp_path):
    """Returns a function that runs scripts/stack.sh on a machine with these interpreters (name -> what it answers)."""
    for tool in TOOLS:
        (tmp_path / tool).symlink_to(shutil.which(tool))

    def run(interpreters, *arguments, **environment):
        for name, answer in interpreters.items():
            fake = tmp_path / name
            fake.write_text(f"#!/bin/sh\n{answer}\n")
            fake.chmod(0o755)
        defaults = {"PATH": str(tmp_path), "PYENV_ROOT": "none", "STACK_SYSTEM": "Linux x86_64"}
        command = [str(ROOT / "scripts" / "stack.sh"), *arguments]
        return subprocess.run(command, env=defaults | environment, capture_output=True, text=True, check=False)

    return run


def runs(version, venv="venv"):
    return f'echo "{version} {venv} $0"'


@pytest.mark.parametrize(
    "glibc, versions, chosen",
    [
        ("2.36", ["3.10", "3.11", "3.12"], "classic-py311"),
        ("2.36", ["3.10", "3.12"], "classic-py310"),
        ("2.38", ["3.11"], "classic-py311"),
        ("2.36.9000", ["3.11"], "classic-py311"),
        ("2.9", ["3.11"], "classic-py311"),
        ("2.39", ["3.10", "3.11", "3.12", "3.13", "3.14"], "current-py313"),
        ("2.41", ["3.11", "3.12"], "current-py312"),
        ("2.41", ["3.11"], "current-py311"),
        ("2.100", ["3.13"], "current-py313"),
    ],
)
def test_glibc_and_interpreters(machine, tmp_path, glibc, versions, chosen):
    result = machine({f"python{version}": runs(version) for version in versions}, STACK_GLIBC=glibc)
    version = "3." + chosen.rpartition("py3")[2]
    assert result.stdout == f"{chosen} {tmp_path}/python{version}\n"


def test_apple_silicon_is_current(machine):
    assert machine({"python3.13": runs("3.13")}, STACK_SYSTEM="Darwin arm64").stdout.startswith("current-py313 ")


def test_family_needs_no_interpreter(machine):
    assert machine({}, "--family", STACK_GLIBC="2.36").stdout == "classic\n"
    assert machine({}, "--family", STACK_GLIBC="2.39").stdout == "current\n"


def test_python3_alone_is_enough(machine, tmp_path):
    assert machine({"python3": runs("3.10")}, STACK_GLIBC="2.36").stdout == f"classic-py310 {tmp_path}/python3\n"


def test_an_interpreter_that_does_not_run_is_passed_over(machine):
    shim = "echo 'pyenv: python3.11: command not found' >&2; exit 127"
    result = machine({"python3.11": shim, "python3.10": runs("3.10")}, STACK_GLIBC="2.36")
    assert result.stdout.startswith("classic-py310 ")
    assert result.stderr == ""


def test_pyenv_has_versions_that_path_does_not_show(machine, tmp_path):
    home = tmp_path / "versions" / "3.11.7" / "bin"
    home.mkdir(parents=True)
    (home / "python3.11").write_text(f"#!/bin/sh\n{runs('3.11')}\n")
    (home / "python3.11").chmod(0o755)
    result = machine({}, STACK_GLIBC="2.36", PYENV_ROOT=str(tmp_path))
    assert result.stdout == f"classic-py311 {home}/python3.11\n"


def test_python_names_the_only_one_to_try(machine, tmp_path):
    interpreters = {"python3.11": runs("3.11"), "other": runs("3.10")}
    result = machine(interpreters, STACK_GLIBC="2.36", PYTHON=f"{tmp_path}/other")
    assert result.stdout == f"classic-py310 {tmp_path}/other\n"
    assert "found none" in machine(interpreters, STACK_GLIBC="2.36", PYTHON="no-such").stderr


@pytest.mark.parametrize(
    "interpreters, environment, sentence",
    [
        (
            {"python3.12": runs("3.12"), "python3.13": runs("3.13")},
            {"STACK_GLIBC": "2.36"},
            "TFX 1.16.0 needs Python 3.11 or 3.10 on this machine (glibc 2.36 < 2.39); found python3.12, python3.13. "
            "Install python3.11 with its venv module, or name one: PYTHON=<path>.",
        ),
        (
            {"python3.11": runs("3.11", "no-venv")},
            {"STACK_GLIBC": "2.41"},
            "TFX 1.21.0 needs Python 3.13, 3.12 or 3.11 on this machine (glibc 2.41); "
            "found python3.11 without its venv module. "
            "Install python3.13 with its venv module, or name one: PYTHON=<path>.",
        ),
        (
            {},
            {"STACK_SYSTEM": "Darwin arm64"},
            "TFX 1.21.0 needs Python 3.13, 3.12 or 3.11 on this machine (Apple silicon); found none. "
            "Install python3.13 with its venv module, or name one: PYTHON=<path>.",
        ),
        ({}, {"STACK_GLIBC": ""}, "TFX needs a Linux with glibc 2; found none, perhaps musl."),
        (
            {},
            {"STACK_SYSTEM": "Linux aarch64"},
            "TFX needs Linux on x86-64 or macOS on Apple silicon; this machine is Linux aarch64.",
        ),
    ],
)
def test_a_machine_that_cannot_gets_one_sentence(machine, interpreters, environment, sentence):
    result = machine(interpreters, **environment)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == sentence + "\n"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_locks_hold_versions_and_nothing_else(lock):
    lines = lock.read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[^ /:@]+( ; [a-zA-Z0-9_ .'<>=!]+)?", line)] == []
    pinned = dict(line.split(" ; ")[0].split("==") for line in lines)
    stack = (lock.parent / f"{lock.stem.rpartition('-')[0]}.in").read_text().splitlines()
    assert {line for line in stack if "==" in line} <= {f"{name}=={version}" for name, version in pinned.items()}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_locks_hold_what_setup_cfg_requires(lock):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lists = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    lines = [line for line in "\n".join(lists).split("\n") if line and line[0] != "#" and ";" not in line]
    required = {re.match(r"[a-z0-9-]+", line).group() for line in lines}
    assert {"tensorflow", "tfx", "uv", "pip"} < required
    assert required - {line.split("==")[0] for line in lock.read_text().splitlines()} == set(), "run make lock"
