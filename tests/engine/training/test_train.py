"""The recipe on a handful of made-up clips: it learns, stops and goes on as if it had not stopped."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.errors import DataError
from engine.training.learned_prior import checkpoint
from engine.training.learned_prior.network import Shape, TorchNetwork
from engine.training.learned_prior.procedural import procedural_clips
from engine.training.learned_prior.train import (
    WEIGHTS,
    Sampler,
    Settings,
    Training,
    evaluate,
    run_network,
    train,
)
from engine.training.long_training import LOG, STATE

TINY = Settings(steps=40, batch=8, warm_up=5, average=0.9, seed=1, procedural_clips=6)


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    return Sampler(procedural_clips(6, seed=2), TINY)


def start() -> Training:
    return Training(TINY, Shape(width=32, blocks=1, heads=2))


def weights(run: Training) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in run.network.parameters()])


def test_a_few_steps_lower_the_loss(sampler: Sampler) -> None:
    run = start()
    batch = run.draw(sampler, 0)
    with torch.no_grad():
        first = float(run_network(run.network, batch)[1].total)
    for _ in range(26):
        run.advance(batch)
    with torch.no_grad():
        last = float(run_network(run.network, batch)[1].total)
    assert last < 0.9 * first


def test_a_resumed_run_is_the_same_run(sampler: Sampler, tmp_path: Path) -> None:
    whole = start()
    for step in range(4):
        whole.advance(whole.draw(sampler, step))
    first = start()
    for step in range(2):
        first.advance(first.draw(sampler, step))
    first.save(tmp_path)
    resumed = Training.load(tmp_path)
    for step in range(resumed.step, 4):
        resumed.advance(resumed.draw(sampler, step))
    assert resumed.settings == whole.settings
    assert torch.equal(weights(resumed), weights(whole))


def test_a_run_leaves_checkpoint_weights_and_log(sampler: Sampler, tmp_path: Path) -> None:
    run = Training(replace(TINY, steps=2), Shape(width=16, blocks=1, heads=2))
    clips = procedural_clips(3, seed=5)
    train(run, (clips, clips), tmp_path, minutes=5)
    assert checkpoint.load(tmp_path / STATE)[1]["step"] == 2
    assert (tmp_path / LOG).read_text().count("\n") == 1
    network, meta = checkpoint.load_weights(tmp_path / WEIGHTS)
    assert meta["settings"]["steps"] == 2
    mean = torch.cat([p.flatten() for p in run.averaged.parameters()])
    read = torch.cat([p.flatten() for p in network.parameters()])
    assert torch.allclose(mean, read, atol=1e-3)


def test_weights_are_averaged(tmp_path: Path) -> None:
    shape, paths = (
        Shape(width=16, blocks=1, heads=2),
        [tmp_path / "a.safetensors", tmp_path / "b.safetensors"],
    )
    networks = [TorchNetwork(shape), TorchNetwork(shape)]
    for path, network in zip(paths, networks, strict=True):
        checkpoint.save_weights(path, network, shape, {"steps": len(path.name)})
    out = tmp_path / "mean.safetensors"
    checkpoint.average_weights(paths, out)
    mean, meta = checkpoint.load_weights(out)
    assert len(meta["averaged"]) == 2
    for name, value in mean.state_dict().items():
        expected = (networks[0].state_dict()[name] + networks[1].state_dict()[name]) / 2
        assert torch.allclose(value, expected, atol=2e-3)
    other = tmp_path / "other.safetensors"
    wider = Shape(width=24, blocks=1, heads=2)
    checkpoint.save_weights(other, TorchNetwork(wider), wider, {})
    with pytest.raises(DataError, match="different sizes"):
        checkpoint.average_weights([paths[0], other], out)


def test_evaluation_repeats_itself(sampler: Sampler) -> None:
    network = start().network
    assert evaluate(network, sampler, batches=1) == evaluate(network, sampler, batches=1)
