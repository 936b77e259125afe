"""Curves and bars as characters."""

import itertools
import math

import pytest

from anymole_tui.tui.widgets import watching
from anymole_tui.tui.widgets.plots import bar, curve, resample


def dots(lines: list[str]) -> set[tuple[int, int]]:
    """Places (column, row from the top) of the dots of a braille plot."""
    bits = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
    return {
        (2 * x + dx, 4 * y + dy)
        for y, line in enumerate(lines)
        for x, character in enumerate(line)
        if character != " "
        for dy, row in enumerate(bits)
        for dx, bit in enumerate(row)
        if (ord(character) - 0x2800) & bit
    }


def test_falling_series_falls_from_corner_to_corner() -> None:
    found = dots(curve([float(-i) for i in range(20)], 10, 5))
    assert (0, 0) in found
    assert (19, 19) in found
    assert all(abs(x - y) <= 1 for x, y in found)


def test_short_series_is_drawn_over_the_whole_width() -> None:
    found = dots(curve([1.0, 2.0, 3.0], 10, 2))
    assert {x for x, _ in found} == set(range(20))
    assert {(0, 7), (19, 0)} <= found


def test_what_is_not_finite_leaves_a_hole() -> None:
    values = [float(i) for i in range(20)]
    values[7] = math.nan
    values[12] = math.inf
    assert {x for x, _ in dots(curve(values, 10, 2))} == set(range(20)) - {7, 12}
    assert resample([1.0, math.nan, 3.0], 5) == [1.0, None, None, None, 3.0]


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("columns", [1, 3, 40])
def test_values_near_the_largest_are_drawn(columns: int, ascii_only: bool) -> None:
    """A damaged log may hold any number."""
    odd = (1e308, -1e308, 1.7976931348623157e308, -1.7976931348623157e308, 5e-324, math.nan, 0.0)
    for values in itertools.product(odd, repeat=3):
        lines = curve(values, columns, 3, ascii_only=ascii_only)
        assert [len(line) for line in lines] == [columns] * 3
    falling = dots(curve([1e308, -1e308], 10, 2))
    assert {(0, 0), (19, 7)} <= falling


def test_a_reading_that_is_no_number_of_this_world_is_not_shown() -> None:
    for reading in (10**400, -(10**400), math.nan, math.inf, 1e308, "9", None, True):
        assert watching._percent(reading) == watching._gb(reading) == "n/a"
    assert watching._gb(2048) == "2.0"


def test_constant_and_empty_series_are_drawn() -> None:
    assert len({y for _, y in dots(curve([5.0] * 8, 4, 3))}) == 1
    assert curve([], 4, 2) == ["    ", "    "]


def test_ascii_is_ascii_and_as_high() -> None:
    lines = curve([float(i % 7) for i in range(50)], 20, 4, ascii_only=True)
    assert len(lines) == 4
    assert "".join(lines).isascii()
    assert any(line.strip() for line in lines)


def test_every_value_counts_in_a_long_series() -> None:
    assert resample([0.0] * 99 + [100.0], 10)[-1] == 10.0


def test_bar_is_as_long_as_its_share() -> None:
    assert bar(0.25, 8, ascii_only=True) == "##------"
    assert bar(7.0, 4, ascii_only=True) == "####"
    assert bar(math.nan, 4, ascii_only=True) == "----"
