"""Time this checkout against an older one, run by run in turns, as whole processes: every figure is a ratio.

    python scripts/bench_against.py OLD_CHECKOUT [NAME ...] [--runs 5] [--json FILE]

Both checkouts need their own ``.venv`` (``make demo`` in each). Each row is a command of the command line, run once
unmeasured and then old, new, old, new ... so that a machine whose speed drifts harms both alike. Printed are the
medians of CPU seconds, of the process and those it started, in one thread; the ratio new over old of the medians with
the range of the pairs' ratios; and the peak of memory (the largest single process). CPU seconds, since other programs
that want the machine change them least; ``--wall`` prints those of the clock. Rows after ``render`` take minutes each
in the older one (``--runs 1`` has no run unmeasured); clips for them are made once, and ``suite``, ``oracle`` and
``pictures`` need the stages of ``--suite SUITE.toml``.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from bench_growth import add_mesh
from bench_long import write_clip

Arguments = Callable[[Path, Path], list[str]]
"""From the checkout and an empty folder to the arguments of ``anymole``."""


def fox(root: Path) -> str:
    """The eight keys of the demo."""
    return str(root / "examples" / "fox" / "fox_survey_keys.usda")


SUITE = Path()
"""Of ``--suite``."""
WORKED = Path(tempfile.gettempdir())
"""Where clips are made; a folder of this process."""
ORACLE_CASES = {"fox_survey", "horse_walk", "robot_dance", "woman_death", "trex_idle"}


@cache
def long_clip(frames: int, joints: int, vertices: int = 0) -> str:
    """A clip of the long bench, made once."""
    path = WORKED / f"clip_{frames}_{joints}_{vertices}.usdc"
    write_clip(path, frames, joints)
    if vertices:
        add_mesh(path, vertices)
    return str(path)


@cache
def small_suite() -> str:
    """The cases of the suite that the oracle is measured on, as a suite."""
    cases = tomllib.loads(SUITE.read_text(encoding="utf-8"))["case"]
    lines = []
    for case in cases:
        if case["id"] in ORACLE_CASES:
            stage = json.dumps(str(SUITE.resolve().parent / case["stage"]))
            lines.append(
                f"[[case]]\nid = {json.dumps(case['id'])}\nstage = {stage}\ncontext = {case['context']}\n"
                f"keys = {case['keys']}\n"
            )
    path = WORKED / "oracle.toml"
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)


@cache
def video_of_fox() -> tuple[str, str]:
    """A second of the fox, drawn once by this checkout, which ``mimic`` of both then follows, and its camera: what
    ``front`` frames is not the same for all times of a shot, and a fit through another camera is refused."""
    root = Path(__file__).resolve().parents[1]
    folder = WORKED / "video"
    shown = ["--views", "front", "--times", "12:36:1", "--size", "160x256", "--out", str(folder), "--video"]
    timed(root, ["render", dense_fox(root), *shown], wall=False)
    return str(folder / "front.mp4"), str(folder / "render.json")


def rate_option(root: Path) -> str:
    """What ``mimic`` calls a video's own rate, which had another name in checkouts that write no report."""
    return "--video-fps" if (root / "engine" / "report").is_dir() else "--fps"


def quiet(root: Path) -> list[str]:
    """Leave the report out, in checkouts that write one."""
    return ["--no-report"] if (root / "engine" / "report").is_dir() else []


@cache
def shot_list(*, reports: bool) -> str:
    """Thirty shots of 100 frames and 20 joints with a gap of a second each, without previews."""
    leave_out = "report = false\n" if reports else ""
    shot = (
        f"[[shot]]\nstage = {json.dumps(long_clip(100, 20))}\nkeys = [66, 97]\npreview = false\n{leave_out}"
    )
    path = WORKED / f"shots_{reports}.toml"
    path.write_text("\n".join(f"{shot}name = 's{k}'\n" for k in range(30)), encoding="utf-8")
    return str(path)


def dense_fox(root: Path) -> str:
    """The fox of the demo with all its frames."""
    return str(root / "examples" / "fox" / "fox.usdc")


