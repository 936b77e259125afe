"""Screenshots of the terminal UI for the README, of the fox that comes with the project and of a true run, as SVG.

``python scripts/tui_screenshots.py [--out DIR]``: a stage with its layers, the motion with a picture drawn for it, a
run with the tiny video model as it ended, and its result beside the original and slerp. Takes a few minutes.
"""

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

SIZE = (120, 36)
PATIENCE_S = 120.0


async def until(done: Callable[[], object]) -> None:
    """Wait for something, but not for ever."""
    end = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > end:
            raise SystemExit("the screen did not come")
        await asyncio.sleep(0.05)


async def take(out: Path) -> None:
    """Open the fox, look at it, and save what is seen."""
    from anymole_tui.tui.app import AnymoleApp
    from anymole_tui.tui.host import Look
    from anymole_tui.tui.lists.lines import Lines
    from anymole_tui.tui.screens.motion import MotionPlace
    from anymole_tui.tui.screens.stage import StagePlace
    from anymole_tui.tui.widgets.image import Still
    from anymole_tui.tui.widgets.timeline import Timeline

    app = AnymoleApp(Path("fox_survey_keys.usda"), Look(theme="anymole"))
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: isinstance(app.screen, StagePlace) and app.screen.view)
        assert isinstance(app.screen, StagePlace)
        app.screen.go_to("/Fox/Anim/Survey")
        details = app.screen.query_one("#details", Lines)
        await until(lambda: details.row_count() > 20)
        await pilot.press("L")
        await pilot.pause(0.5)
        save(app.export_screenshot(), out / "tui_stage.svg")
        await pilot.press("L", "m")
        await until(lambda: isinstance(app.screen, MotionPlace) and app.screen.clip)
        app.screen.query_one(Timeline).go_to(30)
        still = app.screen.query_one(Still)
        await until(lambda: still.display)
        await pilot.pause(2.0)
        await app.workers.wait_for_complete()
        await pilot.pause()
        save(app.export_screenshot(), out / "tui_motion.svg")


async def take_run(out: Path) -> None:
    """Do a run, watch its end, and compare what it made."""
    from anymole_tui.tui.app import AnymoleApp
    from anymole_tui.tui.host import Look
    from anymole_tui.tui.screens.compare import Compare
    from anymole_tui.tui.screens.watch import Watch
    from anymole_tui.tui.widgets.timeline import Timeline

    options = [
        "--context",
        "0:24",
        "--keys",
        "36,48,60",
        "--engine",
        "video",
        "--model",
        "tiny",
        "--takes",
        "2",
    ]
    command = [
        sys.executable,
        "-m",
        "anymole_tui",
        "run",
        "fox_survey_keys.usda",
        "--out",
        "fox_run",
        *options,
    ]
    subprocess.run([*command, "--progress", "none"], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    app = AnymoleApp(Path("fox_run"), Look(theme="anymole"))
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: isinstance(app.screen, Watch))
        await pilot.pause(3.0)
        save(app.export_screenshot(), out / "tui_run.svg")
        app.open_compare(Path("fox_run"))
        await until(lambda: isinstance(app.screen, Compare) and app.screen.comparison)
        app.screen.query_one(Timeline).go_to(42)
        await pilot.pause(
            10.0
        )  # pictures of three motions; the run below is still watched, so no end can be waited for
        save(app.export_screenshot(), out / "tui_compare.svg")


def save(svg: str, path: Path) -> None:
    """Without the number and the folder that are others every time; a name as long, or the letters would be spread."""
    folder = str(Path.cwd().parent)
    svg = svg.replace(folder, f"/film/sequence{'0' * len(folder)}"[: len(folder)])
    path.write_text(re.sub(r"terminal-\d+", "terminal", svg), encoding="utf-8")


def main() -> None:
    """Take the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    out = parser.parse_args().out.absolute()
    with tempfile.TemporaryDirectory() as state:
        os.environ.update(ANYMOLE_STATE_DIR=state, ANYMOLE_CONFIG="")
        shutil.copytree(ROOT / "examples" / "fox", Path(state) / "shots")
        os.chdir(Path(state) / "shots")
        asyncio.run(take(out))
        asyncio.run(take_run(out))


if __name__ == "__main__":
    main()
