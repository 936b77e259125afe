"""What is asked for again and again of the same motion, found once."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from weakref import finalize

Result = TypeVar("Result")


def once(function: Callable[..., Result]) -> Callable[..., Result]:
    """Keep what a function makes of characters, motions and plans for as long as these live.

    They are told apart by identity: neither they nor what is kept may be changed.
    """
    found: dict[tuple[int, ...], Result] = {}

    @wraps(function)
    def kept(*given: Any) -> Result:
        key = tuple(map(id, given))
        if key not in found:
            found[key] = function(*given)
            for each in given:
                finalize(each, found.pop, key, None).atexit = False
        return found[key]

    return kept
