"""How right the expected error is: true error over expected, gap by gap, with the prior auto.

    python scripts/bench_expected.py made|SUITE.toml|CORPUS [--cases N] [--gap S] [--each]

``made`` are rigs unlike those that the learned prior was trained on, seeded: a single joint on a path, boxes that move
each by itself, far apart or past each other, a box with locators, and chains that swing from a travelling root. Of a
suite all cases, of a corpus (a folder of npz files) up to N clips of every character that the learned prior was not
trained on. Per kind of case: how many gaps, true over expected in the median, between which values it lies in two of
three gaps, how often the true error lies in the range that is told, the largest factor either way, the true error over
slerp's, and Spearman's rank correlation of that ratio with the one that is told, over the gaps in which slerp misses
more than 0.03 heights. ``--each`` prints every case.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_motion import Case, cases_of

from engine.evaluation.rows import split_dense
from engine.geometry import metrics, rotations
from engine.planning.plan import make_plan
from engine.priors.fill import fill
from usd_io.model import Character, Motion
from usd_io.shapes import Float

RATE = 24.0
SEEDS = 8
FRAMES = 121
MOVING = 0.03
"""Error of slerp [heights] below which a ratio to it says little."""
FEWEST = 10
"""Gaps for a correlation."""
RIGS: dict[str, tuple[int, ...]] = {
    "one joint": (-1,),
    "two boxes": (-1, -1),
    "boxes that meet": (-1, -1),
    "five boxes": (-1,) * 5,
    "box with locators": (-1, 0, 0, 0),
    "chain of 3": (-1, 0, 1),
    "chain of 8": (-1, 0, 1, 2, 3, 4, 5, 6),
}


@dataclass(frozen=True)
class Gap:
    """What was told of one gap, and what came [heights]."""

    expected: float
    low: float
    high: float
    ratio: float
    """Expected error over slerp's."""
    true: float
    slerp: float


def made_cases() -> Iterator[Case]:
    """Two seconds of context, then a gap of half a second and two of one second."""
    for name, parents in RIGS.items():
        for seed in range(SEEDS):
            character, motion = made_shot(
                parents, seed, 0.3 if name == "boxes that meet" else 5.0, still=name == "box with locators"
            )
            plan = make_plan(
                character, motion, contexts=[(0, 48)], keys=[48, 60, 84, 108], fill_at_samples=True
            )
            yield Case(name, character, motion, plan)


def made_shot(
    parents: tuple[int, ...], seed: int, apart: float = 5.0, *, still: bool = False
) -> tuple[Character, Motion]:
    """A rig of joints a unit apart, whose roots, ``apart`` from each other, travel, and all of whose joints turn, by
    sums of sines; ``still``: none but the roots turn."""
    rng = np.random.default_rng(seed)
    count, times = len(parents), np.arange(FRAMES, dtype=float)
    roots = np.array(parents) < 0
    names: list[str] = []
    for joint, parent in enumerate(parents):
        names.append(f"j{joint}" if parent < 0 else f"{names[parent]}/j{joint}")
    rest = np.zeros((count, 3), np.float32)
    rest[~roots] = rng.normal(size=((~roots).sum(), 3)) if still else [0, 1, 0]
    rest[roots] = apart * rng.normal(size=(roots.sum(), 3))
    translations = np.repeat(rest[None], FRAMES, 0)
    translations[:, roots] += _sines(rng, roots.sum(), 3.0) * rng.uniform(0.2, 2)
    turns = _sines(rng, count, 0.6)
    if still:
        turns[:, ~roots] = 0
    character = Character(
        "made",
        "/Made/Skel",
        tuple(names),
        np.array(parents),
        np.tile(np.eye(4), (count, 1, 1)),
        rest,
        np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
        np.ones((count, 3), np.float32),
    )
    motion = Motion(
        times,
        translations.astype(np.float32),
        rotations.continuous(rotations.exp(turns)).astype(np.float32),
        np.ones((FRAMES, count, 3), np.float32),
        np.tile(np.eye(4), (FRAMES, 1, 1)),
        RATE,
        RATE,
    )
    return character, motion


