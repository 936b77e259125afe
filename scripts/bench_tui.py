"""What the terminal UI costs, measured behind a pty: ``python scripts/bench_tui.py [--prims N]``.

A stage of N prims is built, opened and walked through. Key to paint is the time from writing a key to the pty to the
last byte of the repaint it causes; bytes are those that a link would carry.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.anymole_tui.tui.terminal import Terminal, tui  # noqa: E402

SIZE = (120, 40)
KEYS = 100
FLAT = 1000
"""Prims below one parent, to be scrolled through."""


def build(path: Path, prims: int) -> None:
    """A stage of sets, groups and props, and one list of many meshes."""
    from pxr import Sdf

    layer = Sdf.Layer.CreateNew(str(path))

    def define(name: str, kind: str = "") -> None:
        spec = Sdf.CreatePrimInLayer(layer, name)
        spec.specifier, spec.typeName = Sdf.SpecifierDef, kind

    with Sdf.ChangeBlock():
        define("/World", "Xform")
        define("/World/Flat", "Scope")
        for i in range(FLAT):
            define(f"/World/Flat/P{i}", "Mesh")
        for group in range((prims - FLAT) // 100):
            define(f"/World/Set{group // 100}", "Xform")
            define(f"/World/Set{group // 100}/Group{group}", "Xform")
            for prop in range(99):
                define(f"/World/Set{group // 100}/Group{group}/Prop{prop}", "Xform")
    layer.Save()


def out(line: str) -> None:
    """A line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def painted(terminal: Terminal, key: bytes) -> tuple[float, int]:
    """Milliseconds until the last byte after a key, and how many bytes they are."""
    terminal.read(0.05)
    started = last = time.perf_counter()
    terminal.send(key)
    count, end = 0, started + 2.0
    while time.perf_counter() < end:
        found = terminal.read(0.004)
        if found:
            last, count = time.perf_counter(), count + len(found)
            end = last + 0.03
    return (last - started) * 1000, count


def say(name: str, times: list[float], bytes_each: list[int], cpu_ms: float) -> None:
    """A row of the table."""
    times.sort()
    p95 = times[int(len(times) * 0.95) - 1]
    size = statistics.median(bytes_each)
    out(f"| {name} | {statistics.median(times):.0f} ms | {p95:.0f} ms | {cpu_ms:.0f} ms | {size:.0f} |")


def measure(name: str, terminal: Terminal, keys: list[bytes]) -> None:
    """Press keys one by one and say what it took."""
    process = psutil.Process(terminal.process.pid)
    before = sum(process.cpu_times()[:2])
    found = [painted(terminal, key) for key in keys]
    cpu_ms = (sum(process.cpu_times()[:2]) - before) / len(keys) * 1000
    say(name, [ms for ms, _ in found], [count for _, count in found], cpu_ms)


def measure_both(names: tuple[str, str], terminal: Terminal, key: bytes, times: int) -> None:
    """Press a key that opens and one that closes, which take different times, in turn."""
    process = psutil.Process(terminal.process.pid)
    found: tuple[list[tuple[float, int]], ...] = ([], [])
    cpu = [0.0, 0.0]
    for number in range(2 * times):
        before = sum(process.cpu_times()[:2])
        found[number % 2].append(painted(terminal, key))
        cpu[number % 2] += sum(process.cpu_times()[:2]) - before
    for name, pairs, used in zip(names, found, cpu, strict=True):
        say(name, [ms for ms, _ in pairs], [count for _, count in pairs], used / times * 1000)


def main() -> None:
    """Print the figures as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prims", type=int, default=100_000)
    prims = parser.parse_args().prims
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder) / "big.usdc"
        build(stage, prims)
        environment = {"ANYMOLE_STATE_DIR": folder, "ANYMOLE_CONFIG": "", "COLORTERM": "truecolor"}
        starts = []
        for _ in range(3):
            with Terminal(tui(folder), environment, SIZE) as terminal:
                wall = terminal.wait_for(b"big.usdc")
                used = psutil.Process(terminal.process.pid).cpu_times()
                starts.append((wall, used.user + used.system))
        out(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        wall, cpu = min(starts)
        out(f"start to first paint: {wall:.2f} s, {cpu:.2f} s CPU (best of 3)")
        out("| what | median | 95 % | CPU each | bytes |\n| --- | --- | --- | --- | --- |")
        with Terminal(tui(stage), environment, SIZE) as terminal:
            terminal.wait_for(b"big.usdc")
            # not escape: Textual waits 0.1 s for what may follow it
            measure_both(("help, while the stage opens", "and closed"), terminal, b"?", 5)
        with Terminal(tui(stage), environment, SIZE) as terminal:
            terminal.wait_for(b"big.usdc")
            terminal.quiet(3.0)
            measure_both(("help", "and closed"), terminal, b"?", 20)
            measure("to the next panel", terminal, [b"\t"] * 20)
            measure("down in the tree", terminal, [b"j"] * 5)
            terminal.send(b"g")
            terminal.send(b"j")
            terminal.quiet(0.5)
            terminal.send(b"l")
            terminal.quiet(1.0)
            measure("down through 1,000 prims", terminal, [b"j"] * KEYS)
            measure("a page down", terminal, [b"\x04"] * 20)
            terminal.send(b"/")
            terminal.quiet(0.5)
            measure("a letter to find among all", terminal, [bytes([c]) for c in b"group77prop42"])
            terminal.quiet(5.0)
            idle = len(terminal.read(10.0))
            out(f"\nidle for 10 s: {idle} bytes")


if __name__ == "__main__":
    main()
