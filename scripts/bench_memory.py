"""Peak memory and CPU time of every command on the largest case of a suite, each a process of its own.

    python scripts/bench_memory.py SUITE.toml

The largest case is the one with most joints times frames. Commands that wait for a person (``tui``, ``view``) and those
that need a video model are left out; ``mimic`` has a row of its own in scripts/bench_against.py.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from bench_against import timed

if TYPE_CHECKING:
    from engine.evaluation.evaluate import SuiteCase

ROOT = Path(__file__).resolve().parents[1]


def largest(suite: Path) -> tuple["SuiteCase", int, int]:
    """The case with most joints times frames, and how many of each it has; done in a process of its own, for a process
    that is begun counts the memory of the one that begins it."""
    from engine.evaluation.evaluate import read_suite
    from usd_io.read.stage import read_shot

    found = []
    for case in read_suite(suite):
        shot = read_shot(case.stage, meshes=False)
        joints, frames = len(shot.characters[0].joints), len(shot.motions[0].times)
        found.append((joints * frames, case.id, case, joints, frames))
    _, _, case, joints, frames = max(found)
    return case, joints, frames


def main() -> None:
    """Print a row per command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", type=Path)
    suite = parser.parse_args().suite
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        case, joints, frames = pool.submit(largest, suite).result()
    sys.stdout.write(
        f"{case.id}: {joints} joints, {frames} frames\n\ncommand                    MB    CPU s\n"
    )
    stage, keys = case.stage, ",".join(f"{key:g}" for key in case.keys)
    shot = ["--keys", keys, *(x for a, b in case.context for x in ("--context", f"{a:g}:{b:g}"))]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out, trimmed = str(folder / "run"), str(folder / "trimmed.usda")
        rows = {
            "inspect": ["inspect", stage],
            "check": ["check", stage],
            "run --dry-run": ["run", stage, *shot, "--dry-run"],
            "run, neither": [
                "run",
                stage,
                *shot,
                "--no-preview",
                "--no-report",
                "--out",
                str(folder / "bare"),
            ],
            "run": ["run", stage, *shot, "--out", out],
            "run --takes 5": ["run", stage, *shot, "--takes", "5", "--out", str(folder / "takes")],
            "resume": ["resume", out],
            "attach": ["attach", out],
            "logs": ["logs", out],
            "runs": ["runs", str(folder)],
            "report": ["report", out],
            "evaluate": ["evaluate", stage, *shot],
            "render": [
                "render",
                stage,
                "--times",
                f"{case.keys[0]:g},{case.keys[-1]:g}",
                "--out",
                str(folder / "pictures"),
            ],
            "usd tree": ["usd", "tree", stage],
            "usd cat": ["usd", "cat", stage],
            "usd diff": ["usd", "diff", stage, stage],
            "usd trim": [
                "usd",
                "trim",
                stage,
                "--out",
                trimmed,
                "--range",
                f"{case.keys[0]:g}:{case.keys[-1]:g}",
            ],
            "models list": ["models", "list"],
            "clean": ["clean", out],
        }
        for title, arguments in rows.items():
            seconds, peak = timed(ROOT, arguments, wall=False)
            sys.stdout.write(f"{title:22} {peak:6.0f}  {seconds:7.2f}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
