"""Every command of the README can be pasted as it stands after ``anymole demo``."""

import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ELSEWHERE = ("make ", "source ", "cd ", "pipx ", "anymole demo")
"""Lines that set up, which other tests and ``make package`` try."""
PLANNED = ("anymole mimic", "anymole run boxer/shot.usda --engine video --model tiny")
"""What takes minutes is planned here; tests of its own do it on smaller shots."""
UNTIL_STOPPED = "anymole view"
WITHOUT_TERMINAL = "anymole boxer/shot_inbetween"
WITHOUT_WEIGHTS = "--prompt"
OWN = ("anymole", "engine", "usd_io")
BARE = """import builtins
take = builtins.__import__
def bare(name, globals=None, locals=None, fromlist=(), level=0):
    if name.split(".")[0] in {absent!r} and str((globals or {{}}).get("__name__")).startswith({own!r}):
        raise ModuleNotFoundError(name)
    return take(name, globals, locals, fromlist, level)
builtins.__import__ = bare
"""
"""What only extras bring, tests among them, is kept from our own code: ``make demo`` does not install it."""


def commands() -> list[str]:
    """The commands of all shell blocks, without their comments, in their order."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [re.sub(r"\s+#.*", "", line).strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(ELSEWHERE)]


def only_of_extras() -> set[str]:
    """Packages that are imported by name and come with none of the dependencies of a plain installation."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    always, more = (
        {re.split(r"[^\w-]", line)[0].lower() for line in lines}
        for lines in (project["dependencies"], [line for lines in extras for line in lines])
    )
    return {
        name
        for name, found in packages_distributions().items()
        if {d.lower() for d in found} & (more - always)
    }


def test_the_readme_has_commands_of_every_kind() -> None:
    words = {line.split()[1] for line in commands()}
    assert words >= {
        "inspect",
        "run",
        "take",
        "check",
        "view",
        "report",
        "evaluate",
        "benchmark",
        "render",
        "mimic",
    }
    assert words >= {"models", "runs", "submit"}


def test_pictures_and_links_of_the_readme_exist() -> None:
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert not [link for link in links if link and not (ROOT / link).exists()]


def test_container_and_conda_ask_for_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    container, conda = (ROOT / "Containerfile").read_text(), (ROOT / "environment.yml").read_text()
    (torch,) = [line for line in project["dependencies"] if re.match(r"torch\b", line)]
    assert f'"{torch}"' in container
    assert re.search(r"- pip:\n +- \.\n", conda)  # the project itself, with its dependencies
    least = tuple(map(int, re.findall(r"\d+", project["requires-python"])[:2]))
    for found in re.findall(r"python[:=](\d+)\.(\d+)", container + conda):
        assert tuple(map(int, found)) >= least


@pytest.mark.slow
def test_every_command_can_be_pasted_after_the_demo(tmp_path: Path) -> None:
    state = {
        f"XDG_{name}_HOME": str(tmp_path / name.lower()) for name in ("STATE", "CONFIG", "CACHE", "DATA")
    }
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "sitecustomize.py").write_text(BARE.format(absent=only_of_extras(), own=OWN))
    path = {"PYTHONPATH": f"{bare}{os.pathsep}{ROOT}"}
    environment = os.environ | state | path | {"OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "anymole_tui"]

    def anymole(arguments: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*program, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_S,
        )

    made = anymole(["demo"], tmp_path)
    assert made.returncode == 0, made.stderr
    assert "% closer than slerp" in made.stdout
    demo = tmp_path / "demo"
    for line in commands():
        arguments = shlex.split(line)[1:]
        if line.startswith(UNTIL_STOPPED):
            told = _served([*program, *arguments], demo, environment)
            assert told.startswith("http://127.0.0.1:"), line
            continue
        done = anymole([*arguments, *(["--dry-run"] if line.startswith(PLANNED) else [])], demo)
        if line == WITHOUT_TERMINAL:
            assert "needs a terminal" in done.stderr
        elif WITHOUT_WEIGHTS in line:
            assert done.returncode in (0, 3), done.stderr  # the weights are not there, and it says so
        else:
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    for block in code:
        done = subprocess.run(
            [sys.executable, "-c", block],
            cwd=demo,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr


def _served(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """The first line of a server, which is then stopped as a person does."""
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        first = server.stdout.readline()
        server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE_S) == 0
    return first
