"""Planning by keyboard and mouse, up to the start of a run."""

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from anymole_tui import launching
from anymole_tui.settings_files import run_defaults
from anymole_tui.starting import wait_for_starts
from anymole_tui.tui.app import AnymoleApp
from anymole_tui.tui.host import Look
from anymole_tui.tui.lists.gap_table import GapTable, expected_words
from anymole_tui.tui.lists.joint_list import JointList
from anymole_tui.tui.overlays.dialogs import Ask, Choose, Read
from anymole_tui.tui.screens import plan as plan_screen
from anymole_tui.tui.screens.jump import targets_of
from anymole_tui.tui.screens.plan import PlanPlace
from anymole_tui.tui.screens.watch import Watch
from anymole_tui.tui.widgets.plan_timeline import PlanTimeline
from anymole_tui.tui.widgets.settings_form import Choice, Entry, SettingsForm
from anymole_tui.tui.workers import SelfTestProcess
from engine.config import RunConfig, read_config
from engine.errors import ConfigError, EngineError
from engine.inspection.draft import Draft
from engine.priors.self_test import GapChoice, SelfTest
from engine.settings.setting import Field, Setting
from tests.anymole_tui.tui.shots import SIZES, check_shot, drive, screen_text, sees, until
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _expected_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-test itself takes seconds and has its own tests (tests/engine/inspection/test_draft.py); and a plan is
    made soon after a change."""
    monkeypatch.setattr(plan_screen, "PAUSE_S", 0.06)

    def expect(_: SelfTestProcess, config: RunConfig, stopped: Any) -> dict[str, Any]:
        return {
            made.skeleton_path: asdict(
                SelfTest(
                    4,
                    0.5,
                    (),
                    tuple(GapChoice(g.start, g.end, (), 0.0123, "") for g in made.gaps),
                    0.0123 if made.contexts else None,
                    0.85 if made.contexts else None,
                )
            )
            for made in Draft(config.stage).plan(config).plans
        }

    monkeypatch.setattr(SelfTestProcess, "expect", expect)


@pytest.fixture
def walk(home: Path, data: Path) -> Path:
    """A finished clip of the fox, from 0 to 82."""
    shutil.copytree(data / "fox", home / "fox")
    return home / "fox" / "fox_survey.usda"


async def planning(app: AnymoleApp, pilot: Pilot[None], stage: Path, words: str) -> PlanPlace:
    app.open_plan(stage)
    await pilot.pause()
    place = app.screen
    assert isinstance(place, PlanPlace)
    await until(pilot, lambda: words in screen_text(app))
    return place


async def give_keys(app: AnymoleApp, pilot: Pilot[None], *times: float) -> None:
    line = app.screen.query_one(PlanTimeline)
    for at in times:
        line.go_to(at)
        await pilot.press("space")
    await until(pilot, lambda: "frames in" in screen_text(app) and "of slerp" in screen_text(app))


RECORDED = (
    Field(
        "context", "ranges", (), Setting("Ranges of finished motion; empty: found from the authored samples.")
    ),
    Field("keys", "times", (), Setting("Times whose pose is kept exactly.")),
    Field("lock", "names", (), Setting("Joints that keep what is authored, also between the keys.")),
    Field("prior", "choice", "auto", Setting("The motion prior."), ("auto", "learned", "spline", "slerp")),
    Field("seed", "integer", 0, Setting("Seed of everything random.")),
    Field("out", "text", "", Setting("Run folder.")),
    Field("preview", "flag", True, Setting("Draw the result beside slerp and the keys.")),
)
"""Settings of the stored pictures: a new setting must not need new pictures."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", ["nothing", "planned", "settings", "joints"])
def test_screen(walk: Path, state: str, size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anymole_tui.tui.screens.plan.run_fields", lambda: RECORDED)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "no plan yet")
        if state != "nothing":
            await give_keys(app, pilot, 32.0, 52.0)
        if state == "settings":
            place.query_one("#set-prior").focus()
            await pilot.press("right")
            await until(pilot, lambda: place.config.prior == "learned" and place._tests is not None)
        if state == "joints":
            joints = place.query_one(JointList)
            joints.focus()
            await pilot.press("end")
            await until(
                pilot, lambda: joints.size.height > 3 and joints.scroll_offset.y == joints.max_scroll_y
            )
        await until(pilot, lambda: not place.busy)
        check_shot(app, f"plan_{state}_{size}")

    drive(journey, SIZES[size])


def test_what_was_set_by_hand_is_there_again_after_leaving(walk: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await planning(app, pilot, walk, "no plan yet")
        await give_keys(app, pilot, 32.0, 52.0)
        await pilot.press("q")
        await until(pilot, lambda: not isinstance(app.screen, PlanPlace))
        place = await planning(app, pilot, walk, "frames in")
        assert place.config.keys == (32.0, 52.0)
        line = place.query_one(PlanTimeline)
        assert "32" in screen_text(app)
        line.focus()
        await pilot.press("u")
        await until(pilot, lambda: place.config.keys == ())

    drive(journey)


def test_detected_keys_are_planned_and_one_is_taken_away(data: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, data / "edge" / "fox_survey_keys.usda", "75 frames in 7 gaps")
        assert place.config.keys == ()
        place.query_one(PlanTimeline).go_to(24.0)
        await pilot.press("space")
        await until(pilot, lambda: "in 6 gaps" in screen_text(app))
        assert 24.0 not in place.config.keys
        await pilot.press("u")
        await until(pilot, lambda: "in 7 gaps" in screen_text(app))
        assert place.config.keys == ()

    drive(journey)


def test_context_is_marked_by_keyboard_and_mouse(walk: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "no plan yet")
        line = place.query_one(PlanTimeline)
        await pilot.press("m")
        line.go_to(20.0)
        await pilot.press("m")
        assert place.config.context == ((0.0, 20.0),)
        first, last, middle = (1 + line._name_width + line._column(time) for time in (60.0, 80.0, 40.0))
        await pilot.mouse_down(PlanTimeline, offset=(first, 2))
        await pilot.hover(PlanTimeline, offset=(last, 2))
        await pilot.mouse_up(PlanTimeline, offset=(last, 2))
        assert len(place.config.context) == 2
        start, end = place.config.context[1]
        assert abs(start - 60) < 2
        assert abs(end - 80) < 2
        await pilot.click(PlanTimeline, offset=(middle, 2), times=2)
        assert len(place.config.keys) == 1
        await until(pilot, lambda: "in 2 gaps" in screen_text(app))
        line.go_to(70.0)
        await pilot.press("d")
        assert len(place.config.context) == 1

    drive(journey, (160, 50))


def test_joints_are_locked_alone_and_with_all_below(walk: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "no plan yet")
        await give_keys(app, pilot, 32.0, 52.0)
        joints = place.query_one(JointList)
        joints.focus()
        await pilot.press("slash", *"tail01", "enter", "b")
        await until(pilot, lambda: place._planned is not None)
        assert place._planned is not None
        locked = place._planned.plans[0].locked
        assert len(locked) == 3
        assert all("b_Tail" in joint for joint in locked)
        await pilot.press("b")
        assert place.config.lock == ()

    drive(journey, (120, 40))


@pytest.mark.parametrize("fails", [False, True])
def test_what_comes_while_the_place_closes_is_dropped(walk: Path, fails: bool) -> None:
    """Widgets of a place go before it does, which takes long on a busy machine."""
    come = threading.Event()
    said: list[str] = []

    def job(stopped: Callable[[], bool]) -> None:
        come.wait(PATIENCE_S)
        if fails:
            raise ConfigError("too late")

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "no plan yet")
        worker = place.in_background(job, lambda _: place._show_motion(), group="late", failed=place._no_plan)

        class Last(Static):
            async def on_unmount(self) -> None:
                while place.query(PlanTimeline) or place.query(GapTable):
                    await asyncio.sleep(0.001)
                come.set()
                while not worker.is_finished:
                    await asyncio.sleep(0.001)
                said.append(worker.state.name)

        await place.mount(Last())
        place.action_leave()
        await until(pilot, lambda: said)

    drive(journey)
    assert said == ["SUCCESS"]


def test_wrong_entry_is_said_and_not_taken(walk: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "no plan yet")
        place.query_one("#set-seed", Entry).focus()
        await pilot.press("end", *"x")
        await until(pilot, lambda: "no whole number" in screen_text(app))
        assert place.config.seed == 0
        await pilot.press("backspace", "7")
        assert place.config.seed == 7
        await pilot.press("escape")
        assert isinstance(app.focused, PlanTimeline)

    drive(journey, (120, 40))


def test_help_of_every_setting_is_there(walk: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "no plan yet")
        for control in place.query("Entry, Choice").results(Entry | Choice):  # type: ignore[arg-type]
            control.focus()
            await pilot.pause()
            assert str(place.query_one("#help").render()).strip()

    drive(journey, (120, 40))


def test_command_is_shown_and_sent_to_the_clipboard(walk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "no plan yet")
        await give_keys(app, pilot, 32.0, 52.0)
        assert app._driver is not None
        written: list[str] = []
        monkeypatch.setattr(app._driver, "write", written.append)
        place.query_one(PlanTimeline).focus()
        await pilot.press("y")
        assert isinstance(app.screen, Read)
        command = f"anymole run {walk} --keys 32,52"
        sent = "".join(written)
        assert base64.b64encode(command.encode()).decode() in sent
        assert "--keys 32,52" in screen_text(app)

    drive(journey, (160, 50))


def test_preset_is_saved_and_loaded(walk: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "no plan yet")
        place.change(prior="hold", seed=5)
        await pilot.press("S")
        assert isinstance(app.screen, Ask)
        await pilot.press(*"calm", "enter")
        place.change(prior="auto", seed=0, keys=(3.0, 9.0))
        await pilot.press("L")
        assert isinstance(app.screen, Choose)
        await pilot.press("enter")
        assert (place.config.prior, place.config.seed, place.config.keys) == ("hold", 5, (3.0, 9.0))

    drive(journey)


def test_settings_of_the_project_are_where_the_form_begins(walk: Path) -> None:
    Path("anymole.toml").write_text('[run]\nprior = "slerp"\nkeys = [10, 20]\npreview = false\n')

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "frames in 1 gap")
        assert (place.config.prior, place.config.keys, place.config.preview) == ("slerp", (10.0, 20.0), False)

    drive(journey, look=Look(run_defaults=run_defaults))


