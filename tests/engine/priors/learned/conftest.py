"""A small untrained network with lively answers: what must hold for any weights needs no trained ones."""

import pytest
import torch

from engine.priors.learned import predict
from engine.priors.learned.weights import Network
from engine.training.learned_prior.checkpoint import as_run
from engine.training.learned_prior.network import Shape, TorchNetwork

HEADS = 2


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests run beside others: threads that wait for each other are slower than one."""
    torch.set_num_threads(1)


def small_network() -> TorchNetwork:
    torch.manual_seed(3)
    network = TorchNetwork(Shape(width=24, blocks=2, heads=HEADS)).eval()
    with torch.no_grad():
        for layer in (network.weights, network.free, network.spread):
            layer.weight.mul_(30)
    return network


@pytest.fixture
def lively_network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = as_run(small_network())
    monkeypatch.setattr(predict, "shipped_network", lambda: network)
    return network
