"""USD's own warnings and errors as text, instead of lines on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from pxr import Tf

from usd_io.errors import shown


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
    if file:
        longest = longest.replace(f"<{file}>", "it").replace(f"{file}:", "line ").replace(f"@{file}@", "it")
    return sentence(longest)


def sentence(text: object) -> str:
    """What USD says, safe to show: a long path in it loses its middle, not the sentence."""
    return " ".join(shown(word) for word in str(text).strip().split(" "))
