"""The network of the learned prior, as a run computes it: numpy alone, single precision.

One token per joint holds all that a joint does around the gap; joints mix by attention whose bias depends on how two
joints are related in the tree, and by a direct line from the parent. The answer is a sum of sines over the gap, zero
at both keys (:mod:`engine.training.learned_prior.network` says why, and is what is trained; a test holds this forward
pass to that one within 1e-5).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.geometry import skeleton
from engine.priors.learned.gap_features import Features
from usd_io.shapes import Float, Int

RELATIONS = 33
"""Tree distance up to 7 in four directions (side, up, down, self), and another tree."""
SINES = 9
"""Frequencies of the residual: half a period up to 4.5 periods in the gap."""
SPREAD_TERMS = 4
"""Cosines that describe the expected error over the gap."""
IDEAS = 5
"""Ways in which the motion may go, beside its best estimate."""
WIDEST = 60.0
"""Scores of attention less than this below the largest of all have a power that single precision holds."""
BASES = 16
"""Weighted sums of input vectors that an answer is made of."""
Weights = Mapping[str, Float[np.ndarray, "..."]]
Tokens = Float[np.ndarray, "gap joint width"]


@dataclass(frozen=True, eq=False)
class Answer:
    """Residual to the straight motion, in the units of :class:`Features`."""

    rotations: Float[np.ndarray, "gap sine joint 3"]
    """Coefficients of the sines."""
    translations: Float[np.ndarray, "gap sine joint 3"]
    spread: Float[np.ndarray, "gap joint 2 term"]
    """Cosine coefficients of the logarithm of the expected error: of rotations [units of rotation] and of positions
    [``unit_position``]."""
    gain: Float[np.ndarray, "gap 2"]
    """Logarithm of the ratio of this answer's position error to the straight motion's: expected, and a bound kept in
    four of five cases."""
    idea_rotations: Float[np.ndarray, "some idea sine joint 3"]
    """What each idea adds to the best estimate, in the gaps that ideas are wanted of."""
    idea_translations: Float[np.ndarray, "some idea sine joint 3"]
    odds: Float[np.ndarray, "gap idea"]
    """Logarithm of how likely each idea is the nearest to the truth, up to a constant."""


def relations(parents: Int[np.ndarray, " joint"]) -> Int[np.ndarray, "joint joint"]:
    """How joints are related in the tree, as an index below :data:`RELATIONS`."""
    above = skeleton.subtrees(parents).T
    shared = above.astype(np.float32) @ above.astype(np.float32).T
    depth = above.sum(1) - 1
    distance = depth[:, None] + depth[None] - 2 * (shared.astype(int) - 1)
    direction = above.astype(int) + 2 * above.T.astype(int)
    return np.where(shared > 0, np.clip(distance, 0, 7) + 8 * direction, RELATIONS - 1)


def answer(
    weights: Weights,
    heads: int,
    features: Features,
    parents: Int[np.ndarray, " joint"],
    with_ideas: int | None = None,
) -> Answer:
    """Residual, expected error and gain of several gaps of one skeleton.

    Args:
        weights: By the names of the trained network's parameters.
        heads: Of the attention.
        features: Of the gaps.
        parents: Parents come first, -1 for roots.
        with_ideas: Of so many gaps, from the first on, ideas are answered too; None of all.
    """
    x = _embed(weights, features)
    x = x + _linear(weights, "enter.1", gelu(x))
    bias = relations(parents)
    count = 0
    while f"blocks.{count}.out.weight" in weights:
        x = _block(weights, f"blocks.{count}", heads, x, bias, parents)
        count += 1
    x = _norm(weights, "norm", x)
    gaps, joints, _ = x.shape
    shares = _linear(weights, "weights", x).reshape(gaps, joints, 2, SINES, -1)
    free = _linear(weights, "free", x).reshape(gaps, joints, 2, SINES, 3)
    axial, polar = _bases(weights, features, parents)
    rotations, translations = (
        (shares[:, :, i] @ bases + free[:, :, i]).transpose(0, 2, 1, 3)
        for i, bases in enumerate((axial, polar))
    )
    pooled = x.mean(1)
    gain = _linear(weights, "gain.2", gelu(_linear(weights, "gain.0", pooled)))
    some = x[:with_ideas]
    ideas = _linear(weights, "ideas", some).reshape(len(some), joints, IDEAS, 2, SINES, 3)
    ideas = ideas.transpose(3, 0, 2, 4, 1, 5)
    spread = _linear(weights, "spread", x).reshape(gaps, joints, 2, SPREAD_TERMS)
    return Answer(rotations, translations, spread, gain, ideas[0], ideas[1], _linear(weights, "odds", pooled))


def _embed(weights: Weights, features: Features) -> Tokens:
    """The first layer: everything that a joint does around the gap, and what is the same for all joints of a gap."""
    gaps, joints = features.rotations.shape[:2]
    own = np.concatenate(
        [features.squashed.reshape(gaps, joints, -1), features.scalars.astype(np.float32)], -1
    )
    shot = np.concatenate([features.squashed_travel.reshape(gaps, -1), features.shot.astype(np.float32)], 1)
    return _linear(weights, "embed", own) + (shot @ weights["embed_shot.weight"].T)[:, None]


def _bases(
    weights: Weights, features: Features, parents: Int[np.ndarray, " joint"]
) -> tuple[Float[np.ndarray, "gap joint base 3"], Float[np.ndarray, "gap joint base 3"]]:
    """Mixed input vectors: axial ones for rotations (own and the parent's), polar ones for translations."""
    track = features.rotations.shape[2]
    own, above = (weights["rotation_bases.weight"][:, at] for at in (slice(0, track), slice(track, None)))
    moved, placed = (
        weights["translation_bases.weight"][:, at] for at in (slice(0, track), slice(track, None))
    )
    axial = _mixed(own, features.rotations)
    has_parent = parents >= 0
    axial[:, has_parent] += _mixed(above, features.rotations)[:, parents[has_parent]]
    polar = _mixed(moved, features.translations)
    polar += _mixed(placed, features.positions[:, :, :track])
    return axial, polar


def _mixed(
    weights: Float[np.ndarray, "base track"], vectors: Float[np.ndarray, "gap joint track 3"]
) -> Float[np.ndarray, "gap joint base 3"]:
    """Weighted sums of vectors, as one matrix product."""
    gaps, joints, track, _ = vectors.shape
    made = vectors.swapaxes(2, 3).reshape(-1, track) @ weights.T
    return made.reshape(gaps, joints, 3, -1).swapaxes(2, 3)


def _block(
    weights: Weights,
    name: str,
    heads: int,
    x: Tokens,
    relation: Int[np.ndarray, "joint joint"],
    parents: Int[np.ndarray, " joint"],
) -> Tokens:
    """Attention over joints, then a layer that sees the joint and its parent."""
    gaps, joints, width = x.shape
    size = width // heads
    qkv = _linear(weights, f"{name}.qkv", _norm(weights, f"{name}.norm_attention", x))
    q, k, v = qkv.reshape(gaps, joints, 3, heads, size).transpose(2, 0, 3, 1, 4)
    scores = q @ k.transpose(0, 1, 3, 2)
    scores *= np.float32(size**-0.5)
    scores += np.ascontiguousarray(weights[f"{name}.bias.weight"][relation].transpose(2, 0, 1))
    # one largest value for all, where no row is so far below it that it would vanish: numpy is slow at short rows
    largest, least = scores.max(), scores.min()
    scores -= largest if largest - least < WIDEST else scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    mixed = scores @ v
    mixed /= scores @ np.ones((joints, 1), np.float32)
    mixed = mixed.transpose(0, 2, 1, 3).reshape(gaps, joints, width)
    x = x + _linear(weights, f"{name}.project", mixed)
    y = _norm(weights, f"{name}.norm_mix", x)
    above, place = np.unique(np.maximum(parents, 0), return_inverse=True)
    from_parent = _product(weights, f"{name}.parent.weight", y[:, above])[:, place]
    from_parent[:, parents < 0] = 0
    from_parent += _linear(weights, f"{name}.own", y)
    return x + _linear(weights, f"{name}.out", gelu(from_parent))


def _linear(weights: Weights, name: str, x: Float[np.ndarray, "... channel"]) -> Float[np.ndarray, "... out"]:
    made = _product(weights, f"{name}.weight", x)
    made += weights[f"{name}.bias"]
    return made


def _product(
    weights: Weights, name: str, x: Float[np.ndarray, "... channel"]
) -> Float[np.ndarray, "... out"]:
    # as one matrix product: numpy would make one for each gap of a stack
    matrix = weights[name]
    made: Float[np.ndarray, "... out"] = (x.reshape(-1, x.shape[-1]) @ matrix.T).reshape(
        *x.shape[:-1], len(matrix)
    )
    return made


def _norm(weights: Weights, name: str, x: Tokens) -> Tokens:
    """Layer normalisation."""
    share = np.float32(1 / x.shape[-1])
    centred = x - x @ np.full((x.shape[-1], 1), share)  # a mean as a product, at which numpy is quicker
    squares = np.einsum("...c,...c->...", centred, centred)[..., None] * share
    centred *= 1 / np.sqrt(squares + np.float32(1e-5))
    centred *= weights[f"{name}.weight"]
    centred += weights[f"{name}.bias"]
    return centred


def gelu(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """x times the normal distribution's share below x.

    The error function is Abramowitz and Stegun's 7.1.26, off by 1.5e-7 at most.
    """
    z = np.abs(x)
    z *= np.float32(np.sqrt(0.5))
    t = z * np.float32(0.3275911)
    t += 1
    np.reciprocal(t, out=t)
    poly = t * np.float32(1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        poly += np.float32(coefficient)
        poly *= t
    z *= z
    np.negative(z, out=z)
    np.exp(z, out=z)
    poly *= z  # twice the share beyond |x|
    poly *= np.abs(x)
    poly *= np.float32(-0.5)
    return np.add(poly, np.maximum(x, 0), out=poly)


def sines(part: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time sine"]:
    """Values of the sines at parts of the gap; higher ones are damped, as motion has less of them."""
    k = np.arange(1, SINES + 1)
    return np.sin(np.pi * part[:, None] * k) / np.sqrt(k)


def spread_at(
    spread: Float[np.ndarray, "joint 2 term"], part: Float[np.ndarray, " time"]
) -> Float[np.ndarray, "2 time joint"]:
    """Expected error over the gap, zero at the keys."""
    cosines = np.cos(np.pi * part[:, None] * np.arange(SPREAD_TERMS))
    hump = 2 * np.sqrt(np.maximum(part * (1 - part), 0))
    return hump[:, None] * np.exp(np.clip(np.einsum("tm,jcm->ctj", cosines, spread), -12, 6))
