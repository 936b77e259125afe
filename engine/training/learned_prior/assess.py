"""Measure the learned prior on the characters held out of training, the way a user would run it.

    python -m engine.training.learned_prior.assess --corpus DIR [--priors learned,context,spline] [--cases 6]
    [--json FILE]

Prints errors relative to slerp by kind of character, by length of gap and by joint count, how well the expected
errors hold, how far takes differ, how fast resting joints move, and when the context alone is the better guess.
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from engine.geometry import metrics, skeleton
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.contacts.planting import plant
from engine.priors.context import prior as from_context
from engine.priors.context.prior import context
from engine.priors.fill import merge
from engine.priors.learned import prior as learned
from engine.priors.learned.takes import vary
from engine.priors.spline import spline
from engine.training.learned_prior.cases import Case, errors, held_out_cases
from engine.training.learned_prior.data import FRAME_RATE
from usd_io.model import Character, Motion

log = logging.getLogger(__name__)

Prior = Callable[[Character, Motion, Plan], Motion]
PRIORS: Mapping[str, Prior] = {"learned": learned.learned, "context": context, "spline": spline}
MOVING = 0.05
"""Cases in which slerp errs less [heights] are calm: ratios say little of them."""
QUANTILES = (0.5, 0.8, 0.9)
"""Of the error, if it were distributed as the network is trained to assume (exponentially)."""
MOST_JOINTS = (20, 35, 50, 100, 1000)
CALM = 0.02
"""Gaps in which slerp errs less [heights] say nothing of blends."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
FITS = (0.001, 0.05, 0.2, 0.4, 0.6, 1.01)
SEED = 11
"""Of the takes."""


