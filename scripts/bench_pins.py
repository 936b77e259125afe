"""What pins do to the motion around them: held, flips, jumps, and the time it takes.

    python scripts/bench_pins.py SUITE.toml [--prior auto] [--before REVISION] [--list]

Every limb of every case is pinned where it ends or forks (a hand, a foot, a head), by itself and with all others, in a
gap: in the middle half of it, over nearly all of it, and from its first key on. Per kind of pin: share of pins held
within the tolerance, and the sentences of a run on flips and jumps; by how much joints above a pin turn from a frame to
the next beyond the known poses' and the free motion's [degrees], 95th percentile and largest; how far hinges above it
bend to the other side [degrees], the most, and how many do by more than 5; the largest step of any joint in the gap,
and the largest change of steps, over the free motion's, median and 95th percentile; how far roots are moved at most,
mean [% of the height]; time of the processor [s]. ``--before`` holds the same pins with ``pins.py`` of
another revision too; ``--list`` names the cases that flip.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
from bench_motion import Case, cases_of

from engine.evaluation.rows import split_dense
from engine.geometry import metrics, rotations, skeleton
from engine.planning.plan import Plan, make_plan
from engine.priors.contacts import planting
from engine.priors.contacts.rests import carries_most
from engine.priors.fill import fill_plainly, merge
from engine.priors.shaping import pins
from usd_io.model import Character, Motion

LEAST_IN_LIMB = 3
RANGES = {"middle": (0.25, 0.75), "nearly all": (0.1, 0.9), "from the key": (0.0, 0.5)}
"""Of a gap, what pins are held over."""


def ends_of(character: Character) -> list[str]:
    """Of every limb the joint at which it ends or forks."""
    parents, most = character.parents, carries_most(character)
    children = [np.flatnonzero(parents == joint) for joint in range(len(parents))]
    found = []
    for top in np.flatnonzero(~most & ((parents < 0) | most[parents])):
        chain = [int(top)]
        while len(children[chain[-1]]) == 1:
            chain.append(int(children[chain[-1]][0]))
        if LEAST_IN_LIMB <= len(chain) <= planting.MOST_IN_LIMB:
            found.append(character.joints[chain[-1]])
    return found


def pins_of(case: Case) -> Iterator[tuple[str, list[str]]]:
    """Kinds of pins, and their texts."""
    ends, gap = ends_of(case.character), case.plan.gaps[-1]
    for name, (first, last) in RANGES.items():
        start, end = (gap.start + part * (gap.end - gap.start) for part in (first, last))
        texts = [f"{joint}@{start:g}:{end:g}" for joint in ends]
        yield from ((f"one, {name}", [text]) for text in texts)
        if len(texts) > 1:
            yield f"all, {name}", texts


def pinned(plan: Plan, case: Case, texts: list[str]) -> Plan:
    made = make_plan(
        case.character, case.truth, contexts=plan.contexts, keys=plan.keys, fill_at_samples=True, pin=texts
    )
    return replace(plan, pins=made.pins)


def measured(case: Case, plan: Plan, free: Motion, motion: Motion) -> dict[str, float]:
    """What is said of one motion with pins."""
    said = pins.missed_pins(case.character, motion, plan)
    gap = plan.gaps[-1]
    here = (motion.times >= gap.start) & (motion.times <= gap.end)
    joints = {pin.joint for pin in plan.pins}
    above = [
        n for n, one in enumerate(case.character.joints) if any(f"{j}/".startswith(f"{one}/") for j in joints)
    ]

    def turns(of: Motion) -> np.ndarray:
        q = of.rotations[:, above].astype(float)
        return np.degrees(rotations.angle_between(q[:-1], q[1:]))

    def steps(of: Motion) -> np.ndarray:
        return np.diff(skeleton.joint_positions(case.character, of.at(here)), axis=0)

    def backward(of: Motion) -> float:
        hinges = [h for h in planting.hinges_of(case.character, known_poses, plan) if h.joint in above]
        least = [h.least - h.bent(of.rotations[here], of.translations[here]).min() for h in hinges]
        return float(np.degrees(max([0.0, *least])))

    known = plan.known(motion.times)
    known_poses = motion.at(known)
    usual = max(turns(motion)[known[1:] & known[:-1]].max(initial=0), turns(free)[here[1:] & here[:-1]].max())
    quick, was = steps(motion), steps(free)

    def largest(of: np.ndarray) -> float:
        return float(np.linalg.norm(of, axis=-1).max())

    size = metrics.height(case.character, case.truth, plan.keys[0])
    roots = case.character.parents < 0
    places = (skeleton.joint_positions(case.character, of.at(here))[:, roots] / size for of in (motion, free))
    return {
        "root": largest(np.subtract(*places)),
        "pins": len(plan.pins),
        "missed": sum(" off its place " in one for one in said),
        "flips": sum(" turns by " in one for one in said),
        "jumps": sum(" much quicker " in one for one in said),
        "bent": backward(motion),
        "turn": max(0.0, turns(motion)[here[1:] & here[:-1]].max() - usual),
        "step": largest(quick) / largest(was),
        "change": largest(np.diff(quick, axis=0)) / largest(np.diff(was, axis=0)),
    }


def of_revision(revision: str) -> ModuleType:
    path = "engine/priors/shaping/pins.py"
    source = subprocess.run(["git", "show", f"{revision}:{path}"], check=True, capture_output=True, text=True)
    module = ModuleType(f"pins at {revision}")
    exec(compile(source.stdout, path, "exec"), module.__dict__)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("--prior", default="auto")
    parser.add_argument("--before", metavar="REVISION")
    parser.add_argument("--list", action="store_true")
    chosen = parser.parse_args()
    holding = {"now": pins}
    if chosen.before:
        holding = {chosen.before: of_revision(chosen.before), **holding}
    rows: dict[tuple[str, str], list[dict[str, float]]] = {}
    for case in cases_of(chosen.source, 0, 0.0):
        parts = split_dense(case.truth, case.plan)
        free = fill_plainly(chosen.prior, case.character, parts, case.plan)
        made = free.at(np.isin(free.times, case.plan.fill_times))
        for kind, texts in pins_of(case):
            plan = pinned(case.plan, case, texts)
            for name, module in holding.items():
                begun = time.process_time()
                held = module.hold_pins(case.character, parts.known, plan, made)
                spent = time.process_time() - begun
                found = measured(case, plan, free, merge(parts.kept, held)) | {"seconds": spent}
                rows.setdefault((kind, name), []).append(found)
                if chosen.list and found["flips"]:
                    sys.stdout.write(f"{name}: {case.name} {' '.join(texts)}: {found['turn']:.0f}\n")
    sys.stdout.write(table(rows))


def table(rows: dict[tuple[str, str], list[dict[str, float]]]) -> str:
    """One line per kind of pin, and all together."""
    names = list(dict.fromkeys(name for _, name in rows))
    together = {
        ("together", name): [one for key, found in rows.items() if key[1] == name for one in found]
        for name in names
    }
    lines = [
        f"{'':18}{'':10}{'pins':>6}{'held %':>8}{'flips':>7}{'jumps':>7}{'turn 95 %':>11}{'most':>6}"
        f"{'bent':>7}{'over 5':>7}{'step':>7}{'95 %':>6}{'change':>8}{'95 %':>6}{'root':>7}{'s':>8}"
    ]
    for (kind, name), found in {**rows, **together}.items():
        v = {key: np.array([one[key] for one in found]) for key in found[0]}
        lines.append(
            f"{kind:18}{name[:9]:10}{v['pins'].sum():6.0f}{100 * (1 - v['missed'].sum() / v['pins'].sum()):8.1f}"
            f"{v['flips'].sum():7.0f}{v['jumps'].sum():7.0f}{np.percentile(v['turn'], 95):11.0f}{v['turn'].max():6.0f}"
            f"{v['bent'].max():7.0f}{(v['bent'] > 5).sum():7.0f}"
            f"{np.median(v['step']):7.2f}{np.percentile(v['step'], 95):6.2f}{np.median(v['change']):8.2f}"
            f"{np.percentile(v['change'], 95):6.2f}{100 * v['root'].mean():7.2f}{v['seconds'].mean():8.3f}"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
