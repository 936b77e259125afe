"""What lies over a place, which stays to be seen behind it, dimmed."""

from collections.abc import Iterable
from functools import lru_cache
from typing import TypeVar

from rich.console import RenderableType
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.renderables.background_screen import BackgroundScreen

from anymole_tui.terminal.patches import OnceLaidOut

T = TypeVar("T")
STYLES = 2048
"""Dimmed styles that are remembered: a place has some dozens."""


class Over(OnceLaidOut[T]):
    """Base of all that lies over a place."""

    def render(self) -> RenderableType:
        found = super().render()
        return Dimmed(found.screen, found.color) if isinstance(found, BackgroundScreen) else found


class Dimmed(BackgroundScreen):
    """A place, dimmed as Textual does it: but each style once, not each piece of text, which takes 5 ms a time."""

    @classmethod
    def process_segments(cls, segments: Iterable[Segment], color: Color) -> Iterable[Segment]:
        for segment in segments:
            text, style, control = segment
            if control:
                yield segment
            else:
                yield Segment(text, _dimmed(style.clear_meta_and_links() if style else Style.null(), color))


@lru_cache(STYLES)
def _dimmed(style: Style, color: Color) -> Style:
    ((_, dimmed, _),) = BackgroundScreen.process_segments([Segment(" ", style)], color)
    assert dimmed is not None
    return dimmed
