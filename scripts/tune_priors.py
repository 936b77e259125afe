"""How the motion priors do over a corpus: the evidence for their constants (docs/experiments.md).

    python scripts/tune_priors.py CORPUS [--every N] [--set NAME=VALUE ...] [--shares]

CORPUS is a folder of npz files, one per character (joint_names, parents, rest_offsets, rest_rotations, up_axis, fps,
clip_names, clip_start, clip_frames, rotations as x y z w, translated_joints, translations, clip_offsets). Of every
clip up to 2 s become context, then keys follow one second apart (half a second in short clips). ``--set`` changes a
constant for this run (``context.NEARNESS=0.3``); ``--shares`` also looks for the best fixed shares of auto's blend.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.geometry import metrics, rotations, skeleton
from engine.planning.plan import Plan, make_plan
from engine.priors.auto import CANDIDATES, auto
from engine.priors.baselines import hold, slerp
from engine.priors.self_test import Prior, simplex
from engine.priors.trials import Trial, mean_error
from usd_io.model import Character, Motion

CALM = 0.04
"""Clips in which slerp misses less than this [heights] are judged by the difference, not by the ratio."""
PRIORS: dict[str, Prior] = {"hold": hold, "slerp": slerp, **CANDIDATES, "auto": auto}


@dataclass(frozen=True, eq=False)
class Case:
    name: str
    character: Character
    motion: Motion
    plan: Plan

    @property
    def known(self) -> Motion:
        return self.motion.at(self.plan.known(self.motion.times))

    def positions(self, motion: Motion) -> np.ndarray:
        size = metrics.height(self.character, self.motion, self.plan.keys[0])
        return skeleton.joint_positions(self.character, motion) / size


def cases(root: Path, seed: int = 0) -> Iterator[Case]:
    """One case per clip that is long enough, at a random place of it."""
    random = np.random.default_rng(seed)
    for path in sorted(root.rglob("*.npz")):
        with np.load(path, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        character = read_character(path.stem, arrays)
        for index, name in enumerate(arrays["clip_names"]):
            motion = read_motion(character, arrays, index)
            layout = place(len(motion.times), random)
            if layout is not None:
                context, keys = layout
                plan = make_plan(character, motion, contexts=[context], keys=keys, fill_at_samples=True)
                yield Case(f"{path.parent.name}/{path.stem}/{name}", character, motion, plan)


def read_character(name: str, arrays: dict[str, np.ndarray]) -> Character:
    parents = arrays["parents"].astype(int)
    quaternions = np.roll(arrays["rest_rotations"], 1, -1).astype(np.float32)
    offsets = arrays["rest_offsets"].astype(np.float32)
    ones = np.ones_like(offsets)
    paths: list[str] = []
    for joint, parent in zip(arrays["joint_names"], parents, strict=True):
        paths.append(str(joint) if parent < 0 else f"{paths[parent]}/{joint}")
    return Character(
        name=name,
        skeleton_path=f"/{name}",
        joints=tuple(paths),
        parents=parents,
        T_skel_joint_bind=skeleton.chain(parents, skeleton.compose(offsets, quaternions, ones)),
        rest_translations=offsets,
        rest_rotations=quaternions,
        rest_scales=ones,
        up_axis="Z" if str(arrays["up_axis"]).upper() == "Z" else "Y",
    )


def read_motion(character: Character, arrays: dict[str, np.ndarray], index: int) -> Motion:
    first, count = int(arrays["clip_start"][index]), int(arrays["clip_frames"][index])
    frames = slice(first, first + count)
    translations = np.repeat(arrays["clip_offsets"][index][None], count, 0).astype(np.float32)
    translations[:, arrays["translated_joints"]] = arrays["translations"][frames]
    quaternions = np.roll(arrays["rotations"][frames].astype(np.float32), 1, -1)
    return Motion(
        times=np.arange(count, dtype=float),
        translations=translations,
        rotations=rotations.continuous(rotations.normalise(quaternions)),
        scales=np.ones((count, len(character.joints), 3), np.float32),
        T_world_skel=np.tile(np.eye(4), (count, 1, 1)),
        time_codes_per_second=float(arrays["fps"]),
        frame_rate=float(arrays["fps"]),
    )


def place(frames: int, random: np.random.Generator) -> tuple[tuple[float, float], list[float]] | None:
    """Context and keys for a clip of so many frames at 30 a second; None where it is too short."""
    if frames < 31:
        return None
    gap, context = (
        (30, 60) if frames >= 91 else (30, 30) if frames >= 61 else (15, 30 if frames >= 46 else 15)
    )
    gaps = min(3, (frames - 1 - context) // gap)
    room = frames - context - gap * gaps
    start = int(random.integers(0, room)) if room > 1 else 0
    return (start, start + context), [float(start + context + gap * k) for k in range(gaps + 1)]


def measure(case: Case) -> tuple[dict[str, float], dict[str, float], Trial]:
    """L2P and seconds of every prior, and what auto's candidates add to slerp."""
    true = case.positions(metrics.select(case.motion, tuple(case.plan.fill_times)))
    errors, seconds, made = {}, {}, {}
    for name, prior in PRIORS.items():
        began = time.perf_counter()
        filled = prior(case.character, case.known, case.plan)
        seconds[name] = time.perf_counter() - began
        made[name] = case.positions(filled)
        errors[name] = metrics.l2p(true, made[name])
    added = np.stack([made[name] - made["slerp"] for name in CANDIDATES])
    return errors, seconds, Trial(seconds=1.0, missed=true - made["slerp"], added=added)


