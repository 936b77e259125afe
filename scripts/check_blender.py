"""Open authored results in Blender and compare joint positions: does the result show in another program?

    python scripts/check_blender.py --bpy PYTHON FILE [FILE ...]

PYTHON is an interpreter with Blender as a module, for example of an environment of its own with
``pip install bpy==4.5.*`` (Python 3.11). For each source file the last second of its first skeleton's motion is
filled, the root stage of the result is imported into Blender, and the joint positions in the world of every bone
at five times are compared with those that UsdSkel gives for the same root stage. Blender turns stages to Z up and
scales them to metres, which is undone here. Exit code 1 where a position is off by more than a ten thousandth of
the character's size: Blender keeps bones in float32 and in another form.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

TOLERANCE = 1e-4
TIMES = 5

DUMP = """
import json, sys, bpy
stage, times, out = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.wm.usd_import(filepath=stage)
result = {}
for rig in [o for o in bpy.data.objects if o.type == "ARMATURE"]:
    frames = []
    for time in times:
        bpy.context.scene.frame_set(int(time), subframe=time - int(time))
        frames.append({bone.name: list(rig.matrix_world @ bone.head) for bone in rig.pose.bones})
    result[rig.name] = frames
json.dump(result, open(out, "w"))
"""


def fill(source: Path, folder: Path) -> Any:
    """Run the motion engine on the last second of the first skeleton that has one."""
    from engine.config import RunConfig
    from engine.run import inspect, run

    report = inspect(str(source))
    skeleton = next(s for s in report.skeletons if s.sample_count > 1)
    if skeleton.sparse and not skeleton.dense:
        return run(RunConfig(stage=str(source), skeletons=(skeleton.path,), out=str(folder)))
    start, end = skeleton.dense[0]
    length = min(report.time_codes_per_second, (end - start) / 2)
    key = float(np.round(end - length))
    return run(
        RunConfig(
            stage=str(source),
            skeletons=(skeleton.path,),
            context=((start, key),),
            keys=(key, end),
            out=str(folder),
        )
    )


def expected(root: str, skeleton: str, times: list[float]) -> list[dict[str, list[float]]]:
    """Joint positions as Blender should show them [m, Z up], by joint name."""
    from pxr import Usd, UsdGeom, UsdSkel

    stage = Usd.Stage.Open(root)
    query = UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath(skeleton)))
    names = [str(joint).rsplit("/", 1)[-1] for joint in query.GetJointOrder()]
    turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]) if UsdGeom.GetStageUpAxis(stage) == "Y" else np.eye(3)
    scale = UsdGeom.GetStageMetersPerUnit(stage)
    frames = []
    for time in times:
        world = UsdGeom.XformCache(time).GetLocalToWorldTransform(query.GetPrim())
        joints = np.array(query.ComputeJointSkelTransforms(time))[:, 3, :] @ np.array(world)
        frames.append(dict(zip(names, (joints[:, :3] @ turn.T * scale).tolist(), strict=True)))
    return frames


def compare(source: Path, bpy_python: str, folder: Path) -> tuple[float, int]:
    """Largest distance over the character's size, and the number of joints compared."""
    result = fill(source, folder / "run")
    plan = result.plan[0]
    gap = plan["gaps"][-1]
    picked = np.linspace(0, len(gap["times"]) - 1, TIMES).round().astype(int)
    times = [gap["times"][i] for i in picked]
    out = folder / "blender.json"
    command = [bpy_python, "-c", DUMP, result.result, json.dumps(times), str(out)]
    subprocess.run(command, check=True, capture_output=True)
    ours = expected(result.result, plan["skeleton_path"], times)
    rigs = json.loads(out.read_text())
    rig = max(rigs.values(), key=lambda frames: len(frames[0].keys() & ours[0].keys()))
    joints = sorted(rig[0].keys() & ours[0].keys())
    a, b = (np.array([[frame[joint] for joint in joints] for frame in frames]) for frames in (rig, ours))
    size = float(np.ptp(b[0], axis=0).max())
    return float(np.linalg.norm(a - b, axis=-1).max()) / size, len(joints)


def main() -> int:
    """Print a line per file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bpy", required=True, help="Python with the module bpy")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    worst = 0.0
    for source in options.files:
        with tempfile.TemporaryDirectory() as folder:
            error, joints = compare(source, options.bpy, Path(folder))
        worst = max(worst, error)
        sys.stdout.write(f"{source.name}: {joints} joints at {TIMES} times, off by {error:.1e} of its size\n")
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
