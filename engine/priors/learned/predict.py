"""From poses around gaps to residuals at any time: the network averaged over headings and mirror images."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from engine.priors.learned import weights as checkpoint
from engine.priors.learned.features import Features, make_features, to_local
from engine.priors.learned.network import Answer, Network, relations, sines, spread_at
from engine.priors.learned.poses import Poses, make_rig

WEIGHTS = Path(__file__).parent / "shipped" / "learned.safetensors"
VIEWS = 8
"""Four headings, each as it is and mirrored, are averaged: the answer then does not depend on which axis of the root
was taken for its heading, and errors that are not the motion's own cancel."""
GAPS_AT_ONCE = 8
"""Bounds the memory of a shot with hundreds of gaps."""


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


@cache
def shipped_network() -> Network:
    """The network with the weights of the package."""
    return checkpoint.load_weights(WEIGHTS)[0]


def predict(
    network: Network,
    parents: Int[np.ndarray, " joint"],
    rotations: Float[np.ndarray, "gap time joint 4"],
    translations: Float[np.ndarray, "gap time joint 3"],
    states: Int[np.ndarray, "gap outside"],
    seconds: Float[np.ndarray, " gap"],
    frames: Float[np.ndarray, "gap 3 3"],
    parts: list[np.ndarray],
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
    """
    results: list[Prediction] = []
    with _one_thread():
        for first in range(0, len(seconds), GAPS_AT_ONCE):
            some = slice(first, first + GAPS_AT_ONCE)
            poses = _poses(parents, rotations[some], translations[some], states[some], seconds[some])
            results += _predict(network, poses, torch.from_numpy(frames[some]).float(), parts[some])
    return results


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in one order: a resumed run gives the same bits as an undisturbed one, whatever else set the threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _poses(
    parents: Int[np.ndarray, " joint"],
    rotations: Float[np.ndarray, "gap time joint 4"],
    translations: Float[np.ndarray, "gap time joint 3"],
    states: Int[np.ndarray, "gap outside"],
    seconds: Float[np.ndarray, " gap"],
) -> Poses:
    rig = make_rig(parents)
    gaps, joints = len(seconds), len(parents)

    def each(values: Int[np.ndarray, " joint"]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.int64)).expand(gaps, -1)

    return Poses(
        rotations=torch.from_numpy(rotations).float(),
        translations=torch.from_numpy(translations).float(),
        parents=each(rig.parents),
        present=torch.ones(gaps, joints, dtype=torch.bool),
        depth=each(rig.depth),
        subtree=each(rig.subtree),
        states=torch.from_numpy(states),
        seconds=torch.from_numpy(seconds).float(),
    )


@torch.inference_mode()
def _predict(
    network: Network, poses: Poses, frame: torch.Tensor, parts: list[np.ndarray]
) -> list[Prediction]:
    depth = int(poses.depth.max())
    relation = relations(poses.parents, poses.depth, depth)
    answers, features = [], None
    for view in _views():
        features = make_features(poses, view @ frame, depth)
        answer = network(features, poses.parents, poses.present, relation)
        axial = view * torch.linalg.det(view)
        answers.append(
            answer._replace(rotations=answer.rotations @ axial, translations=answer.translations @ view)
        )
    assert features is not None
    mean = Answer(*(torch.stack(values).mean(0) for values in zip(*answers, strict=True)))
    return [_at(mean, features, frame, i, part) for i, part in enumerate(parts)]


def _views() -> list[torch.Tensor]:
    quarter = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    turns = [torch.linalg.matrix_power(quarter, n) for n in range(VIEWS // 2)]
    return [turn @ side for turn in turns for side in (torch.eye(3), mirror)]


def _at(
    answer: Answer, features: Features, frame: torch.Tensor, gap: int, part: Float[np.ndarray, " wanted"]
) -> Prediction:
    """Evaluate the answer of one gap of the batch."""
    one = slice(gap, gap + 1)
    time = torch.from_numpy(part).float()
    basis = sines(time)
    chosen = Features(**{name: value[one] for name, value in vars(features).items()})
    turn = torch.einsum("tk,bkjc->btjc", basis, answer.rotations[one])
    move = torch.einsum("tk,bkjc->btjc", basis, answer.translations[one])
    r, t = to_local(turn, move, chosen, frame[one])
    spread = spread_at(answer.spread[one], time)[0]
    return Prediction(
        rotations=r[0].double().numpy(),
        translations=t[0].double().numpy(),
        rotation_error=(spread[0] * chosen.unit_rotation).double().numpy(),
        position_error=(spread[1] * chosen.unit_position / chosen.size).double().numpy(),
        gain=float(answer.gain[gap, 0].exp()),
        gain_bound=float(answer.gain[gap, 1].exp()),
    )
