"""The network: one token per joint, attention along the skeleton, a smooth residual over the gap as the answer.

A joint's token holds all its movement around the gap at once, so that mixing over time is part of the first layer
and the rest of the network runs once per joint, not once per joint and frame. That is what makes it small enough to
train and run on two cores. Joints mix by attention whose bias depends on how two joints are related in the tree, and
by a direct line from the parent; nothing depends on a joint's number or name.

The answer is a sum of sines over the gap, zero at both keys. Each coefficient is a vector: partly a weighted sum of
*input* vectors, with weights that the network sets for each joint (so that "go on turning as before" holds in
every direction alike), partly a free vector.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.priors.learned.forward import BASES, IDEAS, RELATIONS, SINES, SPREAD_TERMS
from engine.training.learned_prior.features import HEIGHTS, SCALARS, SHOT, TRACK, VECTORS, FeatureTensors
from usd_io.shapes import Bool, Float, Int

HIDDEN = -1e4
"""Added to the attention's scores of joints that are not there."""


class AnswerTensors(NamedTuple):
    """Residual to the straight motion, in the units of :class:`FeatureTensors`."""

    rotations: Float[Tensor, "batch sine joint 3"]
    """Coefficients of the sines."""
    translations: Float[Tensor, "batch sine joint 3"]
    spread: Float[Tensor, "batch joint 2 term"]
    """Cosine coefficients of the logarithm of the expected error: of rotations [units of rotation] and of positions
    [``unit_position``]."""
    gain: Float[Tensor, "batch 2"]
    """Logarithm of the ratio of this answer's position error to the straight motion's: expected, and a bound kept in
    four of five cases."""
    idea_rotations: Float[Tensor, "batch idea sine joint 3"]
    """What each idea adds to the best estimate."""
    idea_translations: Float[Tensor, "batch idea sine joint 3"]
    odds: Float[Tensor, "batch idea"]
    """Logarithm of how likely each idea is the nearest to the truth, up to a constant."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a network, saved beside its weights."""

    width: int = 192
    blocks: int = 6
    heads: int = 6
    attention: bool = True
    """Whether joints see each other; without it each sees its ancestors alone."""


def relations(
    parents: Int[Tensor, "batch joint"], depth: Int[Tensor, "batch joint"], deepest: int
) -> Int[Tensor, "batch joint joint"]:
    """How joints are related in the tree, as an index below :data:`RELATIONS`."""
    batch, joints = parents.shape
    above = torch.eye(joints, dtype=torch.bool, device=parents.device).repeat(batch, 1, 1)
    ancestor = parents
    for _ in range(deepest):
        hot = nn.functional.one_hot(ancestor.clamp_min(0), joints).bool() & (ancestor >= 0)[..., None]
        above = above | hot
        ancestor = torch.where(ancestor >= 0, parents.gather(1, ancestor.clamp_min(0)), ancestor)
    shared = above.float() @ above.float().transpose(1, 2)
    distance = depth[:, :, None] + depth[:, None, :] - 2 * (shared.long() - 1)
    direction = above.long() + 2 * above.transpose(1, 2).long()
    return torch.where(shared > 0, distance.clamp(0, 7) + 8 * direction, RELATIONS - 1)


class Block(nn.Module):
    """Attention over joints, then a layer that sees the joint and its parent."""

    def __init__(self, width: int, heads: int, *, attention: bool) -> None:
        super().__init__()
        self.heads, self.attention = heads, attention
        self.norm_attention, self.norm_mix = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Embedding(RELATIONS, heads)
        self.own, self.parent = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(2 * width, width)
        nn.init.zeros_(self.bias.weight)

    def forward(
        self,
        x: Float[Tensor, "batch joint width"],
        relation: Tensor,
        hidden: Float[Tensor, "batch 1 1 joint"],
        above: Float[Tensor, "batch joint joint"],
    ) -> Float[Tensor, "batch joint width"]:
        """The tokens after one block.

        Args:
            x: Tokens.
            relation: Numbers of :func:`relations`, or the same one-hot, which is faster to learn from.
            hidden: Minus infinity at joints that are not there.
            above: One at each joint's parent.
        """
        if self.attention:
            x = x + self._attend(x, relation, hidden)
        y = self.norm_mix(x)
        from_parent = self.parent(y)
        from_parent = torch.bmm(above.to(from_parent.dtype), from_parent)
        mixed_in: Float[Tensor, "batch joint width"] = self.out(nn.functional.gelu(self.own(y) + from_parent))
        return x + mixed_in

    def _attend(
        self,
        x: Float[Tensor, "batch joint width"],
        relation: Tensor,
        hidden: Float[Tensor, "batch 1 1 joint"],
    ) -> Float[Tensor, "batch joint width"]:
        batch, joints, width = x.shape
        size = width // self.heads
        split = self.qkv(self.norm_attention(x)).view(batch, joints, 3, self.heads, size)
        q, k, v = split.permute(2, 0, 3, 1, 4).reshape(3, batch * self.heads, joints, size)
        if relation.dim() == 4:
            bias = relation.to(q.dtype) @ self.bias.weight.to(q.dtype)
        else:
            bias = self.bias(relation)
        bias = (bias.permute(0, 3, 1, 2) + hidden.to(bias.dtype)).reshape(-1, joints, joints).to(q.dtype)
        shares = torch.baddbmm(bias, q, k.transpose(1, 2), alpha=size**-0.5).softmax(-1)
        mixed = torch.bmm(shares, v).view(batch, self.heads, joints, size)
        attended: Float[Tensor, "batch joint width"] = self.project(
            mixed.transpose(1, 2).reshape(batch, joints, width)
        )
        return attended


