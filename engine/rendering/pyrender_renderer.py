"""The second renderer: pyrender, where OpenGL is there (EGL, or OSMesa through ``PYOPENGL_PLATFORM=osmesa``).

pyrender is no longer maintained, so it is kept at arm's length: the platform is chosen before its import, NumPy
gets back the name it uses, and one off-screen context lives as long as the process, because deleting one
breaks all others under EGL (upstream issues 148 and 223).
"""

import os
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.errors import ResourceMissing
from engine.rendering.camera import Cameras
from engine.rendering.mesh.surface import Surface
from engine.rendering.projection import camera_points
from engine.rendering.torch_renderer.renderer import Backdrop, Images, one_by_one, to_bytes
from engine.rendering.torch_renderer.shade import Lighting, vertex_normals
from engine.settings.choices import Appearance
from usd_io.shapes import Float, Int, UInt8

PACKAGES = "libegl1 libgl1 libgl1-mesa-dri"
"""What Debian and Ubuntu call the libraries of EGL with a software driver."""
SOFTWARE_DRIVERS = ("llvmpipe", "softpipe", "swrast", "software")
FAR_SHARE = 1.05
"""The far plane, in the largest depth of the vertices."""
KEY_LIGHT = 2.5
"""Intensity of the light that goes with the camera, over the ambient light."""
_FLIP = np.diag([1.0, -1, -1, 1])
"""OpenGL cameras look along -z with y up."""


class RendererMissing(ResourceMissing):
    """A renderer cannot work on this machine; the message says what is missing."""


