"""Stages built at random, filled, and judged by USD alone: what a run keeps is the source's to the last bit.

    python scripts/usd_campaign.py --count 500 --seed 1

Each stage mixes channels (dense, keyed, constant), joint subsets, precision, layers with offsets and other rates,
references, instances, shared animations, value clips, blocks, steps, links and author modes. Each result is compared
with its source in a process of its own that imports ``pxr`` and nothing of this project. Prints how many were tried,
filled, refused with a sentence, and failed; exits 1 where one failed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdSkel, Vt

from scripts.campaign_log import Log

CHANNELS = ("translations", "rotations", "scales")
JOINTS = ("Root", "Root/A", "Root/A/B", "Root/C")


def build(folder: Path, seed: int) -> tuple[Path, dict[str, Any]]:
    """A random stage and the options to run it with."""
    rng = np.random.default_rng(seed)
    hero = _hero(folder, rng)
    if rng.random() < 0.12:
        hero = _clipped(folder, hero, rng)
    source = _shot(folder, hero, rng)
    if rng.random() < 0.15:
        source = _linked(folder, source, rng)
    options: dict[str, Any] = {"author": str(rng.choice(["rebind", "rebind", "over", "variant"]))}
    if options["author"] != "over" and rng.random() < 0.2:
        options["takes"] = 2
    if rng.random() < 0.2:
        options["lock"] = ("A",)
    return source, options


def _hero(folder: Path, rng: np.random.Generator) -> Path:
    path = folder / f"hero{rng.choice(['.usda', '.usdc'])}"
    stage = Usd.Stage.CreateNew(str(path))
    rate = float(rng.choice([24, 24, 30, 60]))
    stage.SetTimeCodesPerSecond(rate)
    stage.SetFramesPerSecond(rate)
    UsdGeom.SetStageUpAxis(stage, str(rng.choice(["Y", "Z"])))
    UsdGeom.SetStageMetersPerUnit(stage, float(rng.choice([0.01, 1])))
    root = UsdSkel.Root.Define(stage, "/Char")
    stage.SetDefaultPrim(root.GetPrim())
    joints = list(JOINTS[: rng.integers(2, 5)])
    animated = [j for j in joints if rng.random() < 0.85] or list(joints)
    if rng.random() < 0.3:
        animated = list(rng.permutation(animated))
    if rng.random() < 0.15:
        animated.append("Root/Unknown")
    skeletons = ["Skel"] + (["SkelLow"] if rng.random() < 0.25 else [])
    for name in skeletons:
        own = joints if name == "Skel" else joints[:2]
        skeleton = UsdSkel.Skeleton.Define(stage, f"/Char/{name}")
        skeleton.CreateJointsAttr(own)
        scale = float(rng.choice([1.0, 1.0, 1.2345]))
        rest = Gf.Matrix4d().SetScale(scale) * Gf.Matrix4d().SetTranslate((0, 1, 0))
        skeleton.CreateRestTransformsAttr(Vt.Matrix4dArray([rest] * len(own)))
        skeleton.CreateBindTransformsAttr(
            Vt.Matrix4dArray([Gf.Matrix4d().SetTranslate((0, n + 1.0, 0)) for n in range(len(own))])
        )
        UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets(["/Char/Anim"])
    _animate(UsdSkel.Animation.Define(stage, "/Char/Anim"), animated, rng)
    _skin(stage, len(joints), rng)
    stage.Save()
    return path


def _animate(animation: UsdSkel.Animation, joints: list[str], rng: np.random.Generator) -> None:
    animation.CreateJointsAttr(joints)
    dense = list(range(1, int(rng.integers(13, 30)))) if rng.random() < 0.6 else []
    keys = sorted({float(k) for k in rng.choice(np.arange(32, 90), int(rng.integers(2, 5)), replace=False)})
    usual = [*map(float, dense), *keys]
    digits = int(rng.choice([3, 7]))
    for name in CHANNELS:
        times = usual
        kind = rng.random()
        if name == "scales" and kind < 0.4:
            times = []
        elif kind < 0.15:
            times = [float(t) for t in range(1, 91)]
        elif kind < 0.3:
            times = [usual[0], *(t for t in usual[1:-1] if rng.random() < 0.7), usual[-1]]
        attribute = getattr(animation, f"Create{name.title()}Attr")()
        if not times:
            attribute.Set(_values(name, len(joints), 0.0, digits, rng))
        for time in times:
            attribute.Set(_values(name, len(joints), time, digits, rng), time)
        if times and rng.random() < 0.1:
            attribute.Set(Sdf.ValueBlock(), times[-1] + 5)
        if times == usual and rng.random() < 0.1:
            attribute.Set(attribute.Get(keys[-2] if len(keys) > 1 else keys[0]), keys[-1] - 0.01)
    if rng.random() < 0.3:
        animation.CreateBlendShapesAttr(["smile"])
        weights = animation.CreateBlendShapeWeightsAttr()
        for time in (1.0, 20.5, 70.0):
            weights.Set(
                Sdf.ValueBlock() if rng.random() < 0.2 else Vt.FloatArray([float(rng.random())]), time
            )


def _values(name: str, count: int, time: float, digits: int, rng: np.random.Generator) -> Any:
    if name == "translations":
        return Vt.Vec3fArray(
            [Gf.Vec3f(0.02 * time, float(1 + 0.1 * np.sin(time / 7 + n)), 0) for n in range(count)]
        )
    if name == "scales":
        return Vt.Vec3hArray([Gf.Vec3h(1 + 0.1 * np.sin(time / 9)) for _ in range(count)])
    result = []
    for n in range(count):
        axis = Gf.Vec3d(float(n % 2), float(n % 3 == 0), 1).GetNormalized()
        q = Gf.Rotation(axis, 40 * np.sin(time / 6 + n)).GetQuat()
        sign = -1 if rng.random() < 0.1 else 1
        parts = [round(sign * v, digits) for v in (q.GetReal(), *q.GetImaginary())]
        result.append(Gf.Quatf(*parts))
    return Vt.QuatfArray(result)


def _skin(stage: Usd.Stage, joints: int, rng: np.random.Generator) -> None:
    mesh = UsdGeom.Mesh.Define(stage, "/Char/Body")
    mesh.CreatePointsAttr([(x, y, z) for y in range(3) for x in (-0.3, 0.3) for z in (-0.3, 0.3)])
    mesh.CreateFaceVertexCountsAttr([4, 4])
    mesh.CreateFaceVertexIndicesAttr([0, 1, 5, 4, 4, 5, 9, 8])
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets(["/Char/Skel"])
    binding.CreateJointIndicesPrimvar(False, 1).Set([int(rng.integers(joints)) for _ in range(12)])
    binding.CreateJointWeightsPrimvar(False, 1).Set([float(rng.choice([1.0, 0.9]))] * 12)


def _shot(folder: Path, hero: Path, rng: np.random.Generator) -> Path:
    kind = rng.choice(["alone", "sublayer", "offset", "reference", "instances"])
    if kind == "alone":
        return hero
    layer = Sdf.Layer.CreateNew(str(folder / "shot.usda"))
    own = Sdf.Layer.FindOrOpen(str(hero))
    rate = own.timeCodesPerSecond if rng.random() < 0.6 else 24.0
    layer.timeCodesPerSecond = layer.framesPerSecond = rate
    if kind in ("sublayer", "offset"):
        layer.subLayerPaths.append(f"./{hero.name}")
        if kind == "offset":
            layer.subLayerOffsets[0] = Sdf.LayerOffset(
                float(rng.integers(-9, 20)), float(rng.choice([1, 1, 2]))
            )
    else:
        names = ["A"] if kind == "reference" else ["A", "B", "C"]
        for name in names:
            prim = Sdf.CreatePrimInLayer(layer, f"/World/{name}")
            prim.specifier = Sdf.SpecifierDef
            prim.referenceList.Prepend(Sdf.Reference(f"./{hero.name}"))
            if kind == "instances":
                prim.SetInfo("instanceable", name != "A")
        layer.GetPrimAtPath("/World").specifier = Sdf.SpecifierDef
        layer.defaultPrim = "World"
    layer.Save()
    return folder / "shot.usda"


def _clipped(folder: Path, hero: Path, rng: np.random.Generator) -> Path:
    """The character with its samples in value clips: one, one that jumps, or two after each other."""
    clip, scene = folder / "clip.usdc", folder / "clipped.usda"
    layer = Sdf.Layer.FindOrOpen(str(hero))
    layer.Export(str(clip))
    layer.Export(str(scene))
    bare = Sdf.Layer.FindOrOpen(str(scene))
    sampled = [
        spec for spec in bare.GetPrimAtPath("/Char/Anim").properties if bare.ListTimeSamplesForPath(spec.path)
    ]
    times = sorted({t for spec in sampled for t in bare.ListTimeSamplesForPath(spec.path)})
    for spec in sampled:
        spec.ClearInfo("timeSamples")
    bare.Save()
    stage = Usd.Stage.Open(bare)
    clips = Usd.ClipsAPI(stage.GetPrimAtPath("/Char/Anim"))
    clips.SetClipPrimPath("/Char/Anim")
    first, last = times[0], times[-1]
    middle = times[len(times) // 2]
    kind = rng.choice(["one", "jump", "two"])
    clips.SetClipAssetPaths(["./clip.usdc"] * (2 if kind == "two" else 1))
    clips.SetClipActive([(first, 0)] + ([(middle, 1)] if kind == "two" else []))
    plain = [(first, first), (last, last)]
    jump = [(first, first), (middle, middle), (middle, times[0]), (middle + 10, times[0] + 10)]
    clips.SetClipTimes(jump if kind == "jump" else plain)
    manifest = Usd.ClipsAPI.GenerateClipManifestFromLayers([Sdf.Layer.FindOrOpen(str(clip))], "/Char/Anim")
    manifest.Export(str(folder / "manifest.usda"))
    clips.SetClipManifestAssetPath("./manifest.usda")
    stage.Save()
    return scene


def _linked(folder: Path, source: Path, rng: np.random.Generator) -> Path:
    """The stage through a link to its folder, or a link beside it."""
    if rng.random() < 0.5:
        (folder / "by_link").symlink_to(folder, target_is_directory=True)
        return folder / "by_link" / source.name
    named = source.with_name(f"link{source.suffix}")
    named.symlink_to(source.name)
    return named


JUDGE = r"""
import json, os, sys
import numpy as np
from pxr import Usd, UsdSkel

