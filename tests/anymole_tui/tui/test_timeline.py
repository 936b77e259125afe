"""The one timeline, by itself: where frames are, what is snapped to, what has room."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import App
from textual.pilot import Pilot

from anymole_tui.tui.widgets.plan_timeline import PlanTimeline
from anymole_tui.tui.widgets.timeline import Timeline, Track

CLIP = Track("clip", 1.25, 21.25, ((1.25, 5.25),), (10.25, 21.25), ((5.25, 10.25), (10.25, 21.25)))


def on_a_line(
    line: Timeline, journey: Callable[[Pilot[Any]], Awaitable[None]], size: tuple[int, int] = (80, 10)
) -> None:
    """Run an app that shows nothing but a timeline."""

    class Alone(App[None]):
        def compose(self) -> Any:
            yield line

    async def go() -> None:
        async with Alone().run_test(size=(80, 10)) as pilot:
            line.focus()
            await pilot.pause()
            await journey(pilot)

    asyncio.run(go())


@pytest.mark.parametrize("line", [Timeline, PlanTimeline])
def test_frames_are_counted_from_the_first_sample(line: type[Timeline]) -> None:
    """From 1.25 in steps of 1, one frame on is 2.25."""
    shown = line()

    async def journey(pilot: Pilot[Any]) -> None:
        shown.show([CLIP], 1.0, 24.0)
        await pilot.press("right")
        assert shown.time == 2.25
        shown.go_to(3.9)
        await pilot.press("l")
        assert shown.time == 4.25
        shown.go_to(3.9)
        await pilot.press("h")
        assert shown.time == 3.25
        await pilot.press("G", "l")
        assert shown.time == 21.25

    on_a_line(shown, journey)


@given(st.floats(-1000, 1000, width=32), st.sampled_from([0.5, 1.0, 1.25, 2.0]), st.integers(0, 50))
@settings(max_examples=50)
def test_a_step_on_and_back_is_where_one_was(first: float, step: float, frame: int) -> None:
    line = Timeline()
    line._take([Track("clip", first, first + 51 * step)], step, 24.0)
    line.start, line.end = line._limits()
    line.post_message = lambda message: True  # type: ignore[method-assign]
    line.time = first + frame * step
    line.action_step(1)
    assert line.time == pytest.approx(first + (frame + 1) * step, abs=1e-3)
    line.action_step(-1)
    assert line.time == pytest.approx(first + frame * step, abs=1e-3)


def test_time_and_zoom_stay_when_the_same_clip_is_shown_again() -> None:
    line = PlanTimeline()

    async def journey(pilot: Pilot[Any]) -> None:
        line.tell(CLIP, CLIP, 1.0, 24.0)
        line.go_to(10.25)
        await pilot.press("+")
        seen = (line.time, line.start, line.end)
        line.tell(CLIP, Track("planned", 1.25, 21.25, (), (10.25,)), 1.0, 24.0)
        assert (line.time, line.start, line.end) == seen
        line.tell(Track("authored", 0, 40), Track("planned", 0, 40), 1.0, 24.0)
        assert (line.time, line.start, line.end) == (0, 0, 40)

    on_a_line(line, journey)


def test_marking_ends_at_the_sample_that_is_nearest() -> None:
    marked: list[tuple[float, float]] = []

    class Noting(PlanTimeline):
        def on_plan_timeline_context_marked(self, event: PlanTimeline.ContextMarked) -> None:
            marked.append((event.start, event.end))

    line = Noting()

    async def journey(pilot: Pilot[Any]) -> None:
        line.tell(CLIP, CLIP, 1.0, 24.0)
        line.go_to(1.25)
        await pilot.press("m")
        line.go_to(10.0)
        await pilot.press("m")
        await pilot.pause()
        assert marked == [(1.25, 10.25)]

    on_a_line(line, journey)


def test_the_legend_goes_first_where_there_is_little_room() -> None:
    line = PlanTimeline()

    async def journey(pilot: Pilot[Any]) -> None:
        line.tell(Track("authored", 0, 10), Track("planned", 0, 10), 1.0, 24.0)
        line.styles.height, line.styles.min_height = 3, 3
        await pilot.pause()
        assert [line.render_line(y).text.split()[:1] for y in range(3)][1:] == [["authored"], ["planned"]]

    on_a_line(line, journey)
