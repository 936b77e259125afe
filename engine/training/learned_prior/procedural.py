"""Made-up rigs that walk, swim, flap and gesture: variety of skeletons that no corpus has.

A rig is a body with limbs (two, four, many legs; wings; a neck; a tail) or a bare chain. Its motion is a sum of a
gait (harmonics with a phase that travels along limbs and between them), keyed gestures (smooth steps between held
poses) and a slow sway; the root bobs and travels with the gait.
"""

import numpy as np

from engine.geometry import rotations
from engine.training.learned_prior.data import FRAME_RATE, Clip, make_clip
from engine.training.learned_prior.poses import make_rig
from usd_io.shapes import Float

FRAMES = 180
_LEG_PAIRS = ((1, 0.3), (2, 0.35), (3, 0.1), (4, 0.1), (0, 0.15))
"""Pairs of legs and how often."""


def procedural_clips(count: int, seed: int) -> list[Clip]:
    """Clips of made-up rigs, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return [_clip(rng, i) for i in range(count)]


class _Builder:
    """Grows a skeleton limb by limb and remembers each joint's part in the gait."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.parents = [-1]
        self.offsets = [np.zeros(3)]
        self.axes = [np.array([0.0, 1.0, 0.0])]
        self.phases = [0.0]
        self.swings = [0.1]

    def limb(
        self,
        parent: int,
        joints: int,
        start: Float[np.ndarray, "3"],
        step: Float[np.ndarray, "3"],
        axis: Float[np.ndarray, "3"],
        phase: float,
        swing: float,
    ) -> int:
        """Add a chain; the phase falls behind along it, as in a whip or a leg. Returns its last joint."""
        lag = self.rng.uniform(0.1, 0.9)
        for i in range(joints):
            self.parents.append(parent)
            self.offsets.append(start if i == 0 else step * self.rng.uniform(0.7, 1.3))
            self.axes.append(axis + 0.15 * self.rng.normal(size=3))
            self.phases.append(phase - lag * i)
            self.swings.append(swing * self.rng.uniform(0.4, 1.4))
            parent = len(self.parents) - 1
        return parent


def _build(rng: np.random.Generator) -> _Builder:
    b = _Builder(rng)
    up, front, side = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    pairs = int(rng.choice([p for p, _ in _LEG_PAIRS], p=[w for _, w in _LEG_PAIRS]))
    if pairs == 0:
        b.limb(0, int(rng.integers(3, 20)), -0.2 * front, -0.15 * front, rng.choice([up, side]), 0.0, 0.35)
        return b
    along = 0.25 * (up if pairs == 1 else front)
    chest = b.limb(0, int(rng.integers(1, 5)), along, along, side, rng.uniform(0, 6), 0.08)
    b.limb(chest, int(rng.integers(1, 4)), along, 0.15 * (up + front), side, rng.uniform(0, 6), 0.15)
    pattern = rng.choice([np.pi, 0.0, np.pi / 2], p=[0.6, 0.2, 0.2])
    for pair in range(pairs):
        root = 0 if pair == 0 else chest
        shift = pattern * pair + rng.normal(0, 0.2)
        joints, swing = int(rng.integers(2, 5)), rng.uniform(0.2, 0.7)
        for sign in (-1, 1):
            start = 0.12 * sign * side - 0.1 * up + (0.2 * pair * front if pairs > 2 else 0)
            phase = shift + (np.pi if sign > 0 and rng.random() < 0.8 else 0.0)
            b.limb(root, joints, start, -0.4 * up + 0.1 * sign * side * (pairs > 2), side, phase, swing)
    if rng.random() < 0.6:
        axis, swing, opposed = (side, 0.5, np.pi) if pairs == 1 else (front, 0.8, 0.0)
        joints = int(rng.integers(2, 6))
        for sign in (-1, 1):
            b.limb(chest, joints, 0.2 * sign * side, 0.3 * sign * side, axis * (sign if not opposed else 1),
                   opposed * (sign > 0), swing)  # fmt: skip
    if rng.random() < 0.5:
        b.limb(0, int(rng.integers(2, 9)), -0.2 * front, -0.15 * front, rng.choice([up, side]), 1.0, 0.25)
    return b