def test_farm_job_is_written(walk: Path, home: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await planning(app, pilot, walk, "no plan yet")
        await give_keys(app, pilot, 32.0, 52.0)
        app.screen.query_one(PlanTimeline).focus()
        await pilot.press("f", "enter")
        await until(pilot, lambda: isinstance(app.screen, Read))

    drive(journey)
    folder = walk.with_name("fox_survey_farm")
    assert json.loads((folder / "template.json").read_text())["specificationVersion"] == "jobtemplate-2023-09"
    assert "32.0" in (folder / "shots.toml").read_text()


def test_start_prepares_the_run_and_watches_it(walk: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    launched: list[Path] = []
    monkeypatch.setattr(launching, "_launch", launched.append)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await planning(app, pilot, walk, "no plan yet")
        await give_keys(app, pilot, 32.0, 52.0)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, Watch))

    drive(journey)
    (folder,) = launched
    assert read_config(folder / "run.toml").keys == (32.0, 52.0)


def test_what_cannot_be_planned_is_not_started(walk: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await planning(app, pilot, walk, "no plan yet")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "nothing to fill" in screen_text(app) and not app.screen.query("Watch"))
        assert isinstance(app.screen, PlanPlace)

    drive(journey)
    assert not walk.with_name("fox_survey_inbetween").exists()