class TorchNetwork(nn.Module):
    """FeatureTensors of a gap to a residual and its expected error."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.embed = nn.Linear(3 * VECTORS + SCALARS + HEIGHTS, width)
        self.embed_shot = nn.Linear(SHOT, width, bias=False)
        self.enter = nn.Sequential(nn.GELU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(
            Block(width, shape.heads, attention=shape.attention) for _ in range(shape.blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.rotation_bases = nn.Linear(2 * TRACK, BASES, bias=False)
        self.translation_bases = nn.Linear(2 * TRACK, BASES, bias=False)
        self.weights = nn.Linear(width, 2 * SINES * BASES)
        self.free = nn.Linear(width, 2 * SINES * 3)
        self.spread = nn.Linear(width, 2 * SPREAD_TERMS)
        self.gain = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2))
        self.ideas = nn.Linear(width, IDEAS * 2 * SINES * 3)
        self.odds = nn.Linear(width, IDEAS)
        nn.init.normal_(self.ideas.bias, std=0.02)  # apart from the first, so that each finds its own
        nn.init.normal_(self.ideas.weight, std=1e-2)
        for layer in (self.weights, self.free, self.spread):
            nn.init.normal_(layer.weight, std=1e-3)
            nn.init.zeros_(layer.bias)
        # the same for all joints at first: a linear prediction, on which the rest builds
        nn.init.normal_(self.weights.bias, std=0.01)

    def forward(
        self,
        features: FeatureTensors,
        parents: Int[Tensor, "batch joint"],
        present: Bool[Tensor, "batch joint"],
        relation: Int[Tensor, "batch joint joint"],
    ) -> AnswerTensors:
        """Residual, expected error and gain of a batch of gaps."""
        x = self.embed(_flat(features)) + self.embed_shot(features.shot)[:, None]
        x = x + self.enter(x)
        hidden = torch.where(present, 0.0, HIDDEN)[:, None, None, :].to(x.dtype)
        above = (parents[..., None] == torch.arange(parents.shape[1], device=parents.device)).to(x.dtype)
        if self.training:
            relation = nn.functional.one_hot(relation, RELATIONS).to(x.dtype)
        for block in self.blocks:
            x = block(x, relation, hidden, above)
        x = self.norm(x)
        batch, joints, _ = x.shape
        weights = self.weights(x).view(batch, joints, 2, SINES, BASES)
        free = self.free(x).view(batch, joints, 2, SINES, 3)
        answers = [
            torch.einsum("bjkm,bjmc->bkjc", weights[:, :, i], bases) + free[:, :, i].transpose(1, 2)
            for i, bases in enumerate(self._bases(features, parents))
        ]
        here = present[..., None].to(x.dtype)
        pooled = (x * here).sum(1) / here.sum(1).clamp_min(1)
        spread = self.spread(x).view(batch, joints, 2, SPREAD_TERMS)
        ideas = self.ideas(x).view(batch, joints, IDEAS, 2, SINES, 3).permute(3, 0, 2, 4, 1, 5)
        return AnswerTensors(
            answers[0], answers[1], spread, self.gain(pooled), ideas[0], ideas[1], self.odds(pooled)
        )

    def _bases(
        self, features: FeatureTensors, parents: Int[Tensor, "batch joint"]
    ) -> tuple[Float[Tensor, "batch joint base 3"], Float[Tensor, "batch joint base 3"]]:
        """Mixed input vectors: axial ones for rotations (own and the parent's), polar ones for translations."""
        index = parents.clamp_min(0)[..., None, None].expand_as(features.rotations)
        parent = features.rotations.gather(1, index) * (parents >= 0)[..., None, None]
        axial = torch.cat([features.rotations, parent], 2)
        polar = torch.cat([features.translations, features.positions[:, :, :TRACK]], 2)
        return (
            self.rotation_bases(axial.transpose(2, 3)).transpose(2, 3),
            self.translation_bases(polar.transpose(2, 3)).transpose(2, 3),
        )


def _flat(features: FeatureTensors) -> Float[Tensor, "batch joint channel"]:
    vectors = torch.cat(
        [features.rotations, features.translations, features.positions, features.offsets], 2
    ).flatten(2)
    # log-like squashing keeps the rare huge input (a joint that hardly moved in the context) from ruling the layer
    return torch.cat([torch.asinh(vectors), features.scalars, features.heights], -1)


def sines(part: Float[Tensor, " time"]) -> Float[Tensor, "time sine"]:
    """Values of the sines at parts of the gap; higher ones are damped, as motion has less of them."""
    k = torch.arange(1, SINES + 1, dtype=part.dtype, device=part.device)
    return torch.sin(torch.pi * part[:, None] * k) / k.sqrt()


def spread_at(
    spread: Float[Tensor, "batch joint 2 term"], part: Float[Tensor, " time"]
) -> Float[Tensor, "batch 2 time joint"]:
    """Expected error over the gap, zero at the keys."""
    k = torch.arange(SPREAD_TERMS, dtype=part.dtype, device=part.device)
    cosines = torch.cos(torch.pi * part[:, None] * k)
    hump = 2 * (part * (1 - part)).clamp_min(0).sqrt()
    return hump[:, None] * torch.einsum("tm,bjcm->bctj", cosines, spread).clamp(-12, 6).exp()
