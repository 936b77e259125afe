"""How feet move where made walks are filled, beside the truth: rests, lift, and what goes under the floor.

    python scripts/bench_walks.py [--prior auto]

A biped and a quadruped, with legs that turn or feet on handles (children of a root that stands or travels), whose
walk is known: ``edge`` shows 0.7 and 1 s of it, in which few swings are whole, ``long`` two seconds; ``short`` goes on
after two seconds with 8, 15 and 30 % of the length of a step; ``slow`` has keys 2.5 s apart, ``on`` 3, 4 and 5 s, with
steps as long and a fifth shorter, the others 0.5 to 1 s.
``slope`` climbs or descends all along, ``gentle`` by 2 and 3.4 degrees, ``stairs`` over steps that each foot takes as
they come, ``top`` goes up a slope in the context and on the level from there.
Means over rigs, keys and places of the context, contacts not held and held: L2P over slerp's; speed of feet while they
rest in the truth [heights/s]; how far from their height they are meanwhile, and the lowest that any gets below its
rests [% of the height]; the highest that feet get over the ground in a gap, over that of the truth (median, 10th and
90th percentile).
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from engine.evaluation.rows import split_dense
from engine.geometry import metrics, rotations, skeleton
from engine.planning.plan import Plan, make_plan
from engine.priors.fill import fill_plainly
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float, Int

RATE, PERIOD_S, STRIDE, LIFT, GROUND = 30.0, 4 / 3, 0.8, 0.15, 0.02
"""Frames a second; of the walk: seconds a cycle, its way, the lift of its swings, the height of its rests."""
SQUAT = 0.05
"""So much lower are the hips where the ground is not level, for the legs to reach."""
RESTS = 0.6
"""Part of a cycle in which a foot rests."""
RIGS = {
    "biped": ((0.1, 0.0, 0.0), (-0.1, 0.0, 0.5)),
    "quadruped": ((0.1, 0.0, 0.0), (-0.1, 0.0, 0.5), (0.1, 0.8, 0.25), (-0.1, 0.8, 0.75)),
}
"""Sideways and forward place of each leg, and its part of a cycle ahead."""
Ground = Callable[[Float[np.ndarray, " place"]], Float[np.ndarray, " place"]]
"""Height of the ground by the way that was gone."""
HANDLES = ("legs", "handles", "travelling handles")


def made_rig(legs: tuple[tuple[float, float, float], ...], handles: bool) -> Character:
    """Root, hips, spine, and per leg thigh, shin and foot; on handles the feet hang on the root."""
    joints, parents = ["Root", "Root/Hips", "Root/Hips/Spine"], [-1, 0, 1]
    rest = [[0.0, 0, 0], [0, 0.95, 0], [0, 0.6, 0]]
    for leg, (x, z, _) in enumerate(legs):
        first, top = len(joints), f"Root/Hips/Thigh{leg}"
        joints += [top, f"{top}/Shin", f"Root/Foot{leg}" if handles else f"{top}/Shin/Foot"]
        parents += [1, first, 0 if handles else first + 1]
        rest += [[x, 0, z], [0, -0.5, 0], [x, 0, z] if handles else [0, -0.5, 0]]
    count = len(joints)
    return Character(
        name="Made",
        skeleton_path="/Made/Skel",
        joints=tuple(joints),
        parents=np.array(parents),
        T_skel_joint_bind=np.tile(np.eye(4), (count, 1, 1)),
        rest_translations=np.array(rest, np.float32),
        rest_rotations=np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
        rest_scales=np.ones((count, 3), np.float32),
        up_axis="Y",
    )


def made_walk(
    character: Character,
    legs: tuple[tuple[float, float, float], ...],
    speed: Float[np.ndarray, " frame"],
    *,
    first: int = 0,
    travelling: bool = False,
    ground: Ground = np.zeros_like,
) -> Motion:
    """A walk of so many lengths of a stride per cycle; ``first`` is its frame at which it begins."""
    count, frames = len(character.joints), len(speed)
    whole = (
        np.concatenate([np.full(200, speed[0]), speed, np.full(200, speed[-1])]) * STRIDE / PERIOD_S / RATE
    )
    body = np.cumsum(whole) - whole[:200].sum()
    at = np.arange(-200, frames + 200)
    t = np.arange(frames)
    hips = np.stack([0.88 + 0.01 * np.cos(4 * np.pi * (t + first) / RATE / PERIOD_S), body[200:-200]], -1)
    # over what the ground is like around the body
    around = [ground(hips[:, 1] + way) for way in np.linspace(-STRIDE / 2, STRIDE / 2, 81)]
    hips[:, 0] += np.mean(around, axis=0) - (SQUAT if np.any(around) else 0)
    turns, translations = (
        np.zeros((frames, count, 3)),
        np.repeat(character.rest_translations[None], frames, 0),
    )
    translations = translations.astype(float)
    turns[:, 2, 0] = 0.1 * np.sin((t + first) / 5)
    root = hips[:, 1] if travelling else np.zeros(frames)
    translations[:, 0, 2] = root
    translations[:, 1, 1], translations[:, 1, 2] = hips[:, 0], hips[:, 1] - root
    for leg, (_, z, shift) in enumerate(legs):
        n, phase = np.divmod((t + first) / RATE / PERIOD_S + shift, 1)
        swing = np.clip((phase - RESTS) / (1 - RESTS), 0, 1)
        # where the foot stands in a cycle is where the body is in the middle of its rest
        middle = (np.stack([n, n + 1]) + RESTS / 2 - shift) * PERIOD_S * RATE - first
        a, b = np.interp(middle, at, body)
        foot = np.stack(
            [
                GROUND
                + ground(a + z)
                + (ground(b + z) - ground(a + z)) * np.sin(np.pi / 2 * swing) ** 2
                + LIFT * np.minimum((b - a) / STRIDE, 1) * np.sin(np.pi * swing) ** 2,
                a + (b - a) * swing**2 * (3 - 2 * swing) + z,
            ],
            -1,
        )
        joint = 3 + 3 * leg
        way = foot - hips - [0, z]
        bend = np.arccos(np.minimum(np.linalg.norm(way, axis=1), 0.999))
        turns[:, joint, 0] = np.arctan2(-way[:, 1], -way[:, 0]) - bend
        turns[:, joint + 1, 0] = 2 * bend
        if character.parents[joint + 2] == 0:
            translations[:, joint + 2, 1:] = foot - np.stack([np.zeros(frames), root], -1)
        else:
            turns[:, joint + 2, 0] = -turns[:, joint, 0] - turns[:, joint + 1, 0]
    return Motion(
        times=t.astype(float),
        translations=translations.astype(np.float32),
        rotations=rotations.continuous(rotations.exp(turns)).astype(np.float32),
        scales=np.ones((frames, count, 3), np.float32),
        T_world_skel=np.tile(np.eye(4), (frames, 1, 1)),
        time_codes_per_second=RATE,
        frame_rate=RATE,
        animation_path="/Made/Anim",
    )


@dataclass(frozen=True, eq=False)
class Walk:
    """A shot to fill whose truth is known."""

    kind: str
    feet_on: str
    character: Character
    truth: Motion
    plan: Plan
    ground: Ground = np.zeros_like

    @property
    def feet(self) -> Int[np.ndarray, " foot"]:
        return np.array([j for j, name in enumerate(self.character.joints) if "Foot" in name.split("/")[-1]])


def shots() -> Iterator[Walk]:
    """All of them, rig after rig."""
    for rig, legs in RIGS.items():
        for feet in HANDLES:
            character = made_rig(legs, feet != "legs")
            for kind, context, step, parts, first, ground in _kinds(rig):
                frames = context + 1 + 3 * step
                speed = np.where(np.arange(frames) < context, 1.0, parts)
                speed = np.convolve(np.pad(speed, 5, mode="edge"), np.full(11, 1 / 11), "valid")
                travelling = feet.startswith("travelling")
                truth = made_walk(character, legs, speed, first=first, travelling=travelling, ground=ground)
                keys = [context + step * n for n in range(4)]
                plan = make_plan(character, truth, contexts=[(0, context)], keys=keys, fill_at_samples=True)
                yield Walk(kind, feet, character, truth, plan, ground)


def _kinds(rig: str) -> Iterator[tuple[str, int, int, float, int, Ground]]:
    """Name, frames of context, frames between keys, speed after the context, frame of the walk at which it begins, and
    the ground."""
    for first in (0, 13, 26):
        for step in (15, 22, 30):
            for context in (21, 30):
                yield "edge", context, step, 1.0, first, np.zeros_like
            yield "long", 60, step, 1.0, first, np.zeros_like
            for part in (0.08, 0.15, 0.3):
                yield "short", 60, step, part, first, np.zeros_like
            if rig == "biped":
                for kind, ground in CLIMBS:
                    yield kind, 60, step, 1.0, first, ground
        yield "slow", 60, 75, 1.0, first, np.zeros_like
        for step in (90, 120, 150):
            for part in (1.0, 0.8):
                yield "on", 60, step, part, first, np.zeros_like


def _slope(rise: float, until: float = np.inf) -> Ground:
    return lambda way: rise * np.minimum(way, until)


def _stairs(rise: float, depth: float) -> Ground:
    return lambda way: rise * np.floor(way / depth)


CLIMBS = (
    *(("slope", _slope(rise)) for rise in (-0.25, -0.1, 0.1, 0.25)),
    *(("gentle", _slope(rise)) for rise in (-0.06, -0.035, 0.035, 0.06)),
    *(("stairs", _stairs(rise, depth)) for rise in (-0.15, 0.15) for depth in (0.4, 0.33)),
    *(("top", _slope(rise, until=1.2)) for rise in (-0.25, 0.25)),
)
"""Names and grounds; the feet of a walk are 0.4 apart."""


def resting(shot: Walk, places: Float[np.ndarray, "frame foot 3"]) -> Bool[np.ndarray, "frame foot"]:
    """Frames at which a foot of the truth is where it was and where it will be."""
    still = np.linalg.norm(np.diff(places, axis=0), axis=-1) < 1e-5
    return np.concatenate([still[:1], still[1:] & still[:-1], still[-1:]])


def figures(shot: Walk, straight: Motion, motion: Motion) -> dict[str, list[float]]:
    """What the docstring of this file says, of a motion and of slerp's."""
    size = metrics.height(shot.character, shot.truth, shot.plan.keys[0])
    true, made = (
        skeleton.joint_positions(shot.character, m)[:, shot.feet] / size for m in (shot.truth, motion)
    )
    rest = resting(shot, true)
    speed = np.linalg.norm(np.diff(made, axis=0), axis=-1) * RATE
    hidden = np.isin(shot.truth.times, shot.plan.fill_times)
    both = rest[1:] & rest[:-1] & (hidden[1:] | hidden[:-1])[:, None]
    inside = rest & hidden[:, None]

    def l2p(motion: Motion) -> float:
        return metrics.score(shot.character, shot.truth, motion, shot.plan).l2p

    # over the rests at their place; on stairs, where an edge is, the truth's own
    over = [m[..., 1] - (GROUND + shot.ground(true[..., 2] * size)) / size for m in (true, made)]
    found = {
        "rest": speed[both].tolist(),
        "off": (100 * np.abs(made - true)[inside][:, 1]).tolist(),
        "under": [100 * float(max(-over[1].min(), 0))],
        "lift": [],
        "l2p": [l2p(motion) / l2p(straight)],
    }
    for gap in shot.plan.gaps:
        part = np.isin(shot.truth.times, gap.times)
        highest = [m[part].max(0) for m in over]
        found["lift"] += (highest[1] / np.maximum(highest[0], 1e-9))[highest[0] > 0.004].tolist()
    return found