def assess_priors(cases: Sequence[Case], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Mean ratio of L2P to slerp's over the moving cases, mean difference over the calm ones, by kind; the moving ones
    by number of joints too."""
    table: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    for case in cases:
        known = case.truth.at(case.plan.known(case.truth.times))
        straight = errors(case, offsets.straight(known, case.plan))[1].mean()
        kind = "mocap" if case.source.startswith("cmu/") else "by hand"
        for name in names:
            error = errors(case, PRIORS[name](case.character, known, case.plan))[1].mean()
            key = f"{kind}, moving" if straight > MOVING else "calm, difference"
            value = error / straight if straight > MOVING else error - straight
            table[name].setdefault(key, []).append(float(value))
            if straight > MOVING:
                joints = next(most for most in MOST_JOINTS if len(case.character.joints) <= most)
                table[name].setdefault(f"up to {joints} joints", []).append(float(value))
    return {
        name: {f"{key} ({len(values)})": float(np.mean(values)) for key, values in sorted(rows.items())}
        | {"worst moving": max((max(v) for k, v in rows.items() if "moving" in k), default=0.0)}
        for name, rows in table.items()
    }


def assess_calibration(cases: Sequence[Case]) -> dict[str, float]:
    """Share of joints and frames, and of gaps, in which the errors stay below what was said of them."""
    below: list[np.ndarray] = []
    kept, expected, got = [], [], []
    for case in cases:
        known = case.truth.at(case.plan.known(case.truth.times))
        result = learned.fill(case.character, known, case.plan)
        distance, per_frame = errors(case, result.motion)
        straight = errors(case, offsets.straight(known, case.plan))[1]
        moving = distance > 1e-4
        below.append((distance / np.maximum(result.position_error, 1e-9))[moving])
        ends = np.cumsum([len(gap.times) for gap in case.plan.gaps])
        for gap, (a, b) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            ratio = per_frame[a:b].mean() / max(straight[a:b].mean(), 1e-9)
            kept.append(ratio <= result.gain_bounds[gap])
            expected.append(np.log(result.gains[gap]))
            got.append(np.log(max(ratio, 1e-3)))
    joined = np.concatenate(below)
    coverage = {f"error within {q:.0%} bound": float((joined < -np.log(1 - q)).mean()) for q in QUANTILES}
    return coverage | {
        "gap ratio within its 80% bound": float(np.mean(kept)),
        "correlation of expected and true log ratio": float(np.corrcoef(expected, got)[0, 1]),
    }


def assess_takes(cases: Sequence[Case], takes: int = 4) -> dict[str, float]:
    """How far takes lie from each other and from the truth, over the best estimate's error."""
    apart, away = [], []
    for case in cases:
        known = case.truth.at(case.plan.known(case.truth.times))
        guess = learned.fill(case.character, known, case.plan)
        best = errors(case, guess.motion)[1].mean()
        filled = [vary(case.character, case.plan, guess, SEED, n) for n in range(2, takes + 2)]
        size = metrics.height(case.character, case.truth, case.plan.keys[0])
        p = np.stack([skeleton.joint_positions(case.character, motion) for motion in filled]) / size
        pairs = [metrics.l2p(p[a], p[b]) for a in range(takes) for b in range(a)]
        if best > MOVING:
            apart.append(np.mean(pairs) / best)
            away.append(np.mean([errors(case, motion)[1].mean() for motion in filled]) / best)
    return {"takes apart, over the error": float(np.mean(apart)), "error of a take": float(np.mean(away))}


def assess_growth(corpus: Path, per_character: int) -> dict[str, float]:
    """Mean ratio to slerp by length of gap."""
    result: dict[str, float] = {}
    for seconds in (0.25, 0.5, 1.0, 2.0, 3.0):
        cases = list(held_out_cases(corpus, per_character, seconds))
        rows = assess_priors(cases, ["learned"])["learned"]
        result |= {f"{seconds:g} s, {key}": value for key, value in rows.items() if "moving (" in key}
    return result


def assess_contacts(cases: Sequence[Case]) -> dict[str, float]:
    """Mean speed of joints [heights/s] where the truth rests them: in the context as it is, in the gaps as it is and as
    priors have it. Cases without such joints in both are left out."""
    speeds: dict[str, list[float]] = {}
    for case in cases:
        known = case.truth.at(case.plan.known(case.truth.times))
        guess = learned.learned(case.character, known, case.plan)
        filled = {
            "truth": case.truth.at(offsets.frames_at(case.truth, case.plan.fill_times)),
            "slerp": offsets.straight(known, case.plan),
            "learned": guess,
            "learned, contacts held": plant(case.character, known, case.plan, guess),
        }
        found = {"truth in the context": _context_skate(case)} | {
            name: metrics.score(case.character, case.truth, merge(known, motion), case.plan).foot_skate
            for name, motion in filled.items()
        }
        if None not in found.values():
            for name, value in found.items():
                speeds.setdefault(name, []).append(value or 0.0)
    return {name: float(np.mean(values)) for name, values in speeds.items()} | {
        "cases": float(len(speeds.get("truth", ())))
    }


def _context_skate(case: Case) -> float | None:
    seen = case.truth.at(case.truth.times <= case.plan.keys[0])
    size = metrics.height(case.character, case.truth, case.plan.keys[0])
    positions = skeleton.joint_positions(case.character, seen) / size
    resting = metrics.contacts(case.character, positions, 1 / FRAME_RATE)
    speeds = np.linalg.norm(np.diff(positions, axis=0), axis=-1)[resting] * FRAME_RATE
    return float(speeds.mean()) if len(speeds) else None


def assess_fits(cases: Sequence[Case]) -> dict[str, dict[str, float]]:
    """Mean ratio to slerp by how far the context explains a gap, for shares of the context, the rest being learned."""
    rows: dict[str, list[list[float]]] = {}
    for case in cases:
        known = case.truth.at(case.plan.known(case.truth.times))
        recalled = from_context.fill(case.character, known, case.plan)
        straight, guess = (
            offsets.straight(known, case.plan),
            learned.learned(case.character, known, case.plan),
        )
        parts = [offsets.offsets_from(straight, motion) for motion in (recalled.motion, guess)]
        blends = [offsets.apply(straight, c * parts[0] + (1 - c) * parts[1]) for c in SHARES]
        base, *others = (errors(case, motion)[1] for motion in (straight, *blends))
        ends = np.cumsum([0, *(len(gap.times) for gap in case.plan.gaps)])
        for fit, a, b in zip(recalled.fits, ends[:-1], ends[1:], strict=True):
            if base[a:b].mean() > CALM:
                column = next(f"explained below {limit:g}" for limit in FITS if fit < limit)
                rows.setdefault(column, []).append([e[a:b].mean() / base[a:b].mean() for e in others])
    return {
        name: dict(zip(map("context {:g}".format, SHARES), np.mean(values, 0).tolist(), strict=True))
        | {"gaps": len(values)}
        for name, values in sorted(rows.items())
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--priors", default="learned,spline")
    parser.add_argument("--cases", type=int, default=6, help="clips per held-out character")
    parser.add_argument("--gap", type=float, default=1.0, help="length of the gaps [s]")
    parser.add_argument("--growth", action="store_true", help="also gaps of 0.25 to 3 s")
    parser.add_argument("--fits", action="store_true", help="also context against learned, by its fit")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    began = time.monotonic()
    cases = list(held_out_cases(args.corpus, args.cases, args.gap))
    report: dict[str, object] = {"cases": len(cases), "priors": assess_priors(cases, args.priors.split(","))}
    report["calibration"] = assess_calibration(cases)
    report["takes"] = assess_takes(cases[::3])
    report["resting joints"] = assess_contacts(cases)
    if args.fits:
        looped = list(held_out_cases(args.corpus, args.cases, args.gap, play_loops=True))
        report["fits"] = {"as they are": assess_fits(cases), "loops played on": assess_fits(looped)}
    if args.growth:
        report["growth"] = assess_growth(args.corpus, max(1, args.cases // 2))
    report["seconds"] = round(time.monotonic() - began, 1)
    log.info(json.dumps(report, indent=1))
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
