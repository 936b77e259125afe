"""A small untrained network with lively answers: what must hold for any weights needs no trained ones."""

import pytest
import torch

from engine.priors.learned import predict
from engine.priors.learned.weights import Network
from engine.training.learned_prior.network import Network as TrainedNetwork
from engine.training.learned_prior.network import Shape

HEADS = 2


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests run beside others: threads that wait for each other are slower than one."""
    torch.set_num_threads(1)


def small_network() -> TrainedNetwork:
    torch.manual_seed(3)
    network = TrainedNetwork(Shape(width=24, blocks=2, heads=HEADS)).eval()
    with torch.no_grad():
        for layer in (network.weights, network.free, network.spread):
            layer.weight.mul_(30)
    return network


def as_run(network: TrainedNetwork) -> Network:
    """A network in training as a run has it."""
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    return Network(weights, network.blocks[0].heads, {})  # type: ignore[arg-type]


@pytest.fixture
def lively_network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = as_run(small_network())
    monkeypatch.setattr(predict, "shipped_network", lambda: network)
    return network
