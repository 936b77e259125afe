"""Frames and their times."""

import numpy as np
import pytest

from engine.geometry.time_grid import frame_times, frames_at, nearest_frames


@pytest.mark.parametrize(
    ("first", "last", "step"), [(0, 10, 1), (1.25, 7.25, 0.5), (0, 1, 1 / 30), (3, 3, 1)]
)
def test_even_times_reach_the_last(first: float, last: float, step: float) -> None:
    times = frame_times(first, last, step)
    assert times[0] == first
    assert times[-1] == pytest.approx(last)
    assert len(times) == round((last - first) / step) + 1


def test_a_last_time_between_frames_is_not_passed() -> None:
    assert frame_times(0.0, 2.9, 1.0).tolist() == [0, 1, 2]


def test_the_nearest_frame_is_the_earlier_of_two_as_near() -> None:
    times = np.array([0.0, 1.0, 3.0])
    assert nearest_frames(times, np.array([-5.0, 0.5, 1.9, 2.0, 9.0])).tolist() == [0, 0, 1, 1, 2]
    assert nearest_frames(times, np.zeros(0)).tolist() == []


def test_times_that_no_frame_has_are_named() -> None:
    frames, missing = frames_at(np.array([0.0, 1.0, 2.0]), np.array([1.0000001, 1.5, 2.0]), 1e-5)
    assert frames.tolist() == [1, 1, 2]
    assert missing.tolist() == [1.5]


def test_the_nearest_frame_is_that_of_the_least_distance() -> None:
    """The naive way looks at every pair; ties go to the earlier frame in both."""
    draw = np.random.default_rng(0)
    for _ in range(100):
        times = np.unique(draw.integers(0, 40, draw.integers(1, 12)) * 0.5)
        wanted = draw.integers(-10, 60, 20) * 0.25
        naive = np.abs(times[:, None] - wanted).argmin(0)
        np.testing.assert_array_equal(nearest_frames(times, wanted), naive)
