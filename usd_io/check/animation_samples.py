"""All samples of one SkelAnimation as they are, faults included: what the rules of a check look at."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pxr import Usd, UsdSkel

from usd_io.check.result import promised
from usd_io.convert import floats, widened
from usd_io.errors import shown
from usd_io.read.skeleton import INSTANCES_TOO
from usd_io.sampled import Sampled
from usd_io.shapes import Float


@dataclass(frozen=True, eq=False)
class Channel:
    """One array attribute over time."""

    name: str
    layer: str
    """Layer with the strongest opinion."""
    times: tuple[float | None, ...]
    """Time codes; a single None for a value without time."""
    values: Sequence[Float[np.ndarray, "..."]] | Float[np.ndarray, "time item *channel"]
    """One array per time, of any length; one array of all where they have one length. Quaternions are as they lie in
    memory, for rules ask for their lengths and products alone."""
    _stacks: dict[int, tuple[list[float | None], Float[np.ndarray, "frame item *channel"]]] = field(
        default_factory=dict, repr=False
    )
    """What has been stacked, for several rules ask for it."""

    def stacked(self, items: int) -> tuple[list[float | None], Float[np.ndarray, "frame item *channel"]]:
        """The samples that have one value per item, and their times."""
        if isinstance(self.values, np.ndarray) and self.values.shape[1] == items:
            return list(self.times), self.values
        if items not in self._stacks:
            fitting = [
                (time, value)
                for time, value in zip(self.times, self.values, strict=True)
                if len(value) == items
            ]
            values = np.stack([value for _, value in fitting]) if fitting else np.zeros((0, items, 1))
            self._stacks[items] = [time for time, _ in fitting], values
        return self._stacks[items]


@dataclass(frozen=True, eq=False)
class AnimationSamples:
    """What a SkelAnimation holds."""

    prim: str
    joints: tuple[str, ...]
    blend_shapes: tuple[str, ...]
    translations: Channel | None
    rotations: Channel | None
    scales: Channel | None
    blend_weights: Channel | None
    filled_up_to: tuple[float, ...] = ()
    """Times of the keys at which gaps of rotations end that anymole filled."""

    @property
    def transforms(self) -> tuple[Channel, ...]:
        """The authored ones among translations, rotations and scales."""
        return tuple(c for c in (self.translations, self.rotations, self.scales) if c is not None)


def animation_prims(stage: Usd.Stage) -> Iterator[Usd.Prim]:
    """Each SkelAnimation once, however many instances show it."""
    seen = set()
    for prim in Usd.PrimRange.Stage(stage, INSTANCES_TOO):
        original = prim.GetPrimInPrototype() if prim.IsInstanceProxy() else prim
        if prim.IsA(UsdSkel.Animation) and original not in seen:
            seen.add(original)
            yield prim


def read_samples(prim: Usd.Prim, read: Callable[[Usd.Attribute], Sampled] = Sampled.of) -> AnimationSamples:
    """Read one SkelAnimation without judging it; ``read`` gives the samples of an attribute."""
    animation = UsdSkel.Animation(prim)
    return AnimationSamples(
        prim=shown(prim.GetPath()),
        joints=tuple(animation.GetJointsAttr().Get() or ()),
        blend_shapes=tuple(animation.GetBlendShapesAttr().Get() or ()),
        translations=_channel(animation.GetTranslationsAttr(), read),
        rotations=_channel(animation.GetRotationsAttr(), read),
        scales=_channel(animation.GetScalesAttr(), read),
        blend_weights=_channel(animation.GetBlendShapeWeightsAttr(), read),
        filled_up_to=tuple(_filled_up_to(animation.GetRotationsAttr())),
    )


def _filled_up_to(rotations: Usd.Attribute) -> Iterator[float]:
    for spec in rotations.GetPropertyStack(Usd.TimeCode.EarliestTime()):
        record = spec.layer.customLayerData.get("anymole", {})
        takes = record.get("takes") if isinstance(record, Mapping) else None
        for take in takes.values() if isinstance(takes, Mapping) else ():
            found = promised(take) if isinstance(take, Mapping) else None
            if found is not None and take.get("animation") == str(spec.path.GetPrimPath()):
                yield from (end for _, end in found[1]["rotations"])


def _channel(attribute: Usd.Attribute, read_all: Callable[[Usd.Attribute], Sampled]) -> Channel | None:
    if not attribute.HasAuthoredValue():
        return None
    sampled = read_all(attribute)
    times: list[float | None] = sampled.times.tolist() or [None]
    layer = shown(attribute.GetPropertyStack(Usd.TimeCode.EarliestTime())[0].layer.GetDisplayName())
    if sampled.values is not None:
        return Channel(attribute.GetName(), layer, tuple(times), widened(sampled.values))
    query = Usd.AttributeQuery(attribute)
    found = [query.Get(Usd.TimeCode.Default() if time is None else time) for time in times]
    read = [None if value is None else floats(value) for value in found]
    # a block is meant: it says that there is no value
    times = [time for time, value in zip(times, read, strict=True) if value is not None]
    values = [
        np.zeros((0, 1), np.float32) if len(value) == 0 else value for value in read if value is not None
    ]
    return Channel(attribute.GetName(), layer, tuple(times), values)
