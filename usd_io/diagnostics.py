"""USD's own warnings and errors as text, instead of lines on stderr."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from pxr import Tf

from usd_io.errors import shown

_PARSER = re.compile(r"parse error matching .*?pxrInternal_.*(?= at ')", re.DOTALL)
"""A rule of the grammar by its class."""
_EXCERPT = re.compile(r"( at '[^\n]{40})[^\n]{20,}(' in <)")
"""What stands at the place of an error, to the end of its line: it may hold a whole sample."""
_NO_EXCERPT = re.compile(r" at ''(?= in <|$)")
"""What stands there where the file ends."""
_INNER = re.compile(r"\bpxrInternal_\w*?pxrReserved_*(::)?")
"""The namespace of USD's classes."""


@contextmanager
def captured() -> Iterator[list[str]]:
    """Hold back what USD says in this thread; the list is filled, without doubles, when the block ends.

    An exception passes through; use :func:`reason` for what a ``Tf.ErrorException`` holds.
    """
    said: list[str] = []
    with Tf.DiagnosticTrap() as trap:
        try:
            yield said
        finally:
            texts = [sentence(d.commentary) for d in [*trap.GetErrors(), *trap.GetWarnings()]]
            said.extend(dict.fromkeys(texts))
            trap.Clear()


def reason(error: Tf.ErrorException, file: str = "") -> str:
    """The most telling sentence of a USD error: the longest, as USD repeats it with file and line added.

    Args:
        error: What USD raised.
        file: Its identifier, where the sentence around this one names it already: it is not said again.
    """
    texts = [e.commentary for e in error.args if isinstance(e, Tf.Error)] or [str(error)]
    longest = max(texts, key=len)
    # however it was named: USD says whole paths
    for name in dict.fromkeys((os.path.realpath(file), os.path.abspath(file), file)) if file else ():  # noqa: PTH100
        longest = longest.replace(f"<{name}>", "it").replace(f"@{name}@", "it")
        longest = re.sub(rf"{re.escape(name)}:(\d+):(\d+):", r"line \1, column \2:", longest)
    return sentence(longest)


def sentence(text: object) -> str:
    """What USD says, safe to show: a long path in it loses its middle, not the sentence, and names of parts of USD's
    own program are left out."""
    said = _PARSER.sub(
        "the text is not as USD expects it", str(text).strip().replace("\n; skipping.", "; skipping.")
    )
    said = _NO_EXCERPT.sub("", _EXCERPT.sub(r"\1...\2", _INNER.sub("", said)))
    return " ".join(shown(word) for word in said.split(" "))
