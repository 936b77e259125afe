"""From poses around gaps to residuals at any time: the network averaged over headings and mirror images."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from engine.geometry.threads import side_by_side
from engine.priors.learned import forward
from engine.priors.learned.forward import Answer
from engine.priors.learned.gap_features import Features, joined, make_features, to_local
from engine.priors.learned.weights import Network, load_network
from usd_io.shapes import Float, Int

WEIGHTS = Path(__file__).parent / "shipped" / "learned.safetensors"
_HALF = np.sqrt(0.5)
QUARTER = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
"""A quarter turn about the up axis."""
EIGHTH = np.array([[_HALF, 0.0, _HALF], [0.0, 1.0, 0.0], [-_HALF, 0.0, _HALF]])
MIRROR = np.diag([-1.0, 1.0, 1.0])
VIEWS = [np.linalg.matrix_power(QUARTER, n) @ np.linalg.matrix_power(MIRROR, n % 2) for n in range(4)]
"""Quarter turns, every second one mirrored. The answers from them and from half-way between them are averaged: errors
that are not the motion's own cancel."""
AMPLITUDES = np.array([1, 1, 1.15, 1.3, 1.4, 1.5, 1.5, 1.5, 1.5], np.float32)[:, None, None]
"""Times these the sines of an answer are taken: a mean is smoother than what it is the mean of, most so in quick
movement, whose phase is least certain (docs/experiments.md, *Quick sines of the answer*)."""
TOKENS_AT_ONCE = 512
"""Joints of all gaps in one pass of the network: few enough for what a layer makes of them to stay in the processor's
cache, where a shot has hundreds of gaps."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network says of one gap."""

    rotations: Float[np.ndarray, "wanted joint 3"]
    """Residual to slerp as rotation vectors in joint frames [rad]."""
    translations: Float[np.ndarray, "wanted joint 3"]
    """Residual to straight lines in parents' frames [units of the poses]."""
    rotation_error: Float[np.ndarray, "wanted joint"]
    """Expected length of the error of the local rotation [rad]."""
    position_error: Float[np.ndarray, "wanted joint"]
    """Expected distance of the joint from the truth [sizes]."""
    gain: float
    """Expected ratio of the position error to slerp's."""
    gain_bound: float
    """Ratio that is exceeded in one of five cases."""
    idea_rotations: Float[np.ndarray, "idea wanted joint 3"]
    """What each idea of how the motion may go adds to the residual [rad], the likeliest first."""
    idea_translations: Float[np.ndarray, "idea wanted joint 3"]
    """[units of the poses]"""


@cache
def shipped_network() -> Network:
    """The network with the weights of the package."""
    return load_network(WEIGHTS)


