"""Fuzzy find: the letters of a query in their order, anywhere in a name; what matches better comes first."""

import re
from collections.abc import Callable, Sequence

MOST_FOUND = 500
CHUNK = 5000
"""Names looked at before asking whether to stop."""


def find(query: str, names: Sequence[tuple[str, str]], stop: Callable[[], bool] = lambda: False) -> list[int]:
    """Indices of the prims that fit a query, best first.

    Args:
        query: Letters of a path in their order; a word with a colon in front (``:skel``) is part of the type.
        names: Path and type of every prim.
        stop: Called now and then; True ends the search with what was found.
    """
    words = query.split()
    kinds = [word[1:].lower() for word in words if word.startswith(":")]
    letters = [re.escape(c) for c in "".join(w for w in words if not w.startswith(":"))]
    loose = re.compile(".*?".join(letters), re.IGNORECASE)
    exact = "".join(w for w in words if not w.startswith(":")).lower()
    found: list[tuple[int, int, int]] = []
    for first in range(0, len(names), CHUNK):
        if stop():
            break
        for index in range(first, min(first + CHUNK, len(names))):
            path, kind = names[index]
            if all(k in kind.lower() for k in kinds) and loose.search(path):
                found.append((_distance(exact, path, loose), len(path), index))
    found.sort()
    return [index for *_, index in found[:MOST_FOUND]]


def _distance(exact: str, path: str, loose: "re.Pattern[str]") -> int:
    """0 where the last name begins with the query, 1 where it holds it, 2 where the path does; else the length over
    which its letters are spread, in the last name if it has them all."""
    lower = path.lower()
    last = lower.rsplit("/", 1)[-1]
    if exact in last:
        return 0 if last.startswith(exact) else 1
    if exact in lower:
        return 2
    name = loose.search(last)
    match = name or loose.search(path)
    assert match is not None
    return (3 if name else 100) + match.end() - match.start()