def _sines(rng: np.random.Generator, count: int, size: float) -> Float[np.ndarray, "frame joint 3"]:
    """Three sines of 0.2 to 1.2 Hz per joint and axis."""
    seconds = np.arange(FRAMES)[:, None, None, None] / RATE
    rates, phases = rng.uniform(0.2, 1.2, (3, count, 3)), rng.uniform(0, 2 * np.pi, (3, count, 3))
    return size / 3 * np.sin(2 * np.pi * rates * seconds + phases).sum(1)


def gaps_of(case: Case) -> list[Gap]:
    """All gaps of a case in which an error is expected."""
    parts = split_dense(case.truth, case.plan)
    filled = fill(case.character, parts, case.plan, "auto")
    true, slerp = (
        metrics.score(case.character, case.truth, motion, case.plan).per_gap_l2p
        for motion in (filled.motion, fill(case.character, parts, case.plan, "slerp").motion)
    )
    found = []
    for choice, error, straight in zip(filled.self_test.choices, true, slerp, strict=True):
        if choice.expected_l2p:  # none is expected where a pose is held
            low, high = choice.expected_range or (choice.expected_l2p,) * 2
            told = 1.0 if choice.expected_ratio is None else choice.expected_ratio
            found.append(Gap(choice.expected_l2p, low, high, told, error, straight))
    return found


def row(name: str, gaps: list[Gap]) -> str:
    """One line of the table."""
    over = np.array([gap.true / gap.expected for gap in gaps])
    told = np.mean([gap.low <= gap.true <= gap.high for gap in gaps])
    low, median, high = np.quantile(over, [1 / 6, 1 / 2, 5 / 6])
    worst = np.exp(np.abs(np.log(np.maximum(over, 1e-9))).max())
    ratio = np.mean([gap.true for gap in gaps]) / np.mean([gap.slerp for gap in gaps])
    figures = (
        f"{name:20}{len(gaps):6}{median:10.2f}{low:8.2f}{high:8.2f}{told:10.0%}{worst:10.1f}{ratio:10.2f}"
    )
    moving = [gap for gap in gaps if gap.slerp > MOVING]
    if len(moving) < FEWEST:
        return f"{figures}{'-':>10}"
    return f"{figures}{spearman([g.ratio for g in moving], [g.true / g.slerp for g in moving]):10.2f}"


def spearman(one: list[float], other: list[float]) -> float:
    """Rank correlation."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source")
    parser.add_argument("--cases", type=int, default=4, help="clips of every character of a corpus")
    parser.add_argument("--gap", type=float, default=1.0, help="length of a corpus's gaps [s]")
    parser.add_argument("--each", action="store_true", help="a line per case")
    arguments = parser.parse_args()
    made = arguments.source == "made"
    cases = made_cases() if made else cases_of(Path(arguments.source), arguments.cases, arguments.gap)
    head = ("gaps", "median", "1/6", "5/6", "in range", "worst", "of slerp", "ranks")
    sys.stdout.write(f"{'true over expected':20}{head[0]:>6}{head[1]:>10}{head[2]:>8}{head[3]:>8}")
    sys.stdout.write("".join(f"{name:>10}" for name in head[4:]) + "\n")
    kinds: dict[str, list[Gap]] = {}
    for case in cases:
        gaps = gaps_of(case)
        kinds.setdefault(case.name if made else case.kind, []).extend(gaps)
        if arguments.each and gaps:
            sys.stdout.write(row(case.name[:19], gaps) + "\n")
    for name, gaps in kinds.items():
        sys.stdout.write(row(name, gaps) + "\n")
    if not made:
        sys.stdout.write(row("all", [gap for gaps in kinds.values() for gap in gaps]) + "\n")


if __name__ == "__main__":
    main()
