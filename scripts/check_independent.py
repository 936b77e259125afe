"""Read authored results with tinyusdz, which shares no code with OpenUSD, and compare joint positions.

    python scripts/check_independent.py FILE [FILE ...]

For each source file: read its skeletons, author a result, read the data layer (.usdc) of that result with
tinyusdz, pose the joints in plain numpy from what tinyusdz found, and compare their positions in the world at
five times with those that UsdSkel gives for the composed root stage.

What that proves: that the data layer is a sound crate file for another reader, with the joint order, the
translations, rotations and scales in their places. What it does not: composition. tinyusdz.load does not
compose sublayers (the root reads as empty, checked here), so the new binding is seen by OpenUSD alone.
Exit code 1 where a position is off by more than a hundred thousandth of the character's size.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import tinyusdz
from pxr import Usd, UsdGeom, UsdSkel

from usd_io.author.result import Take, author_result
from usd_io.errors import UsdIoError
from usd_io.read.motion import read_motion
from usd_io.read.skeleton import skeleton_prims
from usd_io.read.stage import open_stage

TOLERANCE = 1e-5
"""Of the extent of the joints: float32 products along a chain."""

CHANNELS = {"translations": (np.float32, 3), "rotations": (np.float32, 4), "scales": (np.float16, 3)}


def independent_locals(layer: tinyusdz.Stage, path: str, time: float) -> tuple[list[str], np.ndarray]:
    """Joint paths and local 4 x 4 matrices (column vectors) of an animation prim, read by tinyusdz alone."""
    prim = layer.get_prim_at_path(path)
    joints = re.findall(r'"([^"]*)"', prim.get_attribute("joints").value.to_string())
    found = {}
    for name, (kind, width) in CHANNELS.items():
        value = dict(prim.get_attribute_timesamples(name))[time]
        found[name] = np.frombuffer(memoryview(value), kind).reshape(-1, width).astype(float)
    x, y, z, w = found["rotations"].T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrices = np.tile(np.eye(4), (len(joints), 1, 1))
    matrices[:, :3, :3] = np.moveaxis(np.array(rows), -1, 0) * found["scales"][:, None, :]
    matrices[:, :3, 3] = found["translations"]
    return joints, matrices


def chain(joints: list[str], local: np.ndarray) -> dict[str, np.ndarray]:
    """Joint to skeleton space for each joint path, whatever their order."""
    by_path = dict(zip(joints, local, strict=True))
    posed: dict[str, np.ndarray] = {}
    for joint in sorted(joints, key=lambda path: path.count("/")):
        parts = joint.split("/")[:-1]
        ancestors = ("/".join(parts[:depth]) for depth in range(len(parts), 0, -1))
        parent = next((path for path in ancestors if path in posed), None)
        posed[joint] = by_path[joint] if parent is None else posed[parent] @ by_path[joint]
    return posed


def usdskel_positions(stage: Usd.Stage, path: str, time: float) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Joint paths, their world positions and the skeleton's world matrix, from the composed root stage."""
    skeleton = UsdSkel.Skeleton(stage.GetPrimAtPath(path))
    query = UsdSkel.Cache().GetSkelQuery(skeleton)
    world = UsdGeom.XformCache(time).GetLocalToWorldTransform(skeleton.GetPrim())
    matrices = [matrix * world for matrix in query.ComputeJointSkelTransforms(time)]
    positions = np.array([matrix.ExtractTranslation() for matrix in matrices])
    return list(query.GetJointOrder()), positions, np.array(world).T


def compare(source: Path, folder: Path) -> list[tuple[str, float]]:
    """Largest distance for each skeleton, relative to the extent of its joints."""
    original = open_stage(source)
    paths = [str(prim.GetPath()) for prim in skeleton_prims(original)]
    takes = {path: Take(read_motion(original, path)) for path in paths}
    result = author_result(source, folder, source.stem, takes)
    layer, stage = tinyusdz.load(str(result.layer)), open_stage(result.root)
    assert not tinyusdz.load(str(result.root)).root_prims(), "tinyusdz composes now: compare the root as well"
    worst = []
    for path, take in takes.items():
        times = take.motion.times[np.linspace(0, len(take.motion.times) - 1, 5).astype(int)]
        errors = []
        for time in times.tolist():
            order, expected, world = usdskel_positions(stage, path, time)
            posed = chain(*independent_locals(layer, result.animations[path], time))
            read = np.array([(world @ posed[joint])[:3, 3] for joint in order])
            errors.append(np.linalg.norm(read - expected, axis=1).max() / np.ptp(expected, axis=0).max())
        worst.append((path, float(max(errors))))
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    status = 0
    for source in parser.parse_args().files:
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = compare(source, Path(folder))
            except UsdIoError as error:
                sys.stderr.write(f"{source.name}: {error}\n")
                status = 1
                continue
        for path, error in found:
            verdict = "same" if error <= TOLERANCE else "DIFFERENT"
            sys.stdout.write(f"{source.name} <{path}>: {verdict}, off by {error:.1e} of its size\n")
            status = max(status, int(error > TOLERANCE))
    return status


if __name__ == "__main__":
    sys.exit(main())
