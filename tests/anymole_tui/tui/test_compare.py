"""Comparing what a run made, and keeping a take."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

from anymole_tui.launching import reveal, viewer_command
from anymole_tui.safe_text import Words
from anymole_tui.tui.app import AnymoleApp
from anymole_tui.tui.overlays.dialogs import Read
from anymole_tui.tui.screens import compare
from anymole_tui.tui.screens.compare import Compare
from anymole_tui.tui.widgets.picture import Picture
from anymole_tui.tui.widgets.timeline import Timeline
from anymole_tui.tui.workers import ThumbnailProcess
from engine.config import RunConfig
from engine.errors import ConfigError, ResourceMissing
from engine.run import run
from engine.runs.registry import read_run
from engine.runs.takes import choose_take, read_gaps
from tests.anymole_tui.tui.shots import SIZES, check_shot, drive, screen_text, until

SETTLED_S = 0.1
"""After a change everything that waits for another one has begun."""


@pytest.fixture(autouse=True)
def _settle_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "SETTLE_S", 0.4 * SETTLED_S)


class Painted:
    """Stands in for the process that draws: a flat picture per stage and take, and what was requested."""

    def __init__(self) -> None:
        self.requests: list[Mapping[str, Any]] = []

    def draw(self, request: Mapping[str, Any]) -> np.ndarray:
        self.requests.append(request)
        shade = (len(Path(request["stage"]).name) * 3 + 40 * request["take"] + int(request["time"])) % 256
        return np.full((request["height"], request["width"], 3), shade, np.uint8)


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> Painted:
    stand_in = Painted()
    monkeypatch.setattr(ThumbnailProcess, "draw", lambda self, request, stopped=None: stand_in.draw(request))
    return stand_in


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Runs on the fox with one and with two takes, by their number."""
    folder = tmp_path_factory.mktemp("compare")
    stage = Path(__file__).parents[2] / "data" / "fox" / "fox_survey.usda"
    shutil.copytree(stage.parent, folder / "fox")
    stage = folder / "fox" / stage.name
    config = {"stage": str(stage), "keys": (30.0, 50.0), "prior": "spline", "preview": False}
    for takes in (1, 2):
        run(RunConfig(**config, takes=takes, out=str(folder / f"takes{takes}")))  # type: ignore[arg-type]
    return {1: folder / "takes1", 2: folder / "takes2"}


async def comparing(app: AnymoleApp, pilot: Pilot[None], folder: Path) -> Compare:
    app.open_compare(folder)
    await pilot.pause()
    place = app.screen
    assert isinstance(place, Compare)
    await until(pilot, lambda: place.sides and all(side.stage for side in place.sides) and not place.busy)
    await pilot.pause(SETTLED_S)
    await until(pilot, lambda: not place.busy)
    return place


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", ["sides", "alone", "original"])
def test_screen(made: dict[int, Path], painted: Painted, state: str, size: str) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await comparing(app, pilot, made[2])
        if state != "sides":
            await pilot.press("f")
        if state == "original":
            await pilot.press("b", "b")
        place.query_one("#figures Words", Words).update("figures")  # which hold the path of the test
        await until(pilot, lambda: set(place.shown()) <= place._pictured and not place.busy)
        await pilot.pause(SETTLED_S)
        await until(pilot, lambda: not place.busy)
        check_shot(app, f"compare_{state}_{size}")

    drive(journey, SIZES[size])


def test_all_sides_are_drawn_at_one_time_and_by_one_camera(made: dict[int, Path], painted: Painted) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await comparing(app, pilot, made[2])
        painted.requests.clear()
        place.query_one(Timeline).go_to(33.0)
        await until(pilot, lambda: len(painted.requests) >= 4)

    drive(journey, (160, 50))
    assert {request["time"] for request in painted.requests} == {33.0}
    assert len({request["framing"] for request in painted.requests}) == 1
    assert len({(request["stage"], request["take"]) for request in painted.requests}) == 4


def test_picture_that_was_seen_is_not_drawn_again(made: dict[int, Path], painted: Painted) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await comparing(app, pilot, made[1])
        await pilot.press("f")
        for _ in place.sides:
            await pilot.press("n")
            await pilot.pause(SETTLED_S)
            await until(pilot, lambda: not place.busy)
        drawn = len(painted.requests)
        for _ in place.sides:
            await pilot.press("n")
            await pilot.pause(SETTLED_S)
        assert len(painted.requests) == drawn

    drive(journey)


def test_take_is_kept(made: dict[int, Path], painted: Painted) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await comparing(app, pilot, made[2])
        assert place.sides[place.chosen].take == 1
        await pilot.press("n", "enter")
        await until(pilot, lambda: place.comparison is not None and place.comparison.active == 2)
        await until(pilot, lambda: "take 2  (kept)" in screen_text(app))
        await pilot.press("b", "enter")
        await until(pilot, lambda: place.comparison is not None and place.comparison.active == 1)

    drive(journey, (160, 50))
    assert choose_take(str(made[2])).active == 1


def test_original_cannot_be_kept_and_one_take_is_the_result(made: dict[int, Path], painted: Painted) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await comparing(app, pilot, made[1])
        await pilot.press("enter")
        assert isinstance(app.screen, Read)
        assert "fox_survey_inbetween.usda" in screen_text(app).replace("\n", "")
        await pilot.press("escape", "n", "enter")
        assert place.sides[place.chosen].name == "original"
        assert app.screen is place

    drive(journey, (200, 50))


