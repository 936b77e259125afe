"""Planning a run: what is known, what is to be filled and how, what error to expect; then its start.

The place holds one :class:`engine.config.RunConfig`; every panel shows it and asks for changes of it. Keys and
context that are not chosen are left empty in it, so that the engine finds them.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Input

from anymole_tui.launching import start_run, write_farm_job
from anymole_tui.safe_text import plain
from anymole_tui.tui.lists.filter import Filter
from anymole_tui.tui.lists.gap_table import GapTable
from anymole_tui.tui.lists.joint_list import JointList
from anymole_tui.tui.lists.virtual_list import Rows
from anymole_tui.tui.overlays.dialogs import Ask, Choose, Read
from anymole_tui.tui.screens.base_screen import Place
from anymole_tui.tui.state import presets
from anymole_tui.tui.widgets.plan_timeline import PlanTimeline
from anymole_tui.tui.widgets.settings_form import Entry, SettingsForm
from anymole_tui.tui.widgets.timeline import Track
from anymole_tui.tui.workers import SelfTestProcess
from engine import ConfigError, EngineError, Planned, RunConfig, StageReport, inspect
from engine.inspection import Draft, SkeletonReport
from engine.runs import run_command
from engine.settings import Field, fields_of


def run_fields() -> tuple[Field, ...]:
    """The rows of the form."""
    return tuple(field for field in fields_of(RunConfig) if not field.setting.argument)


PAUSE_S = 0.25
"""A plan is made when nothing was changed for so long."""


class PlanPlace(Place):
    """One stage and the run to be started on it."""

    TITLE = "Plan"
    HELP = (
        "Choose what the run keeps (context: finished motion; keys: poses it meets exactly) and how it fills the rest."
        " Left empty, both are found from the samples. On the time line: arrows move, space sets a key, m marks a"
        " context; or click, double-click and drag. The expected error is measured on hidden pieces of the context."
    )
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  # as Textual declares it
    DEFAULT_CSS = """
    PlanPlace #left { width: 3fr; }
    PlanPlace #right { width: 2fr; }
    PlanPlace #motion { height: 6; }
    PlanPlace #plan, PlanPlace #joints { height: 1fr; }
    PlanPlace #settings { height: auto; max-height: 70%; }
    PlanPlace #settings #fields { height: auto; max-height: 45vh; }
    PlanPlace.-narrow #columns { layout: vertical; }
    PlanPlace.-narrow #left, PlanPlace.-narrow #right { width: 1fr; height: auto; }
    PlanPlace.-narrow #plan, PlanPlace.-narrow #settings, PlanPlace.-narrow #joints { height: 3; }
    PlanPlace.-narrow #motion { height: 5; }
    PlanPlace.-narrow #motion:focus { height: 6; }
    PlanPlace.-narrow #settings { max-height: 100%; }
    PlanPlace.-narrow #settings #fields { height: 1fr; max-height: 100%; }
    PlanPlace.-narrow #left:focus-within, PlanPlace.-narrow #right:focus-within { height: 1fr; }
    PlanPlace.-narrow #settings:focus-within, PlanPlace.-narrow #joints:focus-within,
    PlanPlace.-narrow #left:focus-within #plan { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "run", "Run", tooltip="start it; it goes on when you quit", id="plan.run"),
        Binding(
            "f", "farm", "Farm job", show=False, tooltip="write an Open Job Description job", id="plan.farm"
        ),
        Binding("y", "copy", "Copy command", tooltip="the same run on the command line", id="plan.copy"),
        Binding("S", "save", "Save preset", show=False, id="plan.save"),
        Binding("L", "load", "Load preset", show=False, id="plan.load"),
        Binding("n", "skeleton", "Next skeleton", show=False, id="plan.skeleton"),
        Binding("a", "only", "Only this skeleton", show=False, tooltip="or all again", id="plan.only"),
    ]

    def __init__(self, stage: Path) -> None:
        super().__init__()
        self.stage = stage.absolute()
        self.subject = stage.name
        self.config = RunConfig(stage=str(self.stage))
        self._draft = Draft(str(self.stage))
        self._report: StageReport | None = None
        self._planned: Planned | None = None
        self._self_test = SelfTestProcess()
        self._tests: Mapping[str, Mapping[str, Any]] | None = None
        self._no_test = ""
        """Why no error can be expected."""
        self._skeleton = 0
        self._elsewhere: frozenset[str] = frozenset()
        """Settings that files or the environment set."""
        self._timer: Timer | None = None

    def compose_place(self) -> ComposeResult:
        with Horizontal(id="columns"):
            with Vertical(id="left"):
                yield PlanTimeline(id="motion", classes="panel")
                yield GapTable(id="plan", classes="panel")
            with Vertical(id="right"):
                yield SettingsForm(run_fields(), id="settings", classes="panel")
                with Vertical(id="joints", classes="panel"):
                    yield Filter("JointList", "part of a joint's name")
                    yield JointList()

    def on_mount(self) -> None:
        for name in ("motion", "plan", "settings", "joints"):
            self.query_one(f"#{name}").border_title = name.capitalize()
        self.set_focus(self.query_one(PlanTimeline))
        try:
            defaults = self.anymole.look.run_defaults()
            self.config = self.anymole.drafts.get(self.stage) or replace(self.config, **defaults)
            self._elsewhere = frozenset(defaults)
        except (ConfigError, TypeError) as error:
            self.say_error(str(error))
        self.query_one(SettingsForm).show(vars(self.config))
        self.in_background(
            lambda _: inspect(str(self.stage)), self._know, group="read", failed=self._unreadable
        )

    def on_unmount(self) -> None:
        self._self_test.close()

    def _unreadable(self, why: str) -> None:
        self.query_one(GapTable).refuse(why)

    def _know(self, report: StageReport) -> None:
        self._report = report
        if not report.skeletons:
            self._unreadable("the stage holds no skeleton.")
            return
        moving = [i for i, s in enumerate(report.skeletons) if s.dense or s.sparse]
        self._skeleton = moving[0] if moving else 0
        self._changed()

    # The settings --------------------------------------------------------------------------------------------------

    def change(self, **values: Any) -> None:
        """Take other settings; what cannot be used is refused where it was given."""
        try:
            self.config = replace(self.config, **values)
        except ConfigError as error:
            self.query_one(SettingsForm).refuse(next(iter(values)), str(error))
            return
        self._changed_by_hand()

    def _changed_by_hand(self) -> None:
        self.anymole.drafts[self.stage] = self.config  # for when this place is left and opened again
        self._changed()

    def _changed(self) -> None:
        self._planned = self._tests = None
        self._no_test = ""
        self.query_one(SettingsForm).show(vars(self.config))
        self._show_motion()
        self.workers.cancel_group(self, "expect")
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(PAUSE_S, self._plan)

    def _plan(self) -> None:
        config = self.config
        self.in_background(
            lambda _: self._draft.plan(config), self._show_plan, group="plan", failed=self._no_plan
        )

    def _no_plan(self, why: str) -> None:
        self.query_one(GapTable).refuse(why)
        self._show_motion()

    def _show_plan(self, planned: Planned) -> None:
        self._planned = planned
        self._show_motion()
        self._tell_plan()
        config = self.config
        self.in_background(
            lambda stopped: self._self_test.expect(config, stopped),
            self._show_expected,
            group="expect",
            failed=self._no_expected,
        )

    def _show_expected(self, tests: Mapping[str, Mapping[str, Any]]) -> None:
        self._tests = tests
        self._tell_plan()

    def _no_expected(self, why: str) -> None:
        self._no_test = why
        self._tell_plan()

    def _tell_plan(self) -> None:
        assert self._planned is not None
        plans = tuple(asdict(plan) for plan in self._planned.plans)
        rate = self._planned.shot.info.time_codes_per_second
        self.query_one(GapTable).tell(plans, self._planned.notes, self._tests, rate, self._no_test)

    @property
    def skeleton(self) -> SkeletonReport | None:
        """The one that is shown."""
        report = self._report
        return report.skeletons[self._skeleton] if report and report.skeletons else None

    def _show_motion(self) -> None:
        report, skeleton = self._report, self.skeleton
        if report is None or skeleton is None:
            return
        times = [*skeleton.sparse, *(end for pair in skeleton.dense for end in pair)]
        plans = self._planned.plans if self._planned else ()
        plan = next((p for p in plans if p.skeleton_path == skeleton.path), None)
        first, last = min(times, default=0.0), max(times, default=1.0)
        last = last if last > first else first + 1
        authored = Track("authored", first, last, skeleton.dense, skeleton.keys)
        planned = Track(
            "planned",
            first,
            last,
            plan.contexts if plan else self.config.context,
            plan.keys if plan else self.config.keys,
            tuple((gap.start, gap.end) for gap in plan.gaps) if plan else (),
        )
        line = self.query_one(PlanTimeline)
        line.tell(
            authored, planned, report.time_codes_per_second / report.frame_rate, report.time_codes_per_second
        )
        line.border_title = f"Motion of {plain(skeleton.path, 40, ascii_only=self.anymole.ascii)}"
        if len(report.skeletons) > 1:
            line.border_subtitle = f"{self._skeleton + 1} of {len(report.skeletons)}, n: next"
        self.query_one(JointList).tell(skeleton.joints, self.config.lock, skeleton.unobservable)

    @on(SettingsForm.Changed)
    def _setting(self, event: SettingsForm.Changed) -> None:
        if getattr(self.config, event.name) != event.value:
            self.change(**{event.name: event.value})

    @on(Entry.Left)
    def _leave_form(self) -> None:
        self.set_focus(self.query_one(PlanTimeline))

    @on(PlanTimeline.KeyToggled)
    def _toggle_key(self, event: PlanTimeline.KeyToggled) -> None:
        keys = list(self.config.keys or (self.skeleton.sparse if self.skeleton else ()))
        if event.at in keys:
            keys.remove(event.at)
        else:
            keys.append(event.at)
        self.change(keys=tuple(sorted(keys)))

    @on(PlanTimeline.ContextMarked)
    def _mark_context(self, event: PlanTimeline.ContextMarked) -> None:
        apart = [pair for pair in self.config.context if pair[1] < event.start or event.end < pair[0]]
        touching = [pair for pair in self.config.context if pair not in apart]
        start = min([event.start, *(pair[0] for pair in touching)])
        end = max([event.end, *(pair[1] for pair in touching)])
        inside = [key for key in self.config.keys if not start < key < end]
        self.change(context=tuple(sorted([*apart, (start, end)])), keys=tuple(inside))

    @on(PlanTimeline.Cleared)
    def _clear(self, event: PlanTimeline.Cleared) -> None:
        contexts = self.config.context or (self.skeleton.dense if self.skeleton else ())
        keys = self.config.keys or (self.skeleton.sparse if self.skeleton else ())
        if event.at in keys:
            self.change(keys=tuple(key for key in keys if key != event.at))
        else:
            self.change(context=tuple(pair for pair in contexts if not pair[0] <= event.at <= pair[1]))

    @on(PlanTimeline.Detected)
    def _detect(self) -> None:
        self.change(keys=(), context=())

    @on(JointList.LockAsked)
    def _lock(self, event: JointList.LockAsked) -> None:
        kept = [pattern for pattern in self.config.lock if pattern not in event.remove]
        self.change(lock=(*kept, *event.add))

    @on(Rows.Chosen, "GapTable")
    def _to_gap(self, event: Rows.Chosen) -> None:
        time = self.query_one(GapTable).time(event.index)
        if time is not None:
            self.query_one(PlanTimeline).go_to(time)

    @on(Input.Changed, ".filter")
    def _narrow(self, event: Input.Changed) -> None:
        self.query_one(JointList).narrow(event.value)

    def _typed(self) -> RunConfig:
        """The settings with what was typed last, which may not have come here yet on a busy machine."""
        typed = self.query_one(SettingsForm).typed()
        new = {name: value for name, value in typed.items() if getattr(self.config, name) != value}
        if new:
            self.change(**new)
        return self.config

    # Actions -------------------------------------------------------------------------------------------------------

    def action_skeleton(self) -> None:
        if self._report and self._report.skeletons:
            self._skeleton = (self._skeleton + 1) % len(self._report.skeletons)
            self._show_motion()

    def action_only(self) -> None:
        if self.skeleton is not None:
            self.change(skeletons=() if self.config.skeletons else (self.skeleton.path,))

    def action_run(self) -> None:
        config = self._typed()
        self.in_background(lambda _: start_run(config), self.anymole.open_run, group="start")

    def action_farm(self) -> None:
        config = self._typed()

        def write(folder: str | None) -> None:
            if folder:
                path = Path(folder).expanduser()
                self.in_background(lambda _: write_farm_job(config, path), self._wrote_job, group="farm")

        beside = self.stage.with_name(f"{self.stage.stem}_farm")
        text = "Folder of the job: a template for any Open Job Description runner, and its shot list."
        self.app.push_screen(Ask("Write a farm job", text, str(beside)), write)

    def _wrote_job(self, wrote: tuple[Path, bool]) -> None:
        path, checked = wrote
        note = (
            "" if checked else "\nNot checked: openjd-model is not installed (pip install 'anymole[farm]')."
        )
        self._show_and_copy("Farm job", f"openjd run {path} --step InBetween", f"Written: {path}{note}\n")

    def action_copy(self) -> None:
        self._show_and_copy("The same on the command line", run_command(self._typed(), self._elsewhere))

    def _show_and_copy(self, title: str, text: str, above: str = "") -> None:
        """No terminal says whether it took the text, so it is shown too."""
        self.anymole.copy_to_clipboard(text)
        self.app.push_screen(Read(title, f"{above}{text}\n\nSent to the clipboard."))

    def action_save(self) -> None:
        def save(name: str | None) -> None:
            if name:
                try:
                    self.say(f"Saved: {presets.save_preset(name, self._typed())}")
                except EngineError as error:
                    self.say_error(str(error))

        self.app.push_screen(
            Ask("Save a preset", "Name of the preset; times and joints stay out of it."), save
        )

    def action_load(self) -> None:
        names = presets.preset_names()

        def load(name: str | None) -> None:
            if name:
                try:
                    self.config = presets.load_preset(name, self.config)
                except EngineError as error:
                    self.say_error(str(error))
                else:
                    self._changed_by_hand()

        if names:
            self.app.push_screen(Choose("Load a preset", names), load)
        else:
            self.say("There are no presets yet; S saves one.")
