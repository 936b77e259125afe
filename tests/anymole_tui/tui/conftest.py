"""Each test of the terminal UI has a home, a current folder and a clock of its own; and stages to look at."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anymole_tui.tui.lists.run_table import RunTable
from anymole_tui.tui.screens.browse import Browse
from anymole_tui.tui.workers import ThumbnailProcess
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
    for name in ("TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    monkeypatch.setattr(RunTable, "now", staticmethod(lambda: NOON + 3600))
    monkeypatch.setattr(Browse, "title_of", staticmethod(lambda folder: folder.name))
    monkeypatch.setattr(Browse, "preview_after_s", 3600.0)
    yield here
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def fox_folder(home: Path, data: Path) -> Path:
    """A folder with a clip of the fox that has keys alone, and the fox it refers to; all an hour old."""
    shutil.copytree(data / "fox", home / "fox")
    text = (data / "edge" / "fox_survey_keys.usda").read_text()
    (home / "fox_survey_keys.usda").write_text(text.replace("../fox/", "./fox/"))
    an_hour_ago = time.time() - 3660
    for path in (home, *home.rglob("*")):
        os.utime(path, (an_hour_ago, an_hour_ago))
    return home


@pytest.fixture
def fox_keys(fox_folder: Path) -> Path:
    """That clip."""
    return fox_folder / "fox_survey_keys.usda"


@pytest.fixture
def grey_pictures(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Pictures that are grey at once, and the requests for them: the renderer has its own tests."""
    asked: list[dict[str, Any]] = []

    def draw(_: ThumbnailProcess, request: dict[str, Any], stopped: object = None) -> np.ndarray:
        asked.append(request)
        return np.full((request["height"], request["width"], 3), 128, np.uint8)

    monkeypatch.setattr(ThumbnailProcess, "draw", draw)
    return asked
