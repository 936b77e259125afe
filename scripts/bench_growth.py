"""How CPU time and memory of a run grow with frames, joints, gaps, vertices and shots, over two decades, as a picture.

    python scripts/bench_growth.py [NAME ...] [--out docs/images/growth.png] [--json FILE]

Each point is a process of its own in one thread, ``anymole run`` of a clip that is made for it (of shots: ``submit``).
The exponent is the slope of log CPU seconds over log size, between the two largest sizes: what is the same for every
run has least weight there.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from bench_long import write_clip
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
FEW = {"frames": 300, "joints": 20, "gaps": 3}
SIZES: dict[str, tuple[int, ...]] = {
    "frames": (200, 2_000, 20_000),
    "joints": (5, 50, 500),
    "gaps": (3, 30, 300),
    "keys": (8, 80, 800),
    "vertices": (500, 5_000, 50_000),
    "shots": (1, 10, 100),
}
"""What is varied, over two decades."""
PANEL = 300
PAD = 44


def make_clip(folder: Path, name: str, size: int) -> list[str]:
    """A clip of some size in one respect; returns the arguments of ``anymole``."""
    frames, joints, gaps = FEW["frames"], FEW["joints"], FEW["gaps"]
    if name == "frames":
        frames = size
    elif name == "joints":
        joints = size
    elif name in ("gaps", "keys"):
        gaps, frames = size, max(frames, 48 + 8 * size)
    path = folder / "clip.usdc"
    write_clip(path, frames, joints)
    # the last gaps of the clip, eight frames each for many, one second for few; what lies before is context
    step = 8 if name in ("gaps", "keys") else 30
    keys = [frames - 2 - step * k for k in range(gaps + 1)][::-1]
    arguments = ["--keys", ",".join(map(str, keys)), "--context", f"{max(0, keys[0] - 48)}:{keys[0] - 1}"]
    if name == "vertices":
        add_mesh(path, size)
    preview = [] if name == "vertices" else ["--no-preview"]
    return ["run", str(path), *arguments, *preview, "--no-report", "--out", str(folder / "out")]


def add_mesh(path: Path, vertices: int) -> None:
    """A sheet of some vertices, skinned to the first joint."""
    from pxr import Sdf, Usd, UsdGeom, UsdSkel, Vt

    stage = Usd.Stage.Open(str(path))
    mesh = UsdGeom.Mesh.Define(stage, "/Long/Sheet")
    side = int(np.sqrt(vertices))
    x, y = np.meshgrid(np.linspace(-2, 2, side), np.linspace(0, 5, side))
    points = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], -1).astype(np.float32)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    quads = np.stack([corner, corner + 1, corner + side + 1, corner + side], -1).astype(np.int32)
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(quads), 4, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(quads.ravel()))
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([Sdf.Path("/Long/Skel")])
    binding.CreateJointIndicesPrimvar(False, 1).Set(Vt.IntArray(len(points), 0))
    binding.CreateJointWeightsPrimvar(False, 1).Set(Vt.FloatArray.FromNumpy(np.ones(len(points), np.float32)))
    stage.Save()


def make_shots(folder: Path, size: int) -> list[str]:
    """A list of shots of two seconds."""
    make_clip(folder, "frames", 100)
    stage = json.dumps(str(folder / "clip.usdc"))
    shot = f"[[shot]]\nstage = {stage}\nkeys = [66, 97]\npreview = false\nreport = false\n"
    (folder / "shots.toml").write_text("\n".join(f"{shot}name = 's{k}'\n" for k in range(size)))
    return ["submit", str(folder / "shots.toml"), "--jobs", "1", "--out", str(folder / "farm")]


def measure(name: str, size: int) -> tuple[float, float]:
    """CPU seconds and peak memory [MB] of a run of that size."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        arguments = make_shots(folder, size) if name == "shots" else make_clip(folder, name, size)
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "anymole_tui", *arguments],
            cwd=ROOT,
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{' '.join(arguments)}: {said.decode(errors='replace')[-500:]}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def exponent(points: list[tuple[int, float, float]]) -> float:
    """Slope in logarithms between the two largest sizes."""
    (a, s, _), (b, t, _) = points[-2:]
    return float(np.log(t / s) / np.log(b / a))


def draw(found: dict[str, list[tuple[int, float, float]]], path: Path) -> None:
    """One panel per quantity, both axes logarithmic."""
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    image = Image.new("RGB", (columns * PANEL, rows * PANEL), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    seconds = [s for points in found.values() for _, s, _ in points]
    low, high = np.log10(min(seconds)) - 0.1, np.log10(max(seconds)) + 0.1
    extent = PANEL - 2 * PAD
    for number, (name, points) in enumerate(found.items()):
        left, top = number % columns * PANEL + PAD, number // columns * PANEL + PAD
        across = np.log10([size for size, _, _ in points])
        up = np.log10([value for _, value, _ in points])
        x = left + (across - across[0]) / (across[-1] - across[0]) * extent
        y = top + extent - (up - low) / (high - low) * extent
        pen.rectangle((left, top, left + extent, top + extent), outline=(170, 170, 170))
        pen.line([*zip(x.tolist(), y.tolist(), strict=True)], fill=(20, 90, 200), width=2)
        for at, over, (size, value, _) in zip(x.tolist(), y.tolist(), points, strict=True):
            pen.ellipse((at - 3, over - 3, at + 3, over + 3), fill=(20, 90, 200))
            pen.text((at - 8, over - 18), f"{value:.2g} s", fill=(20, 90, 200), font=font)
            pen.text((at - 10, top + extent + 4), f"{size:,}", fill=(60, 60, 60), font=font)
        pen.text((left, top - 20), f"{name}: exponent {exponent(points):.2f}", fill=(0, 0, 0), font=font)
    image.save(path)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"what to vary; all: {' '.join(SIZES)}")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "growth.png")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(SIZES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(SIZES)}")
    found: dict[str, list[tuple[int, float, float]]] = {}
    for name in arguments.names or SIZES:
        found[name] = []
        for size in SIZES[name]:
            found[name].append((size, *measure(name, size)))
            sys.stdout.write("{:9} {:7,}  {:7.2f} s  {:5.0f} MB\n".format(name, *found[name][-1]))
            sys.stdout.flush()
        sys.stdout.write(f"{name:9} exponent {exponent(found[name]):.2f}\n")
    draw(found, arguments.out)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
