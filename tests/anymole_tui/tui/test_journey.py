"""From the example in the repository to a kept result: nothing is played here, the run is a process of its own."""

import os
import shutil
import signal
from pathlib import Path

from textual.pilot import Pilot

from anymole_tui.tui.app import AnymoleApp
from anymole_tui.tui.overlays.dialogs import Read
from anymole_tui.tui.screens.compare import Compare
from anymole_tui.tui.screens.plan import PlanPlace
from anymole_tui.tui.screens.runs import Runs
from anymole_tui.tui.screens.watch import Watch
from engine.runs.registry import RunRecord, list_runs, read_run
from engine.runs.workspace import read_state
from tests.anymole_tui.tui.shots import drive, screen_text, until

EXAMPLE = Path(__file__).parents[3] / "examples" / "fox"


def test_fox_is_planned_run_watched_found_again_and_kept(home: Path) -> None:
    shutil.copytree(EXAMPLE, home / "fox")
    stage = home / "fox" / "fox_survey_keys.usda"
    folder = home / "fox" / "fox_survey_keys_inbetween"

    async def start(app: AnymoleApp, pilot: Pilot[None]) -> None:
        app.open_plan(stage)
        await pilot.pause()
        place = app.screen
        assert isinstance(place, PlanPlace)
        await until(pilot, lambda: "75 frames in 7 gaps" in screen_text(app))
        place.change(prior="spline", preview=False)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, Watch))

    drive(start)  # the app is gone: the run is not
    assert folder.is_dir()

    async def find_again(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await pilot.press("2")
        assert isinstance(app.screen, Runs)
        await until(pilot, lambda: "fox_survey_keys" in screen_text(app))
        await pilot.press("enter")
        place = app.screen
        assert isinstance(place, Watch)
        place.interval_s = 0.1
        await until(pilot, lambda: place.record is not None and place.record.state == "done")
        await until(pilot, lambda: "done in" in screen_text(app))
        await pilot.press("c")
        compare = app.screen
        assert isinstance(compare, Compare)
        await until(pilot, lambda: compare.comparison is not None)
        await pilot.press("enter")
        assert isinstance(app.screen, Read)

    drive(find_again, (160, 50))
    record = read_run(folder)
    assert Path(record.result).is_file()
    assert record.pid != os.getpid()


def test_run_that_was_killed_is_called_stopped_and_goes_on(home: Path) -> None:
    shutil.copytree(EXAMPLE, home / "fox")
    stage = home / "fox" / "fox_survey_keys.usda"
    folder = home / "fox" / "fox_survey_keys_inbetween"

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        app.open_plan(stage)
        await pilot.pause()
        place = app.screen
        assert isinstance(place, PlanPlace)
        await until(pilot, lambda: "75 frames" in screen_text(app))
        place.change(preview=False)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, Watch))
        watch = app.screen
        assert isinstance(watch, Watch)
        watch.interval_s = 0.1
        await until(pilot, lambda: read_state(folder).get("state") == "running")
        os.kill(int(read_state(folder)["pid"]), signal.SIGKILL)
        await until(pilot, lambda: "stopped" in screen_text(app))
        await pilot.press("r")
        await until(pilot, lambda: "done in" in screen_text(app))

    drive(journey)
    (record,) = (found for found in list_runs() if isinstance(found, RunRecord))
    assert record.state == "done"
