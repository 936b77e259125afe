"""Each test of the terminal UI has a home, a current folder and a clock of its own."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from anymole_tui.widgets.run_table import RunTable
from tests.anymole_tui.tui.recorded import NOON


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with nothing in it, as current folder; state, presets and settings of their own."""
    here = tmp_path / "shots"
    here.mkdir()
    monkeypatch.chdir(here)
    for name, value in {
        "ANYMOLE_STATE_DIR": str(tmp_path / "state"),
        "ANYMOLE_PRESETS": str(tmp_path / "presets"),
        "ANYMOLE_CONFIG": "",
        "TZ": "UTC",
    }.items():
        monkeypatch.setenv(name, value)
    time.tzset()
    monkeypatch.setattr(RunTable, "now", staticmethod(lambda: NOON + 3600))
    yield here
    monkeypatch.undo()
    time.tzset()