def _clip(rng: np.random.Generator, number: int) -> Clip:
    b = _build(rng)
    joints, seconds = len(b.parents), np.arange(FRAMES) / FRAME_RATE
    rate = np.exp(rng.uniform(np.log(0.4), np.log(2.5)))
    clock = 2 * np.pi * rate * seconds + 0.5 * _smooth(rng, 1)[:, 0]
    vigour = np.exp(rng.normal(-0.2, 0.6))
    swing = np.array(b.swings) * vigour
    angle = clock[:, None] + np.array(b.phases)
    second = rng.normal(0, 0.35, joints)
    wave = swing * (np.sin(angle) + second * np.sin(2 * angle + rng.uniform(0, 6, joints)))
    axes = np.array(b.axes) / np.linalg.norm(b.axes, axis=-1, keepdims=True)
    vectors = wave[..., None] * axes * (rng.random() < 0.85)
    vectors += _gestures(rng, joints) + 0.08 * vigour * _smooth(rng, 3 * joints).reshape(FRAMES, joints, 3)
    bind = rotations.exp(rng.normal(0, 0.25, (joints, 3)))
    turned = rotations.continuous(
        rotations.multiply(np.broadcast_to(bind, (FRAMES, joints, 4)), rotations.exp(vectors))
    )
    translations = np.repeat(np.array(b.offsets)[None], FRAMES, 0)
    translations[:, 0] += _travel(rng, clock, float(rate * vigour))
    name = f"{number:04d}"
    return make_clip("procedural", name, make_rig(b.parents), turned, translations)


def _travel(
    rng: np.random.Generator, clock: Float[np.ndarray, " frame"], pace: float
) -> Float[np.ndarray, "frame 3"]:
    """Root motion: a bob twice a stride, a sway once, and in two of three clips a walk along a bending line."""
    path = np.stack([0.02 * np.sin(clock), 0.03 * np.cos(2 * clock + 1), 0.02 * np.sin(2 * clock)], -1) * pace
    path += 0.05 * _smooth(rng, 3)
    if rng.random() < 0.67:
        heading = rng.uniform(0, 6.3) + np.cumsum(0.02 * _smooth(rng, 1)[:, 0])
        steps = (
            rng.uniform(0.2, 1.2)
            * pace
            / FRAME_RATE
            * np.stack([np.sin(heading), 0 * heading, np.cos(heading)], -1)
        )
        path += np.cumsum(steps, 0)
    return path


def _smooth(rng: np.random.Generator, channels: int) -> Float[np.ndarray, "frame channel"]:
    """Slow noise of about unit size: a few low frequencies with random phase."""
    rates = rng.uniform(0.1, 0.9, (4, 1, channels))
    phases = rng.uniform(0, 2 * np.pi, (4, 1, channels))
    seconds = (np.arange(FRAMES) / FRAME_RATE)[None, :, None]
    waves: Float[np.ndarray, "frame channel"] = np.sin(2 * np.pi * rates * seconds + phases).sum(0) / np.sqrt(
        2
    )
    return waves


def _gestures(rng: np.random.Generator, joints: int) -> Float[np.ndarray, "frame joint 3"]:
    """Poses held and left with ease, by some of the joints, each a little later than its parent might be."""
    result = np.zeros((FRAMES, joints, 3))
    if rng.random() < 0.5:
        return result
    taking_part = rng.random(joints) < rng.uniform(0.2, 1.0)
    delays = rng.uniform(0, 0.15, joints)
    seconds = np.arange(FRAMES)[:, None] / FRAME_RATE
    for start in np.sort(rng.uniform(0, FRAMES / FRAME_RATE, int(rng.integers(2, 9)))):
        t = np.clip((seconds - start - delays) / rng.uniform(0.2, 1.0), 0, 1)
        ease = t**3 * (10 - 15 * t + 6 * t**2)
        result += ease[..., None] * rng.normal(0, 0.3, (joints, 3)) * taking_part[:, None]
    return result