def summary(found: list[dict[str, list[float]]]) -> str:
    """The figures of some shots in a line."""
    whole = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
    low, lift, high = np.quantile(whole["lift"], [0.1, 0.5, 0.9])
    return (
        f"{np.mean(whole['l2p']):8.3f}{np.mean(whole['rest']):8.3f}{np.mean(whole['off']):8.2f}{np.max(whole['under']):8.2f}"
        f"{lift:8.2f}  ({low:.2f} to {high:.2f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prior", default="auto")
    chosen = parser.parse_args()
    rows: dict[tuple[str, str, bool], list[dict[str, list[float]]]] = {}
    for shot in shots():
        parts = split_dense(shot.truth, shot.plan)
        straight = fill_plainly("slerp", shot.character, parts, shot.plan)
        for on in (False, True):
            motion = fill_plainly(chosen.prior, shot.character, parts, shot.plan, contacts=on)
            rows.setdefault((shot.kind, shot.feet_on, on), []).append(figures(shot, straight, motion))
    sys.stdout.write(f"{'':48}{'L2P':>8}{'rest':>8}{'off':>8}{'under':>8}{'lift':>8}\n")
    for (kind, feet_on, on), found in sorted(rows.items()):
        sys.stdout.write(f"{kind:8}{feet_on:28}{'held' if on else 'not held':12}{summary(found)}\n")


if __name__ == "__main__":
    main()
