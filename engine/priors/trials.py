"""Pieces of the finished context, hidden and filled: trials of priors whose truth is known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.geometry import metrics, skeleton
from engine.geometry.once import once
from engine.planning.plan import Gap, Plan
from engine.priors import offsets
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float

Prior = Callable[[Character, Motion, Plan], Motion]
"""Known frames only in, the motion at ``plan.fill_times`` out."""
Drafts = Callable[[Character, Sequence[tuple[Motion, Plan]]], Sequence[Motion]]
"""The same of several pieces at once."""
NO_DRAFTS: Mapping[str, Drafts] = {}

PLACES = 2
"""Pieces hidden at either side of a context."""
MOST_PIECES = 8
"""Pieces in all: bounds the cost for shots with many contexts."""
LARGEST_SHARE = 0.5
"""A piece hides at most this part of its context: the rest has to stand for the context of the real gaps."""
REACH_S = 10.0
"""Only so much of a context next to a gap is tested [s]: what the search of the context prior can see."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One hidden piece: what slerp misses, and what each prior puts on slerp."""

    seconds: float
    missed: Float[np.ndarray, "frame joint 3"]
    """Truth less slerp [heights]."""
    added: Float[np.ndarray, "prior frame joint 3"]
    """Priors less slerp [heights]."""

    def errors(self, weights: Float[np.ndarray, "blend prior"]) -> Float[np.ndarray, " blend"]:
        """L2P of blends [heights]. Positions are taken to be linear in the weights; only sums of products enter, so
        that many blends cost no more than one."""
        added = self.added.reshape(*self.added.shape[:2], -1)
        missed = self.missed.reshape(len(self.missed), -1)
        products = np.einsum("pfi,qfi->fpq", added, added)
        wanted = np.einsum("pfi,fi->fp", added, missed)
        squares = np.einsum("wp,fpq,wq->fw", weights, products, weights)
        squares += (missed**2).sum(1)[:, None] - 2 * wanted @ weights.T
        return np.sqrt(np.maximum(squares, 0)).mean(0)


def run_trials(
    character: Character,
    known: Motion,
    plan: Plan,
    priors: Mapping[str, Prior],
    together: Mapping[str, Drafts] = NO_DRAFTS,
) -> list[Trial]:
    """Hide pieces of the context and fill them with every prior, or with what fills ``together`` by its name."""
    pieces = [(known.at(piece.known(known.times)), piece) for piece in hidden_pieces(known, plan)]
    filled = [
        together[name](character, pieces)
        if name in together
        else [prior(character, seen, piece) for seen, piece in pieces]
        for name, prior in priors.items()
    ]
    return [
        _trial(character, known, seen, piece, [motions[number] for motions in filled])
        for number, (seen, piece) in enumerate(pieces)
    ]


@once
def hidden_pieces(known: Motion, plan: Plan) -> list[Plan]:
    """Plans that hide one piece of context each, as long as the gaps where the context allows it.

    As in the real gaps, finished motion is left on one side of the piece and a single pose on the other; the same
    piece is not predicted from both sides, so that the trials differ.
    """
    wanted = float(np.median([gap.end - gap.start for gap in plan.gaps]))
    pieces = []
    for start, end in nearby_contexts(known, plan):
        times = known.times[(known.times >= start) & (known.times <= end)]
        length = min(wanted, LARGEST_SHARE * (end - start))
        room = (end - start - length) / (2 * PLACES - 1)
        for place in range(PLACES):
            last, first = end - place * room, start + place * room
            pieces.append(_piece(plan.skeleton_path, times, last - length, last, context_before=True))
            pieces.append(_piece(plan.skeleton_path, times, first, first + length, context_before=False))
    found = [piece for piece in pieces if piece is not None]
    spread = np.linspace(0, len(found) - 1, min(len(found), MOST_PIECES)).astype(int)
    return [found[index] for index in spread]


def nearby_contexts(known: Motion, plan: Plan) -> list[tuple[float, float]]:
    """Context within reach of a gap that touches it, all of it where none does."""
    reach = REACH_S * known.time_codes_per_second
    ranges = []
    for start, end in plan.contexts:
        before = any(gap.end == start for gap in plan.gaps)
        after = any(gap.start == end for gap in plan.gaps)
        if after or not before:
            ranges.append((max(start, end - reach), end))
        elif before:
            ranges.append((start, min(end, start + reach)))
    return ranges


def in_nearby_contexts(known: Motion, plan: Plan) -> Bool[np.ndarray, " frame"]:
    """Which known frames lie in the contexts near the gaps."""
    near = np.zeros(len(known.times), bool)
    for start, end in nearby_contexts(known, plan):
        near |= (known.times >= start) & (known.times <= end)
    return near


def _piece(
    skeleton_path: str, times: Float[np.ndarray, " frame"], start: float, end: float, *, context_before: bool
) -> Plan | None:
    """The plan of one piece, its ends moved to samples; None where nothing would be hidden or left."""
    a, b = (float(times[np.argmin(np.abs(times - time))]) for time in (start, end))
    hidden = tuple(float(time) for time in times if a < time < b)
    left = (float(times[0]), a) if context_before else (b, float(times[-1]))
    if not hidden or left[0] >= left[1]:
        return None
    return Plan(skeleton_path, (left,), tuple(sorted({a, b})), (Gap(a, b, hidden),))


def _trial(character: Character, known: Motion, seen: Motion, piece: Plan, made: Sequence[Motion]) -> Trial:
    """What priors made of a piece of which only some is seen."""
    gap = piece.gaps[0]
    size = metrics.height(character, known, gap.start)
    slerp = skeleton.joint_positions(character, offsets.straight(seen, piece))
    true = skeleton.joint_positions(character, known.at(offsets.frames_at(known, piece.fill_times)))
    filled = [skeleton.joint_positions(character, motion) for motion in made]
    return Trial(
        seconds=(gap.end - gap.start) / known.time_codes_per_second,
        missed=(true - slerp) / size,
        added=(np.stack(filled) - slerp) / size,
    )


def mean_error(trials: Sequence[Trial], weights: Float[np.ndarray, " prior"]) -> float:
    """Mean L2P of one blend over the trials [heights]."""
    return float(np.mean([trial.errors(weights[None])[0] for trial in trials]))
