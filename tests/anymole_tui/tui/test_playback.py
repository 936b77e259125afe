"""Playback by a clock of the test's own: what is shown when, what is drawn first, what is dropped."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from anymole_tui.tui.state.playback import Playback, Reel, key_of
from anymole_tui.tui.state.review import Review
from usd_io.author.gaps import ShownGap


class Clock:
    """Stands still until it is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def picture(value: int = 0, size: int = 4) -> np.ndarray:
    return np.full((size, size, 3), value, np.uint8)


def loop(clock: Clock, frames: int = 24, rate: float = 24.0, **settings: Any) -> Playback:
    made = [(float(i), [{"time": float(i), "stage": "a"}]) for i in range(frames)]
    return Playback(made, rate, reel=settings.pop("reel", None) or Reel(), clock=clock, **settings)


def test_what_is_due_is_told_by_the_clock() -> None:
    clock = Clock()
    played = loop(clock, start=3)
    assert played.due() == 3
    clock.now += 0.5
    assert played.due() == 15
    clock.now += 0.5
    assert played.due() == 3
    played.set_speed(0.5)
    clock.now += 0.5
    assert played.due() == 9


def test_all_frames_are_shown_where_all_are_drawn_in_time() -> None:
    clock = Clock()
    played = loop(clock)
    for _, requests in played.frames:
        played.reel.put(requests[0], picture())
    shown = []
    for _ in range(120):
        due = played.next_shown()
        shown += [due[0]] if due else []
        clock.now += 1 / 60
    assert shown[:24] == [float(i) for i in range(24)]
    assert played.shown_rate() == pytest.approx(24, abs=1)


def test_frames_that_are_not_drawn_are_dropped_and_the_rate_says_so() -> None:
    clock = Clock()
    played = loop(clock)
    for _, requests in played.frames[::3]:
        played.reel.put(requests[0], picture())
    shown = 0
    for _ in range(120):
        shown += played.next_shown() is not None
        clock.now += 1 / 60
    assert shown == 16
    assert played.shown_rate() == pytest.approx(8, abs=0.6)


def test_a_frame_of_several_pictures_is_shown_when_all_are_there() -> None:
    clock = Clock()
    requests = [{"stage": "a", "time": 0.0}, {"stage": "b", "time": 0.0}]
    played = Playback([(0.0, requests), (1.0, requests)], 24.0, reel=Reel(), clock=clock)
    played.reel.put(requests[0], picture(1))
    assert played.next_shown() is None
    played.reel.put(requests[1], picture(2))
    due = played.next_shown()
    assert due is not None
    assert [pixels[0, 0, 0] for pixels in due[1]] == [1, 2]


def test_frames_that_can_be_in_time_are_drawn_first_and_in_the_end_all() -> None:
    clock = Clock()
    played = loop(clock)
    drawn: list[float] = []

    def draw(request: Any) -> np.ndarray:
        drawn.append(request["time"])
        clock.now += 0.1  # 2.4 frames
        return picture()

    played.draw_ahead(draw, lambda: False)
    assert drawn[0] >= 2
    assert all(later > earlier for earlier, later in pairwise(drawn[:6]))
    assert sorted(drawn) == [float(i) for i in range(24)]


def test_drawing_ends_when_it_is_stopped() -> None:
    played = loop(Clock())
    drawn: list[Any] = []

    def draw(request: Any) -> np.ndarray:
        drawn.append(request)
        return picture()

    played.draw_ahead(draw, lambda: len(drawn) >= 3)
    assert len(drawn) == 3


def test_a_reel_holds_no_more_than_it_may() -> None:
    reel = Reel(most_bytes=10 * picture().nbytes)
    requests = [{"time": float(i)} for i in range(30)]
    for request in requests:
        reel.put(request, picture())
    assert len(reel) == 10
    assert reel.get(requests[0]) is None
    assert reel.get(requests[-1]) is not None


def test_requests_with_lists_have_a_key() -> None:
    assert key_of({"muted": ["a"], "time": 1.0}) == key_of({"muted": ("a",), "time": 1.0})


def test_review_goes_back_and_on_like_an_editor() -> None:
    gaps = [ShownGap("/A", 0.0, 10.0), ShownGap("/A", 10.0, 20.0), ShownGap("/B", 0.0, 10.0)]
    review = Review(gaps, takes=3)
    assert review.place("/B", (0.0, 10.0)) == 2
    assert review.place("/B", None) is None
    review.accept(0)
    review.reject(1)
    review.another(2)
    assert [(g.take, g.accepted) for g in review.gaps] == [(1, True), (0, False), (2, False)]
    assert review.counts() == "1 accepted, 1 rejected, 1 open"
    assert "rejected" in review.words(1)
    assert review.undo()
    assert review.undo()
    assert [g.take for g in review.gaps] == [1, 1, 1]
    assert review.redo()
    assert review.gaps[1].take == 0
    review.another(1)  # after a rejection, the first take again
    assert review.gaps[1].take == 1
    assert not review.redo()
    while review.undo():
        pass
    assert review.gaps == tuple(gaps)


def test_to_accept_a_rejected_gap_takes_the_rejection_back() -> None:
    review = Review([ShownGap("/A", 0.0, 10.0)], takes=3)
    review.reject(0)
    review.accept(0)
    assert [(g.take, g.accepted) for g in review.gaps] == [(1, True)]
    assert review.counts() == "1 accepted, 0 rejected, 0 open"
