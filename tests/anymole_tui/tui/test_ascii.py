"""With ``--ascii`` nothing but ASCII is drawn, in any place."""

from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from anymole_tui.tui.app import AnymoleApp
from anymole_tui.tui.host import Look
from anymole_tui.tui.overlays.dialogs import Ask, Choose, Confirm, Read
from anymole_tui.tui.screens.base_screen import Place
from anymole_tui.tui.screens.compare import Compare
from anymole_tui.tui.screens.motion import MotionPlace
from anymole_tui.tui.screens.plan import PlanPlace
from engine.config import RunConfig
from engine.run import run
from tests.anymole_tui.tui.recorded import training, write_run
from tests.anymole_tui.tui.shots import drive, screen_text, until


def check(app: AnymoleApp) -> None:
    odd = sorted({c for c in screen_text(app) if not c.isascii()})
    assert not odd, f"{odd} on {app.screen}:\n{screen_text(app)}"


async def look(app: AnymoleApp, pilot: Pilot[Any], *words: str) -> None:
    await until(pilot, lambda: all(word in screen_text(app) for word in words))
    check(app)


def test_places_and_what_lies_over_them(fox_keys: Path, grey_pictures: list[dict[str, Any]]) -> None:
    write_run(fox_keys.parent / "caf\u00e9", training())
    (fox_keys.parent / "\u65e5\u672c.usda").write_text("#usda 1.0\n")

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        await look(app, pilot, "\\u65e5\\u672c.usda", "caf\\xe9")
        app.open_stage(fox_keys)
        await pilot.pause()
        await look(app, pilot, "Skeleton", "Composition")
        for key, word in (
            ("question_mark", "escape closes"),
            ("ctrl+o", "letter of a panel"),
            ("ctrl+p", "Search for actions"),
            ("f9", "Search for themes"),
        ):
            await pilot.press(key)
            await look(app, pilot, word)
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, Place))
        await pilot.press("L")
        await look(app, pilot, "strongest first")
        await pilot.press("L", "m")
        await until(pilot, lambda: isinstance(app.screen, MotionPlace))
        await look(app, pilot, "o....", "degrees", "yyy")
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, PlanPlace))
        await look(app, pilot, "75 frames in 7 gaps")
        before = app.size
        await pilot.resize_terminal(20, 5)  # titles and the way here are cut
        await until(pilot, lambda: len(screen_text(app).splitlines()) == 5)
        await look(app, pilot, "~")
        await pilot.resize_terminal(*before)
        await look(app, pilot, "75 frames in 7 gaps")
        await pilot.press("2")
        await look(app, pilot, "caf\\xe9", "31 %")
        await pilot.press("enter")
        await look(app, pilot, "grad_norm", "H100")
        for dialog in (
            Ask("Caf\u00e9", "\u65e5", "x"),
            Choose("Caf\u00e9", ["\u65e5"]),
            Confirm("Caf\u00e9", "\u65e5"),
            Read("Caf\u00e9", "\u65e5\n" * 40),
        ):
            app.push_screen(dialog)  # type: ignore[arg-type]
            await until(pilot, lambda: "Caf\\xe9" in screen_text(app))
            check(app)
            app.pop_screen()
        assert isinstance(app.screen, Place)
        app.screen.say("Caf\u00e9")
        app.screen.say_error("\u65e5")
        await until(pilot, lambda: "Caf\\xe9" in screen_text(app) and "Error" in screen_text(app))
        check(app)

    drive(journey, (100, 30), target=fox_keys.parent, look=Look(ascii=True, pictures="ascii"), notices=True)


def test_compare(fox_keys: Path, grey_pictures: list[dict[str, Any]]) -> None:
    stage, out = fox_keys.with_name("caf\u00e9.usda"), fox_keys.parent / "caf\u00e9_run"
    fox_keys.rename(stage)
    run(RunConfig(stage=str(stage), context=((0, 24),), prior="spline", preview=False, takes=2, out=str(out)))

    async def journey(app: AnymoleApp, pilot: Pilot[Any]) -> None:
        app.open_compare(out)
        await until(pilot, lambda: isinstance(app.screen, Compare) and len(app.screen._pictured) == 2)
        for key, words in (
            ("i", ("caf\\xe9", "keys     exact")),
            ("f", ("> take 1  (kept)",)),
            ("n", ("> take 2",)),
            ("question_mark", ("escape closes",)),
        ):
            await pilot.press(key)
            await look(app, pilot, *words)
        await pilot.press("escape", "y")
        await look(app, pilot, "Sent to the clipboard", "caf\\xe9")

    drive(journey, (100, 30), target=fox_keys.parent, look=Look(ascii=True, pictures="ascii"))
