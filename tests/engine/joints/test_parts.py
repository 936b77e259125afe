"""The parts of the estimator: poses, labelled pictures, their changes, the network and its loss."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.geometry.rotations import angle_between
from engine.joints.augment import NOTHINGS, Change, _blurred, _moved, augmented, plain
from engine.joints.features import build_features
from engine.joints.loss import _divergence, entropy, estimation_loss, measure_spread
from engine.joints.network import STRIDE, EstimatorNetwork, JointPrediction, around_peak, cell_centres
from engine.joints.poses import random_motions
from engine.joints.samples import JointSamples, draw_samples, join_samples, make_training_scene
from engine.progress import Progress
from engine.rendering.views import joint_tracks
from tests.engine.joints.conftest import ArmScene
from usd_io.model import Character, Motion

PAIRS = np.array([[0, 16]])


def test_random_poses_lie_around_known_ones(arm: tuple[Character, Motion]) -> None:
    character, motion = arm
    known = np.arange(17)
    (made,) = random_motions([character], [motion], known, PAIRS, 2.0, 200, seed=4)
    (again,) = random_motions([character], [motion], known, PAIRS, 2.0, 200, seed=4)
    np.testing.assert_array_equal(made.rotations, again.rotations)
    assert made.translations.shape == (200, 2, 3)
    np.testing.assert_allclose(np.linalg.norm(made.rotations, axis=-1), 1, atol=1e-5)

    def distance(poses: Motion) -> float:
        """Of the joint that is farthest from the nearest known pose, for a middling pose [rad]."""
        turned = [
            angle_between(poses.rotations, np.broadcast_to(q, poses.rotations.shape)).max(-1)
            for q in motion.rotations
        ]
        return float(np.median(np.stack(turned).min(0)))

    assert 0.1 < distance(made) < 0.5
    (milder,) = random_motions([character], [motion], known, PAIRS, 2.0, 200, seed=4, wildest=0.3)
    assert distance(milder) < 0.7 * distance(made)
    (other,) = random_motions([character], [motion], known, PAIRS[:0], 2.0, 200, seed=5)
    assert not np.array_equal(other.rotations, made.rotations)


def test_samples_hold_pictures_without_background_and_joints_in_their_pixels(
    scene: ArmScene, arm: tuple[Character, Motion]
) -> None:
    seen, camera = [arm[0].observable], scene.views[0].cameras
    place = make_training_scene(scene.actors, seen, camera, 64 * 64)
    assert place.size == (64, 64)
    samples = draw_samples(scene.actors, seen, scene.renderer, camera, place, Progress())
    truth = joint_tracks(*arm, camera)
    np.testing.assert_allclose(samples.tracks[..., :2], truth[..., :2] * 64 / 96, atol=1e-3)
    depth = samples.tracks[..., 2] * place.height + place.reference_depth(camera)[0]
    np.testing.assert_allclose(depth, truth[..., 2], rtol=1e-5)
    assert abs(float(samples.tracks[..., 2].mean())) < 0.01
    batch = plain(samples, torch.arange(3), torch.zeros(3, 64, 64))
    assert (batch.images[:, :, 0, 0] == 0).all()
    root = samples.tracks[:3, 0, :2].long()
    covered = samples.mask[torch.arange(3), root[:, 1], (root[:, 0] + 2).clamp_max(63)]
    assert (covered > 200).all()


def spot(count: int) -> JointSamples:
    """A white square of 3 pixels at x 20.5, y 30.5 of black pictures; its centre is the only joint."""
    colour = torch.zeros(count, 3, 64, 96, dtype=torch.uint8)
    colour[:, :, 29:32, 19:22] = 255
    tracks = torch.tensor([20.5, 30.5, 0.1]).expand(count, 1, 3).contiguous()
    lens = torch.tensor([48.0, 32.0, 0.01, 0.01]).expand(count, 4)
    return JointSamples(colour, colour[:, 0], tracks, lens, torch.full((count,), 5.0))


def test_moved_pictures_and_joints_move_together() -> None:
    samples, generator = spot(32), torch.Generator().manual_seed(0)
    layers, tracks = _moved(samples, torch.arange(32), generator)
    rows, columns = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(96) + 0.5, indexing="ij")
    mass = layers[:, 3]
    inside = mass.sum((1, 2)) > 4  # the whole mark is in the picture
    x, y = ((mass * v).sum((1, 2)) / mass.sum((1, 2)) for v in (columns, rows))
    error = (torch.stack([x, y], -1) - tracks[:, 0, :2]).norm(dim=-1)[inside]
    assert int(inside.sum()) >= 16
    assert error.max() < 0.5
    assert (tracks[:, 0, :2] - samples.tracks[:, 0, :2]).abs().max() > 3
    assert tracks[:, 0, 2].std() > 0.05  # a larger picture is a nearer character


def test_changed_pictures_stay_pictures_and_some_lose_the_character() -> None:
    samples, generator = spot(32), torch.Generator().manual_seed(0)
    black = torch.zeros(3, 64, 96)
    batch = augmented(samples, torch.arange(32), black, generator)
    shown = ~batch.tracks.isnan().any((1, 2))
    assert 24 <= int(shown.sum()) < 32  # some are without it
    assert 0 <= batch.images.min() < batch.images.max() <= 1
    assert torch.equal(plain(samples, torch.arange(2), black).tracks, samples.tracks[:2])


def test_samples_join_in_order() -> None:
    first, second = spot(2), spot(3)
    joined = join_samples([first, second])
    assert len(joined) == 5
    assert joined.colour.shape == (5, 3, 64, 96)


@pytest.mark.parametrize("frozen", [False, True])
def test_network_gives_finite_predictions_and_gradients_to_all_it_trains(frozen: bool) -> None:
    torch.manual_seed(0)
    features = (build_features(64, 1), build_features(128, 1)) if frozen else ()
    network = EstimatorNetwork(3, features)
    images, lens = torch.rand(2, 3, 64, 96), torch.tensor([[48.0, 32.0, 0.01, 0.01]] * 2)
    prediction = network(images, lens)
    assert prediction.heat.shape == (2, 3, 64 * 96 // STRIDE**2)
    torch.testing.assert_close(prediction.heat.exp().sum(-1), torch.ones(2, 3))
    tracks = torch.tensor([[[20.0, 30.0, 0.1]] * 3] * 2)
    estimation_loss(prediction, tracks, 64, 96).backward()
    assert not any("frozen" in name for name in network.state_dict())
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def exact(tracks: torch.Tensor, log_sigma: float = 0.0) -> JointPrediction:
    """A prediction with sharp heatmaps in the right cells."""
    heat = torch.full((*tracks.shape[:2], 16 * 24), -20.0)
    cell = (tracks[..., 1] // STRIDE * 24 + tracks[..., 0] // STRIDE).long()
    heat = heat.scatter(2, cell[..., None], 0.0)
    told = torch.full(tracks.shape[:2], log_sigma)
    return JointPrediction(heat.log_softmax(-1), tracks[..., :2], tracks[..., 2], told, told)


def test_loss_rises_with_every_kind_of_error() -> None:
    tracks = torch.tensor([[[22.0, 30.0, 0.1], [50.0, 10.0, -0.2]]])
    best = estimation_loss(exact(tracks), tracks, 64, 96)
    for shift in ([8.0, 0, 0], [0, 8.0, 0], [0, 0, 0.2]):
        assert estimation_loss(exact(tracks + torch.tensor(shift)), tracks, 64, 96) > best
    outside = torch.tensor([[[22.0, 30.0, 0.1], [5000.0, torch.nan, 9.0]]])
    assert estimation_loss(exact(tracks), outside, 64, 96).isfinite()


def test_pictures_without_a_character_shall_give_even_heatmaps() -> None:
    tracks = torch.tensor([[[22.0, 30.0, 0.1]]])
    found, nothing = exact(tracks), torch.full_like(tracks, torch.nan)
    even = replace(found, heat=torch.zeros_like(found.heat).log_softmax(-1))
    assert estimation_loss(even, nothing, 64, 96).abs() < 1e-5
    assert estimation_loss(found, nothing, 64, 96) > 1
    assert entropy(found).item() < 0.1 < 5 < entropy(even).item()


def test_divergence_is_that_from_a_gaussian_written_down_for_all_cells() -> None:
    generator = torch.Generator().manual_seed(2)
    heat = torch.randn(2, 3, 16 * 24, generator=generator).log_softmax(-1)
    places = 70 * torch.rand(2, 3, 2, generator=generator)
    square = ((places[..., None, :] - cell_centres(torch.zeros(1, 1, 16, 24))) ** 2).sum(-1)
    target = (-square / (2 * STRIDE**2)).log_softmax(-1)
    expected = (target.exp() * (target - heat)).sum(-1)
    torch.testing.assert_close(_divergence(heat, places, 16, 24), expected)


def test_blurred_pictures_keep_flat_ones_and_their_sums() -> None:
    flat = torch.full((40, 3, 32, 48), 0.3)
    dot = torch.zeros(40, 3, 32, 48)
    dot[..., 16, 24] = 1.0
    for images in (flat, dot):
        made = _blurred(images, torch.Generator().manual_seed(5))
        torch.testing.assert_close(made.sum((2, 3)), images.sum((2, 3)))
    changed = (made != dot).flatten(1).any(1)
    assert 4 <= int(changed.sum()) <= 20
    torch.testing.assert_close(made, made.flip(2, 3).roll((1, 1), (2, 3)))  # the same to all sides of the dot


def test_spread_makes_told_errors_true() -> None:
    """Errors of twice what is told give a factor of two; wild ones do not rule it."""
    generator = torch.Generator().manual_seed(1)
    truth = torch.tensor([40.0, 30.0, 0.0]).expand(2000, 2, 3)
    noise = 2 * torch.exp(torch.tensor(-1.0)) * torch.randn(2000, 2, 3, generator=generator)
    prediction = replace(exact(truth, -1.0), xy=truth[..., :2] + noise[..., :2], depth=noise[..., 2])
    spread = measure_spread(prediction, truth, [2], 64, 96)
    torch.testing.assert_close(spread.xy, torch.full((2,), 2.0), atol=0.15, rtol=0)
    torch.testing.assert_close(spread.depth, torch.full((2,), 2.0), atol=0.2, rtol=0)
    wild = replace(prediction, depth=prediction.depth.index_fill(0, torch.arange(100), 1e6))
    assert measure_spread(wild, truth, [2], 64, 96).depth.max() < 2.5


def test_depth_errors_that_all_joints_of_a_frame_share_are_told() -> None:
    """A variance of 1 shared by the joints of each character, beside one of 3 of their own."""
    generator = torch.Generator().manual_seed(2)
    truth = torch.tensor([40.0, 30.0, 0.0]).expand(300, 60, 3)
    whole = torch.randn(300, 2, 1, generator=generator).repeat_interleave(30, 1)[..., 0]
    depth = whole + 3**0.5 * torch.randn(300, 60, generator=generator)
    spread = measure_spread(replace(exact(truth), depth=depth), truth, [30, 30], 64, 96)
    assert spread.common == pytest.approx(0.25, abs=0.05)
    alone = 3**0.5 * torch.randn(300, 60, generator=generator)
    assert measure_spread(replace(exact(truth), depth=alone), truth, [30, 30], 64, 96).common < 0.06


def test_a_second_peak_does_not_draw_the_place_to_the_middle() -> None:
    cells = cell_centres(torch.zeros(1, 1, 16, 24))
    share = torch.zeros(1, 1, 16 * 24)
    share[0, 0, 5 * 24 + 3], share[0, 0, 5 * 24 + 4], share[0, 0, 5 * 24 + 20] = 0.3, 0.3, 0.4 - 1e-3
    share[0, 0, 5 * 24 + 3] += 1e-1
    found = around_peak(share, cells, 24)
    assert 14 <= float(found[0, 0, 0]) <= 18
    assert float(found[0, 0, 1]) == pytest.approx(22)


@pytest.mark.parametrize("change", NOTHINGS)
def test_what_takes_a_character_s_place_is_another_picture(change: Change) -> None:
    """Of the size of the pictures, within the range of colours, unlike the character, the same for the same seed."""
    samples = spot(3)
    layers = torch.cat([samples.colour, samples.mask[:, None]], 1).float() / 255
    layers[:, :, 8:40, 8:60] = torch.rand(3, 4, 32, 52, generator=torch.Generator().manual_seed(0))
    made = change(layers, torch.Generator().manual_seed(3))
    assert made.shape == layers.shape
    assert 0 <= float(made.min()) <= float(made.max()) <= 1
    assert (made - layers).abs().mean() > 0.05
    assert torch.equal(made, change(layers, torch.Generator().manual_seed(3)))


def test_a_height_of_zero_and_moving_cameras_are_borne(
    build: Callable[..., ArmScene], arm: tuple[Character, Motion], tmp_path: Path
) -> None:
    """A character whose joints all lie in one place, seen by a camera of its own in every frame."""
    character, motion = arm
    flat = replace(character, T_skel_joint_bind=np.tile(np.eye(4), (2, 1, 1)))
    still = build([flat], [motion], height=64, width=64)
    cameras = still.views[0].cameras.at(np.zeros(17, int))
    moving = replace(still, views=(replace(still.views[0], cameras=cameras, backdrop=None),))
    estimator = moving.train()
    assert estimator.scene.height == 1.0
    assert all(np.isfinite(loss) for loss in estimator.provenance["losses"])