def test_stage_that_cannot_be_read_is_said(home: Path) -> None:
    broken = home / "[bold]x\u202e.usda"
    broken.write_text("#usda 1.0\n(")

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await planning(app, pilot, broken, "no plan yet")
        assert "\u202e" not in screen_text(app)

    drive(journey)


def test_gap_leads_to_its_time(data: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, data / "edge" / "fox_survey_keys.usda", "75 frames in 7 gaps")
        table = place.query_one(GapTable)
        table.focus()
        await pilot.press("end", "enter")
        assert place.query_one(PlanTimeline).time == 72.0

    drive(journey, (160, 50))


WITHOUT_TORCH = """
import sys
from pathlib import Path
from tests.anymole_tui.tui.shots import drive, screen_text, sees, until
from anymole_tui.tui.screens.motion import MotionPlace
from anymole_tui.tui.widgets.image import Still
from tests.patience import PATIENCE_S

async def journey(app, pilot):
    await sees(pilot, "Skeleton")
    await pilot.press("p")
    await until(pilot, lambda: "no plan yet" in screen_text(app))
    app.screen.change(context=((0.0, 48.0),), keys=(58.0, 70.0), prior="spline")
    await until(pilot, lambda: "hidden pieces" in screen_text(app) and "of slerp" in screen_text(app))
    assert app.screen._self_test._process.poll() is None
    process = app.screen._self_test._process
    await pilot.press("escape", "m")
    await until(pilot, lambda: isinstance(app.screen, MotionPlace) and app.screen.query_one(Still).display)
    assert process.wait(PATIENCE_S)

drive(journey, target=Path(sys.argv[1]))
assert "pxr" in sys.modules
assert "torch" not in sys.modules
"""


