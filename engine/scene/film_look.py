"""How the characters look in a film that nobody here has drawn: which of our looks is nearest, and what it lacks.

A film may show a character as clay, or drawn by another renderer under other light. At keys and in the context its pose
is known, so there the film itself tells its colours: the look under which our drawing agrees best is taken, and where
that still differs, what it differs by is learnt per vertex. A fit and a joint estimator then draw what the film shows.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from engine.files.video import Video
from engine.mimic.key_check import NEAR
from engine.mimic.pictures.colour_match import fit_colours
from engine.mimic.pictures.pyramid import resample
from engine.progress import Progress
from engine.rendering.camera import Cameras
from engine.rendering.mesh.surface import Dye, Surface, build_surface
from engine.rendering.projection import camera_points, homogeneous_pixels
from engine.rendering.threads import limited_threads
from engine.rendering.torch_renderer.fragments import Fragments, make_fragments
from engine.rendering.torch_renderer.renderer import render
from engine.scene.scene import Scene
from engine.settings.choices import Appearance
from usd_io.shapes import Float, Int

LOOKS: tuple[Appearance, ...] = ("textured", "shaded", "canonical")
"""What a film is compared with, the usual one first."""
HEIGHT = 320
"""Most of the pictures that are compared [pixels]."""
MOST_FRAMES = 12
"""So many known frames tell enough."""
BETTER = 0.7
"""Another look is taken where it leaves at most this part of what the one before it leaves."""
BETTER_LEARNT = 1.2
"""What is learnt has to leave at most this part in frames that it was not learnt from: there are often two known frames
alone, so that it is tried with what one of them shows and used with both."""
SMALL = 0.005
"""A mean difference of colours that needs no better look, of a range of 1."""
STRANGE = 0.1
"""A mean difference of colours that no look explains: the film shows something else, or is not where it is taken to
be."""
STIFF, FAINT = 0.3, 0.02
"""What is learnt at a vertex is drawn to its neighbours' and to nothing by as much as by so many pixels."""
PARTS = 4
"""Of the frames, each left out once."""
ITERATIONS = 60
"""Of conjugate gradients."""


@dataclass(frozen=True, eq=False)
class FilmLook:
    """How to draw the characters as a film shows them."""

    appearance: Appearance
    surface: Surface
    learnt: bool
    """Whether the film's own colours were learnt."""
    usual: float
    """Mean difference of colours between the film and the usual look at the known frames, of a range of 1."""
    nearest: float
    """The same with this look as we have it."""
    left: float
    """The same with this look as it is, where it was learnt in frames that it was not learnt from."""
    frames: int
    """Known frames that were compared; 0: the film shows none, and the look is the usual one."""


@torch.no_grad()
def find_look(
    vertices: Float[Tensor, "frame vertex 3"],
    cameras: Cameras,
    frames: Float[Tensor, "frame 3 height width"],
    surface_of: Callable[[Appearance], Surface],
) -> FilmLook:
    """The look of the characters in a film.

    Args:
        vertices: World points of the characters in the frames of the film in which all is known.
        cameras: Of these frames: one, or one each.
        frames: The pictures, of the cameras' aspect ratio.
        surface_of: Gives the surface of a look.
    """
    usual = surface_of(LOOKS[0])
    if not len(frames):
        return FilmLook(LOOKS[0], usual, False, 0.0, 0.0, 0.0, 0)
    # some of the frames evenly, at a small size
    some = np.unique(np.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames))).round().astype(int))
    if len(cameras) > 1:
        cameras = cameras.at(some)
    height = min(HEIGHT, cameras.height)
    width = max(1, round(cameras.width * height / cameras.height))
    scale = np.array([width / cameras.width, height / cameras.height])
    cameras = replace(
        cameras, focal=cameras.focal * scale, centre=cameras.centre * scale, height=height, width=width
    )
    film = _Film(vertices[some], cameras, resample(frames[some], height, width))
    best, best_error, first_error = (LOOKS[0], usual), 0.0, 0.0
    for look in LOOKS:
        surface = usual if look == LOOKS[0] else surface_of(look)
        error = film.difference(film.compare(surface, look))
        if look == LOOKS[0]:
            best_error = first_error = error
        elif best_error > SMALL and error < BETTER * best_error:
            best, best_error = (look, surface), error
    look, surface = best
    # from a film of something else nothing is learnt, or the check at the keys would see what was painted
    if SMALL < best_error <= STRANGE and len(some) > 1:
        compared = film.compare(surface, look)
        dye = film.dye(surface, compared)
        # noise, for one, is not learnt: it is no more explained than before
        if film.remaining(dye, compared) < BETTER * best_error:
            learnt = film.left_out(surface, compared)
            if learnt < BETTER_LEARNT * best_error:
                dyed = replace(surface, dye=dye)
                return FilmLook(look, dyed, True, first_error, best_error, learnt, len(some))
    return FilmLook(look, surface, False, first_error, best_error, best_error, len(some))


