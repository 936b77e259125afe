"""Open results in other readers and compare the joints with UsdSkel's: docs/interop.md has the figures.

    python scripts/interop.py --envs FOLDER [--count N] [--usd 24.3,25.5] [FILE ...]

Each file, and N stages built at random (scripts/usd_campaign.py), is filled with ``--author rebind`` (layers) and
``--author flat`` (one file), a dense one in its last second. Blender (bpy), three.js, lightusd, tinyusdz and other
versions of usd-core then open both, each in an environment of its own in FOLDER, which is made where it is missing
(pip, npm; Python 3.11 and node). Compared are the positions in the world of all joints at five times inside and
outside of the gaps; printed is the largest distance over the character's size. tinyusdz computes nothing: samples are
interpolated and joints chained here from what it reads, and the place of the skeleton is USD's. Exit code 1 where a
reader shows a flat result otherwise than UsdSkel.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

TOLERANCE = 1e-4
"""Of the character's size: Blender keeps bones in float32 and in another form."""
TIMES = 5
PINNED = {
    "blender": "bpy==4.5.*",
    "lightusd": "lightusd==1.0.0rc4",
    "three": "three@0.187",
    "tinyusdz": "tinyusdz==0.9.4",
}

Frames = list[dict[str, list[float]]]
"""Per time, the position of each joint by its path or name."""

USD = """
import json, sys
from pxr import Usd, UsdGeom, UsdSkel
stage = Usd.Stage.Open(sys.argv[1])
found, skinned, worlds = {}, set(), {}
for prim in stage.Traverse():
    if prim.IsA(UsdSkel.Root):
        cache = UsdSkel.Cache()
        cache.Populate(UsdSkel.Root(prim), Usd.PrimDefaultPredicate)
        for binding in cache.ComputeSkelBindings(UsdSkel.Root(prim), Usd.PrimDefaultPredicate):
            skinned.add(str(binding.GetSkeleton().GetPrim().GetPath()))
for prim in Usd.PrimRange.Stage(stage, Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate)):
    if prim.IsA(UsdSkel.Skeleton):
        query, frames = UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(prim)), []
        if not query or not query.GetAnimQuery():
            continue
        for time in json.loads(sys.argv[2]):
            world = UsdGeom.XformCache(time).GetLocalToWorldTransform(prim)
            places = [(m * world).ExtractTranslation() for m in query.ComputeJointSkelTransforms(time)]
            frames.append({str(j): list(p) for j, p in zip(query.GetJointOrder(), places)})
            worlds.setdefault(str(prim.GetPath()), []).append([list(row) for row in world])
        found[str(prim.GetPath())] = frames
print("ANSWER" + json.dumps({
    "rigs": found, "skinned": sorted(skinned), "worlds": worlds,
    "up": str(UsdGeom.GetStageUpAxis(stage)), "metres": UsdGeom.GetStageMetersPerUnit(stage),
    "rate": stage.GetTimeCodesPerSecond(), "start": stage.GetStartTimeCode(), "end": stage.GetEndTimeCode(),
}))
"""

BLENDER = """
import json, sys, bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.wm.usd_import(filepath=sys.argv[1])
found = {}
for rig in [o for o in bpy.data.objects if o.type == "ARMATURE"]:
    frames = []
    for time in json.loads(sys.argv[2]):
        bpy.context.scene.frame_set(int(time // 1), subframe=time - time // 1)
        frames.append({bone.name: list(rig.matrix_world @ bone.head) for bone in rig.pose.bones})
    found[rig.name] = frames
print("ANSWER" + json.dumps({"rigs": found}))
"""

COMPOSED = """
import numpy as np

def composed(t, w, x, y, z, s):
    m = np.tile(np.eye(4), (len(t), 1, 1))
    m[:, :3, :3] = np.moveaxis(np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]]), -1, 0) * s[:, None, :]
    m[:, :3, 3] = t
    return m
"""
"""Of readers that give channels alone: translations, rotations and scales of joints as matrices."""

LIGHTUSD = """
import json, sys
import numpy as np
import lightusd
stage = lightusd.load(sys.argv[1])

def values(animation, name, time, width):
    return np.array(animation.attribute(name).eval(time), float).reshape(-1, width)

def matrices(animation, time):
    return composed(values(animation, "translations", time, 3), *values(animation, "rotations", time, 4).T,
                    values(animation, "scales", time, 3))

found = {}
for prim in stage.prims_of_type("Skeleton"):
    if "skel:animationSource" not in prim.relationships:
        continue
    animation = stage.prim_at(prim.relationship("skel:animationSource").targets[0])
    joints, frames = list(prim.get("joints")), []
    rest = np.array(prim.get("restTransforms"), float).reshape(-1, 4, 4).swapaxes(1, 2)
    for time in json.loads(sys.argv[2]):
        local = dict(zip(joints, rest)) | dict(zip(animation.get("joints"), matrices(animation, time)))
        posed = {"": np.array(prim.world_transform(time), float).reshape(4, 4).T}
        for joint in joints:
            above = joint.rpartition("/")[0]
            while above and above not in posed:
                above = above.rpartition("/")[0]
            posed[joint] = posed[above] @ local[joint]
        frames.append({joint: posed[joint][:3, 3].tolist() for joint in joints})
    found[prim.path] = frames
print("ANSWER" + json.dumps({"rigs": found}))
"""

