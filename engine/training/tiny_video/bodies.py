"""Bodies for skeletons that have none: a tapered capsule along every bone, thick or thin by chance."""

import numpy as np

from engine.geometry.skeleton import joint_transforms
from engine.training.learned_prior.data import FRAME_RATE, Clip
from usd_io.model import Character, Mesh, Motion
from usd_io.shapes import Float, Int

SIDES = 6
"""Of a capsule's rings."""
THICKNESS = (0.025, 0.09)
"""Radius of most bones, in the size of the body."""
STUBBY = 0.45
"""Largest radius, in the length of the bone."""
LONGEST = 0.7
"""Bones longer than this part of the body's size lead to handles and are not drawn."""


def embody(clip: Clip, rng: np.random.Generator) -> tuple[Character, Motion] | None:
    """A body for a clip, bound in one of its poses; None where there is no bone to draw."""
    frames, joints = clip.frames, len(clip.rig.parents)
    still = Motion(
        times=np.arange(frames, dtype=float),
        translations=clip.translations,
        rotations=clip.rotations,
        scales=np.ones((frames, joints, 3), np.float32),
        T_world_skel=np.repeat(np.eye(4)[None], frames, 0),
        time_codes_per_second=FRAME_RATE,
        frame_rate=FRAME_RATE,
    )
    bound = int(rng.integers(frames))
    pose = still.at(slice(bound, bound + 1))
    character = _character(clip, pose, np.tile(np.eye(4), (joints, 1, 1)), ())
    T_bind = joint_transforms(character, pose)[0]
    mesh = _capsules(T_bind[:, :3, 3], clip.rig.parents, rng)
    return None if mesh is None else (_character(clip, pose, T_bind, (mesh,)), still)


def _character(
    clip: Clip, pose: Motion, T_bind: Float[np.ndarray, "joint 4 4"], meshes: tuple[Mesh, ...]
) -> Character:
    return Character(
        name=clip.name,
        skeleton_path="/Body/Skel",
        joints=tuple(f"j{i}" for i in range(len(clip.rig.parents))),
        parents=clip.rig.parents,
        T_skel_joint_bind=T_bind,
        rest_translations=pose.translations[0],
        rest_rotations=pose.rotations[0],
        rest_scales=pose.scales[0],
        meshes=meshes,
    )


def _capsules(
    heads: Float[np.ndarray, "joint 3"], parents: Int[np.ndarray, " joint"], rng: np.random.Generator
) -> Mesh | None:
    """A capsule from each joint to its child, moved by the joint; leaves get a ball."""
    size = float(np.linalg.norm(np.ptp(heads, axis=0)))
    children = np.flatnonzero(parents >= 0)
    along = heads[children] - heads[parents[children]]
    length = np.linalg.norm(along, axis=-1)
    drawn = (length > 1e-3 * size) & (length < LONGEST * size)
    if size == 0 or not drawn.any():
        return None
    owners, starts, along = parents[children][drawn], heads[parents[children]][drawn], along[drawn]
    leaves = np.setdiff1d(children[drawn], owners)
    typical = size * np.exp(rng.uniform(*np.log(THICKNESS)))
    knob = along[np.searchsorted(children[drawn], leaves)]
    knob = typical * knob / np.linalg.norm(knob, axis=-1, keepdims=True)
    owners = np.concatenate([owners, leaves])
    starts, along = np.concatenate([starts, heads[leaves]]), np.concatenate([along, knob])
    length = np.linalg.norm(along, axis=-1)
    radius = typical * np.exp(rng.normal(0, 0.35, (2, len(along))))
    radius = np.clip(radius, 0.15 * typical, np.maximum(STUBBY * length, 0.4 * typical))
    return _mesh(starts, along, radius, owners)


def _mesh(
    starts: Float[np.ndarray, "bone 3"],
    along: Float[np.ndarray, "bone 3"],
    radius: Float[np.ndarray, "2 bone"],
    owners: Int[np.ndarray, " bone"],
) -> Mesh:
    """Two rings and two tips for each bone."""
    direction = along / np.linalg.norm(along, axis=-1, keepdims=True)
    side = np.cross(direction, np.eye(3)[np.abs(direction).argmin(-1)])
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    other = np.cross(direction, side)
    angle = 2 * np.pi * np.arange(SIDES) / SIDES
    ring = np.cos(angle)[:, None] * side[:, None] + np.sin(angle)[:, None] * other[:, None]
    first, second = (starts + part * along for part in (0.1, 0.9))
    tips = (
        starts - 0.6 * radius[0][:, None] * direction,
        starts + along + 0.6 * radius[1][:, None] * direction,
    )
    points = np.concatenate(
        [
            tips[0][:, None],
            first[:, None] + radius[0][:, None, None] * ring,
            second[:, None] + radius[1][:, None, None] * ring,
            tips[1][:, None],
        ],
        axis=1,
    )
    a = 1 + np.arange(SIDES)
    b = 1 + (np.arange(SIDES) + 1) % SIDES
    c, d, tip = a + SIDES, b + SIDES, np.full(SIDES, 2 * SIDES + 1)
    faces = np.concatenate([np.stack(f, -1) for f in ((0 * a, b, a), (a, b, d), (a, d, c), (c, d, tip))])
    corners = points.shape[1]
    faces = (faces + corners * np.arange(len(owners))[:, None, None]).reshape(-1, 3)
    return Mesh(
        path="/Body/capsules",
        points=points.reshape(-1, 3).astype(np.float32),
        face_counts=np.full(len(faces), 3),
        face_vertices=faces.ravel(),
        joint_indices=np.repeat(owners, corners)[:, None],
        joint_weights=np.ones((len(owners) * corners, 1), np.float32),
        T_skel_mesh=np.eye(4),
    )
