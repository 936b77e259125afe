"""Motion: a timeline per animation, the rotation of a joint, and the character at the time that is looked at."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input

from anymole_tui.safe_text import plain
from anymole_tui.terminal.graphics import Pixels
from anymole_tui.tui.lists.filter import Filter
from anymole_tui.tui.lists.lines import Lines
from anymole_tui.tui.lists.virtual_list import Rows
from anymole_tui.tui.screens.playing import Playing
from anymole_tui.tui.state.playback import Request
from anymole_tui.tui.widgets.curves import Curves
from anymole_tui.tui.widgets.picture import Picture
from anymole_tui.tui.widgets.timeline import Timeline, Track, track_names
from usd_io import timecode

if TYPE_CHECKING:
    from engine.inspection import StageClip
    from usd_io.browse import StageView

VIEWS = ("front", "side", "top", "three-quarter")
SETTLE_S = 0.08
"""The time rests so long before a picture of it is drawn."""


class MotionPlace(Playing):
    """The animations of one stage."""

    TITLE = "Motion"
    HELP = (
        "The line of an animation shows finished motion, keys, and the gaps that a run would fill. Space plays it at"
        " its own rate, as far as terminal and line allow: the rate shown is the one reached. r plays one gap"
        " over and over. The curves are the local rotation of the joint away from its mean."
    )
    DEFAULT_CSS = """
    MotionPlace #joints { height: 7; }
    MotionPlace #numbers { width: 1fr; }
    MotionPlace #picture { width: 1fr; }
    MotionPlace #time { height: auto; }
    MotionPlace.-wide #joints { height: 14; }
    MotionPlace.-wide #picture { width: 3fr; }
    MotionPlace.-wide #numbers { width: 2fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view", "View", id="motion.view"),
        Binding("T", "trail", "Trail", show=False, tooltip="of the chosen joint", id="motion.trail"),
        Binding("t", "time", "Timeline", show=False, id="motion.time"),
        Binding("J", "joints", "Joints", id="motion.joints"),
        Binding("p", "plan", "Plan", tooltip="a run that fills the gaps", id="motion.plan"),
        Binding("y", "copy_time", "Copy time", show=False, id="motion.copy_time"),
    ]

    def __init__(self, view: "StageView", remembered: dict[str, Any], muted: Sequence[str] = ()) -> None:
        """Look at an open stage.

        Args:
            view: The stage.
            remembered: What the session keeps of it; read and changed.
            muted: Identifiers of the layers that are left out.
        """
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]
        self._stage = view
        self._remembered = remembered
        self._muted = list(muted)
        self._clips: tuple[StageClip, ...] = ()
        self._joints: list[int] = []
        """Indices of the joints that are listed."""
        self._side = str(remembered.get("view", VIEWS[-1]))
        if self._side not in VIEWS:
            self._side = VIEWS[0]

    def compose_place(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="picture", classes="panel"):
                yield Picture(self.anymole.look.pictures, id="still")
            with Vertical(id="numbers"):
                with Vertical(id="joints", classes="panel"):
                    yield Filter("#joint_list", "part of a joint's name")
                    yield Lines("Joints", id="joint_list")
                with Vertical(id="curve", classes="panel"):
                    yield Curves(id="curves")
        with Vertical(id="time", classes="panel"):
            yield Timeline(id="timeline")

    def on_mount(self) -> None:
        self.query_one("#joints").border_title = "Joints"
        self.query_one("#time").border_title = "Timeline"
        self.set_focus(self.query_one(Timeline))
        self.query_one(Picture).say("reading the motion ...")
        self.in_background(lambda _: self._read(), self._show, group="motion", failed=self.give_up)

    def _read(self) -> "tuple[tuple[StageClip, ...], tuple[str, ...]]":
        from engine.inspection import read_clips

        with self._stage.guard:
            return read_clips(self._stage.opened)

    def _show(self, read: "tuple[tuple[StageClip, ...], tuple[str, ...]]") -> None:
        self._clips, left_out = read
        for sentence in left_out[:3]:
            self.say(sentence)
        motion = self._clips[0].motion
        timeline = self.query_one(Timeline)
        timeline.show(_tracks(self._clips), motion.frame_step, motion.time_codes_per_second)
        wanted = self._remembered.get("skeleton")
        places = [i for i, clip in enumerate(self._clips) if clip.character.skeleton_path == wanted]
        timeline.chosen = places[0] if places else 0
        self._list_joints("")
        time = self._remembered.get("time")
        timeline.go_to(float(time) if isinstance(time, (int, float)) else timeline.time)
        self.query_one(Picture).say("starting the renderer ...")

    @property
    def clip(self) -> "StageClip | None":
        """The animation that is looked at."""
        return self._clips[self.query_one(Timeline).chosen] if self._clips else None

    # Joints and curves --------------------------------------------------------------------------------

    def _list_joints(self, wanted: str) -> None:
        clip = self.clip
        if clip is None:
            return
        names, parents = clip.character.joints, clip.character.parents
        self._joints = [i for i, name in enumerate(names) if wanted.lower() in name.lower()]
        depths = np.zeros(len(names), int)
        for joint, parent in enumerate(parents):
            depths[joint] = depths[parent] + 1 if parent >= 0 else 0
        lines = [
            Content("  " * min(int(depths[j]), 12) * (not wanted))
            + plain(names[j].rsplit("/", 1)[-1], 60, ascii_only=self.anymole.ascii)
            for j in self._joints
        ]
        joints = self.query_one("#joint_list", Lines)
        joints.show(lines)
        remembered = self._remembered.get("joint")
        places = [row for row, j in enumerate(self._joints) if names[j] == remembered]
        joints.cursor = places[0] if places else self._liveliest(clip)
        self._show_curve()

    def _liveliest(self, clip: "StageClip") -> int:
        """The row of the joint that turns most: what one wants to see first."""
        turns = 1 - np.abs((clip.motion.rotations * clip.motion.rotations[:1]).sum(-1)).min(0)
        return int(np.argmax(turns[self._joints])) if self._joints else 0

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        self._list_joints(event.value)

    @on(Rows.Highlighted, "#joint_list")
    def _joint_chosen(self) -> None:
        clip, row = self.clip, self.query_one("#joint_list", Lines).cursor
        if clip is not None and row < len(self._joints):
            self._remembered["joint"] = clip.character.joints[self._joints[row]]
            self._show_curve()

    def _show_curve(self) -> None:
        from engine.inspection import rotation_curve

        clip, row = self.clip, self.query_one("#joint_list", Lines).cursor
        if clip is None or row >= len(self._joints):
            return
        joint = self._joints[row]
        self.query_one(Curves).show(clip.motion.times, rotation_curve(clip, joint))
        name = plain(clip.character.joints[joint].rsplit("/", 1)[-1], 30, ascii_only=self.anymole.ascii)
        self.query_one("#curve").border_title = Content(f"Rotation of {name}")

    # Time ---------------------------------------------------------------------------------------------

    @on(Timeline.Scrubbed)
    def _scrubbed(self) -> None:
        timeline, clip = self.query_one(Timeline), self.clip
        self.query_one(Curves).look_at(timeline.time, timeline.start, timeline.end)
        if clip is None:
            return
        if self._remembered.get("skeleton") != clip.character.skeleton_path:
            self._remembered["skeleton"] = clip.character.skeleton_path
            self._list_joints(self.query_one(Filter).value)
        self._remembered["time"] = timeline.time
        note = clip.note.removeprefix(f"{clip.character.skeleton_path}: ")  # the line has its name
        room = max(self.size.width - 10, 40)
        if self.moved_by_hand():
            self.query_one("#time").border_subtitle = Content(
                plain(note, room, ascii_only=self.anymole.ascii)
            )
            self.set_timer(SETTLE_S, partial(self._draw_if_still, timeline.time))

    def _draw_if_still(self, time: float) -> None:
        if time == self.query_one(Timeline).time and not self.playing:
            self.draw()

    def on_resize(self) -> None:
        if self._clips:
            self.set_timer(SETTLE_S, self.draw_again)

    # The picture --------------------------------------------------------------------------------------

    def trailed(self) -> tuple[str, ...]:
        joints = self._remembered.get("trails", ())
        return tuple(map(str, joints)) if isinstance(joints, list) else ()

    def action_trail(self) -> None:
        """Draw the way of the joint under the cursor of the list, or no more."""
        joint, trailed = str(self._remembered.get("joint", "")), list(self.trailed())
        if joint:
            self._remembered["trails"] = (
                [other for other in trailed if other != joint] if joint in trailed else [*trailed, joint]
            )
            self.draw_again()

    def caption(self, time: float) -> None:
        self.query_one("#picture").border_title = f"{self._side} at {timecode(time)}"

    def pictures(self) -> list[Picture]:
        return [self.query_one(Picture)]

    def requests(self, time: float) -> list[Request]:
        still = self.query_one(Picture)
        height, width = still.wanted
        if not self._clips or height < 4 or width < 4:
            return []
        return [
            {
                "stage": self._stage.path,
                "muted": self._muted,
                "time": time,
                "view": self._side,
                "height": height,
                "width": width,
                "background": still.background,
                **self.extras(),
            }
        ]

    def draw(self) -> None:
        """Have the picture of this time drawn; the one before stays until it is there."""
        requests = self.requests(self.query_one(Timeline).time)
        if not requests:
            return
        (request,), still = requests, self.query_one(Picture)
        self.caption(request["time"])
        self.in_background(
            lambda stopped: None if stopped() else self.anymole.thumbnails.draw(request),
            self._show_picture,
            group="picture",
            failed=still.say,
        )

    def _show_picture(self, pixels: Pixels | None) -> None:
        if pixels is not None:
            self.query_one(Picture).show(pixels)

    def action_view(self) -> None:
        """From the front, the side, above, or between them."""
        self._side = VIEWS[(VIEWS.index(self._side) + 1) % len(VIEWS)]
        self._remembered["view"] = self._side
        self.draw_again()

    def action_plan(self) -> None:
        self.anymole.open_plan(Path(self._stage.path))

    def action_time(self) -> None:
        self.set_focus(self.query_one(Timeline))

    def action_joints(self) -> None:
        self.set_focus(self.query_one("#joint_list"))

    def action_copy_time(self) -> None:
        time = timecode(self.query_one(Timeline).time)
        self.anymole.copy_to_clipboard(time)
        self.say(f"Sent to the clipboard: {time}")


def _tracks(clips: "Sequence[StageClip]") -> list[Track]:
    skeletons = [clip.character.skeleton_path for clip in clips]
    names = track_names(
        skeletons, [clip.motion.animation_path or clip.character.skeleton_path for clip in clips]
    )
    return [
        Track(name, clip.start, clip.end, clip.dense, clip.keys, clip.gaps)
        for name, clip in zip(names, clips, strict=True)
    ]
