"""A film is drawn in the look that it has itself."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.config import RunConfig
from engine.events import Event, Note
from engine.files.video import Video
from engine.geometry.resample import resample
from engine.priors.fill import fill, split
from engine.progress import Progress
from engine.rendering.mesh.surface import Dye, Surface, build_surface
from engine.rendering.renderers import TorchRenderer
from engine.run import plan
from engine.scene.film_look import as_filmed
from engine.scene.scene import Scene, make_scene
from engine.scene.subject import Subject
from engine.settings.choices import Appearance
from usd_io.read.material import read_texture_bytes

TIMES = np.array([40.0, 45.0, 50.0, 55.0, 60.0])


@pytest.fixture(scope="module")
def scene() -> Scene:
    stage = str(Path(__file__).parents[2] / "data" / "fox" / "fox.usdc")
    planned = plan(RunConfig(stage=stage, context=((0, 40),), keys=(50, 60), prior="slerp"))
    (character,), (motion,), (made,) = planned.shot.characters, planned.shot.motions, planned.plans
    start = fill(character, split(motion, made, lambda t: resample(motion, t)), made, "slerp")
    return make_scene(stage, [Subject(character, made, start, start)], height=64, width=96)


@pytest.fixture(scope="module")
def film(scene: Scene) -> Callable[[Surface, Appearance], Video]:
    def drawn(surface: Surface, look: Appearance) -> Video:
        view = scene.views[0]
        vertices = scene.actors(TIMES).vertices(slice(None))
        rgb = TorchRenderer(surface, look).render(vertices, view.cameras, view.backdrop).rgb
        return Video(tuple(TIMES / scene.time_codes_per_second), rgb.permute(0, 3, 1, 2))

    return drawn


def heard(scene: Scene, video: Video) -> tuple[Scene, list[Note]]:
    events: list[Event] = []
    made = as_filmed(scene, video, Progress(events.append))
    return made, [event for event in events if isinstance(event, Note)]


def test_a_film_as_we_draw_it_changes_nothing(
    scene: Scene, film: Callable[[Surface, Appearance], Video]
) -> None:
    made, notes = heard(scene, film(scene.surface, "textured"))
    assert made.surface is scene.surface
    assert made.appearance == "textured"
    assert not notes


@pytest.mark.parametrize("look", ["shaded", "canonical"])
def test_another_look_of_ours_is_found_and_told(
    scene: Scene, film: Callable[[Surface, Appearance], Video], look: Appearance
) -> None:
    video = film(build_surface(scene.characters, read_texture_bytes, look), look)
    made, (note,) = heard(scene, video)
    assert made.appearance == look
    assert made.surface.dye is None
    assert note.level == "info"
    assert f"the look {look}" in note.text
    again = film(made.surface, made.appearance)
    assert torch.allclose(again.frames, video.frames)


def test_colours_of_another_renderer_are_learnt_where_all_is_known(
    scene: Scene, film: Callable[[Surface, Appearance], Video]
) -> None:
    # redder towards one end of the body, darker as a whole
    tint = torch.tensor([0.3, 0.0, -0.2]) * scene.surface.canonical[:, 2:]
    other = replace(scene.surface, dye=Dye(torch.full((3,), 0.7), torch.full((3,), 0.05), tint))
    video = film(other, "textured")
    made, (note,) = heard(scene, video)
    assert made.surface.dye is not None
    assert "learnt" in note.text

    def off(surface: Surface) -> Tensor:
        return (film(surface, "textured").frames - video.frames).abs()[[1, 3]].mean()

    # between the keys as well, which it was not learnt from
    assert off(made.surface) < 0.2 * off(scene.surface)


def test_noise_is_not_taken_for_a_look(scene: Scene, film: Callable[[Surface, Appearance], Video]) -> None:
    video = film(scene.surface, "textured")
    noise = 0.08 * torch.randn(video.frames.shape, generator=torch.Generator().manual_seed(5))
    made, notes = heard(scene, replace(video, frames=(video.frames + noise).clamp(0, 1)))
    assert made.surface is scene.surface
    assert not notes


def test_a_film_of_something_else_is_warned_of(
    scene: Scene, film: Callable[[Surface, Appearance], Video]
) -> None:
    video = film(scene.surface, "textured")
    noise = torch.rand(video.frames.shape, generator=torch.Generator().manual_seed(4))
    made, (note,) = heard(scene, replace(video, frames=noise))
    assert made.surface.dye is None
    assert note.level == "warning"
    assert "another" in note.text


def test_a_film_that_shows_no_known_frame_is_taken_for_a_usual_one(
    scene: Scene, film: Callable[[Surface, Appearance], Video]
) -> None:
    surface = build_surface(scene.characters, read_texture_bytes, "canonical")
    video = film(surface, "canonical")
    between = Video(video.times[3:4], video.frames[3:4])
    assert as_filmed(scene, between, Progress()) is scene
