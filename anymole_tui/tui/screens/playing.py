"""A place with a timeline that can be played."""

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.timer import Timer

from anymole_tui.terminal.patches import waiting_writes
from anymole_tui.tui.screens.base_screen import Place
from anymole_tui.tui.state.playback import SPEEDS, Playback, Reel, Request
from anymole_tui.tui.widgets.picture import Picture
from anymole_tui.tui.widgets.timeline import Timeline
from usd_io import timecode

LOOKS_PER_S = 60.0
"""How often it is checked what is due."""
MOST_WAITING = 2
"""Writes to the terminal that may wait: with more, a frame is dropped, and a key is answered at once all the same."""
TOLD_EVERY_S = 0.5
MOST_GHOSTS = 8
MOST_DOTS = 240
"""Of a trail."""


class Playing(Place):
    """Base of the places that play; they say which pictures there are at a time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "play", "Play", tooltip="or stop", id="play.play"),
        Binding("r", "loop", "Loop gap", tooltip="the one here; again: all", id="play.loop"),
        Binding("less_than_sign", "speed(-1)", "Slower", show=False, id="play.slower"),
        Binding("greater_than_sign", "speed(1)", "Faster", show=False, id="play.faster"),
        Binding("O", "ghosts", "Ghosts", show=False, tooltip="the key poses, faintly", id="play.ghosts"),
    ]

    _playback: Playback | None = None
    _drawn_ahead: Reel | None = None
    """Frames that have been drawn for playback."""
    _ticks: Timer | None = None
    _tells: Timer | None = None
    _loop: tuple[float, float] | None = None
    _speed = 1.0
    _ghosts = False
    _moves_at_start = 0
    """How often a person had gone to a time when playback began: one more, and it stops."""

    # What a place says ---------------------------------------------------------------------------------

    def requests(self, time: float) -> Sequence[Request]:
        """The requests for the pictures in view at a time."""
        raise NotImplementedError

    def pictures(self) -> Sequence[Picture]:
        """Those in view, in the order of the requests."""
        raise NotImplementedError

    def draw(self) -> None:
        """Draw the time at rest."""
        raise NotImplementedError

    def caption(self, time: float) -> None:
        """Write at the pictures which time they show."""
        raise NotImplementedError

    def trailed(self) -> tuple[str, ...]:
        """Joints whose way is drawn."""
        return ()

    def extras(self) -> dict[str, Any]:
        """What is drawn beside the pose: ghosts of the keys and the ways of joints, of the gap that is looped, or of
        all."""
        line = self.query_one(Timeline)
        start, end = self._loop or (line.first, line.last)
        keys = [t for t in sorted(line.track.keys if line.track else ()) if start <= t <= end]
        found: dict[str, Any] = {}
        if self._ghosts and keys:
            found["ghosts"] = tuple(_some(keys, MOST_GHOSTS))
        if self.trailed():
            found |= {
                "trails": self.trailed(),
                "trail_times": tuple(_some(line.frames(start, end), MOST_DOTS)),
            }
        return found

    def action_ghosts(self) -> None:
        self._ghosts = not self._ghosts
        self.draw_again()

    def draw_again(self) -> None:
        """Something else is to be seen: draw it, or play it."""
        self.call_after_refresh(self._play_or_draw)

    def _play_or_draw(self) -> None:
        # Asked now and not when the drawing was ordered: a key pressed in between has stopped the playback.
        if self.playing:
            self.play()
        else:
            self.draw()

    # Playback ------------------------------------------------------------------------------------------

    @property
    def playing(self) -> bool:
        """Whether it plays now."""
        return self._playback is not None

    def action_play(self) -> None:
        """Play, or stop where it is."""
        if self.playing:
            self.stop()
            self.draw()
        else:
            self.play()

    def play(self) -> None:
        """Play from the time that is looked at, over and over."""
        self.stop()
        line = self.query_one(Timeline)
        times = line.frames(*(self._loop or (line.first, line.last)))
        frames = [(time, self.requests(time)) for time in times]
        if len(frames) < 2 or not frames[0][1]:
            return
        begin = min(range(len(times)), key=lambda i: abs(times[i] - line.time))
        playback = Playback(
            frames, line.rate / line.frame_step, reel=self._reel(), start=begin, speed=self._speed
        )
        self._playback, self._moves_at_start = playback, line.moves_by_hand
        thumbnails = self.anymole.thumbnails
        self.in_background(
            lambda stopped: playback.draw_ahead(lambda request: thumbnails.draw(request, stopped), stopped),
            lambda _: None,
            group="play",
            failed=self._cannot_play,
        )
        self._ticks = self.set_interval(1 / LOOKS_PER_S, self._tick)
        self._tells = self.set_interval(TOLD_EVERY_S, self._tell_rate)
        self._tell_rate()

    def _reel(self) -> Reel:
        if self._drawn_ahead is None:
            self._drawn_ahead = Reel()
        return self._drawn_ahead

    def _cannot_play(self, why: str) -> None:
        self.stop()
        for picture in self.pictures()[:1]:
            picture.say(why)

    def stop(self) -> None:
        """Stop where it is."""
        for timer in (self._ticks, self._tells):
            if timer is not None:
                timer.stop()
        if self.playing:
            self.workers.cancel_group(self, "play")
            self.query_one("#time").border_subtitle = ""
        self._playback = self._ticks = self._tells = None

    def _tick(self) -> None:
        playback, pictures = self._playback, self.pictures()
        if playback is None or not self.is_current:
            return
        if waiting_writes(self.app) > MOST_WAITING or not all(picture.ready for picture in pictures):
            return  # dropped: the line or the terminal has enough to do
        due = playback.next_shown()
        if due is None:
            return
        self.query_one(Timeline).play_to(due[0])
        self.caption(due[0])
        for picture, pixels in zip(pictures, due[1], strict=False):
            picture.show(pixels)

    def moved_by_hand(self) -> bool:
        """Whether a person has gone to the time that is looked at; playback stops for it."""
        if self.playing and self.query_one(Timeline).moves_by_hand != self._moves_at_start:
            self.stop()
        return not self.playing

    def _tell_rate(self) -> None:
        playback = self._playback
        if playback is None:
            return
        loop = "" if self._loop is None else f"  loop {timecode(self._loop[0])}..{timecode(self._loop[1])}"
        rates = f"{playback.shown_rate():.0f} of {playback.wanted_rate:.3g} frames/s  {self._speed:g}x{loop}"
        sign = ">" if self.anymole.ascii else "▶"
        self.query_one("#time").border_subtitle = Content(f"{sign} {rates}")

    def action_loop(self) -> None:
        """Play the gap that is looked at over and over; again: all."""
        line = self.query_one(Timeline)
        gap = line.gap_at(line.time)
        self._loop = gap if gap != self._loop else None
        self.play()

    def action_speed(self, by: int) -> None:
        at = SPEEDS.index(self._speed) + by
        self._speed = SPEEDS[min(max(at, 0), len(SPEEDS) - 1)]
        if self._playback is not None:
            self._playback.set_speed(self._speed)
            self._tell_rate()
        else:
            self.say(f"Speed {self._speed:g}x")

    def on_screen_suspend(self) -> None:
        self.stop()

    def on_unmount(self) -> None:
        self.stop_timers()

    def stop_timers(self) -> None:
        """The place goes: nothing is shown any more."""
        for timer in (self._ticks, self._tells):
            if timer is not None:
                timer.stop()
        self._playback = None


def _some(times: Sequence[float], most: int) -> list[float]:
    """At most so many of some times, evenly chosen, the first and the last among them."""
    if len(times) <= most:
        return list(times)
    return [times[round(i * (len(times) - 1) / (most - 1))] for i in range(most)]
