"""The fit gives back the truth, says what it cannot know, and keeps what it may not touch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from engine.errors import ConfigError, DataError, RunCancelled
from engine.events import Event, Note
from engine.files.video import Video
from engine.mimic.settings import MimicSettings
from engine.planning.plan import make_plan
from engine.progress import Progress
from engine.rendering.threads import limited_threads
from engine.stages.mimic import mimic
from tests.engine.conftest import make_motion
from tests.engine.mimic.scenes import QUICK, Scene, arm_plan, arm_scene, cancelled_after, make_scene
from usd_io.model import BlendShape

JOINTS_ALONE = replace(QUICK, image_weight=0.0)
CLOSE = 0.01
"""Heights."""


@pytest.fixture(autouse=True)
def _one_thread():
    with limited_threads(1):
        yield


@pytest.fixture(scope="module")
def arm() -> Scene:
    return arm_scene()


@pytest.fixture(scope="module")
def fox() -> Scene:
    from usd_io.read.stage import read_shot

    shot = read_shot(str(Path(__file__).parents[2] / "data" / "fox" / "fox.usdc"))
    character, truth = shot.characters[0], shot.motions[0]
    plan = make_plan(character, truth, contexts=[(10, 58)], keys=[58, 70], fill_at_samples=True)
    used = truth.at((truth.times >= 10) & (truth.times <= 70))
    return make_scene(character, used, plan, off=0.05)


def test_pictures_of_the_arm_show_every_joint_that_counts(arm: Scene) -> None:
    character = arm.characters[0]
    (mesh,) = character.meshes
    shown_by = mesh.joint_indices[mesh.joint_weights > 0]
    np.testing.assert_array_equal(np.unique(shown_by), np.flatnonzero(character.observable))


@pytest.mark.slow
def test_arm_comes_back_from_pictures_alone(arm: Scene) -> None:
    assert arm.errors(arm.start)[0] > 2 * CLOSE
    plane, view = arm.errors(arm.run().motion)
    assert plane < CLOSE / 2
    assert view < CLOSE


@pytest.mark.slow
def test_fox_comes_back_from_pictures_alone(fox: Scene) -> None:
    assert fox.errors(fox.start)[0] > 2 * CLOSE
    assert fox.errors(fox.run().motion)[0] < CLOSE


def test_arm_comes_back_from_joints_alone(arm: Scene) -> None:
    plane, view = arm.errors(arm.run(evidence=arm.evidence(), settings=JOINTS_ALONE).motion)
    assert arm.errors(arm.start)[0] > 2 * CLOSE
    assert plane < CLOSE
    assert view < CLOSE


def test_fox_comes_back_from_joints_alone(fox: Scene) -> None:
    evidence = fox.evidence(sigma_px=0.1, depth_sigma=1.0)
    made = fox.run(evidence=evidence, settings=JOINTS_ALONE).motion
    assert fox.errors(made)[0] < CLOSE


@pytest.mark.parametrize("up_axis", ["Y", "Z"])
def test_skeletons_under_a_transform_are_fitted_in_world_space(up_axis: str) -> None:
    T_world_skel = np.array([[0, -2.0, 0, 5], [2, 0, 0, 1], [0, 0, 2, -3], [0, 0, 0, 1]])
    scene = arm_scene(T_world_skel=T_world_skel, up_axis=up_axis)
    made = scene.run(evidence=scene.evidence(), settings=JOINTS_ALONE).motion
    assert max(scene.errors(made)) < CLOSE
    np.testing.assert_array_equal(made.T_world_skel[0], T_world_skel)


@pytest.mark.slow
def test_another_character_in_the_picture_does_not_disturb() -> None:
    alone = arm_scene()
    other = replace(alone.truths[0], T_world_skel=alone.truths[0].T_world_skel + np.diag([0.0] * 4))
    other.T_world_skel[:, 1, 3] += 1.5
    plan = alone.plans[0]
    assert plan is not None
    pair = make_scene(
        alone.characters[0], alone.truths[0], plan, off=0.1, others=((alone.characters[0], other),)
    )
    assert pair.errors(pair.run(evidence=pair.evidence()).motion)[0] < CLOSE


def test_depth_that_nothing_tells_is_said_to_be_unsure(arm: Scene) -> None:
    blind = arm.run(evidence=arm.evidence(depth_sigma=100.0), settings=JOINTS_ALONE)
    told = arm.run(evidence=arm.evidence(depth_sigma=0.0001), settings=JOINTS_ALONE)
    tip = 2
    # some 2 and 0.15 times as unsure along the view as in the picture
    assert blind.view_sigma[:, tip].mean() > 1.5 * blind.plane_sigma[:, tip].mean()
    assert told.view_sigma[:, tip].mean() < 0.5 * told.plane_sigma[:, tip].mean()
    assert blind.view_sigma[:, tip].mean() > 10 * told.view_sigma[:, tip].mean()
    assert blind.confidence[:, tip].mean() < told.confidence[:, tip].mean()


def test_joints_that_pictures_cannot_show_stay_as_they_were(arm: Scene) -> None:
    assert not arm.characters[0].observable[3]
    made = arm.run(evidence=arm.evidence(), settings=JOINTS_ALONE).motion
    np.testing.assert_array_equal(made.rotations[:, 3], arm.start.rotations[:, 3])
    assert (made.rotations[:, 1] != arm.start.rotations[:, 1]).any()


def test_locked_joints_stay_as_they_were(arm: Scene) -> None:
    plan = arm.plans[0]
    assert plan is not None
    locked = replace(plan, locked=(arm.characters[0].joints[1],))
    scene = replace(arm, plans=(locked,))
    made = scene.run(evidence=arm.evidence(), settings=JOINTS_ALONE).motion
    np.testing.assert_array_equal(made.rotations[:, 1], arm.start.rotations[:, 1])


@pytest.mark.slow
def test_a_killed_fit_resumes_to_the_same_result(arm: Scene, tmp_path: Path) -> None:
    evidence = arm.evidence()
    whole = arm.run(evidence=evidence)
    with pytest.raises(RunCancelled):
        arm.run(evidence=evidence, checkpoint_dir=tmp_path, progress=cancelled_after(7))
    steps: list[int] = []
    resumed = arm.run(
        evidence=evidence,
        checkpoint_dir=tmp_path,
        progress=Progress(lambda event: steps.append(getattr(event, "done", -1))),
    )
    assert steps[0] > 7
    np.testing.assert_array_equal(resumed.motion.rotations, whole.motion.rotations)
    np.testing.assert_array_equal(resumed.view_sigma, whole.view_sigma)


def test_a_state_of_other_work_is_not_taken_up(arm: Scene, tmp_path: Path) -> None:
    arm.run(evidence=arm.evidence(sigma_px=3.0), settings=JOINTS_ALONE, checkpoint_dir=tmp_path)
    expected = arm.run(evidence=arm.evidence(), settings=JOINTS_ALONE)
    made = arm.run(evidence=arm.evidence(), settings=JOINTS_ALONE, checkpoint_dir=tmp_path)
    np.testing.assert_array_equal(made.motion.rotations, expected.motion.rotations)


@pytest.mark.slow
@pytest.mark.parametrize("content", ["white", "other joints"])
def test_a_video_of_something_else_gives_the_start_back_and_says_so(arm: Scene, content: str) -> None:
    told: list[Event] = []
    more = {}
    if content == "white":
        more = {"video": replace(arm.video, frames=torch.ones_like(arm.video.frames))}
    else:
        wrong = arm.evidence()
        more = {"evidence": replace(wrong, xy=wrong.xy + 80.0), "settings": JOINTS_ALONE}
    made = arm.run(progress=Progress(told.append), **more)
    np.testing.assert_array_equal(made.motion.rotations, arm.start.rotations)
    assert not made.trusted
    assert any(isinstance(e, Note) and e.level == "warning" and "does not show" in e.text for e in told)


@pytest.mark.slow
@pytest.mark.parametrize("content", ["stands still", "runs backwards", "begins elsewhere"])
def test_a_video_that_does_not_meet_the_keys_gives_the_start_back_and_says_so(
    arm: Scene, content: str
) -> None:
    frames = arm.video.frames
    wrong = {
        "stands still": frames[:1].expand_as(frames),
        "runs backwards": frames.flip(0),
        "begins elsewhere": frames.roll(2, 0),
    }
    told: list[Event] = []
    video = replace(arm.video, frames=wrong[content])
    made = arm.run(video=video, progress=Progress(told.append))
    np.testing.assert_array_equal(made.motion.rotations, arm.start.rotations)
    assert not made.trusted
    assert any(isinstance(e, Note) and e.level == "warning" and "does not show" in e.text for e in told)


def test_a_video_of_another_camera_gives_the_start_back_and_says_so(arm: Scene) -> None:
    cameras = arm.view.cameras
    elsewhere = replace(arm.view, cameras=replace(cameras, focal=1.3 * cameras.focal))
    told: list[Event] = []
    made = replace(arm, view=elsewhere).run(progress=Progress(told.append))
    np.testing.assert_array_equal(made.motion.rotations, arm.start.rotations)
    assert not made.trusted
    assert any(isinstance(e, Note) and "is its camera right?" in e.text for e in told)


def test_a_video_that_changes_hardly_anything_is_not_refused_for_a_part_of_a_pixel(arm: Scene) -> None:
    calm, told = replace(arm, starts=arm.truths), list[Event]()
    noise = 0.02 * torch.randn(arm.video.frames.shape, generator=torch.Generator().manual_seed(0))
    made = calm.run(
        video=replace(arm.video, frames=(arm.video.frames + noise).clamp(0, 1)),
        progress=Progress(told.append),
    )
    assert made.trusted, [e.text for e in told if isinstance(e, Note)]


def test_frames_that_show_no_key_are_not_held_against_a_video(arm: Scene) -> None:
    inner = Video(arm.video.times[1:-1], arm.video.frames[1:-1])
    assert arm.run(video=inner).trusted


@pytest.mark.slow
def test_videos_of_another_size_are_resampled(arm: Scene) -> None:
    larger = interpolate(arm.video.frames, (192, 320), mode="nearest")
    made = arm.run(video=replace(arm.video, frames=larger))
    assert made.trusted
    assert arm.errors(arm.start)[0] > 2 * CLOSE
    assert arm.errors(made.motion)[0] < CLOSE / 2


def test_videos_that_cannot_be_fitted_are_refused(arm: Scene) -> None:
    times, frames = arm.video.times, arm.video.frames
    bad = {
        "aspect": Video(times, frames[..., :100]),
        "holds no frame": Video((), frames[:0]),
        "do not increase": Video(times[::-1], frames),
        "shows nothing of the gap 24..36": Video(tuple(t + 60 for t in times), frames),
        "not finite": Video(times, frames * float("nan")),
    }
    for words, video in bad.items():
        with pytest.raises(DataError, match=words):
            arm.run(video=video)
    short = arm.evidence()
    cut = {n: v[:3] for n, v in vars(short).items() if n != "seen" and v is not None}
    with pytest.raises(DataError, match="joint evidence of 3 frames"):
        arm.run(evidence=replace(short, **cut))


def test_settings_that_leave_nothing_to_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="one of joints and pictures"):
        MimicSettings(joint_weight=0, image_weight=0)


@pytest.mark.slow
def test_the_papers_solver_comes_nearer_and_resumes(arm: Scene, tmp_path: Path) -> None:
    evidence = arm.evidence(sigma_px=2.0, depth_sigma=0.2)
    settings = replace(JOINTS_ALONE, solver="paper")
    with pytest.raises(RunCancelled):
        arm.run(evidence=evidence, settings=settings, checkpoint_dir=tmp_path, progress=cancelled_after(120))
    done: list[int] = []
    made = arm.run(
        evidence=evidence,
        settings=settings,
        checkpoint_dir=tmp_path,
        progress=Progress(lambda event: done.append(getattr(event, "done", -1))),
    ).motion
    assert done[0] == 2
    assert arm.errors(made)[0] < arm.errors(arm.start)[0]
    np.testing.assert_array_equal(made.rotations[:, 3], arm.start.rotations[:, 3])


def test_no_gap_gives_nothing_to_fill(arm: Scene) -> None:
    other = make_motion(arm.characters[0], range(37), seed=2)
    pair = make_scene(
        arm.characters[0], arm.truths[0], arm.plans[0], off=0.1, others=((arm.characters[0], other),)
    )
    subjects = pair.subjects(pair.evidence())
    _, still = mimic(subjects, pair.video, pair.view, pair.surface, settings=JOINTS_ALONE)
    assert len(still.motion.times) == 0


@pytest.mark.slow
def test_blend_shapes_are_those_of_the_keys_where_a_video_is_asked_there() -> None:
    character = arm_scene().characters[0]
    (mesh,) = character.meshes
    count = len(mesh.points)
    bulge = np.tile(np.float32([0, 0.4, 0]), (1, count, 1))
    swollen = BlendShape("swollen", np.arange(count), np.ones(1, np.float32), bulge)
    character = replace(character, meshes=(replace(mesh, blend_shapes=(swollen,)),))
    moved = make_motion(character, range(37))
    weights = np.linspace(0, 1, 37, dtype=np.float32)[:, None]
    truth = replace(moved, blend_shapes=("swollen",), blend_weights=weights)
    scene = make_scene(character, truth, arm_plan(character, truth), off=0.1)
    inner = [0, 3, len(scene.video.times) - 1]
    sparse = Video(tuple(scene.video.times[i] for i in inner), scene.video.frames[inner])
    assert scene.run(video=sparse).trusted
    assert scene.run().trusted
