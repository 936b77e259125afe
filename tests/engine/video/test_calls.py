"""Which frames a model that takes any known frames gets in one call."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.video.backends import ltx, ltx2, wan_vace
from engine.video.backends.calls import CONTEXT_FRAMES, Call, Rules, plan_calls

WAN, LTX, LTX2 = wan_vace.RULES, ltx.RULES, ltx2.RULES
CONTEXT = tuple(i / 30 for i in range(61))


def keys(*times: float) -> tuple[list[tuple[float, float]], list[float]]:
    """Gaps between the times, and all true times with the context."""
    return list(pairwise(times)), sorted({*CONTEXT, *times})


def groups(call: Call, size: int) -> list[tuple[bool, ...]]:
    return [call.held[:1], *(call.held[i : i + size] for i in range(1, len(call.held), size))]


def test_context_gaps_and_keys_are_one_call_of_whole_groups() -> None:
    (call,) = plan_calls(*keys(2, 3, 4), WAN)
    assert len(call.places) == 29 + 2 * (16 + 4)
    assert call.prefix == 29
    assert all(len(set(group)) == 1 for group in groups(call, WAN.group))
    assert sum(not held for held in call.held) == 32
    written = [p.time for p in call.places if p.writes]
    assert written == pytest.approx([2 + k / 17 for k in range(35)])
    assert call.rate == pytest.approx(17)


def test_key_fills_a_group_and_its_repeats_are_left_out() -> None:
    (call,) = plan_calls(*keys(2, 3), WAN)
    assert [p.source for p in call.places[-4:]] == [3, 3, 3, 3]
    assert [p.writes for p in call.places[-4:]] == [True, False, False, False]


def test_context_behind_fills_the_group_of_the_key() -> None:
    gaps, true = [(1.0, 2.0)], [0.9, 0.95, 1.0, *(2 + i / 20 for i in range(8))]
    (call,) = plan_calls(gaps, true, WAN)
    assert [p.source for p in call.places[-8:]] == pytest.approx([2 + i / 20 for i in range(8)])
    assert call.prefix == 1


def test_ltx_takes_keys_alone_and_any_rate() -> None:
    (call,) = plan_calls(*keys(2, 3, 3.5), LTX)
    held = [i for i, h in enumerate(call.held) if h and i >= call.prefix]
    assert call.prefix == 25
    assert held == [24 + 15, 24 + 15 + 8]
    assert (len(call.places) - 1) % LTX.group == 0
    assert call.rate == pytest.approx(15)


def test_ltx2_takes_keys_where_a_group_begins() -> None:
    (call,) = plan_calls(*keys(2, 3, 3.5), LTX2)
    held = [i for i, h in enumerate(call.held) if h and i >= call.prefix]
    assert call.prefix == 33
    assert held == [32 + 25, 32 + 25 + 16]
    assert [call.places[i].source for i in held] == [3, 3.5]
    assert (len(call.places) - 1) % LTX2.group == 0


def test_context_is_taken_at_even_steps() -> None:
    (call,) = plan_calls(*keys(2, 3), WAN)
    steps = {round((b.time - a.time) * 30) for a, b in pairwise(call.places[: call.prefix])}
    assert steps == {2}


def test_long_chains_are_cut_and_what_was_generated_becomes_context() -> None:
    gaps, true = keys(2, 3, 4, 5)
    first, second = plan_calls(gaps, true, WAN)
    assert len(first.places) <= WAN.most
    assert len(second.places) <= WAN.most
    context = [p.source for p in second.places[: second.prefix]]
    assert context[-1] == 4
    assert set(context) - set(true)
    assert second.prefix > 16


def test_chain_with_its_context_behind_is_filled_backwards() -> None:
    behind = [4 + i / 30 for i in range(61)]
    gaps = list(pairwise((0.0, 1.0, 2.0, 3.0, 4.0)))
    calls = plan_calls(gaps, [0, 1, 2, 3, *behind], WAN)
    written = [min(p.time for p in call.places if p.writes) for call in calls]
    assert written == sorted(written, reverse=True)
    assert calls[0].places[-1].source == pytest.approx(4 + 27 * 2 / 30)


def test_gaps_apart_are_calls_apart() -> None:
    true = sorted({*CONTEXT, 3.0, *(3 + i / 30 for i in range(31)), 5.0})
    assert len(plan_calls([(2.0, 3.0), (4.0, 5.0)], true, WAN)) == 2


@given(
    lengths=st.lists(st.floats(0.05, 4), min_size=1, max_size=4),
    context=st.integers(0, 70),
    rules=st.sampled_from([WAN, LTX, LTX2, Rules(7, 4, True, 30)]),
)
def test_any_plan_holds_what_the_models_need(lengths: list[float], context: int, rules: Rules) -> None:
    times = [0.0]
    for length in lengths:
        times.append(times[-1] + length)
    gaps, true = list(pairwise(times)), sorted({-i / 30 for i in range(context)} | set(times))
    known, written = set(true), []
    for call in plan_calls(gaps, true, rules):
        assert (len(call.places) - 1) % rules.group == 0
        assert (call.prefix - 1) % rules.group == 0
        assert call.prefix <= CONTEXT_FRAMES + 1
        assert all(call.held[: call.prefix])
        assert {p.source for p in call.places if p.source is not None} <= known
        if rules.on_grid:
            lone = [i for i, p in enumerate(call.places) if i >= call.prefix and p.source in times]
            assert all(i % rules.group == 1 for i in lone)
        if rules.pause:
            assert all(len(set(group)) == 1 for group in groups(call, rules.group))
        new = [p.time for p in call.places if p.writes and p.source is None]
        assert not set(new) & known
        known |= set(new)
        written += new
    everything = sorted({*written, *times})
    assert max(b - a for a, b in pairwise(everything)) <= 1 / rules.rate + 1e-6


@pytest.mark.parametrize(
    ("gaps", "message"),
    [
        ([(1.0, 1.0)], "end after its start"),
        ([(0.0, 2.0), (1.0, 2.0)], "before gap 0 ends"),
        ([(0.0, 9.0)], "no true frame at 9 s"),
    ],
)
def test_gaps_that_make_no_sense_are_refused(gaps: list[tuple[float, float]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_calls(gaps, CONTEXT, WAN)
