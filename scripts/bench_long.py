"""Seconds and memory to plan, fill and author a long clip, and how they grow with its length.

    python scripts/bench_long.py [--frames 18000] [--joints 60]

Each length runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HIDDEN_FRAMES = 30
"""One-second gaps at 30 frames/s, three of them."""


def write_clip(path: Path, frames: int, joints: int) -> None:
    """A chain of joints that all turn smoothly; no meshes, since the motion engine reads none."""
    from pxr import Usd, UsdGeom, UsdSkel, Vt

    stage = Usd.Stage.CreateNew(str(path))
    stage.SetTimeCodesPerSecond(30)
    stage.SetFramesPerSecond(30)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    root = UsdSkel.Root.Define(stage, "/Long")
    stage.SetDefaultPrim(root.GetPrim())
    names = ["j0"]
    for i in range(1, joints):
        names.append(f"{names[(i - 1) // 2]}/j{i}")
    skeleton = UsdSkel.Skeleton.Define(stage, "/Long/Skel")
    skeleton.CreateJointsAttr(Vt.TokenArray(names))
    identity = np.tile(np.eye(4), (joints, 1, 1))
    identity[1:, 3, 1] = 1
    skeleton.CreateRestTransformsAttr(Vt.Matrix4dArray.FromNumpy(identity))
    skeleton.CreateBindTransformsAttr(Vt.Matrix4dArray.FromNumpy(identity))
    animation = UsdSkel.Animation.Define(stage, "/Long/Anim")
    animation.CreateJointsAttr(Vt.TokenArray(names))
    animation.CreateScalesAttr(Vt.Vec3hArray(joints, (1, 1, 1)))
    binding = UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
    binding.CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    _write_samples(stage, animation, frames, joints)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(frames - 1)
    stage.Save()


def _write_samples(stage: object, animation: object, frames: int, joints: int) -> None:
    from pxr import Gf, Vt

    phases = np.random.default_rng(0).uniform(0, 6, joints)
    places = np.zeros((joints, 3), np.float32)
    places[1:, 1] = 1
    for frame in range(frames):
        half = 0.2 * np.sin(0.1 * frame + phases)
        turns = [Gf.Quatf(float(np.cos(h)), float(np.sin(h)), 0, 0) for h in half]
        animation.GetRotationsAttr().Set(Vt.QuatfArray(turns), frame)  # type: ignore[attr-defined]
        places[0, 0] = 0.01 * frame
        animation.GetTranslationsAttr().Set(Vt.Vec3fArray.FromNumpy(places), frame)  # type: ignore[attr-defined]


def measure(stage: Path, frames: int) -> dict[str, float]:
    """Seconds of each part and peak memory [MB] of this process."""
    from engine.config import RunConfig
    from engine.events import Event, StageFinished
    from engine.run import plan, run

    seconds: dict[str, float] = {}

    def listen(event: Event) -> None:
        if isinstance(event, StageFinished):
            seconds[event.stage] = event.seconds

    end = frames - 1
    keys = tuple(float(end - HIDDEN_FRAMES * i) for i in (3, 2, 1, 0))
    config = RunConfig(stage=str(stage), context=((0.0, keys[0]),), keys=keys, out=str(stage.parent / "run"))
    started = time.perf_counter()
    planned = plan(config)
    seconds["read and plan"] = time.perf_counter() - started
    run(config, listen, planned=planned)
    seconds["all"] = time.perf_counter() - started
    seconds["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return seconds


def main() -> None:
    """Print a row per length, and each over the longest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=18_000)
    parser.add_argument("--joints", type=int, default=60)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        sys.stdout.write(json.dumps(measure(options.measure, options.frames)))
        return
    rows = {}
    for frames in (options.frames // 4, options.frames // 2, options.frames):
        with tempfile.TemporaryDirectory() as folder:
            stage = Path(folder) / "long.usdc"
            write_clip(stage, frames, options.joints)
            command = [sys.executable, __file__, "--frames", str(frames), "--measure", str(stage)]
            rows[frames] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    names = list(rows[options.frames])
    sys.stdout.write("frames".ljust(10) + "".join(name.rjust(15) for name in names) + "\n")
    for frames, row in rows.items():
        cells = "".join(f"{row.get(name, 0):15.2f}" for name in names)
        sys.stdout.write(f"{frames:<10d}{cells}\n")
    ratio = rows[options.frames]["all"] / rows[options.frames // 4]["all"]
    sys.stdout.write(f"four times the frames take {ratio:.2f} times as long\n")


if __name__ == "__main__":
    main()