class PyrenderRenderer:
    """Draws batches with pyrender; its light is physically based, so only unlit pictures equal torch's."""

    name = "pyrender"

    def __init__(
        self, surface: Surface, appearance: Appearance = "textured", lighting: Lighting | None = None
    ) -> None:
        """Open the context, on the first use of the process.

        Raises:
            RendererMissing: pyrender or OpenGL is not there.
        """
        _context()
        self.surface = surface
        self._look = appearance, lighting
        self._flat = appearance == "canonical" or (lighting is not None and lighting.diffuse == 0)
        self._groups = _group_faces(surface, appearance)
        self._materials = [self._material(texture) for _, texture, _ in self._groups]
        self._colors = _corner_colors(surface, appearance, linear=not self._flat)

    @torch.no_grad()
    def render(
        self,
        vertices: Float[Tensor, "image vertex 3"],
        cameras: Cameras,
        backdrop: Backdrop | None = None,
        times: Float[np.ndarray, " image"] | None = None,
    ) -> Images:
        """Draw a batch, one image after another."""
        if times is not None and self.surface.changing is not None:
            return one_by_one(lambda time: self.at(time).render, vertices, cameras, backdrop, times)
        normals = vertex_normals(vertices, self.surface.faces).numpy()
        depths = camera_points(cameras, vertices)[..., 2].amax(1)
        parts = [
            self._draw(
                vertices[i].numpy(),
                normals[i],
                cameras.at(slice(i, i + 1) if len(cameras) > 1 else slice(0, 1)),
                far,
            )
            for i, far in enumerate(depths.tolist())
        ]
        color, depth, mesh = (torch.from_numpy(np.stack(p)) for p in zip(*parts, strict=True))
        return _compose(color.float() / 255, depth, mesh, backdrop)

    def pictures(
        self,
        vertices: Float[Tensor, "image vertex 3"],
        cameras: Cameras,
        backdrop: Backdrop | None = None,
        times: Float[np.ndarray, " image"] | None = None,
    ) -> UInt8[np.ndarray, "image height width 3"]:
        """The colours of :meth:`render` as bytes."""
        return to_bytes(self.render(vertices, cameras, backdrop, times).rgb)

    def at(self, time: float) -> "PyrenderRenderer":
        """Draws the surface as it looks at a time code."""
        return PyrenderRenderer(self.surface.at(time), *self._look)

    def _draw(
        self,
        points: Float[np.ndarray, "vertex 3"],
        normals: Float[np.ndarray, "vertex 3"],
        camera: Cameras,
        far: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pyrender, renderer = _context()
        renderer.viewport_height, renderer.viewport_width = camera.height, camera.width
        scene = pyrender.Scene(bg_color=[0.0] * 4, ambient_light=[0.35] * 3)
        nodes = {
            scene.add(pyrender.Mesh([self._primitive(pyrender, group, points, normals)])): self._groups[
                group
            ][0]
            for group in range(len(self._groups))
        }
        T_world_camera = np.linalg.inv(camera.T_camera_world[0]) @ _FLIP
        (fx, fy), (cx, cy) = camera.focal[0], camera.centre[0]
        far = max(far * FAR_SHARE, camera.near * 2)
        scene.add(pyrender.IntrinsicsCamera(fx, fy, cx, cy, znear=camera.near, zfar=far), pose=T_world_camera)
        if not self._flat:
            scene.add(pyrender.DirectionalLight(intensity=KEY_LIGHT), pose=T_world_camera @ _light_turn())
        flags = pyrender.RenderFlags
        look = flags.FLAT if self._flat else flags.SKIP_CULL_FACES
        color, _ = renderer.render(scene, flags=flags.RGBA | flags.SKIP_CULL_FACES | look)
        keys = {
            node: [(index + 1) >> 16 & 255, (index + 1) >> 8 & 255, (index + 1) & 255]
            for node, index in nodes.items()
        }
        seg, depth = renderer.render(scene, flags=flags.SEG | flags.SKIP_CULL_FACES, seg_node_map=keys)
        mesh = seg[..., :3].astype(np.int64) @ np.array([1 << 16, 1 << 8, 1]) - 1
        return color, np.where(mesh >= 0, depth, np.inf).astype(np.float32), mesh

    def _primitive(
        self,
        pyrender: Any,
        group: int,
        points: Float[np.ndarray, "vertex 3"],
        normals: Float[np.ndarray, "vertex 3"],
    ) -> Any:
        _, texture, faces = self._groups[group]
        corners = self.surface.faces.numpy()[faces].ravel()
        uv = self.surface.corner_uvs.numpy()[faces].reshape(-1, 2) if texture >= 0 else None
        return pyrender.Primitive(
            positions=points[corners].astype(np.float32),
            normals=normals[corners].astype(np.float32),
            color_0=None if texture >= 0 else self._colors[faces].reshape(-1, 3),
            texcoord_0=uv,
            material=self._materials[group],
            mode=pyrender.constants.GLTF.TRIANGLES,
        )

    def _material(self, texture: int) -> Any:
        pyrender, _ = _context()
        image = None
        if texture >= 0:
            pixels = (self.surface.textures[texture].numpy() * 255 + 0.5).astype(np.uint8)
            linear = pyrender.Sampler(magFilter=9729, minFilter=9729)  # GL_LINEAR, as torch samples
            image = pyrender.Texture(source=pixels, source_channels="RGB", sampler=linear)
        return pyrender.MetallicRoughnessMaterial(
            baseColorTexture=image,
            baseColorFactor=[1.0] * 4,
            metallicFactor=0.0,
            roughnessFactor=0.8,
            doubleSided=True,
        )


def software_driver() -> str:
    """The name of OpenGL's driver where it computes on the CPU, empty where a GPU does."""
    from OpenGL.GL import GL_RENDERER, glGetString

    _, renderer = _context()
    renderer._platform.make_current()
    name = (glGetString(GL_RENDERER) or b"").decode(errors="replace")
    renderer._platform.make_uncurrent()
    return name if any(driver in name.lower() for driver in SOFTWARE_DRIVERS) else ""


@cache
def _context() -> tuple[Any, Any]:
    """pyrender and its one renderer.

    Raises:
        RendererMissing: Either cannot be had.
    """
    os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
    platform = os.environ["PYOPENGL_PLATFORM"]
    vars(np).setdefault("infty", np.inf)  # NumPy 2 dropped the name; pyrender's bounds need it
    try:
        import pyrender
    except (ImportError, AttributeError, OSError) as error:
        raise RendererMissing(_missing(platform, error), settings=("renderer",)) from error
    try:
        return pyrender, pyrender.OffscreenRenderer(64, 64)
    except (
        Exception
    ) as error:  # whatever the driver raises: EGLError, GLError, ValueError, AttributeError ...
        raise RendererMissing(_missing(platform, error), settings=("renderer",)) from error


def _missing(platform: str, error: BaseException) -> str:
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    return (
        f"pyrender finds no OpenGL through {platform} ({reason}); install {PACKAGES} or the GPU's driver, or use "
        "the renderer torch."
    )


def _group_faces(surface: Surface, appearance: Appearance) -> list[tuple[int, int, Int[np.ndarray, " face"]]]:
    """Faces by mesh and texture: what one draw call takes."""
    texture = surface.face_texture.numpy() if appearance == "textured" else np.full(len(surface.faces), -1)
    both = np.stack([surface.face_mesh.numpy(), texture], axis=-1)
    kinds, which = np.unique(both, axis=0, return_inverse=True)
    return [
        (int(mesh), int(image), np.flatnonzero(which.reshape(-1) == i))
        for i, (mesh, image) in enumerate(kinds)
    ]


def _corner_colors(
    surface: Surface, appearance: Appearance, *, linear: bool
) -> Float[np.ndarray, "face 3 3"]:
    colors = surface.corner_colors if appearance != "canonical" else surface.canonical[surface.faces]
    values = colors.numpy().astype(np.float32)
    return values**2.2 if linear else values  # its shader encodes lit colours with 1 / 2.2


def _light_turn() -> Float[np.ndarray, "4 4"]:
    """The light comes from above to the left of the camera."""
    toward = np.array([0.5, -0.7, -1.0])
    z = -toward / np.linalg.norm(toward)
    x = np.cross([0, 1, 0], z)
    x /= np.linalg.norm(x)
    turn = np.eye(4)
    turn[:3, :3] = np.stack([x, np.cross(z, x), z], axis=-1)
    return turn


def _compose(
    color: Float[Tensor, "image height width 4"],
    depth: Float[Tensor, "image height width"],
    mesh: Int[Tensor, "image height width"],
    backdrop: Backdrop | None,
) -> Images:
    """Lay the picture, drawn over transparent black, onto the backdrop or white."""
    rgb, alpha = color[..., :3], color[..., 3]
    behind = torch.ones_like(rgb) if backdrop is None else backdrop.rgb
    if backdrop is not None:
        hidden = torch.isfinite(depth) & (depth > backdrop.depth)
        rgb = torch.where(hidden[..., None], 0, rgb)
        alpha = torch.where(hidden, 0, alpha)
        mesh = torch.where(hidden, -1, mesh)
        depth = torch.where(hidden, torch.inf, depth)
    return Images(rgb + (1 - alpha[..., None]) * behind, alpha, depth, mesh, None)
