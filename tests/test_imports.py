"""Who may import whom, seen in a fresh interpreter."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "pxr", "textual", "diffusers", "transformers", "scipy")


def modules_after(code: str) -> set[str]:
    """Top-level packages loaded once the code has run in a new Python."""
    script = f"{code}\nimport sys; print(*sorted({{m.split('.')[0] for m in sys.modules}}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_loads_nothing_heavy() -> None:
    code = "from anymole_tui.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert not modules_after(code) & {*HEAVY, "numpy", "rich"}


@pytest.mark.parametrize("module", ["engine.run", "engine.evaluate", "anymole_tui.report"])
def test_engine_and_faces_load_without_usd_and_torch(module: str) -> None:
    assert not modules_after(f"import {module}") & set(HEAVY)


@pytest.mark.parametrize("module", ["usd_io.stage", "usd_io.author", "usd_io.validate"])
def test_usd_io_knows_neither_engine_nor_torch(module: str) -> None:
    assert not modules_after(f"import {module}") & {"engine", "anymole_tui", "torch", "textual", "typer"}


def test_a_plan_is_made_without_torch() -> None:
    assert "torch" not in modules_after(
        "import engine.run, engine.fill, engine.score, usd_io.stage, usd_io.author"
    )
