"""The self-test: what it hides, what it measures, and what it says without a context."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest

from engine.files.json_values import from_plain
from engine.geometry import metrics, rotations
from engine.planning.plan import Plan, make_plan
from engine.priors.auto import CANDIDATES
from engine.priors.baselines import hold, slerp
from engine.priors.context.prior import context
from engine.priors.fill import fill_motion
from engine.priors.learned import prior as learned
from engine.priors.learned.prior import learned_drafts
from engine.priors.self_test import (
    CALM,
    EXPECTED_SHARE,
    HALF_SHARE,
    LEAST_OF_WAY,
    SelfTest,
    corrections,
    expected_errors,
    joint_ways,
    self_test,
)
from engine.priors.spline import spline
from engine.priors.trials import LARGEST_SHARE, MOST_PIECES, hidden_pieces, mean_error, run_trials
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Character, Motion

CHARACTER = make_character()
MOTION = make_motion(CHARACTER, np.arange(0, 121).tolist(), seed=7)
PLAN = make_plan(CHARACTER, MOTION, contexts=[(0, 48)], keys=[48, 72, 120], fill_at_samples=True)
KNOWN = MOTION.at(PLAN.known(MOTION.times))
PRIORS = {"slerp": slerp, "spline": spline, "context": context}


def test_pieces_lie_inside_the_context_and_leave_half_of_it() -> None:
    pieces = hidden_pieces(KNOWN, PLAN)
    assert len(pieces) == 4
    for piece in pieces:
        (gap,) = piece.gaps
        assert 0 <= gap.start < gap.end <= 48
        assert gap.end - gap.start <= LARGEST_SHARE * 48 + 1
        assert len(piece.contexts) == 1
        assert not any(start < time < end for time in gap.times for start, end in piece.contexts)


def test_pieces_are_as_long_as_the_gaps_where_the_context_allows() -> None:
    plan = make_plan(CHARACTER, MOTION, contexts=[(0, 96)], keys=[96, 108, 120], fill_at_samples=True)
    lengths = {
        gap.end - gap.start for piece in hidden_pieces(KNOWN.at(slice(None)), plan) for gap in piece.gaps
    }
    assert max(abs(length - 12) for length in lengths) <= 1 or len(KNOWN.times) < 96


def test_many_contexts_do_not_make_many_pieces() -> None:
    contexts = [(20 * k, 20 * k + 12) for k in range(6)]
    plan = make_plan(CHARACTER, MOTION, contexts=contexts, keys=[12, 20], fill_at_samples=True)
    assert len(hidden_pieces(MOTION.at(plan.known(MOTION.times)), plan)) <= MOST_PIECES


def test_slerp_has_ratio_one_and_hold_is_worse() -> None:
    test = self_test(CHARACTER, KNOWN, PLAN, {**PRIORS, "hold": hold})
    ratios = {error.prior: error.ratio for error in test.errors}
    assert ratios["slerp"] == pytest.approx(1)
    assert ratios["hold"] > 1 > ratios["spline"]


def test_blends_of_trials_are_those_of_positions() -> None:
    trials = run_trials(CHARACTER, KNOWN, PLAN, PRIORS)
    weights = np.array([0.0, 0.3, 0.5])
    naive = [
        np.linalg.norm(
            (t.missed - np.tensordot(weights, t.added, 1)).reshape(len(t.missed), -1), axis=1
        ).mean()
        for t in trials
    ]
    assert mean_error(trials, weights) == pytest.approx(float(np.mean(naive)))


def test_pieces_filled_at_once_are_those_filled_one_by_one() -> None:
    pieces = [(KNOWN.at(piece.known(KNOWN.times)), piece) for piece in hidden_pieces(KNOWN, PLAN)]
    for piece, together in zip(pieces, learned_drafts(CHARACTER, pieces), strict=True):
        (alone,) = learned_drafts(CHARACTER, [piece])
        assert np.allclose(together.rotations, alone.rotations, atol=1e-5)
        assert np.allclose(together.translations, alone.translations, atol=1e-5)


def test_longer_gaps_expect_larger_errors() -> None:
    short, long = self_test(CHARACTER, KNOWN, PLAN, CANDIDATES).choices
    assert short.expected_l2p is not None
    assert long.expected_l2p is not None
    assert long.expected_l2p > short.expected_l2p
    assert (short.start, short.end, long.end) == (48, 72, 120)


def test_without_context_no_error_is_expected_and_it_says_so() -> None:
    keys = MOTION.at(slice(None, None, 12))
    plan = make_plan(CHARACTER, keys)
    test = self_test(CHARACTER, keys, plan, CANDIDATES)
    assert (test.pieces, test.errors, test.expected_l2p, test.expected_ratio) == (0, (), None, None)
    assert "no context" in test.choices[0].reason
    assert test.choices[0].trust > 0


def test_one_prior_alone_is_measured_as_it_is() -> None:
    test = self_test(CHARACTER, KNOWN, PLAN, PRIORS, only="spline")
    (alone,) = [error for error in test.errors if error.prior == "spline"]
    assert test.expected_ratio == pytest.approx(alone.ratio)
    assert all(choice.prior == "spline" and choice.trust == 1 for choice in test.choices)


def test_a_motionless_context_gives_no_ratio_but_one() -> None:
    still = replace(MOTION.at(np.zeros(len(MOTION.times), int)), times=MOTION.times)
    test = self_test(CHARACTER, still.at(PLAN.known(still.times)), PLAN, CANDIDATES)
    assert test.expected_l2p == pytest.approx(0, abs=1e-6)
    assert test.expected_ratio == 1


@pytest.mark.parametrize(("share", "still"), [(1e-4, True), (1.0, False)])
def test_a_context_that_stands_still_is_said_to_tell_little(share: float, still: bool) -> None:
    """However sure what is left of its motion is foretold, as by priors that leave it as it is."""
    turns = share * rotations.log(MOTION.rotations.astype(float))
    moved = MOTION.translations[:1] + share * (MOTION.translations - MOTION.translations[:1])
    turned = rotations.continuous(rotations.exp(turns)).astype(np.float32)
    hardly = replace(MOTION, rotations=turned, translations=moved.astype(np.float32))
    test = self_test(CHARACTER, hardly.at(PLAN.known(hardly.times)), PLAN, CANDIDATES)
    assert test.pieces
    assert test.still is still
    assert all(("stands still" in choice.reason) is still for choice in test.choices)


def test_it_is_made_of_plain_values() -> None:
    test = self_test(CHARACTER, KNOWN, PLAN, CANDIDATES)
    assert json.loads(json.dumps(asdict(test)))["pieces"] == test.pieces


def test_what_the_network_expects_is_a_range_and_a_ratio_to_slerp() -> None:
    """An answer that is as far from slerp as it errs leaves 1/sqrt(2) of slerp's error."""
    test = self_test(CHARACTER, KNOWN, PLAN, PRIORS)
    errors = np.full((len(PLAN.fill_times), len(CHARACTER.joints)), 0.1)
    told = expected_errors(test, PLAN, errors, EXPECTED_SHARE * errors, height=2.0)
    for choice in told.choices:
        assert choice.expected_l2p is not None
        assert choice.expected_range is not None
        low, high = choice.expected_range
        assert 0 < low < choice.expected_l2p < high
        assert choice.expected_ratio == pytest.approx(np.sqrt(0.5))
        assert choice.expected_distance == pytest.approx(0.2 * HALF_SHARE)  # as found on true motion
    assert from_plain(SelfTest, json.loads(json.dumps(asdict(told)))) == told