def predict(
    network: Network,
    parents: Int[np.ndarray, " joint"],
    rotations: Float[np.ndarray, "gap time joint 4"],
    translations: Float[np.ndarray, "gap time joint 3"],
    states: Int[np.ndarray, "gap outside"],
    seconds: Float[np.ndarray, " gap"],
    frames: Float[np.ndarray, "gap 3 3"],
    parts: list[np.ndarray],
    *,
    views: int | None = None,
    ideas: bool = True,
    on_part: Callable[[float], None] = lambda part: None,
) -> list[Prediction]:
    """Residuals of several gaps of one skeleton.

    Args:
        network: As of :func:`shipped_network`.
        parents: Parents come first, -1 for roots.
        rotations: Local, w x y z, at :data:`layout.TIMES` of each gap.
        translations: Local, of the same poses.
        states: Of :data:`layout.OUTSIDE`.
        seconds: Lengths of the gaps [s].
        frames: Take vectors of skeleton space to Y up and a heading that turns with the shot.
        parts: Where in each gap the residual is wanted, 0 to 1.
        views: Average so few of :data:`VIEWS`, for drafts; None averages all, and those half-way between them.
        ideas: Whether ideas are wanted too.
        on_part: Called now and then with the part of the gaps that is done, 0 to 1.
    """
    together = max(1, TOKENS_AT_ONCE // len(parents))

    def some_gaps(first: int) -> list[Prediction]:
        some = slice(first, first + together)
        given = rotations[some], translations[some], states[some], seconds[some]
        features = make_features(parents, *given, frames[some])
        answers = _answers(network, features, parents, VIEWS[:views], ideas=ideas)
        if views is None:
            turned = make_features(parents, *given, EIGHTH @ frames[some])
            answers += _answers(network, turned, parents, VIEWS, EIGHTH)
        answer = _mean(answers)
        local = _local(answer, features, frames[some], ideas=ideas)
        return [_at(answer, local, features, i, part) for i, part in enumerate(parts[some])]

    results: list[Prediction] = []
    for made in side_by_side(some_gaps, range(0, len(seconds), together)):
        results += made
        on_part(len(results) / len(seconds))
    return results


def _answers(
    network: Network,
    features: Features,
    parents: Int[np.ndarray, " joint"],
    views: list[Float[np.ndarray, "3 3"]],
    turned: Float[np.ndarray, "3 3"] | None = None,
    *,
    ideas: bool = False,
) -> list[Answer]:
    """The answers from some views, each turned back; ``turned`` is what the features were turned by before. With
    ``ideas`` the first view's come with them, which are all that is used."""
    answers = []
    gaps = len(features.size)
    together = max(1, TOKENS_AT_ONCE // (gaps * len(parents)))
    for start in range(0, len(views), together):
        some = views[start : start + together]
        seen = joined([features.seen_from(view) for view in some])
        with_ideas = gaps if ideas and start == 0 else 0
        all_of_them = vars(forward.answer(network.weights, network.heads, seen, parents, with_ideas))
        for number, view in enumerate(some):
            own = slice(number * gaps, (number + 1) * gaps)
            answer = Answer(**{name: values[own] for name, values in all_of_them.items()})
            back = view if turned is None else view @ turned
            axial = back * np.linalg.det(back)  # rotation vectors change sign in a mirror
            answers.append(
                Answer(
                    answer.rotations @ axial,
                    answer.translations @ back,
                    answer.spread,
                    answer.gain,
                    answer.idea_rotations @ axial,
                    answer.idea_translations @ back,
                    answer.odds,
                )
            )
    return answers


def _mean(answers: list[Answer]) -> Answer:
    """Several answers as one."""
    names = ("rotations", "translations", "spread", "gain")
    means = {name: np.mean([getattr(answer, name) for answer in answers], axis=0) for name in names}
    for name in ("rotations", "translations"):
        means[name] *= AMPLITUDES
    # an idea is "this foot" or "that": in a mirrored view its number may mean the other, so that one view has to do
    return replace(answers[0], **means)


def _local(
    answer: Answer, features: Features, frames: Float[np.ndarray, "gap 3 3"], *, ideas: bool
) -> tuple[Float[np.ndarray, "gap way sine joint 3"], Float[np.ndarray, "gap way sine joint 3"]]:
    """Coefficients of the best estimate and, with ``ideas``, of what each adds to it, the likeliest first, in the
    frames of joints and parents. All gaps at once, and before the sines, of which there are fewer than times."""
    ways = []
    for best, others in (
        (answer.rotations, answer.idea_rotations),
        (answer.translations, answer.idea_translations),
    ):
        way = best[:, None]
        if ideas:
            likely_first = np.argsort(-answer.odds, axis=1, kind="stable")[..., None, None, None]
            way = np.concatenate([way, np.take_along_axis(others, likely_first, axis=1)], 1)
        ways.append(way)
    return to_local(ways[0], ways[1], features, frames)


def _at(
    answer: Answer,
    local: tuple[Float[np.ndarray, "gap way sine joint 3"], Float[np.ndarray, "gap way sine joint 3"]],
    features: Features,
    gap: int,
    part: Float[np.ndarray, " wanted"],
) -> Prediction:
    """Evaluate the answer of one of the gaps, with the ideas that :func:`_local` gives."""
    basis = forward.sines(part)
    turns, moves = (
        (basis @ ways[gap].reshape(*ways.shape[1:3], -1)).reshape(-1, len(part), *ways.shape[3:])
        for ways in local
    )
    spread = forward.spread_at(answer.spread[gap], part)
    return Prediction(
        rotations=turns[0],
        translations=moves[0],
        rotation_error=spread[0] * features.unit_rotation[gap],
        position_error=spread[1] * features.unit_position[gap] / features.size[gap],
        gain=float(np.exp(answer.gain[gap, 0])),
        gain_bound=float(np.exp(answer.gain[gap, 1])),
        idea_rotations=turns[1:],
        idea_translations=moves[1:],
    )