TINYUSDZ = """
import json, re, sys
import numpy as np
import tinyusdz
stage, times, worlds = tinyusdz.load(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])

def tokens(prim, name):
    return re.findall(r'"([^"]*)"', prim.get_attribute(name).value.to_string())

def channel(prim, name, kind, width, time):
    read = lambda value: np.frombuffer(memoryview(value), kind).reshape(-1, width).astype(float)
    samples = prim.get_attribute_timesamples(name)
    if not samples:
        return read(prim.get_attribute(name).value)
    known = np.array([at for at, _ in samples])
    after = int(np.clip(np.searchsorted(known, time), 0, len(known) - 1))
    before = max(after - 1, 0) if known[after] > time else after
    a, b = read(samples[before][1]), read(samples[after][1])
    if width == 4:
        b = np.where((a * b).sum(1, keepdims=True) < 0, -b, b)
    share = (time - known[before]) / (known[after] - known[before]) if after > before else 0
    mixed = a + np.clip(share, 0, 1) * (b - a)
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True) if width == 4 else mixed

def matrices(prim, time):
    x, y, z, w = channel(prim, "rotations", np.float32, 4, time).T
    return composed(channel(prim, "translations", np.float32, 3, time), w, x, y, z,
                    channel(prim, "scales", np.float16, 3, time))

found = {}
for path in worlds:
    skeleton = stage.get_prim_at_path(path)
    # it reads relationships of its own schemas, and gives them as text alone
    bound = re.search("skel:animationSource = <([^>]*)>", skeleton.to_string())
    animation = stage.get_prim_at_path(bound.group(1))
    joints, driven, frames = tokens(skeleton, "joints"), tokens(animation, "joints"), []
    rest = np.asarray(skeleton.get_attribute("restTransforms").value, float).reshape(-1, 4, 4).swapaxes(1, 2)
    for time, world in zip(times, worlds[path]):
        local = dict(zip(joints, rest)) | dict(zip(driven, matrices(animation, time)))
        posed = {"": np.array(world).T}
        for joint in joints:
            above = joint.rpartition("/")[0]
            while above and above not in posed:
                above = above.rpartition("/")[0]
            posed[joint] = posed[above] @ local[joint]
        frames.append({joint: posed[joint][:3, 3].tolist() for joint in joints})
    found[path] = frames
print("ANSWER" + json.dumps({"rigs": found}))
"""

THREE = """
import fs from 'fs'
import * as THREE from 'three'
import { USDLoader } from 'three/addons/loaders/USDLoader.js'
globalThis.self = globalThis
const [path, times, rate] = [process.argv[2], JSON.parse(process.argv[3]), Number(process.argv[4])]
const bytes = fs.readFileSync(path)
const scene = new USDLoader().parse(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), '')
const mixer = new THREE.AnimationMixer(scene)
for (const clip of scene.animations) mixer.clipAction(clip).setLoop(THREE.LoopOnce).play().clampWhenFinished = true
const rigs = {}
for (const time of times) {
  mixer.setTime(Math.max(time, 0) / rate)
  scene.updateMatrixWorld(true)
  scene.traverse((node) => {
    if (!node.isSkinnedMesh) return
    const frame = {}
    for (const bone of node.skeleton.bones) frame[bone.name] = bone.getWorldPosition(new THREE.Vector3()).toArray()
    ;(rigs[node.skeleton.uuid] ??= []).push(frame)
  })
}
const count = times.length
for (const id in rigs) rigs[id] = rigs[id].filter((_, n) => n % (rigs[id].length / count) === 0)
console.log('ANSWER' + JSON.stringify({ rigs }))
"""


def environment(folder: Path, name: str, package: str) -> list[str]:
    """The command that runs a program of a reader, which is installed where it is missing."""
    place = folder / name
    if name == "three":
        if not (place / "node_modules/three").exists():
            place.mkdir(parents=True, exist_ok=True)
            subprocess.run(["npm", "init", "-y"], cwd=place, check=True, capture_output=True)
            subprocess.run(["npm", "install", "--silent", package], cwd=place, check=True)
        (place / "interop.mjs").write_text(THREE)
        return ["node", str(place / "interop.mjs")]
    python = place / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", package, "numpy"], check=True)
    program = {"blender": BLENDER, "lightusd": COMPOSED + LIGHTUSD, "tinyusdz": COMPOSED + TINYUSDZ}.get(
        name, USD
    )
    return [str(python), "-c", program]


