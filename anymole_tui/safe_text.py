"""Text from files, people and paths as terminal text: never markup, never an escape, never too long."""

from textual.content import Content
from textual.widgets import Static

from usd_io import shown


def plain(text: object, most: int = 200, *, ascii_only: bool = False) -> str:
    """A text on one line, at most so long, its middle cut out; what does not print is spelt out.

    Args:
        text: Anything with a string.
        most: Characters that stay.
        ascii_only: Spell out all that is not ASCII, too.
    """
    safe = shown(text, most)
    if ascii_only:
        safe = spelt_out(safe)
    if len(safe) > most:
        kept = max(most - 3, 2)
        safe = f"{safe[: (kept + 1) // 2]}...{safe[-(kept // 2) :]}"
    return safe


def spelt_out(text: str) -> str:
    """A text with escapes for all that is not ASCII."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def inert(text: object, most: int = 200, *, style: str = "", ascii_only: bool = False) -> Content:
    """As :func:`plain`, as content that no markup of the text can style.

    Args:
        text: Anything with a string.
        most: Characters that stay.
        style: A style of ours ("bold", "$warning") for all of it.
        ascii_only: Spell out all that is not ASCII, too.
    """
    safe = plain(text, most, ascii_only=ascii_only)
    return Content.styled(safe, style) if style else Content(safe)


class Words(Static):
    """A block of text that is shown as it is: markup in it means nothing."""

    def __init__(
        self, text: str | Content = "", *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(text, id=id, classes=classes, markup=False)
