"""Evaluation against hidden truth, and suites."""

import json
from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.evaluation.evaluate import benchmark, evaluate, read_suite, save_benchmark
from tests.conftest import ASSETS

SUITE = ASSETS.parent / "suite.toml"


@pytest.fixture
def fox(data: Path) -> str:
    return str(data / "fox" / "fox.usdc")


def test_slerp_comes_first_and_defines_the_ratio(fox: str) -> None:
    (result,) = evaluate(fox, contexts=[(10, 58)], keys=[58, 82], priors=["hold", "slerp"])
    assert [row.prior for row in result.rows] == ["slerp", "hold"]
    assert result.rows[0].l2p_ratio == 1
    assert result.rows[1].l2p_ratio == result.rows[1].scores.l2p / result.rows[0].scores.l2p
    assert (result.frames, result.gaps) == (23, 1)


def test_every_prior_meets_the_keys(fox: str) -> None:
    (result,) = evaluate(fox, contexts=[(10, 34)], keys=[34, 46, 58, 82])
    assert max(row.scores.key_error for row in result.rows) < 1e-6


def test_keys_between_samples_cannot_be_evaluated(fox: str) -> None:
    with pytest.raises(ConfigError, match=r"no sample is authored at 70\.5"):
        evaluate(fox, contexts=[(10, 58)], keys=[58, 70.5, 82], priors=["slerp"])


def test_skeletons_that_the_times_do_not_suit_are_left_out(arm_pair: Path) -> None:
    results = evaluate(str(arm_pair), contexts=[], keys=[1, 9], priors=["slerp"])
    assert [result.skeleton for result in results] == ["/World/Left/Skel"]
    with pytest.raises(ConfigError, match="/World/Right/Skel"):
        evaluate(str(arm_pair), contexts=[], keys=[1, 9], priors=["slerp"], skeletons=["/World/Right/Skel"])


def test_benchmark_sums_up_calm_cases_as_differences(fox: str, tmp_path: Path) -> None:
    case = f'[[case]]\nstage = "{fox}"\ncontext = [10, 58]\nkeys = [58, 82]\n'
    suite = tmp_path / "suite.toml"
    suite.write_text(case + 'id = "moving"\n' + case + 'id = "calm"\ncalm = true\n')
    result = benchmark(suite, priors="hold")
    hold = result.summaries[1]
    (_, moving), (_, calm) = result.cases
    assert hold.mean_ratio == hold.worst_ratio == moving.rows[1].l2p_ratio
    assert hold.calm_difference == calm.rows[1].scores.l2p - calm.rows[0].scores.l2p
    saved = json.loads(save_benchmark(result, tmp_path / "out.json").read_text())
    assert saved["summaries"][1]["prior"] == "hold"
    assert saved["suite"] == "./suite.toml"
    where = saved["cases"][0][0]["stage"]
    assert not Path(where).is_absolute() or where == fox  # nothing but the root is shared


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no"),
        ("[[case]\n", "is no valid TOML"),
        ('[[case]]\nid = "a"\n', "is no suite: KeyError"),
        ('[[case]]\nid = "a"\nstage = "a.usd"\ncontext = 5\nkeys = [1]\n', "is no suite: TypeError"),
        ('[[case]]\nid = "a"\nstage = "a.usd"\ncontext = [0, 1]\nkeys = ["x"]\n', "is no suite: ValueError"),
        ('case = "a"\n', "is no suite"),
    ],
)
def test_broken_suites_are_refused(tmp_path: Path, text: str, words: str) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_suite(suite)


@pytest.mark.skipif(not SUITE.exists(), reason="the public suite is not beside the repository")
@pytest.mark.parametrize("case", read_suite(SUITE) if SUITE.exists() else [], ids=lambda case: case.id)
def test_slerp_scores_what_the_public_suite_says(case: object) -> None:
    (result,) = evaluate(case.stage, contexts=case.context, keys=case.keys, priors="slerp")  # type: ignore[attr-defined]
    assert result.rows[0].scores.l2p == pytest.approx(case.slerp_l2p, abs=6e-5)  # type: ignore[attr-defined]
