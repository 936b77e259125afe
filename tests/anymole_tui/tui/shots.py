"""The app in tests: driven by a pilot, compared with stored pictures of the whole screen (SVG).

``ANYMOLE_SHOTS=write`` stores the pictures again; look at them before they are kept.
"""

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from anymole_tui.tui.app import AnymoleApp
from anymole_tui.tui.host import Look
from anymole_tui.tui.screens.base_screen import Place
from tests.anymole_tui.tui import quiet
from tests.patience import PATIENCE_S

SHOTS = Path(__file__).parent / "shots"
WRITE = os.environ.get("ANYMOLE_SHOTS") == "write"
SIZES = {"small": (80, 24), "large": (160, 50)}
BAR = set("▁▂▃▄▅▆▇")
WIDEST_BAR = 25.0
"""Of a scroll bar, two cells [pixels of the picture]."""

Journey = Callable[[AnymoleApp, Pilot[None]], Awaitable[None]]


def drive(
    journey: Journey,
    size: tuple[int, int] = (80, 24),
    *,
    target: Path | None = None,
    ascii_only: bool = False,
    look: Look | None = None,
    notices: bool = False,
) -> None:
    """Run the app without a terminal, on a target or the current folder, and go through it.

    Notices, which go by themselves, are shown only where a test wants them.
    """

    async def go() -> None:
        app = AnymoleApp(target or Path.cwd(), look or Look(ascii=ascii_only))
        async with app.run_test(size=size, notifications=notices) as pilot:
            await pilot.pause()
            await journey(app, pilot)

    quiet.run(go())


async def until(pilot: Pilot[Any], true: Callable[[], object]) -> None:
    """Go on when something has come true; work in the background takes as long as it takes."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if true():
            await pilot.pause()
            return
        await asyncio.sleep(0.015)
    raise AssertionError("it did not come true")


async def settled(pilot: Pilot[Any]) -> None:
    """Go on when no place has work under way in the background."""
    await until(pilot, lambda: not any(s.busy for s in pilot.app.screen_stack if isinstance(s, Place)))


async def sees(pilot: Pilot[Any], *words: str) -> None:
    """Go on when all words stand on the screen and nothing is under way."""
    with suppress(AssertionError):
        await until(pilot, lambda: all(word in screen_text(pilot.app) for word in words))
        await settled(pilot)
        return
    raise AssertionError(f"{words} did not come; the screen is\n{screen_text(pilot.app)}")


def check_shot(app: AnymoleApp, name: str) -> None:
    """Compare the screen with the stored one."""
    found = re.sub(r"terminal-\d+", "terminal", app.export_screenshot())
    path = SHOTS / f"{name}.svg"
    if WRITE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
        return
    if seen_in(found) != seen_in(path.read_text(encoding="utf-8")):
        new = path.with_suffix(".new.svg")
        new.write_text(found, encoding="utf-8")
        raise AssertionError(f"{path.name} differs: {screen_text(app)}")
    assert path.is_file()


def seen_in(svg: str) -> list[tuple[str, ...]]:
    """Every piece of text of a picture: its place, its style, its words.

    Scroll bars are left out: where the pixel of a moving one stands depends on how busy the machine is.
    """
    styles = dict(re.findall(r"\.(terminal-r\d+) \{([^}]*)\}", svg))
    texts = re.findall(
        r'<text class="(terminal-r\d+)" x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"[^>]*>([^<]*)</text>',
        svg,
    )
    return [
        (x, y, styles[style], text)
        for style, x, y, length, text in texts
        if float(length) > WIDEST_BAR or not set(text) <= BAR
    ]


def screen_text(app: Any) -> str:
    """What stands on the screen, without colours."""
    return "\n".join(
        "".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()
    )