ROWS: dict[str, Arguments] = {
    "version": lambda root, out: ["--version"],
    "inspect": lambda root, out: ["inspect", fox(root)],
    "dry-run": lambda root, out: ["run", fox(root), "--dry-run"],
    "run": lambda root, out: ["run", fox(root), "--no-preview", "--out", str(out)],
    "run-preview": lambda root, out: ["run", fox(root), "--out", str(out)],
    "check": lambda root, out: ["check", str(root / "examples" / "fox" / "fox.usdc")],
    "evaluate": lambda root, out: [
        "evaluate",
        str(root / "examples" / "fox" / "fox.usdc"),
        *("--keys", "0,12,24,36"),
    ],
    "render": lambda root, out: ["render", str(root / "examples" / "fox" / "fox.usdc"), "--out", str(out)],
}
SLOW: dict[str, Arguments] = {
    "keys": lambda root, out: [
        *("run", long_clip(8064, 20), "--context", "0:48", "--keys", "48:8048:8"),
        *("--no-preview", *quiet(root), "--out", str(out)),
    ],
    "frames": lambda root, out: [
        *("run", long_clip(200_000, 3), "--keys", "199900,199930,199960,199990"),
        *("--no-preview", *quiet(root), "--out", str(out)),
    ],
    "farm": lambda root, out: [
        *("submit", shot_list(reports=bool(quiet(root))), "--to", "local", "--jobs", "2", "--out", str(out)),
    ],
    "minutes": lambda root, out: [
        *("run", long_clip(18_000, 60), "--keys", "17900,17930,17960,17990"),
        *("--no-preview", *quiet(root), "--out", str(out)),
    ],
    "vertices": lambda root, out: [
        *("render", long_clip(50, 3, 1_000_000), "--times", "10,20", "--out", str(out)),
    ],
    "mimic": lambda root, out: [
        *("mimic", dense_fox(root), "--video", video_of_fox()[0], "--camera", video_of_fox()[1]),
        *(rate_option(root), "24"),
        *("--context", "0:12", "--keys", "12,36", "--no-preview", *quiet(root), "--out", str(out)),
    ],
    "suite": lambda root, out: ["benchmark", str(SUITE.resolve()), "--prior", "auto", "--out", f"{out}.json"],
    "oracle": lambda root, out: [
        *("benchmark", small_suite(), "--prior", "slerp", "--engine", "oracle", "--out", f"{out}.json"),
    ],
    "pictures": lambda root, out: [
        *("render", str(SUITE.resolve().parent / "assets" / "eagle" / "eagle_flying.usda")),
        *("--times", "1:29.8:0.48", "--size", "320x512", "--out", str(out)),
    ],
}
ROWS.update(SLOW)


def timed(root: Path, arguments: list[str], *, wall: bool) -> tuple[float, float]:
    """Seconds and peak memory [MB] of one process; what it prints is thrown away."""
    # one thread; and modules are compiled once, as they are for users, not in every process
    variables = {**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [str(root / ".venv" / "bin" / "python"), "-P", "-m", "anymole_tui", *arguments]
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=variables,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began if wall else usage.ru_utime + usage.ru_stime
    if process.returncode:
        sys.exit(
            f"{' '.join(command)} ended with {process.returncode}: {said.decode(errors='replace')[-500:]}"
        )
    return seconds, usage.ru_maxrss / 1024


def compare(old: Path, new: Path, arguments: Arguments, runs: int, *, wall: bool) -> dict[str, float]:
    """Medians of both, and their ratio."""
    seconds: dict[Path, list[float]] = {old: [], new: []}
    memory: dict[Path, float] = {old: 0.0, new: 0.0}
    for number in range(runs + (runs > 1)):
        for root in (old, new):
            folder = Path(tempfile.mkdtemp())
            try:
                took, peak = timed(root, arguments(root, folder / "out"), wall=wall)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            if number or runs == 1:  # the first fills the caches
                seconds[root].append(took)
                memory[root] = max(memory[root], peak)
    ratios = [b / a for a, b in zip(seconds[old], seconds[new], strict=True)]
    before, after = statistics.median(seconds[old]), statistics.median(seconds[new])
    return {
        "old_s": before,
        "new_s": after,
        "ratio": after / before,
        "least": min(ratios),
        "most": max(ratios),
        "old_mb": memory[old],
        "new_mb": memory[new],
        "memory_ratio": memory[new] / memory[old],
    }


def main() -> None:
    """Print one row per command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path, help="an older checkout with its own .venv")
    parser.add_argument("names", nargs="*", help=f"rows to run; all: {' '.join(ROWS)}")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--wall", action="store_true", help="seconds of the clock, on a quiet machine")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument(
        "--suite", type=Path, default=Path(), help="a suite of clips, for the rows that need one"
    )
    arguments = parser.parse_args()
    global SUITE, WORKED
    SUITE = arguments.suite
    unknown = set(arguments.names) - set(ROWS)
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    new = Path(__file__).resolve().parents[1]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        WORKED = Path(folder)
        sys.stdout.write("row           old s   new s  ratio (pairs)        old MB  new MB  ratio\n")
        for name in arguments.names or ROWS:
            row = found[name] = compare(
                arguments.old.resolve(), new, ROWS[name], arguments.runs, wall=arguments.wall
            )
            sys.stdout.write(
                f"{name:12} {row['old_s']:6.2f}  {row['new_s']:6.2f}  {row['ratio']:5.2f} ({row['least']:.2f}-"
                f"{row['most']:.2f})  {row['old_mb']:8.0f} {row['new_mb']:7.0f}  {row['memory_ratio']:5.2f}\n"
            )
            sys.stdout.flush()
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