CHANNELS = ("translations", "rotations", "scales")
assert not any(name.split(".")[0] in ("usd_io", "engine", "anymole") for name in sys.modules)
for line in sys.stdin:
    judging = os.fork()
    if not judging:
        break
    _, status = os.waitpid(judging, 0)
    if status:
        print(json.dumps([f"the judge failed with status {status}"]), flush=True)
else:
    sys.exit()
source, result = (Usd.Stage.Open(path) for path in json.loads(line))
record = next(r for l in result.GetLayerStack(False) if (r := l.customLayerData.get("anymole")) and "takes" in r)
problems = []

def query(stage, path):
    return UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath(path)))

def attribute(found, name):
    return found.GetAnimQuery().GetPrim().GetAttribute(name)

def off(a, b):
    return float("inf") if len(a or ()) != len(b or ()) else float(np.abs(np.array(a) - np.array(b)).max(initial=0))

listed = {take["skeleton"]: take for take in record["takes"].values()}
every = Usd.PrimRange.Stage(source, Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate))
for prim in every:
    if not prim.IsA(UsdSkel.Skeleton):
        continue
    path = str(prim.GetPath())
    a, b = query(source, path), query(result, path)
    if not a.GetAnimQuery():
        continue
    take = listed.get(path)
    gaps = {c: list(zip(*[iter(take["gaps"][c])] * 2)) if take else [] for c in CHANNELS}
    inside = lambda t, own: any(s < t < e for s, e in own)
    times = set()
    for name in (*CHANNELS, "blendShapeWeights"):
        x, y, own = attribute(a, name), attribute(b, name), gaps.get(name, [])
        ta, tb = ([t for t in each.GetTimeSamples() if not inside(t, own)] for each in (x, y))
        times |= set(ta)
        ends = {t for gap in own for t in gap}
        if set(ta) - set(tb) or set(tb) - set(ta) - ends:
            problems.append(f"{path} {name}: samples {sorted(set(ta) ^ set(tb))[:3]}")
        for t in ta + [None]:
            u, v = (each.Get() if t is None else each.Get(t) for each in (x, y))
            if t is None and own:
                continue
            if not (u is v is None or (u is not None and v is not None and len(u) == len(v) and u == v)):
                problems.append(f"{path} {name} at {t}: {u} is {v}"[:200])
        if list(b.GetAnimQuery().GetJointOrder()) != list(a.GetAnimQuery().GetJointOrder()):
            problems.append(f"{path}: other joints")
    every_gap = [gap for own in gaps.values() for gap in own]
    keys = list(take["keys"]) if take else []
    ordered = sorted(times)
    probes = [*keys, *ordered, *((p + q) / 2 for p, q in zip(ordered, ordered[1:]))]
    if ordered:
        probes += [ordered[0] - 2, ordered[-1] + 2]
    for t in probes:
        if inside(t, every_gap):
            continue
        tolerance = 0 if t in keys or t in times else 2e-6
        worst = max(
            off(a.ComputeJointLocalTransforms(t), b.ComputeJointLocalTransforms(t)),
            off(a.ComputeJointSkelTransforms(t), b.ComputeJointSkelTransforms(t)),
        )
        if worst > tolerance:
            problems.append(f"{path} pose at {t}: {worst:.3g} off")