def test_the_network_is_believed_as_far_as_it_is_right_on_the_pieces() -> None:
    test = self_test(CHARACTER, KNOWN, PLAN, PRIORS, only="spline")
    lengths = [(gap.end - gap.start) / MOTION.time_codes_per_second for gap in PLAN.gaps]
    came = (test.choices[0].expected_l2p or 0) * test.piece_seconds / lengths[0]
    tested = np.array([choice.expected_l2p for choice in test.choices])
    rate = MOTION.time_codes_per_second

    def corrected(own: float, told: float) -> np.ndarray:
        return own * corrections(test, PLAN, [own, own], told, rate)

    np.testing.assert_array_equal(corrected(0.1, 0.99 * came), 0.1)
    np.testing.assert_allclose(corrected(1e-4, came / 1e4), tested)
    np.testing.assert_allclose(corrected(1e4, came * 1e5), tested)
    bounded = corrected(tested.min() / 20, came / 3)
    np.testing.assert_allclose(bounded, tested.min() / 20 * 3)  # no further than it was found wrong


def test_a_still_context_does_not_lower_what_is_expected_of_a_gap_that_moves() -> None:
    test = self_test(CHARACTER, KNOWN, PLAN, PRIORS)
    calm = CALM / 2 / (test.expected_l2p or 1)
    still = tuple(replace(c, expected_l2p=(c.expected_l2p or 0) * calm) for c in test.choices)
    told = corrections(replace(test, choices=still), PLAN, [0.1, 0.1], 0.1, MOTION.time_codes_per_second)
    np.testing.assert_array_equal(told, 1)


def test_pieces_that_hardly_move_do_not_lower_what_is_expected_of_a_fast_gap() -> None:
    """Nor do those of which the network told too little."""
    test = self_test(CHARACTER, KNOWN, PLAN, PRIORS)
    tested = test.choices[0].expected_l2p or 0
    lengths = [(gap.end - gap.start) / MOTION.time_codes_per_second for gap in PLAN.gaps]
    came, rate = tested * test.piece_seconds / lengths[0], MOTION.time_codes_per_second
    own = [30 * tested] * 2

    def factors(told: float, faster: float) -> np.ndarray:
        return corrections(test, PLAN, own, told, rate, np.full(2, faster))

    assert (factors(30 * came, 1.0) < 0.1).all()
    np.testing.assert_array_equal(factors(30 * came, 100.0), 1)
    np.testing.assert_array_equal(factors(came / 30, 1.0), 1)


