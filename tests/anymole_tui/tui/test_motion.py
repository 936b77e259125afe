"""Journey *look*: a timeline with keys and gaps, a joint's curves, pictures of the time that is looked at."""

from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from anymole_tui.terminal.graphics import choose_kind
from anymole_tui.tui.app import AnymoleApp
from anymole_tui.tui.lists.lines import Lines
from anymole_tui.tui.screens.motion import MotionPlace
from anymole_tui.tui.screens.plan import PlanPlace
from anymole_tui.tui.widgets.timeline import Timeline, track_names
from tests.anymole_tui.tui.shots import drive, screen_text, sees, until


def test_scrubbing_over_keys_zooming_and_another_joint(
    fox_keys: Path, grey_pictures: list[dict[str, Any]]
) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Skeleton")
        await pilot.press("m")
        await sees(pilot, "keys 8", "gaps 7", "Rotation of", "three-quarter at 0")
        timeline = app.screen.query_one(Timeline)
        await pilot.press("full_stop", "full_stop", "right")
        await sees(pilot, "three-quarter at 25", "1.04 s")
        assert timeline.time == 25
        await pilot.press("comma", "plus", "plus", "v")
        await sees(pilot, "front at 24", "zoom 4x")
        assert timeline.end - timeline.start == 82 / 4
        await pilot.press("0", "end")
        await until(pilot, lambda: timeline.time == 82)
        await pilot.press("slash", *"tail", "enter", "j")
        await sees(pilot, "Rotation of b_Tail02_013")

    drive(journey, (100, 34), target=fox_keys)
    last = grey_pictures[-1]
    assert (last["view"], last["time"]) == ("front", 82.0)
    assert Path(str(last["stage"])) == fox_keys


def test_pictures_are_drawn_only_where_the_time_rests(
    fox_keys: Path, grey_pictures: list[dict[str, Any]]
) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Skeleton")
        await pilot.press("m")
        await until(pilot, lambda: grey_pictures)
        timeline = app.screen.query_one(Timeline)
        for _ in range(40):
            timeline.action_step(1)
        await until(pilot, lambda: grey_pictures[-1]["time"] == 40.0)
        assert {request["time"] for request in grey_pictures} == {0.0, 40.0}

    drive(journey, target=fox_keys)


def test_the_time_the_joint_and_the_view_come_back(
    fox_keys: Path, grey_pictures: list[dict[str, Any]]
) -> None:
    stage = fox_keys

    async def first(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Skeleton")
        await pilot.press("m")
        await sees(pilot, "Rotation of")
        app.screen.query_one(Timeline).go_to(48)
        app.screen.query_one("#joint_list", Lines).cursor = 3
        await pilot.press("v")
        await sees(pilot, "front at 48")

    async def second(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "SkelRoot")
        await pilot.press("m")
        await sees(pilot, "front at 48")
        assert app.screen.query_one("#joint_list", Lines).cursor == 3

    drive(first, target=stage)
    drive(second, target=stage)


def test_the_mouse_scrubs_too(fox_keys: Path, grey_pictures: list[dict[str, Any]]) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Skeleton")
        await pilot.press("m")
        await sees(pilot, "keys 8")
        timeline = app.screen.query_one(Timeline)
        await pilot.click(Timeline, offset=(timeline.size.width - 1, 1))
        await until(pilot, lambda: timeline.time == 82)

    drive(journey, target=fox_keys)


def test_a_stage_without_motion_says_so_and_a_plan_is_one_key_away(
    fox_keys: Path, grey_pictures: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "empty.usda").write_text('#usda 1.0\ndef Xform "A" {}\n')

    async def none(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Xform")
        await pilot.press("m")
        await sees(pilot, "Error", "holds no")
        await until(pilot, lambda: not isinstance(app.screen, MotionPlace))

    async def plan(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Skeleton")
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, PlanPlace))

    drive(none, target=tmp_path / "empty.usda", notices=True)
    drive(plan, target=fox_keys)


def test_pictures_take_the_terminals_graphics_only_where_it_is_known_to_have_them() -> None:
    assert choose_kind("auto", {"TERM": "xterm-kitty"}) == "kitty"
    assert choose_kind("auto", {"TERM": "foot"}) == "sixel"
    assert choose_kind("auto", {"TERM": "tmux-256color", "TMUX": "x", "KITTY_WINDOW_ID": "1"}) == "blocks"
    assert choose_kind("auto", {"TERM": "xterm-256color"}) == "blocks"
    assert choose_kind("ascii", {"TERM": "xterm-kitty"}) == "ascii"


def test_tracks_have_names_that_differ() -> None:
    instances = ["/World/Frog_0/Skeleton", "/World/Frog_1/Skeleton"]
    assert track_names(["/Fox/Skel", "/Horse/Skel"], ["/Fox/Walk", "/Horse/Run"]) == ["Walk", "Run"]
    assert track_names(instances, ["/__Prototype_1/Idle"] * 2) == ["Frog_0", "Frog_1"]
    assert track_names(["/A/One/Skel", "/B/One/Skel"], ["/A/Idle", "/B/Idle"]) == [
        "/A/One/Skel",
        "/B/One/Skel",
    ]
    assert track_names(["/Skel"], ["/Skel"]) == ["Skel"]


def test_no_part_of_a_label_stands_beside_the_time(fox_keys: Path) -> None:
    """Every number on the ruler is the time or a label of its own."""

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Skeleton")
        await pilot.press("m")
        await sees(pilot, "keys 8")
        line = app.screen.query_one(Timeline)
        for time in range(83):
            line.go_to(time)
            numbers = {float(word) for word in line._ruler().plain.split()}
            assert numbers <= {time, *range(0, 83, 5)}, numbers

    drive(journey, (120, 40), target=fox_keys)


def test_motion_plays_until_it_is_stopped_or_moved_by_hand(
    fox_keys: Path, grey_pictures: list[dict[str, Any]]
) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "Skeleton")
        await pilot.press("m")
        await until(pilot, lambda: grey_pictures)
        line = app.screen.query_one(Timeline)
        line.go_to(30)
        await pilot.press("r")
        times: set[float] = set()
        await until(pilot, lambda: times.add(line.time) or len(times) > 3)
        assert "frames/s" in screen_text(app)
        panel = app.screen.query_one("#picture")
        await until(pilot, lambda: line.time != 30 and str(panel.border_title).endswith(f" at {line.time:g}"))
        await pilot.press("space")
        await until(pilot, lambda: "frames/s" not in screen_text(app))
        here = line.time
        await pilot.pause(0.2)
        assert line.time == here
        await pilot.press("space", "less_than_sign")
        await until(pilot, lambda: "0.5x" in screen_text(app))
        await pilot.press("left")
        await until(pilot, lambda: not app.screen.playing)  # type: ignore[attr-defined]
        await pilot.press("O", "T")
        await until(pilot, lambda: grey_pictures[-1].get("ghosts") and grey_pictures[-1].get("trails"))

    drive(journey, (120, 40), target=fox_keys)
