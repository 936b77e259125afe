"""Choosing who draws: torch everywhere, pyrender where OpenGL is there; both behind one protocol."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from engine.rendering.camera import Cameras
from engine.rendering.mesh.surface import Surface
from engine.rendering.torch_renderer.renderer import (
    Backdrop,
    Images,
    draw_window,
    one_by_one,
    render,
    to_bytes,
)
from engine.rendering.torch_renderer.shade import Lighting
from engine.settings.choices import Appearance, RendererName
from usd_io.shapes import Float, UInt8


@runtime_checkable
class Renderer(Protocol):
    """Draws batches of images of one surface."""

    @property
    def name(self) -> str: ...

    def render(
        self,
        vertices: Float[Tensor, "image vertex 3"],
        cameras: Cameras,
        backdrop: Backdrop | None = None,
        times: Float[np.ndarray, " image"] | None = None,
    ) -> Images:
        """See :func:`engine.rendering.torch_renderer.renderer.render`; ``times`` [time codes] are for surfaces whose
        colours change."""

    def pictures(
        self,
        vertices: Float[Tensor, "image vertex 3"],
        cameras: Cameras,
        backdrop: Backdrop | None = None,
        times: Float[np.ndarray, " image"] | None = None,
    ) -> UInt8[np.ndarray, "image height width 3"]:
        """The colours of :meth:`render` as bytes."""


@dataclass(frozen=True, eq=False)
class TorchRenderer:
    """Draws with :mod:`engine.rendering.torch_renderer.renderer`, without gradients."""

    surface: Surface
    appearance: Appearance = "textured"
    lighting: Lighting | None = None
    antialiased: bool = True
    name: str = "torch"

    @torch.no_grad()
    def render(
        self,
        vertices: Float[Tensor, "image vertex 3"],
        cameras: Cameras,
        backdrop: Backdrop | None = None,
        times: Float[np.ndarray, " image"] | None = None,
    ) -> Images:
        """Draw a batch."""
        if times is not None and self.surface.changing is not None:
            return one_by_one(lambda time: self.at(time).render, vertices, cameras, backdrop, times)
        return render(
            vertices,
            cameras,
            self.surface,
            appearance=self.appearance,
            lighting=self.lighting,
            backdrop=backdrop,
            antialiased=self.antialiased,
        )

    @torch.no_grad()
    def pictures(
        self,
        vertices: Float[Tensor, "image vertex 3"],
        cameras: Cameras,
        backdrop: Backdrop | None = None,
        times: Float[np.ndarray, " image"] | None = None,
    ) -> UInt8[np.ndarray, "image height width 3"]:
        """Draw a batch as bytes: what stands still around the characters becomes bytes once."""
        if times is not None and self.surface.changing is not None:
            return to_bytes(self.render(vertices, cameras, backdrop, times).rgb)
        images, window = draw_window(
            vertices,
            cameras,
            self.surface,
            appearance=self.appearance,
            lighting=self.lighting,
            backdrop=backdrop,
            antialiased=self.antialiased,
        )
        size = len(vertices), cameras.height, cameras.width, 3
        result = np.full(size, 255, np.uint8)
        if backdrop is not None:
            result[:] = to_bytes(backdrop.rgb)
        window.of(result)[:] = to_bytes(images.rgb)
        return result

    def at(self, time: float) -> "TorchRenderer":
        """Draws the surface as it looks at a time code."""
        return replace(self, surface=self.surface.at(time))


def choose_renderer(
    name: RendererName, surface: Surface, appearance: Appearance, lighting: Lighting | None = None
) -> tuple[Renderer, str]:
    """The renderer of a name, and a note on the choice (empty where there is nothing to say).

    ``auto`` takes pyrender where a GPU does the work of OpenGL. Where OpenGL is missing or is computed in
    software it takes torch, which is quicker there (docs/measurements.md); without a graphics device pyrender,
    which takes a second to import, is not even tried.

    Raises:
        RendererMissing: pyrender was requested and cannot work here.
    """
    if name == "torch" or (name == "auto" and not _graphics_device()):
        return TorchRenderer(surface, appearance, lighting), ""
    from engine.rendering.pyrender_renderer import PyrenderRenderer, RendererMissing, software_driver

    if name == "pyrender":
        return PyrenderRenderer(surface, appearance, lighting), ""
    try:
        renderer = PyrenderRenderer(surface, appearance, lighting)
    except RendererMissing as missing:
        return TorchRenderer(surface, appearance, lighting), f"drawing with torch, since {missing}"
    software = software_driver()
    if software:
        note = f"drawing with torch, since OpenGL is computed in software here ({software})."
        return TorchRenderer(surface, appearance, lighting), note
    return renderer, ""


def _graphics_device() -> bool:
    """Whether a GPU that could draw shows up among the devices (of Linux: elsewhere pyrender has no EGL)."""
    return any(next(Path("/dev").glob(pattern), None) for pattern in ("nvidia[0-9]*", "dri/renderD*"))
