"""Long fills say how far they are, and stop where asked."""

import numpy as np
import pytest

from engine.planning.plan import make_plan
from engine.priors.learned import predict, prior
from engine.priors.learned.weights import Network
from tests.engine.conftest import make_character, make_motion

CHARACTER = make_character()
MOTION = make_motion(CHARACTER, np.arange(0, 81).tolist(), seed=7)
PLAN = make_plan(CHARACTER, MOTION, contexts=[(0, 8)], keys=list(range(8, 81, 8)), fill_at_samples=True)
KNOWN = MOTION.at(PLAN.known(MOTION.times))


def test_every_few_gaps_of_every_pass_are_counted(
    lively_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "TOKENS_AT_ONCE", 3 * len(CHARACTER.joints))
    parts: list[float] = []
    prior.fill(CHARACTER, KNOWN, PLAN, parts.append)
    assert len(parts) == 3 * prior.PASSES  # nine gaps, three at once
    assert parts == sorted(parts)
    assert parts[0] == pytest.approx(1 / 3 / (2 + prior.LAST_PASS))
    assert parts[-1] == 1


def test_an_error_there_may_stop_the_work(lively_network: Network) -> None:
    def stop(part: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        prior.fill(CHARACTER, KNOWN, PLAN, stop)


def test_few_gaps_at_once_give_what_all_give(
    lively_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prior.fill(CHARACTER, KNOWN, PLAN)
    monkeypatch.setattr(predict, "TOKENS_AT_ONCE", 2 * len(CHARACTER.joints))
    some = prior.fill(CHARACTER, KNOWN, PLAN)
    assert np.allclose(whole.motion.rotations, some.motion.rotations, atol=1e-5)
    assert np.allclose(whole.position_error, some.position_error, rtol=1e-4)


def test_the_number_of_processors_changes_no_bit(
    lively_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "TOKENS_AT_ONCE", 2 * len(CHARACTER.joints))
    made = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        made.append(prior.fill(CHARACTER, KNOWN, PLAN))
    one, two = made
    assert np.array_equal(one.motion.rotations, two.motion.rotations)
    assert np.array_equal(one.position_error, two.position_error)
