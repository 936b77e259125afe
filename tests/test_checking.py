"""Wrong arguments, shapes and results fail while testing."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from jaxtyping import AnnotationError, Float, Int, TypeCheckError

from engine.geometry import rotations
from tests import checked, checking

check = checking.jaxtyped(typechecker=checked)


def test_functions_of_ours_are_checked() -> None:
    assert rotations.exp.__globals__ is vars(checking)
    with pytest.raises(TypeCheckError):
        rotations.exp(np.zeros((5, 2)))


def test_an_axis_has_one_length_in_arguments_and_result() -> None:
    @check
    def doubled(a: Float[np.ndarray, "n"], b: Float[np.ndarray, "n"]) -> Float[np.ndarray, "2*n"]:
        return np.concatenate([a, np.ones(3)])

    assert len(doubled(np.ones(3), np.ones(3))) == 6
    with pytest.raises(TypeCheckError, match="parameter b"):
        doubled(np.ones(3), np.ones(4))
    with pytest.raises(TypeCheckError, match="return"):
        doubled(np.ones(2), np.ones(2))


def test_a_call_within_a_call_has_lengths_of_its_own() -> None:
    @check
    def own(a: Float[np.ndarray, "n"]) -> int:
        return len(a)

    @check
    def plain(count: int) -> int:
        return own(np.ones(count))

    @check
    def outer(a: Float[np.ndarray, "n"], count: float) -> Float[np.ndarray, "n"]:
        return np.ones(plain(int(count)))

    assert len(outer(np.ones(3), 3)) == 3  # an int will do for a float
    with pytest.raises(TypeCheckError, match="return"):
        outer(np.ones(3), 4.0)


def test_methods_dataclasses_and_generators_are_checked() -> None:
    @check
    @dataclass
    class Sized:
        size: int

        @property
        @check
        def text(self) -> str:
            return self.size  # type: ignore[return-value]

        @classmethod
        @check
        def of(cls, size: int) -> str:
            return str(size)

    @check
    def each(count: int) -> Iterator[int]:
        yield from range(count)

    with pytest.raises(TypeCheckError):
        Sized("1")  # type: ignore[arg-type]
    with pytest.raises(TypeCheckError):
        _ = Sized(1).text
    with pytest.raises(TypeCheckError):
        Sized.of("1")  # type: ignore[arg-type]
    with pytest.raises(TypeCheckError):
        each("1")  # type: ignore[arg-type]
    assert list(each(2)) == [0, 1]


def test_functions_made_again_and_again_check_and_call_the_last_one() -> None:
    def made(number: int, shape: str) -> Callable[..., np.ndarray]:
        @check
        def times(a: Float[np.ndarray, shape]) -> Float[np.ndarray, shape]:
            return number * a

        return times

    twice, thrice, flat = made(2, "n 3"), made(3, "n 3"), made(4, "n")
    for times, number in ((twice, 2), (thrice, 3), (twice, 2)):
        np.testing.assert_array_equal(times(np.ones((2, 3))), number * np.ones((2, 3)))
        with pytest.raises(TypeCheckError):
            times(np.ones(3))
    assert flat(np.ones(3))[0] == 4
    with pytest.raises(TypeCheckError):
        flat(np.ones((2, 3)))


def test_a_name_in_quotes_may_come_later() -> None:
    check_later = check(takes_a_later_one)
    check_later(Later())
    with pytest.raises(TypeCheckError):
        check_later(1)


def takes_a_later_one(it: "Later") -> None: ...


class Later: ...


SHAPES = ("", "n", "3", "n 3", "n n", "n m", "_ n", "... n", "n ...", "*b n 3", "n *b m", "*b", "n+1", "#n m")


@pytest.mark.parametrize("first", SHAPES)
def test_shapes_fit_where_jaxtyping_says_so(first: str) -> None:
    arrays = [np.ones(sizes) for sizes in ((), (3,), (4,), (3, 3), (4, 3), (4, 4), (2, 4, 3), (2, 5, 4, 3))]
    for second in SHAPES:
        hints = [kind[np.ndarray, text] for kind in (Float, Int) for text in (first, second)]
        for left, right in itertools.product(arrays, arrays):
            assert told(isinstance, hints, left, right) == told(plainly, hints, left, right)


def told(fits: Callable[[Any, Any], bool], hints: list[Any], left: Any, right: Any) -> list[Any]:
    """What is said of two arrays, one after the other, and of the first once more: names of axes keep their lengths."""
    with checking.thorough("context"):
        said: list[Any] = []
        for value, hint in ((left, hints[0]), (right, hints[1]), (left, hints[0]), (right, hints[3])):
            try:
                said.append(fits(value, hint))
            except AnnotationError:
                said.append("an axis without a length")
        return said


def plainly(value: Any, hint: Any) -> bool:
    return hint.__instancecheck_str__(value) == ""
