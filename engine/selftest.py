"""How well priors do on this very shot: pieces of the finished context are hidden, filled and compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from engine import metrics
from engine.geometry import skeleton
from engine.plan import Gap, Plan
from engine.priors import offsets
from usd_io.model import Character, Motion

Prior = Callable[[Character, Motion, Plan], Motion]

PIECES = 3
"""Places tried from either end of a context."""
LARGEST_SHARE = 0.5
"""A piece hides at most this part of its context: the rest has to stand for the context of the real gaps."""


@dataclass(frozen=True)
class PriorError:
    """What one prior did on the hidden pieces."""

    prior: str
    l2p: float
    """Mean over the pieces [heights]."""
    ratio: float
    """The same over slerp's; 1 where slerp makes no error."""


@dataclass(frozen=True)
class GapChoice:
    """What is to fill one gap, and why."""

    start: float
    end: float
    prior: str
    trust: float
    """0 (slerp) to 1."""
    reason: str


@dataclass(frozen=True)
class SelfTest:
    """Measured on the context; nothing in it has seen the truth in the gaps."""

    pieces: int
    piece_seconds: float
    """Mean length of the pieces [s]; 0 without pieces."""
    errors: tuple[PriorError, ...]
    """In the order of the priors given; empty without pieces."""
    choices: tuple[GapChoice, ...]
    expected_l2p: float | None
    """Error to expect of the choice [heights], None where nothing could be hidden."""


def self_test(character: Character, known: Motion, plan: Plan, priors: Mapping[str, Prior]) -> SelfTest:
    """Hide pieces of the context, fill them with every prior, and choose.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context and gaps; pieces are as long as its gaps where the context allows.
        priors: Name to function; must hold ``slerp``.

    Returns:
        Errors per prior and one choice per gap. Without context: no errors, ``spline`` if given, else ``slerp``.
    """
    pieces = hidden_pieces(known, plan)
    errors = {
        name: [_error(character, known, piece, prior) for piece in pieces] for name, prior in priors.items()
    }
    table = tuple(
        PriorError(name, float(np.mean(e)), _ratio(float(np.mean(e)), float(np.mean(errors["slerp"]))))
        for name, e in errors.items()
        if e
    )
    best = min(table, key=lambda row: row.ratio) if table else None
    name = best.prior if best else ("spline" if "spline" in priors else "slerp")
    reason = f"{best.ratio:.2f} of slerp's error on the context" if best else "no context to test on"
    return SelfTest(
        pieces=len(pieces),
        piece_seconds=float(np.mean([p.gaps[0].end - p.gaps[0].start for p in pieces]))
        / known.time_codes_per_second
        if pieces
        else 0.0,
        errors=table,
        choices=tuple(GapChoice(gap.start, gap.end, name, 1.0, reason) for gap in plan.gaps),
        expected_l2p=best.l2p if best else None,
    )


def hidden_pieces(known: Motion, plan: Plan) -> list[Plan]:
    """Plans that hide one piece of context each: what lies on one side of it stays as context, of the other side
    only the next pose, as in the real gaps."""
    pieces = []
    wanted = float(np.median([gap.end - gap.start for gap in plan.gaps]))
    for start, end in plan.contexts:
        times = known.times[(known.times >= start) & (known.times <= end)]
        length = min(wanted, LARGEST_SHARE * (end - start))
        for share in np.linspace(0, 1, PIECES):
            room = (end - start - length) * share * 0.5
            pieces += [
                _piece(plan, times, end - room - length, end - room, context_before=True),
                _piece(plan, times, start + room, start + room + length, context_before=False),
            ]
    return [piece for piece in pieces if piece is not None]


def _piece(plan: Plan, times: np.ndarray, start: float, end: float, *, context_before: bool) -> Plan | None:
    a, b = (float(times[np.argmin(np.abs(times - t))]) for t in (start, end))
    inside = times[(times > a) & (times < b)]
    rest = (float(times[0]), a) if context_before else (b, float(times[-1]))
    if len(inside) == 0 or rest[0] >= rest[1]:
        return None
    gap = Gap(a, b, tuple(float(t) for t in inside))
    return Plan(plan.skeleton_path, (rest,), tuple(sorted({a, b, *rest})), (gap,))


def _error(character: Character, known: Motion, piece: Plan, prior: Prior) -> float:
    """L2P of a prior on a hidden piece [heights]."""
    seen = known.at(piece.known(known.times))
    got = skeleton.joint_positions(character, prior(character, seen, piece))
    true = skeleton.joint_positions(character, known.at(offsets.frames_at(known, piece.fill_times)))
    size = metrics.height(character, known, piece.keys[0])
    return metrics.l2p(true / size, got / size)


def _ratio(error: float, slerp_error: float) -> float:
    return error / slerp_error if slerp_error > 0 else 1.0
