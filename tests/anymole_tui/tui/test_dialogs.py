"""Pictures of the questions and words that lie over a place, in three states, small and large."""

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from anymole_tui.tui.app import AnymoleApp
from anymole_tui.tui.overlays.dialogs import Ask, Choose, Confirm, Read
from anymole_tui.tui.screens.base_screen import Place
from tests.anymole_tui.tui.shots import SIZES, check_shot, drive, screen_text, sees, settled, until

HOSTILE = "\x1b[31m[bold]red[/bold]\u202e" + "x" * 10_000


def dialogs() -> dict[str, Any]:
    """Each kind, in three states."""
    return {
        "confirm_short": Confirm("Stop this run?", "What is done is kept."),
        "confirm_long": Confirm("Clean up this run?", "\n".join(f"file {i}" for i in range(40))),
        "confirm_hostile": Confirm(HOSTILE, HOSTILE),
        "ask_empty": Ask("Save a preset", "Name of the preset; times and joints stay out of it."),
        "ask_filled": Ask(
            "Write a farm job", "A folder that does not exist yet.", "/shows/fox/" + "deep/" * 40
        ),
        "ask_hostile": Ask(HOSTILE, HOSTILE, "x"),
        "choose_few": Choose("Load a preset", ["walk", "run"]),
        "choose_many": Choose("Load a preset", [f"preset {i}" for i in range(40)]),
        "choose_hostile": Choose("Load a preset", [HOSTILE, "[red]walk"], HOSTILE),
        "read_short": Read("Sent", "/shows/fox/fox_inbetween.usda\n\nSent to the clipboard; escape closes."),
        "read_long": Read("What its process wrote", "\n".join(f"line {i}" for i in range(100))),
        "read_hostile": Read(HOSTILE, HOSTILE),
    }


@pytest.mark.parametrize("size", SIZES)
def test_dialogs(home: Path, size: str) -> None:
    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(app.screen, Place))
        await settled(pilot)
        for name, dialog in dialogs().items():
            app.push_screen(dialog)
            await until(pilot, lambda dialog=dialog: app.screen is dialog and dialog.query("#box"))
            await settled(pilot)
            assert "\x1b" not in screen_text(app)
            assert "\u202e" not in screen_text(app)
            check_shot(app, f"dialog_{name}_{size}")
            app.pop_screen()

    drive(journey, SIZES[size])


def test_the_name_of_a_folder_is_no_markup(home: Path) -> None:
    folder = home / "[bold]a"
    folder.mkdir()

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await sees(pilot, "\u2500 [bold]a ")

    drive(journey, target=folder)