@pytest.mark.parametrize("seed", range(4))
def test_of_a_single_joint_an_error_is_expected_that_it_has(seed: int) -> None:
    """The network counts in movement of joints relative to each other, of which one joint has none."""
    character = make_character((-1,))
    t, random = np.arange(121), np.random.default_rng(seed)
    path = 20 * np.sin(t[:, None] / random.uniform(6, 14, 3) + random.uniform(0, 6, 3))
    motion = make_motion(character, t.tolist(), seed=seed)
    motion = replace(motion, translations=path[:, None].astype(np.float32))
    filled = fill_motion(
        character, motion, context=[(0, 60)], keys=[60, 84, 108], contacts=False, style="calm"
    )
    inside = np.array([time for choice in (60, 84) for time in range(choice + 1, choice + 24)])
    true = np.linalg.norm(filled.motion.translations[inside, 0] - path[inside], axis=-1).mean()
    assert filled.self_test.expected_l2p is not None
    assert 1 / 5 < true / filled.self_test.expected_l2p < 5
    assert filled.confidence is not None
    assert filled.confidence[inside].max() < 0.5


def test_expected_errors_are_in_heights_wherever_parts_are_near_each_other() -> None:
    """A gap that begins where two boxes meet counts in the same height as the others."""
    character = make_character((-1, -1))
    t = np.arange(121)
    motion = make_motion(character, t.tolist())
    apart = np.where(t < 84, 10.0, 10 - 9.9 * np.minimum((t - 84) / 12, 1))
    places = np.zeros((121, 2, 3), np.float32)
    places[:, 0, 1], places[:, 1, 0] = np.sin(t / 7), apart
    motion = replace(motion, translations=places)
    plan = make_plan(character, motion, contexts=[(0, 48)], keys=[48, 72, 96, 120], fill_at_samples=True)
    errors = learned.fill(character, motion.at(plan.known(motion.times)), plan).position_error
    first, _, last = np.split(errors.max(1), 3)
    assert last.max() < 5 * first.max()


def test_gaps_of_one_length_are_judged_as_each_by_itself() -> None:
    plan = make_plan(CHARACTER, MOTION, contexts=[(0, 48)], keys=[48, 72, 96, 120], fill_at_samples=True)
    known = MOTION.at(plan.known(MOTION.times))
    choices = self_test(CHARACTER, known, plan, PRIORS).choices
    alone = [
        self_test(CHARACTER, known, replace(plan, gaps=(gap,)), PRIORS).choices[0] for gap in plan.gaps[1:]
    ]
    assert [c.weights for c in choices[1:]] == [c.weights for c in alone]
    assert [c.expected_l2p for c in choices[1:]] == [c.expected_l2p for c in alone]


@pytest.mark.parametrize("prior", ["auto", "learned"])
def test_the_network_is_asked_once_about_the_hidden_pieces(
    prior: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def draft_fills(character: Character, pieces: Sequence[tuple[Motion, Plan]]) -> list[learned.LearnedFill]:
        asked.append(len(pieces))
        return _draft_fills(character, pieces)

    _draft_fills = learned.draft_fills
    monkeypatch.setattr(learned, "draft_fills", draft_fills)
    filled = fill_motion(CHARACTER, MOTION, context=[(0, 48)], keys=[48, 72, 120], prior=prior)
    assert filled.self_test.pieces == 4
    assert asked == [4]


@pytest.mark.parametrize("prior", ["auto", "learned", "context", "spline", "slerp", "hold"])
@pytest.mark.parametrize("breath", [0.0, 1e-3])
def test_behind_a_context_that_stands_still_the_way_between_keys_tells_the_error(
    breath: float, prior: str
) -> None:
    """The network expects nothing of joints that lay still wherever it saw them."""
    inside = MOTION.times <= 48
    sway = breath * np.sin(0.3 * MOTION.times[inside])
    translations = MOTION.translations.copy()
    translations[inside] = translations[inside][-1]
    translations[inside, 0, 1] += sway
    rotations = MOTION.rotations.copy()
    rotations[inside] = rotations[inside][-1]
    goes_on = ~inside
    translations[goes_on, 0, 0] += 0.2 * np.arange(goes_on.sum())
    moving = replace(MOTION, translations=translations, rotations=rotations)
    filled = fill_motion(CHARACTER, moving, context=[(0, 48)], keys=[48, 72, 120], prior=prior)
    ways = joint_ways(CHARACTER, moving, PLAN.gaps) / metrics.height(CHARACTER, moving, 48)
    assert filled.self_test.still
    for choice, way in zip(filled.self_test.choices, ways, strict=True):
        assert choice.expected_l2p is not None
        assert choice.expected_l2p > 0.99 * LEAST_OF_WAY * way
        if prior == "hold":  # half of the way in the mean
            assert choice.expected_l2p > 0.3 * way