def test_scratch_of_slerp_goes_with_the_place(made: dict[int, Path], painted: Painted) -> None:
    scratch: list[Path] = []

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await comparing(app, pilot, made[1])
        scratch.append(place._scratch)
        assert scratch[0].is_dir()
        await pilot.press("escape")

    drive(journey)
    assert not scratch[0].exists()


def test_run_without_result_is_said(home: Path, painted: Painted) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        app.open_compare(home)
        await until(pilot, lambda: "report of" in screen_text(app))

    drive(journey)


def test_viewer_is_the_one_that_is_set(tmp_path: Path) -> None:
    tool = tmp_path / "my viewer"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    environment = {"ANYMOLE_VIEWER": f"'{tool}' --fast", "PATH": ""}
    assert viewer_command("a b.usda", environment) == [str(tool), "--fast", "a b.usda"]
    with pytest.raises(ResourceMissing, match="ANYMOLE_VIEWER"):
        viewer_command("a.usda", {"PATH": str(tmp_path)})
    with pytest.raises(ConfigError, match="no command"):
        viewer_command("a.usda", {"ANYMOLE_VIEWER": "'open"})


def test_nothing_is_revealed_without_a_desktop() -> None:
    assert not reveal("/x/y.usda", {"PATH": "/usr/bin"})


def test_run_that_was_started_elsewhere_by_a_relative_path_is_compared(
    painted: Painted, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(data / "fox", tmp_path / "shots" / "fox")
    # in a process of its own: USD keeps layers by the relative name that they were opened by
    arguments = "run fox/fox_survey.usda --keys 30,50 --prior slerp --no-preview --out fox_run --here".split()
    command = [sys.executable, "-m", "anymole_tui", *arguments]
    root = str(Path(__file__).parents[3])
    subprocess.run(command, cwd=tmp_path / "shots", env={**os.environ, "PYTHONPATH": root}, check=True)
    folder = tmp_path / "shots" / "fox_run"
    monkeypatch.chdir(tmp_path)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await comparing(app, pilot, folder)
        assert place.comparison is not None
        result = Path(place.comparison.result.result)
        assert result.is_absolute()
        assert result.is_file()
        assert all(Path(side.stage).is_absolute() for side in place.sides)
        await pilot.press("y")
        assert app.clipboard == str(result)

    drive(journey, (160, 50))
    assert Path(read_run(folder).result).is_file()


def test_gaps_are_accepted_rejected_and_given_another_take(made: dict[int, Path], painted: Painted) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await comparing(app, pilot, made[2])
        result = place.comparison.result.result if place.comparison else ""
        plain = read_gaps(result)
        place.query_one(Timeline).go_to(40.0)
        await pilot.press("a")
        await until(pilot, lambda: [(g.take, g.accepted) for g in read_gaps(result)] == [(1, True)])
        assert "✓" in screen_text(app)
        await pilot.press("t")
        await until(pilot, lambda: [(g.take, g.accepted) for g in read_gaps(result)] == [(2, False)])
        await until(pilot, lambda: any(r["take"] == 0 and r.get("version") for r in painted.requests))
        await pilot.press("x")
        await until(pilot, lambda: [g.take for g in read_gaps(result)] == [0])
        assert "✗" in screen_text(app)
        await until(pilot, lambda: "0 accepted, 1 rejected, 0 open" in screen_text(app))
        await pilot.press("u", "u", "u", "u")
        await until(pilot, lambda: not place._saving and read_gaps(result) == plain)
        await pilot.press("U")
        await until(pilot, lambda: not place._saving and read_gaps(result)[0].accepted)
        await pilot.press("u")
        await until(pilot, lambda: not place._saving and read_gaps(result) == plain)
        place.query_one(Timeline).go_to(0.0)
        await pilot.press("x")
        await pilot.pause()
        assert read_gaps(result) == plain

    drive(journey, (160, 50))


def test_all_in_view_play_in_step(made: dict[int, Path], painted: Painted) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await comparing(app, pilot, made[1])
        line = place.query_one(Timeline)
        line.go_to(40.0)
        shown: list[tuple[str, float]] = []
        for pane in place.pictures():
            pane.show = partial(_note, shown, pane, line)  # type: ignore[method-assign]
        await pilot.press("r")
        assert place.playing
        await until(pilot, lambda: len({time for _, time in shown}) > 3)
        assert "frames/s" in screen_text(app)
        assert "loop 30..50" in screen_text(app)
        assert all(30.0 <= time <= 50.0 for _, time in shown)
        count = len(place.pictures())
        assert {told for told, _ in shown} == {f"{time:g}  three-quarter" for _, time in shown}
        whole = shown[: len(shown) // count * count]
        for first in range(0, len(whole), count):
            assert len({time for _, time in whole[first : first + count]}) == 1
        await pilot.press("right")
        await until(pilot, lambda: not place.playing)

    drive(journey, (160, 50))


def test_a_key_stops_playback_whatever_comes_in_between(made: dict[int, Path], painted: Painted) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await comparing(app, pilot, made[1])
        line = place.query_one(Timeline)
        place.play()
        line.action_step(1)
        line.play_to(line.first)  # a frame is due before the key has been told of
        await until(pilot, lambda: not place.playing)
        place.play()
        place.action_view()
        place.action_play()  # stopped before the other view is drawn
        await pilot.pause()
        assert not place.playing
        line.go_to(40.0)
        place.play()
        await pilot.pause()
        assert place.playing, "a move before playback began has stopped it"

    drive(journey, (160, 50))


def _note(shown: list[tuple[str, float]], pane: Picture, line: Timeline, pixels: np.ndarray) -> None:
    shown.append((str(pane.border_subtitle), line.time))
