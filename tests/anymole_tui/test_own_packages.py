"""No code of the current folder, and no foreign package of our names, runs in our place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anymole_tui.own_packages import OWN
from engine.runs.process import python_command, python_environment

ROOT = Path(__file__).resolve().parents[2]
MARK = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"
"""A module that leaves a mark when it is imported."""
SHADOWS = (*OWN, "anymole_tui", "typer", "numpy", "torch", "submitit", "random")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of shots with modules in it that must not be imported."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(MARK)
    return tmp_path


@pytest.mark.parametrize("path", ["", os.pathsep, ".", "relative"])
@pytest.mark.parametrize("module", ["anymole_tui", "engine.workers.self_test", "engine.workers.thumbnails"])
def test_child_processes_import_nothing_from_the_current_folder(
    module: str, path: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "relative").symlink_to(folder)
    monkeypatch.setenv("PYTHONPATH", path)
    command = python_command(module, *(["--version"] if module == "anymole_tui" else []))
    done = subprocess.run(
        command, cwd=folder, env=python_environment(), input=b"", capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "ran").exists()


def test_empty_entry_of_the_import_path_does_not_stand_for_the_current_folder(folder: Path) -> None:
    command = [sys.executable, "-m", "anymole_tui.__main__", "--version"]
    path = os.pathsep.join((str(ROOT), "", "."))
    for shadow in (
        "anymole_tui",
        "random",
        "typer",
    ):  # those python itself, or -m, would take before we are asked
        (folder / f"{shadow}.py").unlink()
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("kind", ["module", "package", "folder"])
def test_foreign_package_of_our_name_ends_in_one_sentence(name: str, kind: str, tmp_path: Path) -> None:
    if kind == "module":
        (tmp_path / f"{name}.py").write_text(MARK)
    else:
        (tmp_path / name).mkdir()
    if kind == "package":
        (tmp_path / name / "__init__.py").write_text(MARK)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "anymole_tui", "--version"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if kind == "folder":  # without __init__.py: Python itself goes on to ours
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert name in done.stderr
    assert "PYTHONPATH" in done.stderr
    assert not list(tmp_path.rglob("ran"))
