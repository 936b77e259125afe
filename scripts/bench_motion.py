"""How the motion of priors moves, beside slerp's and the truth's: what L2P does not tell (docs/measurements.md).

    python scripts/bench_motion.py SUITE.toml|CORPUS [--priors slerp,learned,auto] [--cases N] [--gap S] [--takes]
        [--loops] [--calm] [--weights FILE]

Of a suite all cases, of a corpus (a folder of npz files) up to N clips of every character that the learned prior
was not trained on (``--loops``: short loops are played on). Per prior, over the moving cases: L2P, L2Q and NPSS over
slerp's, L2P also by place of the gap in its row and by kind of character; length of joint paths and jerk over the
truth's (median); change of velocity at keys between gaps, and the truth's [heights/s]; speed of joints that rest in
the truth [heights/s]. ``--takes`` adds the takes of a run, the best of them and a lively one; ``--calm`` leaves texture
out of the priors; ``--weights`` tries other weights of the learned prior.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.evaluation.evaluate import plans_of, read_suite
from engine.evaluation.rows import split_dense
from engine.geometry import metrics, skeleton
from engine.planning.plan import Plan
from engine.priors.fill import fill, fill_plainly
from engine.priors.learned import predict
from engine.training.learned_prior.cases import held_out_cases
from usd_io.model import Character, Motion
from usd_io.read.stage import read_shot

MOVING = 0.05
"""Cases in which slerp misses less than this [heights] are calm: ratios say little of them."""
FOUR_LEGS = ("horse", "fox", "cat", "rat", "apatosaurus", "stegosaurus")
OTHERS = ("snake", "manta", "eagle", "trex", "shark", "kaiju", "spider", "wasp", "frog", "jellyfish")
CAPTURED = ("cmu", "fair_", "rokoko", "hik_")
TAKES = 5


@dataclass(frozen=True, eq=False)
class Case:
    name: str
    character: Character
    truth: Motion
    plan: Plan

    @property
    def kind(self) -> str:
        words = self.name.lower()
        if any(word in words for word in FOUR_LEGS):
            return "on four legs"
        return "other animals" if any(word in words for word in OTHERS) else "on two legs"


def cases_of(source: Path, per_character: int, gap: float, *, loops: bool = False) -> Iterator[Case]:
    """Cases of a suite file or of a corpus folder, of which short ``loops`` may be played on."""
    if source.is_dir():
        for case in held_out_cases(source, per_character, gap, play_loops=loops):
            yield Case(case.source, case.character, case.truth, case.plan)
        return
    for entry in read_suite(source):
        shot = read_shot(entry.stage, meshes=False)
        for character, motion, plan in plans_of(shot, entry.context, entry.keys, strict=False):
            yield Case(entry.id, character, motion, plan)


class Figures:
    """What is known of one case, of any motion."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.size = metrics.height(case.character, case.truth, case.plan.keys[0])
        parts = split_dense(case.truth, case.plan)
        self.known = parts.known
        self.slerp = fill_plainly("slerp", case.character, parts, case.plan)
        self.base = metrics.score(case.character, case.truth, self.slerp, case.plan)
        self.true = self._moves(case.truth)

    def filled(self, prior: str, *, texture: bool) -> Motion:
        parts = split_dense(self.case.truth, self.case.plan)
        return fill_plainly(prior, self.case.character, parts, self.case.plan, texture=texture)

    def of(self, motion: Motion) -> dict[str, float]:
        case, base = self.case, self.base
        got = metrics.score(case.character, case.truth, motion, case.plan)
        path, jump = self._moves(motion)
        found = {
            "L2P": got.l2p / base.l2p,
            "L2Q": got.l2q / base.l2q,
            "NPSS": got.npss / base.npss if base.npss > 0 else 1.0,
            "jerk": got.jerk_ratio,
            "paths": path / self.true[0] if self.true[0] > 0 else 1.0,
            case.kind: got.l2p / base.l2p,
        }
        if case.name.lower().startswith(CAPTURED):
            found["captured"] = got.l2p / base.l2p
        if self.true[1] > 0:
            found["jumps"], found["true jumps"] = jump, self.true[1]
        if got.foot_skate is not None:
            found["resting"] = got.foot_skate
        for place, (error, straight) in enumerate(zip(got.per_gap_l2p, base.per_gap_l2p, strict=True)):
            if straight > MOVING:
                found[f"gap {min(place, 2) + 1}"] = error / straight
        return found

    def _moves(self, motion: Motion) -> tuple[float, float]:
        """Length of all joints' paths in the gaps [heights], and the mean change of their velocity at keys between gaps
        [heights/s]."""
        case, path, jumps = self.case, 0.0, []
        for gap in case.plan.gaps:
            at = metrics.select(motion, (gap.start, *gap.times, gap.end))
            places = skeleton.joint_positions(case.character, at) / self.size
            path += float(np.linalg.norm(np.diff(places, axis=0), axis=-1).sum())
        for gap, following in zip(case.plan.gaps, case.plan.gaps[1:], strict=False):
            if gap.end == following.start:
                times = (gap.times[-1], gap.end, following.times[0])
                places = skeleton.joint_positions(case.character, metrics.select(motion, times)) / self.size
                steps = np.diff(np.array(times)) / case.truth.time_codes_per_second
                velocities = np.diff(places, axis=0) / steps[:, None, None]
                jumps.append(float(np.linalg.norm(velocities[1] - velocities[0], axis=-1).mean()))
        return path, float(np.mean(jumps)) if jumps else 0.0


