"""The estimator: what it learns of an arm, how it goes on and comes back, and what it says of pictures without it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.errors import ConfigError, DataError, ResourceMissing, RunCancelled
from engine.events import Event, StageProgress
from engine.files.tensors import save_tensors
from engine.joints.estimator import FORMAT, Estimator, estimate, load_estimator, presence, save_estimator
from engine.joints.settings import EstimatorSettings
from engine.progress import Progress
from engine.rendering.views import joint_tracks, render_view
from tests.engine.joints.conftest import QUICK, ArmScene
from usd_io.model import Character, Motion

LEARNT = replace(QUICK, steps=60, batch=8, random_poses=40, evaluate_every=30)


def pictures(scene: ArmScene) -> Tensor:
    frames = np.stack(list(render_view(scene.renderer, scene.actors, scene.views[0])))
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255


class StopsAt(Progress):
    """Cancels when a step of the training has been told; the drawing before asks without telling."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last

    def step(self, done: int, total: int, **values: float) -> None:
        if done == self.last:
            raise RunCancelled("stopped by the test.")


def tensors(estimator: Estimator) -> dict[str, Tensor]:
    spread = {"xy": estimator.spread.xy, "depth": estimator.spread.depth}
    return {**estimator.network.state_dict(), **spread}


def same(a: Estimator, b: Estimator) -> bool:
    found, expected = tensors(a), tensors(b)
    return a.provenance == b.provenance and all(torch.equal(v, found[k]) for k, v in expected.items())


def test_joints_are_found_and_other_pictures_told_apart(
    scene: ArmScene, arm: tuple[Character, Motion]
) -> None:
    """After two seconds of training: places within a few pixels, depth within a tenth of the arm, honest errors."""
    estimator = scene.train(replace(LEARNT, steps=90))
    camera, frames = scene.views[0].cameras, pictures(scene)
    (found,) = estimate(estimator, frames, camera)
    truth = joint_tracks(*arm, camera)
    error = np.abs(found.xy - truth[..., :2]).mean(-1)
    assert error.mean() < 4
    assert np.abs(found.depth - truth[..., 2]).mean() < 0.1 * estimator.scene.height
    assert (error < 3 * found.xy_sigma).mean() > 0.8
    assert found.depth_common_sigma is not None
    assert (found.depth_common_sigma < found.depth_sigma.max(1)).all()
    assert presence(estimator, frames, camera).min() > 0.5
    ground = scene.views[0].backdrop
    assert ground is not None
    noise = torch.rand(frames.shape, generator=torch.Generator().manual_seed(0))
    for empty in (torch.ones_like(frames), ground.rgb.permute(0, 3, 1, 2), noise):
        assert presence(estimator, empty, camera).max() < 0.5
        (nothing,) = estimate(estimator, empty, camera)
        assert (nothing.xy_sigma == 48).all()
        assert (nothing.depth_sigma == 2 * estimator.scene.height).all()


def test_sizes_of_the_video_are_free(scene: ArmScene) -> None:
    from engine.joints.samples import resized

    estimator, frames = scene.train(), pictures(scene)
    larger = torch.nn.functional.interpolate(frames, scale_factor=2.0, mode="nearest")
    (small,) = estimate(estimator, frames, scene.views[0].cameras)
    (large,) = estimate(estimator, larger, resized(scene.views[0].cameras, (192, 192)))
    np.testing.assert_allclose(large.xy, 2 * small.xy, atol=1.0)
    np.testing.assert_allclose(large.xy_sigma, 2 * small.xy_sigma, rtol=0.05)
    np.testing.assert_allclose(large.depth, small.depth, rtol=0.01)


def test_frames_that_do_not_fit_the_camera_are_refused(scene: ArmScene) -> None:
    estimator, camera = scene.train(), scene.views[0].cameras
    with pytest.raises(DataError, match="5 frames of 64 x 96 pixels, its camera 1 place and 96 x 96"):
        estimate(estimator, torch.zeros(5, 3, 96, 64), camera)
    with pytest.raises(DataError, match="its camera 2 places"):
        presence(estimator, torch.zeros(5, 3, 96, 96), camera.at(np.array([0, 0])))


def test_same_seed_same_estimator_and_another_seed_another(scene: ArmScene) -> None:
    first = scene.train()
    assert same(first, scene.train())
    assert not torch.equal(first.network.heat.weight, scene.train(replace(QUICK, seed=1)).network.heat.weight)


