"""Results of runs in words."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anymole_tui.run_report import TOUR, _told_apart, expected_range, run_report
from engine.pipeline import RunResult


def choice(start: float, expected: float | None, **more: Any) -> dict[str, Any]:
    return {
        "start": start,
        "end": start + 10,
        "weights": [["learned", 1.0]],
        "expected_l2p": expected,
        "reason": "r",
    } | more


SCORES: dict[str, Any] = {
    "prior": "auto",
    "frames": 18,
    "height": 10.0,
    "meters_per_unit": 0.1,
    "joints": 25,
    "key_error": 0.0,
    "self_test": {
        "expected_l2p": 0.25,
        "expected_ratio": 0.6,
        "errors": [{"prior": "learned", "ratio": 0.6}],
        "choices": [choice(0, 0.2), choice(10, 0.3)],
    },
    "video_test": None,
    "confidence": {"mean": 0.97, "joints": [], "frames": []},
    "takes": [{}],
    "truth": None,
}
PLAN = {
    "skeleton_path": "/Hero",
    "keys": [0, 10, 20],
    "contexts": [],
    "gaps": [{"start": 0.0, "end": 10.0}, {"start": 10.0, "end": 20.0}],
}
METRICS = {"l2q": 0.1, "npss": 0.1, "jerk_ratio": 0.9}


def result_of(run: Path, **scores: Any) -> RunResult:
    return RunResult("a.usda", "a_anim.usdc", str(run), (PLAN,), {"/Hero": SCORES | scores})


@pytest.mark.parametrize(
    ("prior", "model", "tour"),
    [("video", "tiny", True), ("video", "dynamicrafter", False), ("learned", "tiny", False)],
)
def test_confidence_of_the_tiny_model_is_said_to_be_a_tour(
    tmp_path: Path, prior: str, model: str, tour: bool
) -> None:
    (tmp_path / "run.toml").write_text(f'stage = "shot.usda"\nmodel = "{model}"\n')
    assert (TOUR in run_report(result_of(tmp_path, prior=prior))) is tour
    assert (TOUR in run_report(result_of(tmp_path, prior=prior), metrics=True)) is tour


def test_says_what_an_animator_asks_one_line_each(tmp_path: Path) -> None:
    truth = {"auto": {"l2p": 0.2}, "slerp": {"l2p": 0.4}, "spline": {"l2p": 0.3}}
    said = run_report(result_of(tmp_path, truth=truth)).splitlines()
    assert said[:6] == [
        "filled   18 frames in 2 gaps, 0 to 20",
        "keys     exact: all 3 kept to the last bit",
        "error    a joint is about 4 cm off (0.4 stage units, 4 % of the height) from the true motion",
        "gain     50 % closer than slerp, which is about 8 cm off",
        "expected a joint about 5 cm off (0.5 stage units, 5 % of the height); in two of three gaps 2.5 cm to 10 cm",
        "look at  10 to 20 first: about 6 cm off expected there",
    ]


@pytest.mark.parametrize("name", ["a shot", "$(touch x)", "'; touch x", "-rf", "[red] ünï"])
def test_commands_can_be_pasted_whatever_the_name_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    said = run_report(
        replace(result_of(Path(name), takes=[{"key_error": 0.0}] * 2), report=f"{name}/report.html")
    )
    commands = [
        line[line.index("anymole ") :].split("  ")[0] for line in said.splitlines() if "anymole " in line
    ]
    assert len(commands) == 4
    for command in commands:
        words = shlex.split(
            command.removesuffix(")")
        )  # as a shell takes them, which expands nothing in quotes
        folder = next(word for word in words[1:] if word.endswith(name))
        assert Path(folder).is_dir()
        assert shlex.quote(folder) in command
        assert not folder.startswith("-")


@pytest.mark.parametrize(
    ("contexts", "words"), [([], "there is no finished"), ([[0.0, 4.0]], "there is too little")]
)
def test_an_error_that_is_not_known_has_its_reason(tmp_path: Path, contexts: list[Any], words: str) -> None:
    test = SCORES["self_test"] | {"expected_l2p": None, "expected_ratio": None}
    result = result_of(tmp_path, self_test=test)
    said = run_report(replace(result, plan=(PLAN | {"contexts": contexts},)))
    assert f"expected not known: {words}" in said


def test_without_the_truth_the_gain_is_that_on_hidden_pieces(tmp_path: Path) -> None:
    said = run_report(result_of(tmp_path))
    assert "gain     40 % closer than slerp, on pieces of the shot's own motion that were hidden" in said


def test_no_gain_is_told_from_a_context_that_stands_still(tmp_path: Path) -> None:
    result = result_of(tmp_path, self_test=SCORES["self_test"] | {"still": True})
    for metrics in (False, True):
        said = run_report(result, metrics=metrics)
        assert "not known: the finished motion stands still where it was tried, and tells little" in said
        assert "closer than slerp" not in said


@pytest.mark.parametrize(
    ("ours", "said"),
    [(0.4, "as far off as slerp"), (0.6, "50 % further off than slerp, which is about 8 cm off")],
)
def test_no_gain_is_called_one(tmp_path: Path, ours: float, said: str) -> None:
    truth = {"auto": {"l2p": ours}, "slerp": {"l2p": 0.4}, "spline": {"l2p": 0.3}}
    report = run_report(result_of(tmp_path, truth=truth))
    assert said in report
    assert "worse than a spline" in report


def test_a_run_that_knows_its_range_is_believed() -> None:
    choices = [choice(0, 0.2, expected_range=(0.1, 0.3)), choice(10, 0.3, expected_range=(0.2, 0.5))]
    assert expected_range(choices, 0.25) == pytest.approx((0.15, 0.4))
    assert expected_range([*choices[:1], choice(10, 0.3)], 0.25) == (0.125, 0.5)


def test_the_expected_error_lies_in_its_range_however_long_the_gaps_are(tmp_path: Path) -> None:
    """It is the mean of all frames, most of which may lie in one gap."""
    choices = [choice(0, 0.1, expected_range=(0.05, 0.18)), choice(10, 1.0, expected_range=(0.5, 1.8))]
    low, high = expected_range(choices, 0.98)
    assert (low, high) == pytest.approx((0.49, 1.764))
    test = SCORES["self_test"] | {"choices": choices, "expected_l2p": 0.98}
    assert (
        "a joint about 20 cm off (2 stage units, 20 % of the height); in two of three gaps 9.8 cm to 35 cm"
        in (run_report(result_of(tmp_path, self_test=test)))
    )


def test_an_error_that_nobody_sees_is_said_so(tmp_path: Path) -> None:
    test = SCORES["self_test"] | {"choices": [choice(0, 1e-5), choice(10, 1e-5)], "expected_l2p": 1e-5}
    said = run_report(result_of(tmp_path, self_test=test))
    assert "expected a joint not visibly off (less than 0.05 % of the height)\n" in said
    truth = {"auto": {"l2p": 1e-5}, "slerp": {"l2p": 2e-5}, "spline": {"l2p": 2e-5}}
    said = run_report(result_of(tmp_path, self_test=test, truth=truth))
    assert "error    a joint is not visibly off (less than 0.05 % of the height) from the true motion" in said
    assert "closer than slerp, which is not visibly off" in said


def test_metrics_fold_gaps_that_are_filled_alike_and_call_no_ratio_of_jerk_better_when_lower(
    tmp_path: Path,
) -> None:
    truth = {name: {"l2p": 0.2, **METRICS} for name in ("auto", "slerp", "spline")}
    said = run_report(result_of(tmp_path, truth=truth), metrics=True)
    assert said.count("learned 100%") == 1
    assert "2 gaps, 0..20: learned 100% (r)" in said
    assert "lower is better" not in said
    assert "jerk: 1 is the truth's" in said


def test_joints_of_one_name_are_told_apart_by_their_paths() -> None:
    paths = ["Hips", "Hips/LUp/Lo/Foot", "Hips/RUp/Lo/Foot", "Hips/Head", "Foot", "Hips/Head"]
    assert _told_apart(paths) == ["Hips", "LUp/Lo/Foot", "RUp/Lo/Foot", "Head", "Foot", "Head"]