def table(names: list[str], errors: list[dict[str, float]], seconds: list[dict[str, float]]) -> str:
    """One line per prior."""
    slerps = np.array([e["slerp"] for e in errors])
    lively = slerps >= CALM
    lines = [
        f"{'prior':10}{'mean':>8}{'median':>8}{'p95':>8}{'worst':>8}{'calm +':>8}{'s/clip':>8}   worst clip"
    ]
    for prior in PRIORS:
        values = np.array([e[prior] for e in errors])
        ratio = values[lively] / slerps[lively]
        calm = (values - slerps)[~lively].max(initial=0)
        figures = (ratio.mean(), np.median(ratio), np.quantile(ratio, 0.95), ratio.max(), calm)
        cost = np.mean([s[prior] for s in seconds])
        worst = np.array(names)[lively][np.argmax(ratio)]
        lines.append(f"{prior:10}" + "".join(f"{f:8.3f}" for f in figures) + f"{cost:8.3f}   {worst}")
    return "\n".join(lines)


def best_shares(trials: list[Trial]) -> str:
    """Fixed shares of auto's candidates with the least mean ratio over the lively clips."""
    lively = [t for t in trials if mean_error([t], np.zeros(len(CANDIDATES))) >= CALM]
    shares = simplex(len(CANDIDATES))
    slerp = np.array([t.errors(np.zeros((1, len(CANDIDATES)))) for t in lively])
    ratios = (np.array([t.errors(shares) for t in lively]) / slerp).mean(0)
    best = np.argmin(ratios)
    found = ", ".join(f"{name} {share:.1f}" for name, share in zip(CANDIDATES, shares[best], strict=True))
    return f"best fixed shares: {found}: mean ratio {ratios[best]:.3f}"


def set_constant(text: str) -> None:
    """``module.NAME=VALUE`` of a module in engine.priors."""
    target, value = text.split("=")
    module, name = target.split(".")
    loaded = importlib.import_module(f"engine.priors.{module}")
    if not hasattr(loaded, name):
        sys.exit(f"engine.priors.{module} has no constant {name}")
    setattr(loaded, name, type(getattr(loaded, name))(float(value)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--every", type=int, default=1, help="use every Nth clip")
    parser.add_argument("--set", dest="constants", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--shares", action="store_true", help="look for the best fixed shares")
    arguments = parser.parse_args()
    for constant in arguments.constants:
        set_constant(constant)
    used = [case for index, case in enumerate(cases(arguments.corpus)) if index % arguments.every == 0]
    errors, seconds, trials = zip(*(measure(case) for case in used), strict=True)
    calm = sum(e["slerp"] < CALM for e in errors)
    sys.stdout.write(f"{len(used)} clips, {calm} of them calm; L2P over slerp's\n")
    sys.stdout.write(table([case.name for case in used], list(errors), list(seconds)) + "\n")
    if arguments.shares:
        sys.stdout.write(best_shares(list(trials)) + "\n")


if __name__ == "__main__":
    main()