def ask(command: Sequence[str], stage: str, times: Sequence[float], *more: str) -> dict[str, Any]:
    """What a reader shows; no rigs, and its last line of complaint, where it fails."""
    done = subprocess.run(
        [*command, stage, json.dumps(list(times)), *more],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    answer = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    if not answer:
        return {"rigs": {}, "why": (done.stderr.strip().splitlines() or ["no answer"])[-1]}
    found: dict[str, Any] = json.loads(answer[-1].removeprefix("ANSWER"))
    return found


def distance(truth: dict[str, Any], shown: dict[str, Any], reader: str) -> float:
    """Largest distance of a joint over the size of its character, over all skeletons; infinite where one is missing."""
    turn, scale = np.eye(3), 1.0
    if reader in ("blender", "three"):
        scale = truth["metres"]
        if reader == "blender" and truth["up"] == "Y":
            turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
        if reader == "three" and truth["up"] == "Z":
            turn = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    worst = 0.0
    for path, frames in truth["rigs"].items():
        if reader == "three" and path not in truth["skinned"]:
            continue  # bones without a mesh are not made
        size = max(float(np.ptp(np.array(list(frames[0].values())), axis=0).max()) * scale, 1e-9)
        off = [_rig_distance(frames, rig, turn * scale) for rig in shown["rigs"].values()]
        worst = max(worst, min(off, default=np.inf) / size)
    return worst


def _rig_distance(truth: Frames, rig: Frames, turn: np.ndarray) -> float:
    """Infinite where the rig lacks a joint; readers call joints by their path, or by their last name."""
    worst = 0.0
    for wanted, shown in zip(truth, rig, strict=True):
        for joint, place in wanted.items():
            name = joint if joint in shown else joint.rpartition("/")[2]
            if name not in shown:
                return float("inf")
            off = float(np.linalg.norm(turn @ np.array(place) - np.array(shown[name], float)))
            worst = max(worst, off if np.isfinite(off) else float("inf"))
    return worst


def fill(source: Path, folder: Path, mode: str, options: dict[str, Any]) -> str:
    """The root stage of a result."""
    from engine.config import RunConfig
    from engine.run import inspect, run

    config = {"prior": "slerp", "preview": False, "report": False, **options, "author": mode, "takes": 1}
    report = inspect(str(source))
    skeleton = next(s for s in report.skeletons if s.sample_count > 1)
    if not skeleton.sparse:  # finished motion: its last second, or half of it, filled again
        start, end = skeleton.dense[0]
        key = float(np.round(end - min(report.time_codes_per_second, (end - start) / 2)))
        config |= {"skeletons": (skeleton.path,), "context": ((start, key),), "keys": (key, end)}
    return run(RunConfig(stage=str(source), out=str(folder / mode), **config)).result


def main() -> int:
    """Print a line per result, and the worst of each reader."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--envs", type=Path, required=True, help="folder for the environments of the readers")
    parser.add_argument("--usd", default="", help="versions of usd-core, separated by commas")
    parser.add_argument("--readers", default="blender,three,lightusd,tinyusdz")
    parser.add_argument("--count", type=int, default=0, help="stages built at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    readers = {
        name: environment(options.envs, name, PINNED[name]) for name in options.readers.split(",") if name
    }
    for version in filter(None, options.usd.split(",")):
        readers[f"usd-{version}"] = environment(options.envs, f"usd-{version}", f"usd-core=={version}")
    worst: dict[tuple[str, str], float] = {}
    stages = [(path.stem, path, {}) for path in options.files]
    with tempfile.TemporaryDirectory() as base:
        for seed in range(options.seed, options.seed + options.count):
            from usd_campaign import build

            folder = Path(base) / f"random{seed}"
            folder.mkdir()
            stages.append((f"random {seed}", *build(folder, seed)))
        for number, (name, path, own) in enumerate(stages):
            folder = Path(base) / str(number)
            for mode in ("rebind", "flat"):
                _try(name, path, own, folder, mode, readers, worst)
    for (reader, mode), value in sorted(worst.items()):
        sys.stdout.write(f"{reader}, {mode}: at most {value:.1e}\n")
    flat = [value for (_, mode), value in worst.items() if mode == "flat"]
    return int(max(flat, default=0) > TOLERANCE)


def _try(
    name: str,
    path: Path,
    own: dict[str, Any],
    folder: Path,
    mode: str,
    readers: dict[str, list[str]],
    worst: dict[tuple[str, str], float],
) -> None:
    from engine.errors import EngineError
    from usd_io.errors import UsdIoError

    try:
        result = fill(path, folder, mode, own)
    except (EngineError, UsdIoError) as error:
        sys.stdout.write(f"{name}, {mode}: refused, {error}\n")
        return
    here = [sys.executable, "-c", USD]
    ends = ask(here, result, [0.0])
    times = np.linspace(max(ends["start"], 0), ends["end"], TIMES).round(2).tolist()
    truth = ask(here, result, times)
    line = []
    for reader, command in readers.items():
        more = {"three": [str(truth["rate"])], "tinyusdz": [json.dumps(truth["worlds"])]}.get(reader, [])
        shown = ask(command, result, times, *more)
        off = distance(truth, shown, reader)
        worst[reader, mode] = max(worst.get((reader, mode), 0.0), off)
        line.append(f"{reader} {off:.1e}" + (f" ({shown['why'][:160]})" if "why" in shown else ""))
    sys.stdout.write(f"{name}, {mode}: {', '.join(line)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