def test_torch_is_never_imported_where_keys_are_read(walk: Path) -> None:
    """Its import holds up the keyboard for a second: self-tests and pictures come from processes of their own."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(walk)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_self_test_that_fails_is_said(walk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def expect(_: SelfTestProcess, config: RunConfig, stopped: Any) -> dict[str, Any]:
        raise EngineError("the process of the self-test has ended.")

    monkeypatch.setattr(SelfTestProcess, "expect", expect)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await planning(app, pilot, walk, "no plan yet")
        app.screen.query_one(PlanTimeline).go_to(32.0)
        await pilot.press("space", "end", "space")
        await until(pilot, lambda: "n/a: the process of the self-test has ended." in screen_text(app))

    drive(journey, (160, 50))


def test_tab_goes_from_panel_to_panel(walk: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "nothing to fill")

        def panel() -> str | None:
            return next((p.id for p in place.query(".panel") if p.has_focus or p.has_focus_within), None)

        seen = []
        for key in ["tab"] * 4 + ["shift+tab"] * 2:
            await pilot.press(key)
            seen.append(panel())
        assert seen == ["plan", "settings", "joints", "motion", "joints", "settings"]

    drive(journey, target=walk.parent)


@pytest.mark.parametrize("size", SIZES)
def test_arrows_go_from_setting_to_setting(walk: Path, size: str) -> None:
    """Also where the form is too high for its panel and scrolls."""

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await planning(app, pilot, walk, "nothing to fill")
        names = [field.name for field in plan_screen.run_fields()]
        await pilot.press("tab", "tab", *["down"] * names.index("seed"))
        await until(pilot, lambda: app.focused is not None and app.focused.id == "set-seed")
        await until(pilot, lambda: "seed" in screen_text(app) and "Prim paths" not in screen_text(app))
        await pilot.press(*["up"] * (names.index("seed") - names.index("engine")), "right")
        await until(pilot, lambda: app.screen.config.engine == "motion")  # type: ignore[attr-defined]

    drive(journey, SIZES[size], target=walk.parent)


def test_a_letter_for_every_panel_and_none_for_its_fields(walk: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "nothing to fill")
        assert [widget.id for widget in targets_of(place).values()][:2] == ["motion", "set-skeletons"]
        assert len(targets_of(place)) == 4
        await pilot.press("ctrl+o", "s")
        await until(pilot, lambda: place.focused is not None and place.focused.id == "set-skeletons")

    drive(journey, SIZES["large"], target=walk.parent)


def test_a_stage_that_is_saved_while_it_is_planned(fox_keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-test, in a process of its own, has read it again; so has the plan, once it was requested again."""
    before = fox_keys.read_text()
    other_gaps = SelfTestProcess.expect

    def expect(self: SelfTestProcess, config: RunConfig, stopped: Any) -> dict[str, Any]:
        (path, test), *_ = other_gaps(self, config, stopped).items()
        return {path: {**test, "choices": test["choices"][1:]}}

    monkeypatch.setattr(SelfTestProcess, "expect", expect)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        await sees(pilot, "Composition")
        await pilot.press("p")
        await sees(pilot, "in 7 gaps", "0.0123")
        rows = [
            line for line in screen_text(app).splitlines() if re.search(r"\d\.\.\d+ +\d+ +\d\.\d\d ", line)
        ]
        assert [("n/a" in row, "0.0123" in row) for row in rows] == [(True, False), *[(False, True)] * 6]
        await pilot.press("escape")
        fox_keys.write_text(re.sub(r"\n +12: .*", "", before))
        os.utime(fox_keys, (time.time() + 60,) * 2)
        await pilot.press("p")
        await sees(pilot, "in 6 gaps")

    drive(journey, SIZES["large"], target=fox_keys)


