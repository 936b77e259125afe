"""A small untrained network with lively answers: what must hold for any weights needs no trained ones."""

import pytest
import torch

from engine.priors.learned import predict
from engine.priors.learned.network import Network, Shape


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests run beside others: threads that wait for each other are slower than one."""
    torch.set_num_threads(1)


@pytest.fixture
def lively_network(monkeypatch: pytest.MonkeyPatch) -> Network:
    torch.manual_seed(3)
    network = Network(Shape(width=24, blocks=2, heads=2)).eval()
    with torch.no_grad():
        for layer in (network.weights, network.free, network.spread):
            layer.weight.mul_(30)
    monkeypatch.setattr(predict, "shipped_network", lambda: network)
    return network