def takes_of(figures: Figures) -> dict[str, Motion]:
    """Takes of a run, and a lively one."""
    case = figures.case
    parts = split_dense(case.truth, case.plan)
    filled = fill(case.character, parts, case.plan, "auto", takes=TAKES)
    lively = fill(case.character, parts, case.plan, "auto", style="lively").motion
    return {"lively": lively, **{f"take {i + 1}": motion for i, motion in enumerate(filled.takes)}}


def table(rows: dict[str, list[dict[str, float]]]) -> str:
    """One line per prior, style or take."""
    names = ["L2P", "worst", "L2Q", "NPSS", "paths", "jerk", "jumps", "true jumps", "resting"]
    names += sorted({n for found in rows.values() for one in found for n in one if n not in names})
    lines = [f"{'':12}" + "".join(f"{name:>14}" for name in names)]
    for row, found in rows.items():
        cells = []
        for name in names:
            values = [one[name] for one in found if name in one]
            mean = np.median if name in ("paths", "jerk") else np.mean
            value = max(one["L2P"] for one in found) if name == "worst" else mean(values) if values else None
            cells.append(f"{'-':>14}" if value is None else f"{value:14.3f}")
        lines.append(f"{row:12}" + "".join(cells))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("--priors", default="slerp,spline,context,learned,auto")
    parser.add_argument("--cases", type=int, default=4, help="clips of every character of a corpus")
    parser.add_argument("--gap", type=float, default=1.0, help="length of a corpus's gaps [s]")
    parser.add_argument("--loops", action="store_true", help="play short loops of a corpus on")
    parser.add_argument("--takes", action="store_true", help="styles and takes of the learned prior too")
    parser.add_argument("--calm", action="store_true", help="no texture, as with the style calm")
    parser.add_argument("--weights", type=Path, help="of the learned prior, in place of those shipped")
    arguments = parser.parse_args()
    if arguments.weights:
        predict.WEIGHTS = arguments.weights
    rows: dict[str, list[dict[str, float]]] = {}
    best = []
    for case in cases_of(arguments.source, arguments.cases, arguments.gap, loops=arguments.loops):
        figures = Figures(case)
        if figures.base.l2p <= MOVING:
            continue
        for prior in arguments.priors.split(","):
            rows.setdefault(prior, []).append(figures.of(figures.filled(prior, texture=not arguments.calm)))
        if arguments.takes:
            found = {name: figures.of(motion) for name, motion in takes_of(figures).items()}
            for name, values in found.items():
                rows.setdefault(name, []).append(values)
            best.append(min(values["L2P"] for name, values in found.items() if "take" in name))
    count = max(map(len, rows.values()), default=0)
    sys.stdout.write(f"{count} moving cases; paths and jerk are medians, the rest means\n{table(rows)}\n")
    if best:
        sys.stdout.write(f"best of {TAKES} takes: L2P {np.mean(best):.3f}\n")


if __name__ == "__main__":
    main()
