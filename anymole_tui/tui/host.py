"""What places and panels use of the app, without importing it: the app imports them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from textual.app import App

from anymole_tui.terminal.diff_renderer import Painted
from anymole_tui.terminal.graphics import Kind
from anymole_tui.tui.state.session import Session
from anymole_tui.tui.workers import ThumbnailProcess
from engine import RunConfig


@dataclass(frozen=True)
class Look:
    """How the terminal UI is shown, and what a user has set for it."""

    theme: str = ""
    """Empty: that of the last time."""
    ascii: bool = False
    mouse: bool = True
    pictures: Kind = "blocks"
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys by id of the binding, as a user has set them."""
    themes: Mapping[str, Any] = field(default_factory=dict)
    """Colours by name of the theme, as a user has set them."""
    run_defaults: Callable[[], Mapping[str, Any]] = dict
    """Settings of a run that files and environment set, read again for every plan."""


class Host(Protocol):
    """The app as places and panels see it."""

    look: Look
    session: Session
    thumbnails: ThumbnailProcess
    """Draws pictures in a process of its own."""
    painted: Painted
    drafts: dict[Path, RunConfig]
    """What was set by hand to plan a run, by stage; kept until the app ends."""

    @property
    def ascii(self) -> bool:
        """Whether to draw with ASCII alone."""

    def leave(self) -> None:
        """Back to the place below."""

    def copy_to_clipboard(self, text: str) -> None:
        """Put a text on the clipboard of the terminal."""

    def open_stage(self, path: Path) -> None:
        """Show what is in a stage."""

    def open_plan(self, stage: Path) -> None:
        """Plan a run on a stage."""

    def open_run(self, folder: Path) -> None:
        """Watch a run."""

    def open_runs(self) -> None:
        """Show all runs."""

    def open_compare(self, folder: Path) -> None:
        """Compare what a run made."""


def host(app: App[Any]) -> Host:
    """The app that is running, as a host."""
    return cast(Host, app)
