"""What leaves and enters :mod:`usd_io`: frozen dataclasses of plain numpy arrays. Imports numpy only.

Conventions (docs/conventions.md): quaternions are ``w x y z``; matrices act on column vectors, so
``T_a_b`` maps coordinates of frame *b* to frame *a* and chains read left to right; lengths are in stage
units and directions in the stage's own up axis; times are time codes of the stage. Arrays that come from
USD keep USD's own precision (float32), so that what is not changed is written back bit for bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from usd_io.shapes import Bool, Float, Int

Interpolation = Literal["constant", "uniform", "vertex", "faceVarying"]
SkinningMethod = Literal["classicLinear", "dualQuaternion"]
UpAxis = Literal["Y", "Z"]
Channel = Literal["translations", "rotations", "scales"]
CHANNELS: tuple[Channel, ...] = ("translations", "rotations", "scales")
"""What an animation says of each joint; each channel has samples of its own."""
GAPS = "anymole_gaps"
"""In ``customLayerData`` of the layer that says which take each gap of a result shows."""
_COLOURS = frozenset({"display_color", "uv"})
"""Fields of a mesh that are primvars."""


@dataclass(frozen=True, eq=False)
class Changing:
    """Samples of something that changes in time besides the skeleton, such as a colour."""

    times: Float[np.ndarray, " sample"]
    """Increasing time codes."""
    values: Sequence[Any]
    """One per time: an array, a text, or None where it has no value."""

    def at(self, time: float) -> Any:
        """The value at a time: between two samples of real numbers linear, else that of the sample before."""
        after = int(np.searchsorted(self.times, time, side="right"))
        before = self.values[max(after - 1, 0)]
        following = self.values[min(after, len(self.times) - 1)]
        numbers = all(
            isinstance(value, np.ndarray) and value.dtype.kind == "f" for value in (before, following)
        )
        if not numbers or following is before:
            return before
        share = (time - self.times[after - 1]) / (self.times[after] - self.times[after - 1])
        return (before + (following - before) * share).astype(before.dtype)


@dataclass(frozen=True, eq=False)
class Primvar:
    """A primvar with its indices resolved: one value per element of its interpolation."""

    values: Float[np.ndarray, "element channel"]
    interpolation: Interpolation
    """``vertex`` also stands for ``varying``."""


@dataclass(frozen=True, eq=False)
class Material:
    """What a UsdPreviewSurface says of its diffuse colour."""

    path: str
    diffuse_color: tuple[float, float, float] | None
    """Linear RGB in [0, 1]; None where a texture drives it or nothing is authored."""
    texture: str | None
    """Resolved path of the diffuse texture, readable by ``usd_io.read.material.read_texture_bytes``."""
    changes: Mapping[str, Changing] = field(default_factory=dict)
    """What of ``diffuse_color`` and ``texture`` changes in time."""

    def at(self, time: float) -> "Material":
        """As it is at a time code."""
        found: dict[str, Any] = {name: track.at(time) for name, track in self.changes.items()}
        if found.get("diffuse_color") is not None:
            found["diffuse_color"] = tuple(found["diffuse_color"].tolist())
        return replace(self, **found, changes={}) if found else self


@dataclass(frozen=True, eq=False)
class BlendShape:
    """One target of one mesh, with its in-betweens: offsets at increasing weights (1.0 is the target itself)."""

    name: str
    """As in ``Motion.blend_shapes``."""
    vertices: Int[np.ndarray, " target_vertex"]
    """Indices of the vertices that move."""
    weights: Float[np.ndarray, " shape"]
    """Weights of the shapes, ascending; always holds 1.0."""
    offsets: Float[np.ndarray, "shape target_vertex 3"]
    """Point offsets in mesh space."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A mesh bound to the skeleton, rigidly or by skin weights."""

    path: str
    points: Float[np.ndarray, "vertex 3"]
    """Bind-pose points in mesh space [stage units]."""
    face_counts: Int[np.ndarray, " face"]
    face_vertices: Int[np.ndarray, " corner"]
    joint_indices: Int[np.ndarray, "vertex influence"]
    """Indices into ``Character.joints`` (a mesh's own ``skel:joints`` order is resolved)."""
    joint_weights: Float[np.ndarray, "vertex influence"]
    """As authored, as UsdSkel takes them: rows that do not sum to 1 pull the vertex towards the skeleton's origin."""
    T_skel_mesh: Float[np.ndarray, "4 4"]
    """geomBindTransform: mesh space to skeleton space at bind time."""
    skinning_method: SkinningMethod = "classicLinear"
    blend_shapes: tuple[BlendShape, ...] = ()
    display_color: Primvar | None = None
    """Linear RGB, channel = 3."""
    uv: Primvar | None = None
    """The primvar ``st``, channel = 2, v upwards as USD has it."""
    materials: tuple[Material, ...] = ()
    face_material: Int[np.ndarray, " face"] | None = None
    """Index into ``materials`` of every face, -1 for none; None where no face has a material."""
    left_handed: bool = False
    """Faces wind clockwise seen from outside."""
    double_sided: bool = False
    still_weights: Float[np.ndarray, " vertex"] | None = None
    """Weight of each vertex on joints of the mesh that the skeleton lacks, which stay where they were bound; None where
    there are none."""
    visibility: tuple[tuple[float, bool], ...] = ()
    """Times from which it is seen or not, increasing; the first counts for what is before too. Empty: always seen."""

    point_times: Float[np.ndarray, " sample"] | None = None
    """Times of the samples of points that are animated besides the skeleton; None where they are not."""
    point_samples: Float[np.ndarray, "sample vertex 3"] | None = None
    changes: Mapping[str, Changing] = field(default_factory=dict)
    """What else changes in time, by the names of fields: colours and coordinates (their values), influences and
    ``T_skel_mesh``. The fields themselves hold what is at the first sample."""

    @property
    def recoloured(self) -> bool:
        """Whether its look changes in time."""
        return bool(_COLOURS & set(self.changes)) or any(material.changes for material in self.materials)

    @property
    def reskinned(self) -> bool:
        """Whether how it follows the joints changes in time."""
        return bool(set(self.changes) - _COLOURS)

    def at(self, time: float) -> "Mesh":
        """As it is at a time code, but for its points and whether it is seen."""
        if not self.recoloured and not self.reskinned:
            return self
        found = {name: track.at(time) for name, track in self.changes.items()}
        for name in _COLOURS & set(found):
            own = getattr(self, name)
            found[name] = None if found[name] is None else replace(own, values=found[name])
        materials = tuple(material.at(time) for material in self.materials)
        return replace(self, **found, materials=materials, changes={})

    def points_at(self, times: Float[np.ndarray, " frame"]) -> Float[np.ndarray, "frame vertex 3"]:
        """Points before blend shapes and skinning, linear between their samples (float64)."""
        if self.point_times is None or self.point_samples is None:
            return np.repeat(self.points[None].astype(float), len(times), axis=0)
        last = len(self.point_times) - 1
        after = np.clip(np.searchsorted(self.point_times, times), 1, last)
        before = self.point_times[after - 1]
        share = np.clip((times - before) / (self.point_times[after] - before), 0, 1)[:, None, None]
        samples = self.point_samples.astype(float)
        result: Float[np.ndarray, "frame vertex 3"] = (1 - share) * samples[after - 1] + share * samples[
            after
        ]
        return result

    def seen(self, times: Float[np.ndarray, " frame"]) -> Bool[np.ndarray, " frame"]:
        """At which times it is seen."""
        if not self.visibility:
            return np.ones(len(times), bool)
        since, flags = zip(*self.visibility, strict=True)
        step = np.searchsorted(since, times, side="right") - 1
        return np.array(flags)[np.maximum(step, 0)]


