"""Pictures of a stage at single times as a service (:mod:`engine.workers.protocol`): ``python -m
engine.workers.thumbnails``::

{"stage": "fox.usda", "time": 12.0, "view": "front", "height": 60, "width": 80, "background": [0, 0, 0]}
{"height": 60, "width": 80, "bytes": 14400}      and then the pixels

A time of null is one amid the motion.
"""

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from engine.errors import DataError
from engine.files.images import Picture
from engine.rendering.actors import Actors
from engine.rendering.bones import drawable
from engine.rendering.mesh.surface import build_surface
from engine.rendering.renderers import TorchRenderer
from engine.rendering.views import View, joint_tracks, orbit_views
from engine.workers.protocol import main
from usd_io.errors import StageReadError, shown
from usd_io.model import Character, Motion
from usd_io.shapes import Float

VIEWS = {"front": (0.0, 10.0), "side": (90.0, 10.0), "top": (0.0, 89.0), "three-quarter": (60.0, 15.0)}
"""Azimuth and elevation [degrees] by name."""
FRAMED = 32
"""Frames of the clip by which the camera is set."""
MOST_VERTICES = 200_000
MOST_READY = 6
"""Stages kept ready: the original, the truth, slerp, two takes and what is kept, side by side."""
GHOST = 0.25
"""Opacity of a pose that is seen behind."""
TRAILS = ((255, 176, 0), (100, 200, 255), (255, 110, 180), (150, 230, 90))
Canvas = Float[np.ndarray, "height width 3"]


class Stills:
    """The characters of one stage, ready to be drawn at any time."""

    def __init__(self, stage: str, muted: tuple[str, ...] = (), take: int = 0, version: int = 0) -> None:
        """Read a stage.

        Args:
            stage: Its path.
            muted: Identifiers of layers to leave out.
            take: Of a result the take to draw, whatever it shows; 0: what it shows.
            version: Another one where its files have changed meanwhile.

        Raises:
            UsdIoError: It cannot be read.
            DataError: There is nothing to draw.
        """
        from usd_io.read.character import find_skinned, read_bound_character
        from usd_io.read.material import read_texture_bytes
        from usd_io.read.stage import find_skeletons, open_stage

        self._opened = open_stage(stage)
        if version:
            self._opened.GetRootLayer().Reload()  # first, since a layer that it names no more may be gone
            self._opened.Reload()
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
        self._cameras: dict[Hashable, View] = {}
        self._under: tuple[object, Canvas] = (None, np.zeros((1, 1, 3), np.float32))
        """The background with its ghosts that was drawn last, and what it is for."""
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
        *,
        ghosts: tuple[float, ...] = (),
        trails: tuple[str, ...] = (),
        trail_times: tuple[float, ...] = (),
    ) -> Picture:
        """A picture of all characters at a time.

        Args:
            time: Time code.
            view: One of ``VIEWS``. The camera sees the whole motion.
            height: Of the picture [pixels].
            width: Of the picture [pixels].
            background: sRGB in [0, 1].
            framing: Another motion to set the camera by, so that several stages are seen by the same one.

        Other args:
            ghosts: Time codes of poses that are seen faintly behind.
            trails: Joints of which the way over ``trail_times`` is drawn: by their path or last name.
            trail_times: Time codes.
        """
        camera = self._camera(view, height, width, framing)
        key = (view, height, width, background, framing, ghosts)
        if key != self._under[0]:
            canvas = np.broadcast_to(np.array(background, np.float32), (height, width, 3)).copy()
            for ghost in ghosts:
                canvas = self._over(canvas, ghost, camera, GHOST)
            self._under = key, canvas
        over = self._over(self._under[1], time, camera, 1.0)
        picture = (over.clip(0, 1) * 255 + 0.5).astype(np.uint8)
        return self._with_trails(picture, time, camera, trails, trail_times) if trails else picture

    def _camera(self, view: str, height: int, width: int, framing: Actors | None) -> View:
        """The camera of a view, which is the same for every frame."""
        key = (view, height, width, framing)
        if key not in self._cameras:
            azimuth, elevation = VIEWS[view]
            (self._cameras[key],) = orbit_views(
                framing or self._framing,
                {view: azimuth},
                height=height,
                width=width,
                elevation_deg=elevation,
                ground=False,
            )
        while len(self._cameras) > MOST_READY:
            del self._cameras[next(iter(self._cameras))]
        return self._cameras[key]

    def _over(self, canvas: Canvas, time: float, camera: View, opacity: float) -> Canvas:
        """A pose over a picture.

        The renderer draws over white: where ``m`` is the mask, its picture is ``m colour + (1 - m)``. What lies
        behind is covered by ``opacity m`` of the colour.
        """
        actors = Actors(self._characters, self._motions(np.array([time])))
        images = self._renderer.render(actors.vertices(slice(0, 1)), camera.cameras, times=np.array([time]))
        rgb, mask = images.rgb[0].numpy(), images.mask[0].numpy()[..., None]
        return canvas + opacity * (rgb - (1 - mask) - mask * canvas)

    def _with_trails(
        self, picture: Picture, time: float, camera: View, joints: tuple[str, ...], times: tuple[float, ...]
    ) -> Picture:
        """A picture with the ways of some joints, a dot per frame: they lie apart where it is quick. What is yet to
        come is fainter, and the joint itself is marked."""
        image = Image.fromarray(picture)
        pen = ImageDraw.Draw(image)
        radius = max(picture.shape[0] // 150, 0)
        moments = sorted({*times, time})
        for motion, character in zip(self._motions(np.array(moments)), self._characters, strict=True):
            ways = joint_tracks(character, motion, camera.cameras)
            names = [(joint, joint.rsplit("/", 1)[-1]) for joint in character.joints]
            for number in [i for i, found in enumerate(names) if set(found) & set(joints)]:
                color = TRAILS[number % len(TRAILS)]
                faint = tuple(c // 2 for c in color)
                for at, (x, y, _) in zip(moments, ways[:, number], strict=True):
                    if np.isfinite([x, y]).all():
                        size = radius + 1 if at == time else radius
                        column, row = round(x), round(y)
                        box = (column - size, row - size, column + size, row + size)
                        # an ellipse in no box at all is drawn or not, as its corner falls: a pixel is a pixel
                        (pen.ellipse if size else pen.rectangle)(box, fill=color if at <= time else faint)
        return np.asarray(image)


_stills = lru_cache(maxsize=MOST_READY)(Stills)


def answer(request: Mapping[str, Any], stopped: Callable[[], bool]) -> tuple[Mapping[str, Any], bytes]:
    """The picture that a request asks for; it takes so little time that it is never stopped."""
    del stopped
    red, green, blue = request["background"]
    ready = _stills(
        request["stage"],
        tuple(request.get("muted", ())),
        int(request.get("take", 0)),
        int(request.get("version", 0)),
    )
    picture = ready.draw(
        ready.middle if request["time"] is None else float(request["time"]),
        request["view"],
        int(request["height"]),
        int(request["width"]),
        (red, green, blue),
        _stills(request["framing"], (), 0).framing if request.get("framing") else None,
        ghosts=tuple(request.get("ghosts", ())),
        trails=tuple(request.get("trails", ())),
        trail_times=tuple(request.get("trail_times", ())),
    )
    return {"height": picture.shape[0], "width": picture.shape[1]}, picture.tobytes()


if __name__ == "__main__":
    main(answer)
