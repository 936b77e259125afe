"""Watching runs: recorded ones of any length, from this host or another."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual.pilot import Pilot

from anymole_tui.tui.app import AnymoleApp
from anymole_tui.tui.lists.run_table import RunTable
from anymole_tui.tui.overlays.dialogs import Confirm, Read
from anymole_tui.tui.run_pictures import newest_picture
from anymole_tui.tui.screens.runs import Runs
from anymole_tui.tui.screens.watch import Watch
from anymole_tui.tui.widgets.watching import LossPlot, RunHead, StageList
from engine.events import (
    Event,
    Note,
    RunFailed,
    RunFinished,
    RunStarted,
    StageFinished,
    StageProgress,
    StageStarted,
    to_json_line,
)
from engine.runs.lock import process_start
from engine.runs.registry import remember
from engine.video_pipeline import VIDEO_WEIGHTS
from tests.anymole_tui.tui.recorded import NOON, WEIGHTS, step_events, training, write_run, write_state
from tests.anymole_tui.tui.shots import SIZES, check_shot, drive, screen_text, until

ENDED = (RunFinished("shot_inbetween.usda", "shot_inbetween_anim.usdc", {}, 90.0), NOON + 90)
FAILED = (RunFailed("</Hero>: memory of the GPU ran out; choose --memory small.", 5), NOON + 90)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "interval_s", 0.1)
    monkeypatch.setattr(Runs, "interval_s", 0.1)


def append(folder: Path, events: list[tuple[Event, float]]) -> None:
    with (folder / "events.jsonl").open("a") as log:
        log.write("".join(f"{to_json_line(event, at)}\n" for event, at in events))


async def watching(app: AnymoleApp, pilot: Pilot[None], folder: Path) -> Watch:
    app.open_run(folder)
    await pilot.pause()
    place = app.screen
    assert isinstance(place, Watch)
    await until(pilot, lambda: place.record is not None and place.story.told)
    return place


def told(app: AnymoleApp, *words: str) -> Callable[[], bool]:
    return lambda: all(word in screen_text(app) for word in words)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", ["training", "picture", "failed", "waiting"])
def test_screen(home: Path, state: str, size: str) -> None:
    folder = home / "shot010_inbetween"
    events = training() if state != "waiting" else []
    if state == "failed":
        write_run(folder, [*events, FAILED], "failed", message=FAILED[0].message, exit_code=5)  # type: ignore[union-attr]
    else:
        write_run(folder, events, "waiting" if state == "waiting" else "running")
    Image.linear_gradient("L").convert("RGB").save(folder / "preview.png")

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        app.open_run(folder)
        await pilot.pause()
        await until(pilot, told(app, state if state in ("failed", "waiting") else "loss"))
        if state == "training":
            assert told(app, "90 %", "40/80 GB", "60 C", "620/700 W")()  # of the GPU, small too
        if state == "picture":
            await pilot.press("p")
            await until(pilot, told(app, "preview.png", "▀"))
        check_shot(app, f"watch_{state}_{size}")

    drive(journey, SIZES[size])


def test_events_are_shown_as_they_come(home: Path) -> None:
    folder = write_run(home / "run", training(5))

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await watching(app, pilot, folder)
        append(folder, step_events(77))
        await until(pilot, told(app, "77/500"))
        append(folder, [(Note("info", "half of it"), NOON + 100)])
        await until(pilot, told(app, "half of it"))

    drive(journey)


def test_losses_near_the_largest_number_are_drawn(home: Path) -> None:
    """A damaged log may hold any number; the run is watched all the same, and what comes then is shown."""
    folder = write_run(home / "run", training(5))
    huge = [
        (StageProgress("adapt", 6 + i, 500, {"loss": loss}), NOON + 70 + i)
        for i, loss in enumerate((1e308, -1e308, 1.7976931348623157e308, 5e-324))
    ]

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await watching(app, pilot, folder)
        append(folder, huge)
        append(folder, step_events(77))
        await until(pilot, told(app, "77/500"))
        assert place.query_one(LossPlot).display

    drive(journey)


def test_torn_line_is_taken_when_it_is_whole(home: Path) -> None:
    folder = write_run(home / "run", training(5))
    line = to_json_line(Note("info", "torn in two"), NOON + 50)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await watching(app, pilot, folder)
        with (folder / "events.jsonl").open("a") as log:
            log.write(line[:20])
        append_after = place.story.told
        await pilot.pause(0.1)
        assert place.story.told == append_after
        with (folder / "events.jsonl").open("a") as log:
            log.write(line[20:] + "\n\x00\xff garbage\n")
        await until(pilot, told(app, "torn in two"))

    drive(journey)


def test_end_of_a_run_is_seen(home: Path) -> None:
    folder = write_run(home / "run", training(5))

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await watching(app, pilot, folder)
        assert place.check_action("compare", ()) is False
        append(folder, [ENDED])
        await until(pilot, told(app, "cpu", "NVIDIA H100"))
        write_state(folder, "done", result="shot_inbetween.usda", percent=100.0)
        await until(pilot, told(app, "done", "100 %", "the run is not at work"))
        assert not told(app, "NVIDIA H100")()  # what it was in the end is no load of now
        assert place.check_action("compare", ()) is True
        assert place.check_action("cancel", ()) is False

    drive(journey)


def test_stop_is_asked_for_and_confirmed(home: Path) -> None:
    folder = write_run(home / "run", training(5))

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await watching(app, pilot, folder)
        await pilot.press("x")
        assert isinstance(app.screen, Confirm)
        await pilot.press("n")
        assert not (folder / "cancel").exists()
        await pilot.press("x", "y")
        await until(pilot, (folder / "cancel").exists)

    drive(journey)


def test_leaving_and_quitting_do_not_touch_the_run(home: Path) -> None:
    folder = write_run(home / "run", training(5))
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await watching(app, pilot, folder)
        await pilot.press("escape")
        assert not isinstance(app.screen, Watch)
        await pilot.press("ctrl+q")

    drive(journey)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_hostile_words_are_inert(home: Path) -> None:
    hostile = "\x1b[2J\x1b]52;c;aGk=\x07[bold red]m[/]\u202eevil\n" + "x" * 10_000
    events: list[tuple[Event, float]] = [
        (RunStarted(hostile, {}, {hostile: 1.0} | WEIGHTS, "ab12cd34"), NOON),
        (StageStarted(hostile), NOON),
        (Note("warning", hostile), NOON),
        (RunFailed(hostile, 1), NOON),
    ]
    folder = write_run(home / "run[red]", events, "failed", message=hostile, stage=hostile, host=hostile)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await watching(app, pilot, folder)
        shown = screen_text(app)
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "[bold red]" in shown
        await pilot.press("enter")
        assert isinstance(app.screen, Read)
        assert "\u202e" not in screen_text(app)

    drive(journey)


@pytest.mark.parametrize("size", SIZES)
def test_the_reason_of_a_failure_is_shown_whole_from_its_place_to_what_to_do(home: Path, size: str) -> None:
    place = "/shows/long_name_of_a_show/sequences/sq010/shots/sh0010/animation/v012/shot.usda"
    skeleton = "</World/Characters/Hero/Skeleton> at 1001"
    reason = f"{place} {skeleton}: 2 joints have no bind transform. Re-export with the bind pose."
    folder = write_run(
        home / "run", [*training(5), (RunFailed(reason, 2), NOON + 99)], "failed", message=reason
    )

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await watching(app, pilot, folder)
        head = app.screen.query_one(RunHead)
        await until(pilot, lambda: head.size.height > 2)
        rows = screen_text(app).splitlines()[head.region.y : head.region.bottom]
        assert "".join(reason.split()) in "".join("".join(rows).split())

    drive(journey, SIZES[size])


def test_the_picture_of_a_run_that_ended_follows_the_size_of_the_terminal(home: Path) -> None:
    folder = home / "shot010_inbetween"
    write_run(folder, [*training(), FAILED], "failed", message="</Hero>: no memory.", exit_code=5)
    Image.linear_gradient("L").convert("RGB").save(folder / "preview.png")

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await watching(app, pilot, folder)
        await pilot.press("p")
        await until(pilot, told(app, "▀"))
        small = max(line.count("▀") for line in screen_text(app).splitlines())
        await pilot.resize_terminal(100, 48)
        await until(
            pilot, lambda: max(line.count("▀") for line in screen_text(app).splitlines()) > small + 10
        )

    drive(journey)


def test_pictures_outside_the_run_are_not_read(home: Path) -> None:
    outside = home / "secret.png"
    Image.new("RGB", (8, 8)).save(outside)
    events = [*training(3), *preview_events(outside), *preview_events(Path("/dev/zero"))]
    folder = write_run(home / "run", events)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await watching(app, pilot, folder)
        await pilot.press("p")
        await until(pilot, told(app, "no picture yet"))

    drive(journey)


def preview_events(path: Path) -> list[tuple[Event, float]]:
    from engine.events import PreviewWritten

    return [(PreviewWritten("fill", str(path)), NOON)]


def own_process() -> dict[str, Any]:
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "process_start": process_start(pid)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", ["some", "none", "filtered"])
def test_list_of_runs(home: Path, state: str, size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # the folders of a test have another path every time: none is shown
    monkeypatch.setattr("anymole_tui.tui.lists.run_table.WIDE", 999)
    if state != "none":
        write_run(home / "a" / "sh010", training(3), id="aaaaaaaa")
        write_run(home / "a" / "sh020", [ENDED], "done", id="bbbbbbbb", started=NOON - 60, percent=100.0)
        write_run(home / "sh030", [FAILED], "failed", id="cccccccc", started=NOON - 120)
        write_run(home / "sh040", [], "cancelled", id="dddddddd", started=NOON - 9000)
        gone = write_run(home / "sh050", [], id="eeeeeeee", started=NOON - 99999)
        (gone / "lock").unlink()

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, told(app, "sh050") if state != "none" else told(app, "no runs yet"))
        if state == "filtered":
            await pilot.press("slash", *"fail")
            await until(pilot, lambda: app.screen.query_one(RunTable).row_count() == 1)
        scrubbed = screen_text(app)
        assert ("silent" in scrubbed) == (state == "some")
        check_shot(app, f"runs_{state}_{size}")

    drive(journey, SIZES[size])


def test_known_run_is_found_again_by_a_new_app(home: Path, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "elsewhere" / "sh010", training(3))
    remember(folder)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, told(app, "sh010"))
        await pilot.press("enter")
        assert isinstance(app.screen, Watch)
        await until(pilot, told(app, "3/500"))

    drive(journey)


def test_row_follows_its_run(home: Path) -> None:
    folder = write_run(home / "sh010", training(3))

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, told(app, "31 %"))
        state = json.loads((folder / "state.json").read_text())
        (folder / "state.json").write_text(json.dumps(state | {"percent": 64.0}))
        await until(pilot, told(app, "64 %"))

    drive(journey)


@pytest.mark.parametrize(
    ("size", "series"),
    [
        ((80, 24), ("loss", "grad_norm")),
        ((160, 50), ("loss", "grad_norm")),
        ((200, 60), ("loss",)),
        ((200, 60), ("grad_norm",)),
    ],
)
def test_second_of_training_is_cheap_on_the_wire(
    home: Path, size: tuple[int, int], series: tuple[str, ...]
) -> None:
    """Bytes that the driver is given, per second of the run: no clock is asked."""
    folder = write_run(home / "run", [(_only(event, series), at) for event, at in training(120)])
    seconds = 10

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await watching(app, pilot, folder)
        await pilot.pause(0.3)
        sent: list[int] = []
        each: list[int] = []
        display = app._display

        def count(screen: Any, renderable: Any) -> None:
            if renderable is not None:
                sent.append(len(app.painted.changes(renderable).render_segments(app.console).encode()))
            display(screen, renderable)

        app._display = count  # type: ignore[method-assign]
        place.refresh()
        await until(pilot, lambda: sent)
        for step in range(121, 121 + seconds):
            append(folder, [(_only(event, series), at) for event, at in step_events(step)])
            before = sum(sent)
            await until(pilot, lambda step=step: place.story.stages["adapt"].done == step)  # type: ignore[misc]
            each.append(sum(sent) - before)
        assert 0 < max(each) <= 4000, each

    drive(journey, size)


def test_the_stage_at_work_is_in_view_however_many_there_are(home: Path) -> None:
    """A run with a video has eleven stages, for which 80 x 24 cells have no room."""
    names = [f"stage{number:02}" for number in range(11)]
    begun: list[tuple[Event, float]] = [(RunStarted("run", {}, dict.fromkeys(names, 1.0), "ab12cd34"), NOON)]
    folder = write_run(home / "long", begun)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await watching(app, pilot, folder)
        for name in names:
            append(folder, [(StageStarted(name), NOON + 1)])
            await until(pilot, told(app, f"\u25cf {name}"))
            append(folder, [(StageFinished(name, 1.0), NOON + 2)])

    drive(journey, (80, 24))


def test_the_character_is_shown_rather_than_a_plot(tmp_path: Path) -> None:
    for name in ("frames.png", "preview.png", "preview_plot.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    told_by = ["frames.png", "preview.png", "preview_plot.png"]
    assert newest_picture(tmp_path, told_by) == (tmp_path / "preview.png").resolve()
    assert newest_picture(tmp_path, told_by[2:]) == (tmp_path / "preview_plot.png").resolve()
    assert newest_picture(tmp_path, []) is None


def test_a_run_of_which_the_folder_goes_is_said_to_be_gone(home: Path) -> None:
    folder = write_run(home / "run", training(5))

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await watching(app, pilot, folder)
        shutil.rmtree(folder)
        await until(pilot, told(app, "unknown", "its folder is gone"))

    drive(journey)


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
def test_names_of_the_stages_are_whole(home: Path, size: tuple[int, int]) -> None:
    names = tuple(VIDEO_WEIGHTS)
    begun: list[tuple[Event, float]] = [
        (RunStarted("run", {}, dict.fromkeys(names, 1.0), "ab12cd34"), NOON),
        (StageStarted("estimate_joints"), NOON + 1),
        (StageProgress("estimate_joints", 1500, 1500), NOON + 2),
    ]
    folder = write_run(home / "run", begun)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await watching(app, pilot, folder)
        stages = place.query_one(StageList)
        await until(pilot, lambda: stages._lines)
        shown = [line.plain for line in stages._lines]
        assert all(any(name in line for line in shown) for name in names)
        assert max(map(len, shown)) <= stages.size.width

    drive(journey, size)


def test_a_stage_that_a_run_was_done_without_does_not_wait(home: Path) -> None:
    weights = {"fill": 1.0, "preview": 1.0}
    begun: list[tuple[Event, float]] = [
        (RunStarted("run", {}, weights, "ab12cd34"), NOON),
        (StageStarted("fill"), NOON + 1),
    ]
    folder = write_run(home / "run", begun)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await watching(app, pilot, folder)
        stages = place.query_one(StageList)
        await until(pilot, lambda: len(stages._lines) == 2)
        assert stages._lines[1].plain.endswith("waiting")
        append(folder, [(StageFinished("fill", 1.0), NOON + 2), ENDED])
        write_state(folder, "done", result="shot_inbetween.usda", percent=100.0)
        await until(pilot, lambda: stages._lines[1].plain.endswith("left out"))

    drive(journey)


@pytest.mark.parametrize("size", [(120, 40), (200, 60)])
@pytest.mark.parametrize("series", [("loss",), ("loss", "grad_norm")])
def test_curves_fill_their_panel(home: Path, series: tuple[str, ...], size: tuple[int, int]) -> None:
    events = [(_only(event, series), at) for event, at in training(steps=12)]
    folder = write_run(home / "shot010_inbetween", events)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await watching(app, pilot, folder)
        plot = place.query_one(LossPlot)
        await until(pilot, lambda: plot._lines)
        assert max(len(line.plain.rstrip()) for line in plot._lines) >= plot.size.width - 4

    drive(journey, size)


def _only(event: Event, series: tuple[str, ...]) -> Event:
    """An event that tells these series alone."""
    if not isinstance(event, StageProgress):
        return event
    return replace(event, values={name: event.values[name] for name in series})
