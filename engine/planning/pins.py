"""What joints are pinned, where, and whether the poses that are known let them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from engine.errors import ConfigError
from engine.geometry import skeleton
from engine.settings.pins import parse_pin
from usd_io.errors import shown, timecode
from usd_io.model import Character, Motion
from usd_io.shapes import Float

PIN_TOLERANCE = 1e-3
"""How far a pinned joint may be from its place [heights]."""


@dataclass(frozen=True)
class Pin:
    """A joint that stays where it is."""

    joint: str
    """Its path."""
    start: float
    end: float
    """Time codes, both included."""


def make_pins(
    character: Character,
    wanted: Sequence[str],
    filled: Float[np.ndarray, " fill"],
    locked: Sequence[str],
    matching: Callable[[str], Sequence[str]],
) -> Iterator[Pin]:
    """Pins of texts ``JOINT@A:B``.

    Args:
        character: The skeleton.
        wanted: The texts.
        filled: All times to fill.
        locked: Joints that keep what is authored.
        matching: Gives the joints of a name, path or shell pattern, of which there has to be one.

    Raises:
        ConfigError: Nothing is filled in the range of a pin, its joint is unknown, locked, or pinned already.
    """
    made: list[Pin] = []
    for text in wanted:
        pattern, start, end = parse_pin(text)
        joints = matching(pattern)
        if not ((filled >= start) & (filled <= end)).any():
            raise _refused(
                f"{shown(character.skeleton_path)}: nothing is filled from {timecode(start)} to {timecode(end)}, where "
                f"{shown(pattern)} shall stay; pin it over frames of a gap."
            )
        held = [joint for joint in joints if joint in locked]
        if held:
            raise _refused(
                f"{shown(held[0])} is locked and cannot be pinned from {timecode(start)} to {timecode(end)}: it keeps "
                "what is authored; take it out of one of the two."
            )
        for joint in joints:
            above = [other for other in character.joints if joint.startswith(f"{other}/")]
            if above and set(above) <= set(locked):
                raise _refused(
                    f"{shown(joint)} cannot be pinned from {timecode(start)} to {timecode(end)}: all joints above it "
                    "are locked, so that nothing can hold it; lock fewer."
                )
        made += [Pin(joint, start, end) for joint in joints]
    for a, b in combinations(made, 2):
        if a.joint == b.joint and a.start <= b.end and b.start <= a.end:
            raise _refused(
                f"{shown(a.joint)} is pinned twice at {timecode(max(a.start, b.start))}; pin it once, over the whole "
                "range."
            )
    yield from made


def place_of(character: Character, poses: Motion, pin: Pin, size: float) -> Float[np.ndarray, "3"] | None:
    """Where known poses in the range of a pin hold its joint [stage units, world]; None where there are none.

    Args:
        character: The skeleton.
        poses: The known poses, those outside of the range too.
        pin: The joint and the range.
        size: The character's height [stage units].

    Raises:
        ConfigError: They hold it in places that differ.
    """
    at = poses.at((poses.times >= pin.start) & (poses.times <= pin.end))
    if not len(at.times):
        return None
    places = skeleton.joint_positions(character, at)[:, character.joints.index(pin.joint)]
    apart = np.linalg.norm(places - places[0], axis=-1)
    if apart.max() > PIN_TOLERANCE * size:
        raise _refused(
            f"{shown(pin.joint)} cannot be pinned from {timecode(pin.start)} to {timecode(pin.end)}: the known poses "
            f"at {timecode(at.times[0])} and {timecode(at.times[np.argmax(apart)])} hold it {apart.max():.3g} stage "
            "units apart, and those stay exact; pin it over a range in which it rests."
        )
    return np.asarray(places[0])


def _refused(message: str) -> ConfigError:
    return ConfigError(message, settings=("pin",))
