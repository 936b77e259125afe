"""Pictures of a stage at single times as a service (:mod:`engine.workers.protocol`): ``python -m
engine.workers.thumbnails``::

{"stage": "fox.usda", "time": 12.0, "view": "front", "height": 60, "width": 80, "background": [0, 0, 0]}
{"height": 60, "width": 80, "bytes": 14400}      and then the pixels

A time of null is one amid the motion.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from engine.errors import DataError
from engine.files.images import Picture
from engine.rendering.actors import Actors
from engine.rendering.bones import drawable
from engine.rendering.mesh.surface import build_surface
from engine.rendering.renderers import TorchRenderer
from engine.rendering.views import orbit_views
from engine.workers.protocol import main
from usd_io.errors import StageReadError, shown
from usd_io.model import Character, Motion

VIEWS = {"front": (0.0, 10.0), "side": (90.0, 10.0), "top": (0.0, 89.0), "three-quarter": (60.0, 15.0)}
"""Azimuth and elevation [degrees] by name."""
FRAMED = 32
"""Frames of the clip by which the camera is set."""
MOST_VERTICES = 200_000
MOST_READY = 4
"""Stages kept ready: the original, slerp and two takes side by side."""


class Stills:
    """The characters of one stage, ready to be drawn at any time."""

    def __init__(self, stage: str, muted: tuple[str, ...] = (), take: int = 0) -> None:
        """Read a stage.

        Args:
            stage: Its path.
            muted: Identifiers of layers to leave out.
            take: Of a result with several takes the one to draw; 0: the one it shows.

        Raises:
            UsdIoError: It cannot be read.
            DataError: There is nothing to draw.
        """
        from usd_io.read.character import find_skinned, read_bound_character
        from usd_io.read.stage import find_skeletons, open_stage
        from usd_io.read.texture import read_texture_bytes

        self._opened = open_stage(stage)
        for layer in muted:
            self._opened.MuteLayer(layer)
        if take:
            from usd_io.author.takes import show_take

            show_take(self._opened, take)
        skinned = find_skinned(self._opened)
        paths = [skeleton.path for skeleton in find_skeletons(self._opened)]
        characters = [read_bound_character(self._opened, path, skinned) for path in paths]
        self._characters, _ = drawable(characters)
        if not self._characters:
            raise DataError(f"{shown(stage)} holds nothing to draw.")
        if sum(len(mesh.points) for c in self._characters for mesh in c.meshes) > MOST_VERTICES:
            raise DataError(
                f"{shown(stage)}: more than {MOST_VERTICES} points are not drawn in the terminal."
            )
        self._renderer = TorchRenderer(build_surface(self._characters, read_texture_bytes))
        self._framing = Actors(self._characters, self._motions(self._framed_times()))

    def _framed_times(self) -> np.ndarray:
        from usd_io.read.motion import read_motion

        found: list[float] = []
        for character in self._characters:
            try:
                found += read_motion(self._opened, character.skeleton_path).times.tolist()
            except StageReadError:
                continue  # a still: the others tell
        times = np.unique(found) if found else np.zeros(1)
        return times[np.unique(np.linspace(0, len(times) - 1, FRAMED).round().astype(int))]

    def _motions(self, times: np.ndarray) -> list[Motion]:
        from usd_io.read.motion import read_motion

        return [read_motion(self._opened, c.skeleton_path, times) for c in self._characters]

    @property
    def characters(self) -> tuple[Character, ...]:
        """Those that can be seen."""
        return self._characters

    @property
    def middle(self) -> float:
        """A time amid the motion [time code]."""
        times = self._framed_times()
        return float(times[len(times) // 2])

    @property
    def framing(self) -> Actors:
        """The motion that the camera is set by."""
        return self._framing

    def draw(
        self,
        time: float,
        view: str,
        height: int,
        width: int,
        background: tuple[float, float, float],
        framing: Actors | None = None,
    ) -> Picture:
        """A picture of all characters at a time.

        Args:
            time: Time code.
            view: One of ``VIEWS``. The camera sees the whole motion.
            height: Of the picture [pixels].
            width: Of the picture [pixels].
            background: sRGB in [0, 1].
            framing: Another motion to set the camera by, so that several stages are seen by the same one.
        """
        azimuth, elevation = VIEWS[view]
        (camera,) = orbit_views(
            framing or self._framing,
            {view: azimuth},
            height=height,
            width=width,
            elevation_deg=elevation,
            ground=False,
        )
        actors = Actors(self._characters, self._motions(np.array([time])))
        images = self._renderer.render(actors.vertices(slice(0, 1)), camera.cameras)
        rgb, mask = images.rgb[0].numpy(), images.mask[0].numpy()[..., None]
        over = rgb + (1 - mask) * (np.array(background, np.float32) - 1)  # it was drawn over white
        return (over.clip(0, 1) * 255 + 0.5).astype(np.uint8)


_stills = lru_cache(maxsize=MOST_READY)(Stills)


def answer(request: Mapping[str, Any], stopped: Callable[[], bool]) -> tuple[Mapping[str, Any], bytes]:
    """The picture that a request asks for; it takes so little time that it is never stopped."""
    del stopped
    red, green, blue = request["background"]
    ready = _stills(request["stage"], tuple(request.get("muted", ())), int(request.get("take", 0)))
    picture = ready.draw(
        ready.middle if request["time"] is None else float(request["time"]),
        request["view"],
        int(request["height"]),
        int(request["width"]),
        (red, green, blue),
        _stills(request["framing"], (), 0).framing if request.get("framing") else None,
    )
    return {"height": picture.shape[0], "width": picture.shape[1]}, picture.tobytes()


if __name__ == "__main__":
    main(answer)