def test_the_end_of_the_ui_comes_after_the_start_of_a_run(
    walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, go_on, launched = threading.Event(), threading.Event(), []

    def prepare(*_: object) -> Path:
        prepared.set()
        assert go_on.wait(PATIENCE_S)
        return Path("run")

    monkeypatch.setattr(launching, "plan", lambda _: None)
    monkeypatch.setattr(launching, "prepare", prepare)
    monkeypatch.setattr(launching, "_launch", launched.append)
    thread = threading.Thread(target=lambda: launching.start_run(RunConfig(stage=str(walk))))
    thread.start()
    assert prepared.wait(PATIENCE_S)
    assert not wait_for_starts(0)
    go_on.set()
    assert wait_for_starts(60)
    assert launched == [Path("run")]
    thread.join()


def test_what_is_typed_takes_the_place_of_a_value(walk: Path) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "no plan yet")
        app.screen.query_one("#set-takes", Entry).focus()
        await pilot.pause()
        await pilot.press("3")
        await until(pilot, lambda: place.config.takes == 3)

    drive(journey, (120, 40))


def test_a_run_has_what_was_typed_last_however_late_it_is_told(
    walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[RunConfig] = []
    monkeypatch.setattr(plan_screen, "start_run", lambda config: started.append(config) or Path())
    monkeypatch.setattr(AnymoleApp, "open_run", lambda self, folder: None)

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "no plan yet")
        entry = place.query_one("#set-takes", Entry)
        with entry.prevent(Input.Changed):  # as on a machine where that message is still on its way
            entry.value = "3"
        assert place.config.takes == 1
        place.action_run()
        await until(pilot, lambda: started)

    drive(journey, (120, 40))
    assert started[0].takes == 3


def test_a_value_that_is_being_typed_is_not_taken_back(walk: Path) -> None:
    """What comes of an earlier letter may come late."""

    async def journey(app: AnymoleApp, pilot: Pilot[None]) -> None:
        place = await planning(app, pilot, walk, "no plan yet")
        form, entry = place.query_one(SettingsForm), place.query_one("#set-takes", Entry)
        entry.focus()
        await pilot.pause()
        with entry.prevent(Input.Changed):
            entry.value = "12"
        form.show(vars(place.config))
        assert entry.value == "12"

    drive(journey, (120, 40))


def test_a_plan_of_holds_alone_is_shown() -> None:
    """Nothing was tried there, and no ratio is known."""
    assert expected_words({"expected_l2p": 0.0, "expected_ratio": None, "pieces": 0}) == "L2P 0.0000"


def test_a_context_that_stands_still_is_said_to_tell_little() -> None:
    test = {"expected_l2p": 0.1, "expected_ratio": 0.5, "pieces": 4, "still": True}
    assert expected_words(test) == "L2P 0.1000; the context stands still and tells little"
