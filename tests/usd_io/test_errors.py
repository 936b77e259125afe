"""How numbers and names are put into sentences."""

import math

import numpy as np
import pytest

from usd_io.errors import timecode


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (49.0, "49"),
        (-12.5, "-12.5"),
        (0.1 + 0.2, "0.3"),
        (-1e-9, "0"),
        (100, "100"),
        (1_000_083.0, "1000083"),
        (100_008.25, "100008.25"),
        (1e300, "1e+300"),
        (math.inf, "inf"),
    ],
)
def test_time_codes_are_written_as_they_are_typed(time: float, text: str) -> None:
    assert timecode(time) == text


def test_time_codes_can_be_typed_back() -> None:
    times = np.random.default_rng(0).integers(-(10**9), 10**9, 50) / 8
    assert [float(timecode(t)) for t in times] == times.tolist()
