"""Time our bulk reading of a long clip against asking UsdSkel for every frame, side by side in one run.

    python scripts/bench_read.py [--frames 18000] [--joints 60]

All give the local transforms of all joints at all frames, but ours alone are checked, normalised and mapped.
Written to stdout: seconds, ratios, the growth from a quarter of the frames to all, and the peak memory of each
reading beyond what its process had before.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pxr import Gf, Sdf, Usd, UsdSkel, Vt

from usd_io import convert
from usd_io.read.motion import read_motion

SKELETON = "/Hero/Skel"
RATE = 30
REPEATS = 3
KEPT: list[Usd.Stage] = []
"""A query does not keep its stage open."""


def write_clip(path: Path, frames: int, joints: int) -> None:
    """A chain of joints with smooth random rotations, sampled at every frame, in a binary layer."""
    stage = Usd.Stage.CreateNew(str(path))
    stage.SetTimeCodesPerSecond(RATE)
    UsdSkel.Root.Define(stage, "/Hero")
    names = Vt.TokenArray(["/".join(f"j{i}" for i in range(max(0, k - k % 6), k + 1)) for k in range(joints)])
    skeleton = UsdSkel.Skeleton.Define(stage, SKELETON)
    skeleton.CreateJointsAttr(names)
    skeleton.CreateBindTransformsAttr([Gf.Matrix4d(1)] * joints)
    skeleton.CreateRestTransformsAttr([Gf.Matrix4d(1)] * joints)
    animation = UsdSkel.Animation.Define(stage, f"{SKELETON}/Anim")
    animation.CreateJointsAttr(names)
    animation.CreateScalesAttr([(1, 1, 1)] * joints)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    random = np.random.default_rng(0)
    phase, axis = random.uniform(0, 6, joints), random.normal(size=(joints, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    translations, rotations = animation.CreateTranslationsAttr(), animation.CreateRotationsAttr()
    with Sdf.ChangeBlock():
        for frame in range(frames):
            half = 0.5 * np.sin(phase + 0.1 * frame)[:, None]
            rotations.Set(
                convert.to_quatf(np.concatenate([np.cos(half), np.sin(half) * axis], axis=1)), frame
            )
            translations.Set(convert.to_vec3f(np.outer(np.sin(phase + 0.01 * frame), [1, 2, 3])), frame)
    stage.Save()


def read_in_bulk(path: str) -> int:
    return len(read_motion(Usd.Stage.Open(path), SKELETON).times)


def read_components(path: str) -> int:
    """The plain way: UsdSkel's translations, rotations and scales, one call per frame."""
    query = skeleton_query(path)
    animation = query.GetAnimQuery()
    parts = []
    for time_code in animation.GetJointTransformTimeSamples():
        t, q, s = animation.ComputeJointLocalTransformComponents(time_code)
        parts.append((convert.floats(t), convert.quaternions(q), convert.floats(s)))
    return len([np.stack(part) for part in zip(*parts, strict=True)])


def read_matrices(path: str) -> int:
    """UsdSkel's local matrices, one call per frame; their parts would still have to be factored out."""
    query = skeleton_query(path)
    times = query.GetAnimQuery().GetJointTransformTimeSamples()
    return len(np.stack([np.array(query.ComputeJointLocalTransforms(time_code)) for time_code in times]))


def skeleton_query(path: str) -> UsdSkel.SkeletonQuery:
    stage = Usd.Stage.Open(path)
    KEPT.append(stage)
    return UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath(SKELETON)))


def measure(read: Callable[[str], int], path: Path) -> tuple[float, float]:
    """Seconds and peak memory [MiB] of a reading, each in a process of its own; the quickest of a few counts."""
    runs = []
    for _ in range(REPEATS):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            runs.append(pool.apply(_measure, (read, str(path))))
    return min(runs)


def _measure(read: Callable[[str], int], path: str) -> tuple[float, float]:
    before = _peak()
    started = time.perf_counter()
    read(path)
    return time.perf_counter() - started, _peak() - before


def _peak() -> float:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=18_000, help="frames of the clip; 18000 are 10 minutes")
    parser.add_argument("--joints", type=int, default=60)
    options = parser.parse_args()
    say = sys.stdout.write
    say(f"{options.joints} joints; seconds (peak MiB) and how many times as long as ours\n")
    say("frames   ours           components            matrices\n")
    with tempfile.TemporaryDirectory() as folder:
        for part in (4, 2, 1):
            frames = options.frames // part
            clip = Path(folder) / f"clip_{frames}.usdc"
            write_clip(clip, frames, options.joints)
            ours, *others = (measure(read, clip) for read in (read_in_bulk, read_components, read_matrices))
            cells = [f"{s:5.2f} ({peak:3.0f}) {s / ours[0]:5.1f}x  " for s, peak in others]
            say(f"{frames:<8d} {ours[0]:5.2f} ({ours[1]:3.0f})   {''.join(cells)}\n")


if __name__ == "__main__":
    main()
