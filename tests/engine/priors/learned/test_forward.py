"""What a run computes in numpy is what was trained in torch."""

import numpy as np
import pytest
import torch

from engine.geometry import rotations
from engine.priors.learned import forward, layout, predict
from engine.priors.learned.gap_features import Features, make_features
from engine.training.learned_prior import features as trained_features
from engine.training.learned_prior.checkpoint import as_run
from engine.training.learned_prior.network import Shape, TorchNetwork, relations
from engine.training.learned_prior.poses import Poses, make_rig

GAPS = 3
JOINTS = 14
Inputs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    """A tree with a joint that never moves and one that turns far."""
    rng = np.random.default_rng(5)
    parents = np.array([-1, *(int(rng.integers(max(0, i - 4), i)) for i in range(1, JOINTS))])
    times = len(layout.TIMES)
    drift = np.cumsum(rng.normal(size=(GAPS, times, JOINTS, 3)) * 0.03, 1)
    drift[:, :, 5] = 0
    turned = rotations.exp(rng.normal(size=(GAPS, 1, JOINTS, 3)) * 0.5 + drift)
    moved = rng.normal(size=(GAPS, 1, JOINTS, 3)) + 0.1 * drift * (np.arange(JOINTS) < 2)[:, None]
    states = rng.integers(0, 4, size=(GAPS, len(layout.OUTSIDE)))
    states[:, layout.START] = layout.GIVEN
    frames = np.stack([np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(GAPS)])
    return parents, turned, moved, states, np.array([1.0, 0.5, 2.0]), frames


def trained(inputs: Inputs, frames: np.ndarray) -> tuple[trained_features.FeatureTensors, Poses]:
    """Features as training makes them, in double precision: float32 loses digits where a joint turns by nearly pi."""
    parents, turned, moved, states, seconds, _ = inputs
    rig = make_rig(parents)

    def each(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).expand(GAPS, -1)

    poses = Poses(
        torch.from_numpy(turned),
        torch.from_numpy(moved),
        each(rig.parents),
        torch.ones(GAPS, JOINTS, dtype=torch.bool),
        each(rig.depth),
        each(rig.subtree),
        torch.from_numpy(states),
        torch.from_numpy(seconds),
    )
    return trained_features.make_features(poses, torch.from_numpy(frames), int(rig.depth.max())), poses


def assert_same(ours: Features, theirs: trained_features.FeatureTensors) -> None:
    for name in (
        "rotations",
        "translations",
        "positions",
        "offsets",
        "unit_rotation",
        "unit_translation",
        "size",
    ):
        assert np.allclose(getattr(ours, name), getattr(theirs, name).numpy(), atol=1e-6), name
    scalars = torch.cat([theirs.scalars, theirs.heights], -1).numpy()
    assert np.allclose(ours.scalars, scalars, atol=1e-5)
    shot = np.concatenate([np.arcsinh(ours.travel).reshape(GAPS, -1), ours.shot], 1)
    assert np.allclose(shot, theirs.shot.numpy(), atol=1e-5)


def test_features_are_those_of_training_from_every_view(inputs: Inputs) -> None:
    ours = make_features(*inputs)
    assert_same(ours, trained(inputs, inputs[-1])[0])
    for view in predict.VIEWS:
        assert_same(ours.seen_from(view), trained(inputs, view @ inputs[-1])[0])


@torch.inference_mode()
def test_the_answer_is_that_of_the_trained_network(inputs: Inputs) -> None:
    torch.manual_seed(0)
    network = TorchNetwork(Shape()).eval()
    for parameter in network.parameters():  # biases and norms that are not those of the beginning
        if parameter.dim() < 2:
            parameter.add_(0.1 * torch.randn_like(parameter))
    theirs_in, poses = trained(inputs, inputs[-1])
    depth = int(poses.depth.max())
    relation = relations(poses.parents, poses.depth, depth)
    assert np.array_equal(relation[0].numpy(), forward.relations(inputs[0]))
    theirs = network.double()(theirs_in, poses.parents, poses.present, relation)
    run = as_run(network.float())
    ours = forward.answer(run.weights, run.heads, make_features(*inputs), inputs[0])
    for name, expected in theirs._asdict().items():
        got = getattr(ours, name)
        assert got.shape == expected.shape, name
        assert np.abs(got - expected.numpy()).max() < 1e-5 * max(1, expected.abs().max()), name


def test_gelu_and_spread_agree() -> None:
    x = np.linspace(-8, 8, 4001, dtype=np.float32)
    assert np.abs(forward.gelu(x) - torch.nn.functional.gelu(torch.from_numpy(x)).numpy()).max() < 2e-6
    part = np.linspace(0, 1, 9)
    from engine.training.learned_prior.network import sines, spread_at

    assert np.allclose(forward.sines(part), sines(torch.from_numpy(part)).numpy())
    spread = np.random.default_rng(1).normal(size=(JOINTS, 2, forward.SPREAD_TERMS))
    theirs = spread_at(torch.from_numpy(spread)[None], torch.from_numpy(part))[0]
    assert np.allclose(forward.spread_at(spread, part), theirs.numpy(), rtol=1e-4)