def as_filmed(scene: Scene, video: Video, progress: Progress) -> Scene:
    """The scene with its characters as a film shows them.

    Args:
        scene: As it is usually drawn, seen by the film's camera.
        video: The film; times are time codes over time codes per second.
        progress: Reports when characters look otherwise than usual, and warns when no look agrees.
    """
    from usd_io.read.material import read_texture_bytes

    times = np.array(video.times) * scene.time_codes_per_second
    near = known_frames(times, np.array(scene.schedule.true))
    if not len(near):
        return scene
    cameras = scene.cameras.at(near) if len(scene.cameras) > 1 else scene.cameras

    def surface_of(look: Appearance) -> Surface:
        return (
            scene.surface
            if look == scene.appearance
            else build_surface(scene.characters, read_texture_bytes, look)
        )

    with limited_threads():
        vertices = scene.actors(times[near]).vertices(slice(None))
        found = find_look(vertices, cameras, video.frames[near], surface_of)
    if found.nearest > STRANGE:
        progress.note(
            f"Where all is known, at keys and in the context, the video's colours differ by {found.nearest:.0%} of "
            f"their range from the characters' in the nearest look ({found.appearance}): its look, its camera, its "
            "frame rate or its beginning is another, and the fit may not follow it.",
            level="warning",
        )
    elif found.appearance != scene.appearance or found.learnt:
        learnt = ", and the rest is learnt from these frames" if found.learnt else ""
        progress.note(
            f"The video shows the characters in the look {found.appearance}: where all is known "
            f"({found.frames} of its frames) its colours differ from that by {found.nearest:.1%} of their range, "
            f"from the usual look ({scene.appearance}) by {found.usual:.1%}{learnt}."
        )
    return replace(scene, surface=found.surface, appearance=found.appearance)


def known_frames(
    times: Float[np.ndarray, " frame"], known: Float[np.ndarray, " known"]
) -> Int[np.ndarray, " near"]:
    """Frames of a film that show a known time [time codes]."""
    if len(times) < 2 or not len(known):
        return np.zeros(0, int)
    apart = np.abs(times[:, None] - known).min(1)
    return np.flatnonzero(apart <= NEAR * np.diff(times).min())


@dataclass(frozen=True, eq=False)
class _Compared:
    """Our drawing beside the film in pixels that the characters surely cover."""

    fragments: Fragments
    """Of these pixels."""
    ours: Float[Tensor, "pixel 3"]
    theirs: Float[Tensor, "pixel 3"]
    gain: Float[Tensor, "3"]
    offset: Float[Tensor, "3"]
    """Which take our colours to the film's as far as one for all pixels can."""

    @property
    def off(self) -> Float[Tensor, "pixel 3"]:
        """What the film has more than ours."""
        return self.theirs - self.gain * self.ours - self.offset


