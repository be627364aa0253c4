"""The current stack where the machine itself can run it: no root is made. (CI makes one: make test-current.)"""

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "debian13.sh"


def run(*arguments, **environment):
    environment = {"PATH": "/usr/bin:/bin", "STACK_SYSTEM": "Linux x86_64"} | environment
    return subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_a_new_machine_runs_the_command_itself(tmp_path):
    result = run("sh", "-c", "cat /proc/self/mountinfo", STACK_GLIBC="2.39")
    assert result.stdout == Path("/proc/self/mountinfo").read_text()
    assert run("sh", "-c", "exit 7", STACK_GLIBC="2.41").returncode == 7


def test_needs_a_command():
    result = run()
    assert result.returncode == 1
    assert result.stderr.startswith("Usage: ")
