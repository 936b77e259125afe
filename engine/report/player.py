"""The characters and their motions packed for the player: integers that a browser unpacks (``assets/player.js``)."""

import base64
import gzip
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from engine.geometry.skeleton import blend_points, joint_transforms, skin_points
from engine.rendering.mesh.looks import LoadTexture
from engine.report.contents import RESULT, Actor, Contents
from engine.report.surface import skinned_surface
from usd_io.model import Motion
from usd_io.shapes import Float, Int, UInt8, UInt16

LARGEST_TEXTURE = 512
"""[pixels]"""
JPEG_QUALITY = 80
LEVEL = 6
"""Of zlib: 9 takes three times as long for files a hundredth smaller."""
FRAMED_POSES = 8
"""Poses by which the picture is framed."""


class Packed:
    """Arrays one after another in one block of bytes, by name."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self.index: dict[str, list[int | str]] = {}
        """Type, first byte and number of values of every array; each begins at a multiple of four bytes."""

    def add(self, name: str, values: np.ndarray) -> None:
        """Append an array, in little-endian order."""
        data = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
        self.index[name] = [values.dtype.name, self._size, int(values.size)]
        data += b"\0" * (-len(data) % 4)
        self._parts.append(data)
        self._size += len(data)

    def text(self) -> str:
        """All of it, compressed, as base64."""
        return base64.b64encode(gzip.compress(b"".join(self._parts), LEVEL, mtime=0)).decode()


def pack(contents: Contents, load_texture: LoadTexture) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the player takes, as plain values, and what it shows otherwise than USD does.

    Args:
        contents: The report.
        load_texture: Bytes of an image file by its resolved path.
    """
    packed, textures, notes = Packed(), list[str](), list[str]()
    actors = [
        _pack_actor(f"a{i}", actor, contents.times, packed, textures, load_texture, notes)
        for i, actor in enumerate(contents.actors)
    ]
    low, high = _box(contents)
    plans = [actor.plan for actor in contents.actors]
    values = {
        "times": contents.times.tolist(),
        "fps": contents.frames_per_second,
        "keys": sorted({key for plan in plans for key in plan.keys}),
        "gaps": sorted({(gap.start, gap.end) for plan in plans for gap in plan.gaps}),
        "up": contents.up_axis,
        "box": [low.tolist(), high.tolist()],
        "takes": list(contents.actors[0].takes),
        "actors": actors,
        "textures": textures,
        "arrays": packed.index,
        "bytes": packed.text(),
    }
    return values, tuple(dict.fromkeys(notes))


def _pack_actor(
    name: str,
    actor: Actor,
    times: Float[np.ndarray, " frame"],
    packed: Packed,
    textures: list[str],
    load_texture: LoadTexture,
    notes: list[str],
) -> dict[str, Any]:
    character = actor.character
    surface = skinned_surface(character, load_texture)
    notes += _differences(actor, coarser=surface.coarser)
    low = surface.points.min(0) if len(surface.points) else np.zeros(3)
    side = float(np.ptp(surface.points, axis=0).max()) if len(surface.points) else 1.0
    side = side or 1.0
    packed.add(f"{name}.points", np.rint((surface.points - low) / side * 65535).astype(np.uint16))
    packed.add(f"{name}.normals", np.rint(surface.normals * 127).astype(np.int8))
    packed.add(f"{name}.colors", surface.colors)
    packed.add(f"{name}.uvs", surface.uvs.astype(np.float32))
    packed.add(f"{name}.joints", surface.joints.astype(np.uint16))
    packed.add(f"{name}.weights", surface.weights)
    packed.add(f"{name}.faces", surface.faces.astype(np.uint32 if len(surface.points) > 65535 else np.uint16))
    packed.add(f"{name}.inverse", np.linalg.inv(character.T_skel_joint_bind).astype(np.float32))
    first = len(textures)
    textures += [_jpeg(texture) for texture in surface.textures]
    return {
        "joints": [joint.rsplit("/", 1)[-1] for joint in character.joints],
        "parents": character.parents.tolist(),
        "low": low.tolist(),
        "side": side,
        "groups": [
            [a, n, t if t < 0 else t + first, _flags(actor, times, mesh)] for a, n, t, mesh in surface.groups
        ],
        "sided": any(mesh.double_sided for mesh in character.meshes),
        **_pack_takes(name, actor.takes, packed),
    }


def _flags(actor: Actor, times: Float[np.ndarray, " frame"], mesh: int) -> list[int] | None:
    """Whether a mesh is seen at each frame; None for what always is."""
    return None if mesh < 0 else actor.character.meshes[mesh].seen(times).astype(int).tolist()


