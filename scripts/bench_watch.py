"""What planning and watching a run cost: ``python scripts/bench_watch.py [--seconds N]``.

A recorded training tells one step and one reading of its load a second, as a run does; the terminal UI watches it
behind a pty. Bytes are those that a link would carry. CPU is that of the UI alone. Then keys are
pressed in the plan of the fox while the self-test works in the background.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from engine.events import to_json_line  # noqa: E402
from scripts.bench_tui import painted  # noqa: E402
from tests.anymole_tui.tui.recorded import step_events, training, write_run  # noqa: E402
from tests.anymole_tui.tui.terminal import Terminal, tui  # noqa: E402

SIZES = ((80, 24), (120, 40), (160, 50))
BEFORE = 120
"""Steps already reported when the watching begins."""


def live(folder: Path, stop: threading.Event) -> None:
    """Tell a step a second, and keep the lock fresh, as the run would."""
    step = BEFORE
    while not stop.wait(1.0):
        step += 1
        with (folder / "events.jsonl").open("a") as log:
            log.write("".join(f"{to_json_line(event, at)}\n" for event, at in step_events(step)))
        (folder / "lock").touch()


def watch(size: tuple[int, int], seconds: float) -> str:
    """A row of the table for one size of the terminal."""
    with tempfile.TemporaryDirectory() as home:
        folder = write_run(Path(home) / "shot010", training(BEFORE))
        environment = {"ANYMOLE_STATE_DIR": home, "ANYMOLE_CONFIG": "", "COLORTERM": "truecolor"}
        stop = threading.Event()
        teller = threading.Thread(target=live, args=(folder, stop))
        with Terminal(tui(folder), environment, size) as terminal:
            terminal.wait_for(b"grad_norm")
            teller.start()
            terminal.read(5.0)
            used = psutil.Process(terminal.process.pid).cpu_times()
            started = time.monotonic()
            each = [len(terminal.read(1.0)) for _ in range(int(seconds))]
            took = time.monotonic() - started
            after = psutil.Process(terminal.process.pid).cpu_times()
            stop.set()
            teller.join()
            terminal.quiet(2.0)
            ended = len(terminal.read(5.0))
    cpu = (after.user + after.system - used.user - used.system) / took
    return (
        f"| {size[0]} x {size[1]} | {sum(each) / took / 1000:.2f} kB/s | {max(each) / 1000:.1f} kB "
        f"| {100 * cpu:.1f} % | {ended / 5:.0f} B/s |"
    )


def plan() -> tuple[float, float]:
    """Median and largest time from a key to its paint while the self-test works [ms]."""
    with tempfile.TemporaryDirectory() as home:
        shutil.copytree(ROOT / "tests" / "data" / "fox", Path(home) / "fox")
        settings = Path(home) / "config.toml"
        settings.write_text("[run]\nkeys = [30, 50]\n")
        environment = {"ANYMOLE_STATE_DIR": home, "ANYMOLE_CONFIG": str(settings), "COLORTERM": "truecolor"}
        with Terminal(tui(Path(home) / "fox" / "fox_survey.usda"), environment, (120, 40)) as terminal:
            terminal.wait_for(b"SkelRoot")
            terminal.send(b"p")
            terminal.wait_for(b"hidden pieces")
            times = sorted(painted(terminal, b"l")[0] for _ in range(30))
    return statistics.median(times), times[-1]


def main() -> None:
    """Print the figures as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    seconds = parser.parse_args().seconds
    rows = [watch(size, seconds) for size in SIZES]
    middle, most = plan()
    head = "| terminal | mean | most in a second | CPU of one core | nothing new |\n| --- | --- | --- | --- | --- |"
    sys.stdout.write(
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n\n{head}\n" + "\n".join(rows) + "\n\n"
        f"key to paint while the self-test works: median {middle:.0f} ms, most {most:.0f} ms\n"
    )


if __name__ == "__main__":
    main()
