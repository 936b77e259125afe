"""``tui``: the terminal UI on a stage, a run folder or a folder of stages."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from anymole_tui.cli.options import Debug, GroupedCommand, completer
from anymole_tui.starting import wait_for_starts
from anymole_tui.tui.preload import start_cold
from engine import ConfigError, ExitCode
from usd_io import shown

Pictures = Literal["auto", "kitty", "sixel", "blocks", "ascii"]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(cls=GroupedCommand)(tui)


def _themes() -> tuple[str, ...]:
    from anymole_tui.settings_files import user_table
    from anymole_tui.tui.themes import theme_names

    try:
        return theme_names(user_table("themes"))
    except ConfigError:  # a file that cannot be read has none
        return theme_names({})


def tui(
    target: Annotated[
        str,
        typer.Argument(help="A stage, a run folder, or a folder to browse.", show_default="current folder"),
    ] = "",
    theme: Annotated[
        str,
        typer.Option(
            "--theme",
            help="A theme by name; ansi-dark and ansi-light use the terminal's colours.",
            autocompletion=completer(_themes),
        ),
    ] = "",
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters only.")] = False,
    no_mouse: Annotated[bool, typer.Option("--no-mouse", help="Leave the mouse to the terminal.")] = False,
    pictures: Annotated[
        Pictures, typer.Option("--pictures", help="How pictures are shown.", show_choices=True)
    ] = "auto",
    debug: Debug = False,
) -> None:
    """Browse, look, plan, run, watch and compare in the terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            "the terminal UI needs a terminal; the other commands ('anymole --help') work without one."
        )
    path = Path(target) if target else None
    if path is not None and not path.exists():
        raise ConfigError(f"{shown(target)} does not exist; name a stage, a run folder or a folder.")
    start_cold()
    from anymole_tui.settings_files import run_defaults, user_table
    from anymole_tui.terminal.graphics import choose_kind
    from anymole_tui.terminal.patches import tolerate_broken_input
    from anymole_tui.tui.app import AnymoleApp
    from anymole_tui.tui.host import Look

    kind = choose_kind("ascii" if ascii_only else pictures)
    tolerate_broken_input()
    look = Look(
        theme=theme,
        ascii=ascii_only,
        mouse=not no_mouse,
        pictures=kind,
        keys={name: str(keys) for name, keys in user_table("keys").items()},
        themes=user_table("themes"),
        run_defaults=run_defaults,
    )
    app = AnymoleApp(path, look, warm=True)
    app.run(mouse=look.mouse)
    _end(app.return_code or ExitCode.OK)


def _end(code: int) -> None:
    """Leave at once: a picture or a stage that is still being read in a daemon thread is of no interest any more, and
    libraries in C++ do not take kindly to a Python that ends around them."""
    wait_for_starts()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