def test_a_stopped_training_goes_on_to_the_same_result(scene: ArmScene, tmp_path: Path) -> None:
    whole = scene.train()
    with pytest.raises(RunCancelled):
        scene.train(progress=StopsAt(2), checkpoint_dir=tmp_path)
    assert list(tmp_path.iterdir())
    events: list[Event] = []
    resumed = scene.train(progress=Progress(events.append), checkpoint_dir=tmp_path)
    told = [event for event in events if isinstance(event, StageProgress)]
    assert [event.done for event in told] == [3]
    assert set(told[-1].values) == {"loss", "held_out"}
    assert same(resumed, whole)
    other = scene.train(replace(QUICK, seed=2), checkpoint_dir=tmp_path)
    assert same(other, scene.train(replace(QUICK, seed=2)))


def test_training_stops_when_held_out_pictures_gain_nothing(scene: ArmScene) -> None:
    stuck = scene.train(replace(QUICK, steps=9, learning_rate=1e-12, evaluate_every=1, patience=2))
    assert stuck.provenance["step"] < 9


def test_saved_estimator_says_the_same(scene: ArmScene, tmp_path: Path) -> None:
    estimator, frames, camera = scene.train(), pictures(scene), scene.views[0].cameras
    save_estimator(tmp_path / "arm.safetensors", estimator)
    loaded = load_estimator(tmp_path / "arm.safetensors")
    for a, b in zip(estimate(estimator, frames, camera), estimate(loaded, frames, camera), strict=True):
        assert all(np.array_equal(getattr(a, name), getattr(b, name)) for name in vars(a))
    assert loaded.provenance == estimator.provenance


def test_damaged_and_foreign_files_are_refused(scene: ArmScene, tmp_path: Path) -> None:
    path = tmp_path / "arm.safetensors"
    with pytest.raises(ResourceMissing):
        load_estimator(path)
    save_estimator(path, scene.train())
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataError, match="copy or download"):
        load_estimator(path)
    save_tensors(path, {"weight": torch.ones(2)}, {"format": 7})
    with pytest.raises(DataError, match="train it again"):
        load_estimator(path)
    save_tensors(path, {"weight": torch.ones(2)}, {"format": FORMAT})
    with pytest.raises(DataError, match="can be used"):
        load_estimator(path)


def test_each_character_gets_its_own_joints(
    arm: tuple[Character, Motion], build: Callable[..., ArmScene]
) -> None:
    """Two arms side by side; of the second, only the root's part of the mesh is bound."""
    character, motion = arm
    place = motion.T_world_skel.copy()
    place[:, 1, 3] += 3
    mesh = character.meshes[0]
    stiff = replace(character, meshes=(replace(mesh, joint_indices=np.zeros_like(mesh.joint_indices)),))
    both = build([character, stiff], [motion, replace(motion, T_world_skel=place)], height=64, width=96)
    estimator = both.train(replace(LEARNT, steps=60))
    camera = both.views[0].cameras
    first, second = estimate(estimator, pictures(both), camera)
    assert first.seen.tolist() == [True, True]
    assert second.seen.tolist() == [True, False]
    assert not second.xy[:, 1].any()
    assert not second.depth_sigma[:, 1].any()
    assert first.xy[:, 0, 1].mean() > second.xy[:, 0, 1].mean() + 5  # y is down: the second arm is above


def test_characters_without_bound_meshes_and_wrong_times_are_refused(
    scene: ArmScene, arm: tuple[Character, Motion]
) -> None:
    from engine.rendering.actors import Actors

    bare = replace(scene, actors=Actors([replace(arm[0], meshes=())], [arm[1]]))
    with pytest.raises(DataError, match="pictures show none"):
        bare.train()
    with pytest.raises(DataError, match="lack time 20"):
        scene.train(keys=[1.0, 20.0])


def test_impossible_settings_and_missing_weights_are_named(
    scene: ArmScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"steps must be 1 or more; other_views"):
        EstimatorSettings(steps=0, other_views=1.5)
    monkeypatch.setenv("ANYMOLE_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ResourceMissing, match="models pull dinov2"):
        scene.train(replace(QUICK, features="dinov2+fit3d"))
