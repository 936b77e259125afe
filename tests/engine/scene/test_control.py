"""What a video model is shown of the guess: drawn from the motion itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import RunConfig
from engine.geometry.resample import resample
from engine.priors.fill import fill, split
from engine.run import plan
from engine.scene.control import FARTHEST, LUMA, control_pictures, depth_greys
from engine.scene.scene import Scene, make_scene
from engine.scene.subject import Subject
from engine.settings.choices import ControlName

TIMES = np.array([44.0, 56.0])


@pytest.fixture(scope="module")
def scene() -> Scene:
    stage = str(Path(__file__).parents[2] / "data" / "fox" / "fox.usdc")
    planned = plan(RunConfig(stage=stage, context=((0, 40),), keys=(50, 60), prior="slerp"))
    (character,), (motion,), (made,) = planned.shot.characters, planned.shot.motions, planned.plans
    start = fill(character, split(motion, made, lambda t: resample(motion, t)), made, "slerp")
    return make_scene(stage, [Subject(character, made, start, start)], height=48, width=64)


def drawn(scene: Scene, kind: ControlName) -> np.ndarray:
    return control_pictures(scene, kind, TIMES).astype(float) / 255


def covered(scene: Scene) -> np.ndarray:
    actors = scene.actors(TIMES)
    images = scene.renderer.render(actors.vertices(slice(None)), scene.cameras, scene.views[0].backdrop)
    return images.depth.isfinite().numpy()


def test_depth_is_bright_near_dark_far_and_black_where_nothing_is(scene: Scene) -> None:
    nothing = torch.inf
    depth = torch.tensor([[[2.0, 4.0, nothing], [8.0, 3.0, nothing]]])
    characters = torch.tensor([[[2.0, 4.0, nothing], [nothing, 3.0, nothing]]])
    greys = depth_greys(depth, characters)[0]
    assert greys[0, 0] == 1
    assert float(greys[0, 1]) == pytest.approx(FARTHEST)
    assert greys[0, 1] < greys[1, 1] < 1
    assert greys[1, 0] == 0  # ground far behind
    assert (greys[:, 2] == 0).all()
    pictures = drawn(scene, "depth")
    assert pictures.shape == (2, 48, 64, 3)
    assert (pictures == pictures[..., :1]).all()
    inside = covered(scene)
    assert pictures[inside].max() == 1
    assert pictures[inside].min() >= FARTHEST - 0.01


def test_depth_of_an_empty_picture_is_black() -> None:
    empty = torch.full((1, 2, 2), torch.inf)
    assert not depth_greys(empty, empty).any()


def test_grey_is_the_picture_without_its_colours(scene: Scene) -> None:
    pictures = drawn(scene, "grey")
    images = scene.renderer.render(
        scene.actors(TIMES).vertices(slice(None)), scene.cameras, scene.views[0].backdrop
    )
    wanted = images.rgb.numpy() @ np.array(LUMA)
    np.testing.assert_allclose(pictures[..., 0], wanted, atol=0.6 / 255)
    assert (pictures == pictures[..., :1]).all()


def test_pose_is_bones_in_colours_on_black_inside_the_character(scene: Scene) -> None:
    pictures = drawn(scene, "pose")
    lit = pictures.max(-1) > 0.1
    assert 0.005 < lit.mean() < 0.5
    assert (pictures[~lit] < 0.2).all()
    inside = covered(scene)
    assert (lit & inside).sum() > 0.6 * lit.sum()
    colours = np.unique((pictures[lit] * 8).astype(int), axis=0)
    assert len(colours) > 10
    assert not np.array_equal(pictures[0], pictures[1])


def test_guess_and_not_the_truth_is_shown(scene: Scene) -> None:
    subject = scene.subjects[0]
    motion = subject.start.motion
    moved = replace(motion, translations=motion.translations + np.float32(0.5))
    other = replace(scene, subjects=(replace(subject, start=replace(subject.start, motion=moved)),))
    assert not np.array_equal(drawn(scene, "depth"), drawn(other, "depth"))
