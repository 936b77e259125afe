"""How what the context shows at rest moves where it is filled: quick while low, or turned round at a key.

    python scripts/bench_feet.py STAGE|SUITE.toml ... [--prior auto]

Per source and for contacts not held and held, over the joints that rest in the context (docs/learned-prior.md):
intervals between frames that are *low and quick*, within 5 % of the height of the joint's lowest level in the context
and quicker than it ever is there when so low; *turns*, successive intervals within four frames of a key in directions
more than 107 degrees apart, quicker than the context ever turns so; the largest change of velocity between frames
[heights/s], and the context's.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from bench_motion import cases_of

from engine.evaluation.rows import split_dense
from engine.geometry import metrics, skeleton
from engine.geometry.resample import resample
from engine.planning.plan import Plan, make_plan
from engine.priors.contacts.supports import find_supports
from engine.priors.fill import Parts, fill_plainly, split
from usd_io.model import Character, Motion
from usd_io.read.stage import read_shot

NEAR_KEY, TURN = 4, -0.3


def shots(source: Path) -> Iterator[tuple[Character, Parts, Plan]]:
    """What is to be filled in a stage, or in the cases of a suite."""
    if source.suffix == ".toml":
        for case in cases_of(source, 0, 0.0):
            yield case.character, split_dense(case.truth, case.plan), case.plan
        return
    shot = read_shot(str(source), meshes=False)
    for character, motion in zip(shot.characters, shot.motions, strict=True):
        plan = make_plan(character, motion)
        yield character, split(motion, plan, partial(resample, motion)), plan


def measured(
    character: Character, known: Motion, plan: Plan, motion: Motion
) -> tuple[int, int, float, float]:
    """Intervals low and quick, turns at keys, change of velocity, and the context's."""
    size = metrics.height(character, known, plan.keys[0])
    joints, up = find_supports(character, known, plan, size).joints, "XYZ".index(character.up_axis)
    places = skeleton.joint_positions(character, motion)[:, joints] / size
    inside = np.zeros(len(motion.times), bool)
    for start, end in plan.contexts:
        inside |= (motion.times >= start) & (motion.times <= end)
    if not len(joints) or inside.sum() < 3:
        return 0, 0, 0.0, 0.0
    velocity = np.diff(places, axis=0) * (motion.time_codes_per_second / np.diff(motion.times))[:, None, None]
    speed, seen = np.linalg.norm(velocity, axis=-1), inside[1:] & inside[:-1]
    low = places[..., up] < places[inside][..., up].min(0) + metrics.CONTACT_HEIGHT
    low = low[1:] & low[:-1]
    quick = low & (speed > 1.001 * np.where(low & seen[:, None], speed, 0).max(0)) & ~seen[:, None]
    # of two successive intervals the slower, and whether they point apart
    slower, twice = np.minimum(speed[1:], speed[:-1]), seen[1:] & seen[:-1]
    cosine = (velocity[1:] * velocity[:-1]).sum(-1) / np.maximum(speed[1:] * speed[:-1], 1e-9)
    apart = np.abs(np.searchsorted(motion.times, plan.keys)[:, None] - np.arange(1, len(speed))).min(0)
    usual = np.where((cosine < 0) & twice[:, None], slower, 0).max(0)
    turns = (cosine < TURN) & (slower > np.maximum(usual, metrics.CONTACT_SPEED)) & ~twice[:, None]
    change = np.linalg.norm(np.diff(velocity, axis=0), axis=-1).max(1)
    return (
        int(quick.sum()),
        int(turns[apart <= NEAR_KEY].sum()),
        float(change[~twice].max(initial=0)),
        float(change[twice].max(initial=0)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--prior", default="auto")
    chosen = parser.parse_args()
    sys.stdout.write(f"{'':20}{'contacts':>10}{'quick':>8}{'turns':>8}{'change':>9}{'context':>9}\n")
    for source in chosen.sources:
        found = [
            [
                measured(
                    character,
                    parts.known,
                    plan,
                    fill_plainly(chosen.prior, character, parts, plan, contacts=on),
                )
                for on in (False, True)
            ]
            for character, parts, plan in shots(source)
        ]
        for on, rows in zip(("not held", "held"), zip(*found, strict=True), strict=True):
            quick, turns, change, context = np.transpose(rows)
            sys.stdout.write(
                f"{source.stem[:19]:20}{on:>10}{int(quick.sum()):8}{int(turns.sum()):8}{change.max():9.2f}"
                f"{context.max():9.2f}\n"
            )


if __name__ == "__main__":
    main()
