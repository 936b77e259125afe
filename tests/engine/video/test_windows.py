"""The plan of windows, without any model."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.video.windows import SNAP, Role, Window, batches, plan_windows
from tests.parity import facts

CONTEXT = [i / 30 for i in range(61)]
KEYS = [3.0, 4.0, 5.0, 6.0]


@pytest.fixture
def paper() -> tuple[Window, ...]:
    """2 s of context at 30 frames/s, then a key each second; 15 frames/s are wanted."""
    gaps = list(pairwise([2.0, *KEYS]))
    return plan_windows(gaps, CONTEXT + KEYS, 15)


def frames(window: Window) -> list[int]:
    return [round(slot.time * 30) for slot in window.slots]


def test_paper_windows_show_the_frames_of_its_code(paper: tuple[Window, ...]) -> None:
    assert frames(paper[0]) == list(range(0, 91, 6))
    assert frames(paper[1]) == list(range(30, 121, 6))
    assert frames(paper[2]) == list(range(60, 151, 6))
    assert frames(paper[4]) == list(range(60, 91, 2))
    assert [w.level for w in paper] == [0] * 4 + [1] * 4
    assert [w.fps for w in paper] == [5] * 4 + [15] * 4


@pytest.mark.parametrize(
    ("index", "kind"),
    [(0, "coarse_first"), (1, "coarse_second"), (2, "coarse_later"), (3, "coarse_later"), (4, "fine")],
)
def test_paper_windows_hold_the_recorded_frames(paper: tuple[Window, ...], index: int, kind: str) -> None:
    recorded = facts("records")[f"sampler_{kind}"]
    assert list(paper[index].held_above) == recorded["held"]
    assert list(paper[index].held_below) == recorded["held_below_750"]


def test_paper_windows_write_what_its_code_writes(paper: tuple[Window, ...]) -> None:
    assert {w.writes for w in paper[:4]} == {(11, 12, 13, 14)}
    assert {w.writes for w in paper[4:]} == {tuple(range(1, 15))}


def test_two_seconds_keep_the_rates_of_the_paper() -> None:
    plan = plan_windows([(2.0, 4.0)], [*CONTEXT, 4.0], 15)
    assert [(w.level, w.fps) for w in plan] == [(0, 5), (1, 15), (1, 15)]


def test_gap_without_history_is_one_window_from_key_to_key() -> None:
    (window,) = plan_windows([(0.0, 1.0)], [0.0, 1.0], 15)
    assert [s.role for s in window.slots] == [Role.TRUE, *[Role.FREE] * 14, Role.TRUE]


def test_context_behind_is_used_backwards() -> None:
    context = [2 + t for t in CONTEXT]
    plan = plan_windows([(0.0, 1.0), (1.0, 2.0)], [0.0, 1.0, *context], 15)
    assert [w.gap for w in plan if w.level == 0] == [1, 0]
    first = plan[0]
    assert frames(first) == list(range(30, 121, 6))
    assert first.writes == (1, 2, 3, 4)
    assert first.held_below == tuple(range(5, 15))


def test_gaps_between_two_contexts_are_filled_from_both_sides() -> None:
    behind = [6 + t for t in CONTEXT]
    gaps = [(2.0, 3.0), (3.0, 4.0), (4.0, 5.0), (5.0, 6.0)]
    plan = plan_windows(gaps, [*CONTEXT, 3.0, 4.0, 5.0, *behind], 15)
    assert [w.gap for w in plan if w.level == 0] == [0, 1, 3, 2]


def test_windows_that_need_each_other_are_not_in_one_batch(paper: tuple[Window, ...]) -> None:
    assert [len(group) for group in batches(paper, 8)] == [1, 1, 1, 1, 4]
    assert [len(group) for group in batches(paper, 3)] == [1, 1, 1, 1, 3, 1]
    assert [w for group in batches(paper, 3) for w in group] == list(paper)


@pytest.mark.parametrize(
    ("gaps", "true", "rate", "message"),
    [
        ([(1.0, 1.0)], [1.0], 15, "end after its start"),
        ([(0.0, 1.0), (0.5, 2.0)], [0.0, 0.5, 1.0, 2.0], 15, "before gap 0 ends"),
        ([(0.0, 1.0)], [0.0], 15, "no true frame at 1 s"),
        ([(0.0, 1.0)], [0.0, 1.0], 0, "frame rate"),
    ],
)
def test_impossible_plans_are_refused(
    gaps: list[tuple[float, float]], true: list[float], rate: float, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_windows(gaps, true, rate)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.floats(0.1, 6), min_size=1, max_size=5),
    context=st.sampled_from([0.0, 0.5, 2.0]),
    context_rate=st.sampled_from([24.0, 30.0, 59.94]),
    rate=st.sampled_from([8.0, 12.0, 15.0, 30.0]),
    behind=st.booleans(),
)
def test_any_plan_can_be_carried_out(
    lengths: list[float], context: float, context_rate: float, rate: float, behind: bool
) -> None:
    keys = [sum(lengths[:i]) for i in range(len(lengths) + 1)]
    steps = range(1, 1 + math.floor(context * context_rate))
    history = [keys[-1] + i / context_rate if behind else -i / context_rate for i in steps]
    gaps = list(pairwise(keys))
    plan = plan_windows(gaps, [*keys, *history], rate)
    known = {*keys, *history}
    for window in plan:
        assert len(window.slots) == 16
        assert window.slots[0].source is not None
        assert window.slots[-1].source is not None
        for i, slot in enumerate(window.slots):
            assert (slot.role == Role.FREE) == (slot.source is None)
            assert slot.role != Role.FREE or i in window.writes
            if slot.source is not None:
                assert slot.source in known
                assert abs(slot.source - slot.time) <= SNAP * window.interval + 1e-9
        sources = [s.source for s in window.slots if s.source is not None]
        assert sources == sorted(set(sources))
        start, end = gaps[window.gap]
        assert all(start < window.slots[i].time < end for i in window.writes)
        known |= {window.slots[i].time for i in window.writes}
    for start, end in gaps:
        inside = sorted(t for t in known if start <= t <= end)
        widest = max(b - a for a, b in pairwise(inside))
        assert widest <= 1 / rate + 1e-9
        assert widest == pytest.approx((end - start) / (len(inside) - 1))