for a, b in zip(("TimeCodesPerSecond", "FramesPerSecond"), ("timeCodesPerSecond", "framesPerSecond")):
    if source.GetMetadata(b) != result.GetMetadata(b):
        problems.append(b)
if result.GetCompositionErrors():
    problems.append(str(result.GetCompositionErrors()[0]))
print(json.dumps(problems[:6]), flush=True)
os._exit(0)  # on a busy machine USD's own threads now and then abort the end of a process
"""


@cache
def _court() -> "subprocess.Popen[str]":
    """It has loaded pxr and nothing of ours, and forks for each judgement."""
    command = [sys.executable, "-I", "-c", JUDGE]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")


def judged(source: Path, result: str) -> list[str]:
    """What is not as it was, found by pxr alone in a process of its own."""
    asks, tells = _court().stdin, _court().stdout
    assert asks is not None
    assert tells is not None
    asks.write(json.dumps([str(source), result]) + "\n")
    asks.flush()
    found: list[str] = json.loads(tells.readline())
    return found


def try_one(folder: Path, seed: int) -> tuple[str, list[str]]:
    """``filled``, ``refused`` or ``failed``, and why."""
    from engine.config import RunConfig
    from engine.errors import EngineError
    from engine.run import run
    from usd_io.errors import UsdIoError

    source, options = build(folder, seed)
    config = RunConfig(
        stage=str(source), prior="slerp", preview=False, report=False, out=str(folder / "out"), **options
    )
    try:
        done = run(config)
    except (EngineError, UsdIoError) as error:
        late = (folder / "out").exists() and any((folder / "out").glob("*.usd?"))
        return ("failed" if late else "refused"), [str(error)]
    except Exception as error:
        return "failed", [f"{type(error).__name__}: {error}"]
    problems = judged(source, done.result)
    return ("failed" if problems else "filled"), problems


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--log", type=Path, help="one line per stage; those that are in it are not tried again"
    )
    arguments = parser.parse_args()
    counts = {"filled": 0, "refused": 0, "failed": 0}
    reasons: dict[str, int] = {}
    log = Log(arguments.log)
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        told = log.told("stage", seed)
        if told is None:
            with tempfile.TemporaryDirectory() as folder:
                state, why = try_one(Path(folder), seed)
            log.tell("stage", seed, state=state, why=why)
        else:
            state, why = told["state"], told["why"]
        counts[state] += 1
        if state == "failed":
            sys.stdout.write(f"seed {seed}: {'; '.join(why)}\n")
        elif state == "refused":
            reason = why[0].split(":", 1)[-1][:90]
            reasons[reason] = reasons.get(reason, 0) + 1
    sys.stdout.write(f"tried {arguments.count}: {counts}\n")
    for reason, count in sorted(reasons.items(), key=lambda each: -each[1])[:12]:
        sys.stdout.write(f"  refused {count}: {reason}\n")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