@dataclass(frozen=True, eq=False)
class Character:
    """One skeleton and what is bound to it."""

    name: str
    skeleton_path: str
    joints: tuple[str, ...]
    """Joint paths (``Hips/Spine/Neck``) in skeleton order, parents before children."""
    parents: Int[np.ndarray, " joint"]
    """Index of each joint's parent, -1 for roots."""
    T_skel_joint_bind: Float[np.ndarray, "joint 4 4"]
    """Bind pose: joint space to skeleton space."""
    rest_translations: Float[np.ndarray, "joint 3"]
    rest_rotations: Float[np.ndarray, "joint 4"]
    rest_scales: Float[np.ndarray, "joint 3"]
    """Local rest pose; joints that the animation lacks take it."""
    meshes: tuple[Mesh, ...] = ()
    up_axis: UpAxis = "Y"
    meters_per_unit: float = 0.01
    warnings: tuple[str, ...] = ()
    """Limits met while reading, worded for the user."""

    def at(self, time: float) -> "Character":
        """As it is at a time code, see :meth:`Mesh.at`."""
        return replace(self, meshes=tuple(mesh.at(time) for mesh in self.meshes))

    @property
    def weighted(self) -> Bool[np.ndarray, " joint"]:
        """Joints that have skin weight of their own."""
        has = np.zeros(len(self.joints), bool)
        for mesh in self.meshes:
            has[np.unique(mesh.joint_indices[mesh.joint_weights > 0])] = True
        return has

    @property
    def observable(self) -> Bool[np.ndarray, " joint"]:
        """Joints whose rotation moves skin, their own or a descendant's."""
        has = self.weighted
        for joint in range(len(self.joints) - 1, -1, -1):
            if has[joint] and self.parents[joint] >= 0:
                has[self.parents[joint]] = True
        return has