def _differences(actor: Actor, *, coarser: bool) -> list[str]:
    """Where the player does not show what USD does."""
    meshes = actor.character.meshes
    notes = []
    if coarser:
        notes.append("The player shows a coarser mesh.")
    if any(mesh.skinning_method == "dualQuaternion" for mesh in meshes):
        notes.append("The player skins linearly where the file asks for dual quaternions.")
    if any(mesh.point_times is not None for mesh in meshes):
        notes.append("The player shows one shape of points that are animated; the video shows all.")
    if any(mesh.recoloured for mesh in meshes):
        notes.append("The player shows one colour of materials that are animated; the video shows all.")
    if any(mesh.reskinned for mesh in meshes):
        notes.append("The player shows one set of skin weights that change in time; the video shows all.")
    moved = any(
        np.ptp(take.blend_weights, axis=0).any()
        for take in actor.takes.values()
        if take.blend_weights is not None
    )
    if moved and any(mesh.blend_shapes for mesh in meshes):
        notes.append("The player shows no blend shapes; the video does.")
    return notes


def _pack_takes(name: str, takes: Mapping[str, Motion], packed: Packed) -> dict[str, Any]:
    """Local joint transforms as 16-bit integers. Takes are written as their difference from the result, which is
    nothing outside the gaps, and every channel as its change from frame to frame: both are then mostly zeros."""
    everything = list(takes.values())
    scaled = {}
    for channel in ("translations", "scales"):
        values = np.stack([getattr(take, channel) for take in everything]).astype(float)
        low, span = values.min((0, 1)), np.ptp(values, axis=(0, 1))
        scaled[channel] = low, np.where(span > 0, span, 1)
        packed.add(f"{name}.{channel}", np.stack([low, np.where(span > 0, span, 0)]).astype(np.float32))
    result = takes[RESULT]
    first = _integers(result, result, scaled)
    packed.add(f"{name}.world", result.T_world_skel[:, :3].astype(np.float32))
    packed.add(f"{name}.{RESULT}", _changes(first))
    worlds = []
    for index, (title, take) in enumerate(takes.items()):
        if title != RESULT:
            packed.add(f"{name}.{index}", _changes(_integers(take, result, scaled) - first))
        if not np.array_equal(take.T_world_skel, result.T_world_skel):
            packed.add(f"{name}.world.{index}", take.T_world_skel[:, :3].astype(np.float32))
            worlds.append(index)
    return {"worlds": worlds}


def _integers(
    motion: Motion, like: Motion, scaled: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> UInt16[np.ndarray, "frame channel"]:
    """Translation, quaternion and scale of every joint, one joint after another; of the two quaternions of a rotation
    the one that is nearer to that of another motion."""
    same = (motion.rotations * like.rotations).sum(-1, keepdims=True) >= 0
    turns = np.where(same, motion.rotations, -motion.rotations).astype(float)
    moved, grown = (
        np.rint((getattr(motion, channel) - low) / span * 65535) for channel, (low, span) in scaled.items()
    )
    joined = np.concatenate([moved, np.rint(turns * 32767 + 32768), grown], axis=-1).astype(np.uint16)
    return joined.reshape(len(motion.times), -1)


def _changes(values: UInt16[np.ndarray, "frame channel"]) -> np.ndarray:
    """Changes from frame to frame, modulo 2^16 and folded so that small ones of either sign are small integers; low
    bytes first, then high bytes."""
    change = np.diff(values, axis=0, prepend=np.zeros_like(values[:1])).astype(np.int16).astype(np.int32)
    folded = np.where(change < 0, -2 * change - 1, 2 * change).astype(np.uint16).reshape(-1)
    return np.concatenate([folded & 255, folded >> 8]).astype(np.uint8)


def _jpeg(texture: UInt8[np.ndarray, "height width 3"]) -> str:
    image = Image.fromarray(texture)
    image.thumbnail((LARGEST_TEXTURE, LARGEST_TEXTURE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def _box(contents: Contents) -> tuple[np.ndarray, np.ndarray]:
    """Box around the characters in some poses of the result."""
    frames = np.unique(np.linspace(0, len(contents.times) - 1, FRAMED_POSES).round().astype(int))
    drawn = [actor for actor in contents.actors if actor.character.meshes]
    if not drawn:
        return np.full(3, -1.0), np.ones(3)
    points = np.concatenate([_posed(actor, frames) for actor in drawn])
    points = points[np.isfinite(points).all(-1)]
    return points.min(0), points.max(0)


def _posed(actor: Actor, frames: Int[np.ndarray, " frame"]) -> Float[np.ndarray, "point 3"]:
    """World points of a character in some poses of the result [stage units]."""
    motion = actor.takes[RESULT].at(frames)
    T_skel_joint = joint_transforms(actor.character, motion)
    turn, shift = motion.T_world_skel[:, :3, :3], motion.T_world_skel[:, None, :3, 3]
    clouds = [
        skin_points(mesh, actor.character.T_skel_joint_bind, T_skel_joint, blend_points(mesh, motion))
        @ turn.swapaxes(-1, -2)
        + shift
        for mesh in actor.character.meshes
    ]
    return np.concatenate([cloud.reshape(-1, 3) for cloud in clouds])