class _Film:
    """The known frames of a film."""

    def __init__(
        self,
        vertices: Float[Tensor, "frame vertex 3"],
        cameras: Cameras,
        frames: Float[Tensor, "frame 3 height width"],
    ) -> None:
        self.vertices, self.cameras, self.frames = vertices, cameras, frames

    def compare(self, surface: Surface, look: Appearance) -> _Compared:
        """Draw the known poses in a look."""
        images = render(self.vertices, self.cameras, surface, appearance=look)
        assert images.face_id is not None
        # pixels that have a neighbour without a character are left out: half of them shows what is behind
        bare = (images.face_id < 0).float()[:, None]
        inner = max_pool2d(bare, 3, 1, 1)[:, 0] == 0
        pixels = homogeneous_pixels(self.cameras, camera_points(self.cameras, self.vertices))
        fragments = make_fragments(
            torch.where(inner, images.face_id, -1), pixels, surface.faces, self.cameras
        )
        ours = images.rgb.flatten(0, 2)[fragments.place]
        theirs = self.frames.permute(0, 2, 3, 1).flatten(0, 2)[fragments.place]
        if not len(ours):
            return _Compared(fragments, ours, theirs, torch.ones(3), torch.zeros(3))
        gain, offset = fit_colours(ours.T.double(), theirs.T.double())
        return _Compared(fragments, ours, theirs, gain.float(), offset.float())

    def difference(self, compared: _Compared) -> float:
        """Mean difference of colours; 0 where nothing can be compared."""
        return float(compared.off.abs().mean()) if len(compared.ours) else 0.0

    def remaining(self, dye: Dye, compared: _Compared) -> float:
        """The mean difference under a dye, in the frames that it was learnt from."""
        return float((compared.off - _at(dye.tint, compared.fragments, self._count)).abs().mean())

    def left_out(self, surface: Surface, compared: _Compared) -> float:
        """The mean difference in each part of the frames under a dye that was learnt from the others."""
        sums, count = 0.0, 0
        image = compared.fragments.image
        for part in np.array_split(np.arange(len(self.vertices)), min(PARTS, len(self.vertices))):
            held = torch.isin(image, torch.from_numpy(part))
            mine, others = torch.nonzero(held)[:, 0], torch.nonzero(~held)[:, 0]
            if not len(mine) or not len(others):
                continue
            tint = self._tint(surface, compared.fragments.select(others), compared.off[others])
            off = compared.off[mine] - _at(tint, compared.fragments.select(mine), self._count)
            sums, count = sums + float(off.abs().sum()), count + off.numel()
        return sums / count if count else np.inf

    def dye(self, surface: Surface, compared: _Compared) -> Dye:
        """What turns our colours into the film's."""
        return Dye(compared.gain, compared.offset, self._tint(surface, compared.fragments, compared.off))

    @property
    def _count(self) -> int:
        return self.vertices.shape[1]

    def _tint(
        self, surface: Surface, fragments: Fragments, off: Float[Tensor, "pixel 3"]
    ) -> Float[Tensor, "vertex 3"]:
        """Per vertex, so that mixed over a triangle it gives what pixels are off by: least squares, in which vertices
        that few pixels show follow their neighbours."""
        edges = surface.edges
        corners = fragments.corners % self._count

        def normal(tint: Tensor) -> Tensor:
            seen = _scattered(fragments, corners, _at(tint, fragments, self._count), self._count)
            apart = tint[edges[:, 0]] - tint[edges[:, 1]]
            bent = torch.zeros_like(tint).index_add_(0, edges[:, 0], apart).index_add_(0, edges[:, 1], -apart)
            return seen + STIFF * bent + FAINT * tint

        # conjugate gradients (Hestenes and Stiefel 1952) on the normal equations, one right side per colour
        rest = _scattered(fragments, corners, off, self._count)
        tint, way = torch.zeros_like(rest), rest
        size = (rest * rest).sum(0)
        for _ in range(ITERATIONS):
            turned = normal(way)
            step = size / (way * turned).sum(0).clamp_min(1e-20)
            tint, rest = tint + step * way, rest - step * turned
            following = (rest * rest).sum(0)
            way, size = rest + following / size.clamp_min(1e-20) * way, following
        return tint


def _at(tint: Float[Tensor, "vertex 3"], fragments: Fragments, count: int) -> Float[Tensor, "pixel 3"]:
    return fragments.interpolate(tint[fragments.corners % count])


def _scattered(
    fragments: Fragments, corners: Int[Tensor, "pixel 3"], values: Float[Tensor, "pixel 3"], count: int
) -> Float[Tensor, "vertex 3"]:
    """The transpose of :func:`_at`."""
    parts = (fragments.weights[..., None] * values[:, None]).flatten(0, 1)
    return torch.zeros(count, 3).index_add_(0, corners.flatten(), parts)
