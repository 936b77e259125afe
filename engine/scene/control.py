"""What a video model is shown of the motion prior's guess in the frames that it is to generate.

Others estimate depth or poses from a video; here they are drawn, exactly, from the motion itself.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from engine.rendering.actors import Actors
from engine.rendering.bones import with_bones
from engine.rendering.mesh.surface import build_surface
from engine.rendering.renderers import TorchRenderer
from engine.rendering.torch_renderer.renderer import Backdrop, Images, to_bytes
from engine.rendering.views import IMAGES_AT_ONCE, View
from engine.scene.scene import Scene
from engine.settings.choices import ControlName
from usd_io.shapes import Float, UInt8

FARTHEST = 0.3
"""Grey of the point of the characters that is furthest away; the nearest is white, what is infinitely far black."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of display-referred red, green and blue in a picture without colours (ITU-R BT.601)."""


def control_pictures(
    scene: Scene, kind: ControlName, times: Float[np.ndarray, " frame"]
) -> UInt8[np.ndarray, "frame height width 3"]:
    """The guess in the video's view.

    Args:
        scene: Seen by a still camera.
        kind: ``depth``: distance from the camera, near is bright, as estimators of depth have it, over all frames on
            one scale; ``pose``: bones on black, each point of them in a colour of its own; ``grey``: pictures without
            colours.
        times: [time codes]
    """
    view, actors = scene.views[0], scene.actors(times)
    match kind:
        case "depth":
            drawn = _draw(scene.renderer, actors, view)
            grey = depth_greys(_distances(drawn, view), torch.cat([images.depth for images in drawn]))
        case "grey":
            rgb = torch.cat([images.rgb for images in _draw(scene.renderer, actors, view)])
            grey = rgb @ torch.tensor(LUMA, dtype=rgb.dtype)
        case "pose":
            return to_bytes(_bones(actors, view))
        case "none":
            raise AssertionError(kind)
    return to_bytes(grey[..., None].expand(-1, -1, -1, 3))


def depth_greys(
    depth: Float[Tensor, "frame height width"], characters: Float[Tensor, "frame height width"]
) -> Float[Tensor, "frame height width"]:
    """Distances as greys: linear in 1 / distance, black at infinity.

    Args:
        depth: Of all that is seen [stage units], inf where nothing is.
        characters: Of the characters alone, whose span is spread from :data:`FARTHEST` to white.
    """
    seen = 1 / characters[characters.isfinite()]
    if not len(seen):
        return torch.zeros_like(depth)
    far, near = seen.aminmax()
    scale = (1 - FARTHEST) / (near - far).clamp_min(1e-12)
    return (FARTHEST + (1 / depth - far) * scale).clamp(0, 1) * depth.isfinite()


def _draw(renderer: TorchRenderer, actors: Actors, view: View) -> list[Images]:
    batches = range(0, actors.frame_count, IMAGES_AT_ONCE)
    return [
        renderer.render(actors.vertices(slice(i, i + IMAGES_AT_ONCE)), view.cameras, view.backdrop)
        for i in batches
    ]


def _distances(drawn: list[Images], view: View) -> Float[Tensor, "frame height width"]:
    """Of characters and of what stands behind them."""
    depth = torch.cat([images.depth for images in drawn])
    return depth if view.backdrop is None else torch.minimum(depth, view.backdrop.depth.to(depth))


def _bones(actors: Actors, view: View) -> Float[Tensor, "frame height width 3"]:
    """Spindles from joint to joint, coloured by their place in the bind pose, on black."""
    bare = tuple(with_bones(replace(character, meshes=())) for character in actors.characters)
    renderer = TorchRenderer(build_surface(bare, _no_texture, "canonical"), "canonical")
    size = (1, view.cameras.height, view.cameras.width)
    black = Backdrop(torch.zeros((*size, 3)), torch.full(size, torch.inf))
    drawn = _draw(renderer, Actors(bare, actors.motions), replace(view, backdrop=black))
    return torch.cat([images.rgb for images in drawn])


def _no_texture(path: str) -> bytes:
    raise AssertionError(path)