@dataclass(frozen=True, eq=False)
class Motion:
    """Local joint transforms of one skeleton over time, in the joint order of its :class:`Character`."""

    times: Float[np.ndarray, " frame"]
    """Strictly increasing time codes of the stage (float64); on reading, the authored samples."""
    translations: Float[np.ndarray, "frame joint 3"]
    rotations: Float[np.ndarray, "frame joint 4"]
    """Unit quaternions, w x y z, sign-continuous in time."""
    scales: Float[np.ndarray, "frame joint 3"]
    T_world_skel: Float[np.ndarray, "frame 4 4"]
    """Skeleton space to world space (float64): where root motion on an Xform shows."""
    time_codes_per_second: float
    frame_rate: float
    """The stage's framesPerSecond; one frame lasts time_codes_per_second / frame_rate time codes."""
    animation_path: str = ""
    animated: Bool[np.ndarray, " joint"] | None = None
    """Joints the SkelAnimation drives; None means all."""
    blend_shapes: tuple[str, ...] = ()
    blend_weights: Float[np.ndarray, "frame shape"] | None = None
    channel_times: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The authored samples of each channel, where they are not the same in all of them; else empty. ``times`` are those
    of all channels together."""
    breaks: tuple[tuple[float, float], ...] = ()
    """Spans between two neighbouring samples in which the animation has no value (blocked): it stays so."""
    warnings: tuple[str, ...] = ()
    """What was met while reading, worded for the user."""

    def __post_init__(self) -> None:
        frames, joints = self.translations.shape[:2]
        assert self.times.shape == (frames,), self.times.shape
        assert self.rotations.shape == (frames, joints, 4), self.rotations.shape
        assert self.scales.shape == (frames, joints, 3), self.scales.shape
        assert self.T_world_skel.shape == (frames, 4, 4), self.T_world_skel.shape

    @property
    def frame_step(self) -> float:
        """Length of one frame in time codes."""
        return self.time_codes_per_second / self.frame_rate

    def at(self, frames: Int[np.ndarray, " selected"] | Bool[np.ndarray, " frame"] | slice) -> "Motion":
        """The motion at some of its frames: their indices, a mask or a slice."""
        weights = None if self.blend_weights is None else self.blend_weights[frames]
        return replace(
            self,
            times=self.times[frames],
            translations=self.translations[frames],
            rotations=self.rotations[frames],
            scales=self.scales[frames],
            T_world_skel=self.T_world_skel[frames],
            blend_weights=weights,
        )


@dataclass(frozen=True)
class SkeletonInfo:
    """What a stage says of one bound skeleton, before anything is sampled."""

    path: str
    joint_count: int
    animation_path: str | None
    binding_path: str | None
    """Prim on which the effective ``skel:animationSource`` is authored."""
    sample_count: int
    instance_proxy: bool
    moving_xform: str | None
    """Nearest ancestor (or the skeleton itself) whose transform is animated: root motion on an Xform."""


@dataclass(frozen=True)
class StageInfo:
    """What :func:`usd_io.read.stage.stage_info` reports."""

    path: str
    layers: tuple[str, ...]
    """Identifiers of the used layers, root first."""
    start: float | None
    end: float | None
    """Authored time code range, None where the stage has none."""
    time_codes_per_second: float
    frame_rate: float
    up_axis: UpAxis
    meters_per_unit: float
    default_prim: str | None
    skeletons: tuple[SkeletonInfo, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Shot:
    """A stage as arrays: the chosen skeletons with their motion."""

    info: StageInfo
    characters: tuple[Character, ...]
    """The chosen skeletons, or of each animation as many as it takes to have all of its joints."""
    motions: tuple[Motion, ...]
    """One per character, at its authored samples."""
    sharing: tuple[tuple[str, ...], ...] = ()
    """One per character: paths of all chosen skeletons that its animation drives."""
