import pytest

from engine.errors import ConfigError
from engine.evaluation.config import ComparisonConfig
from engine.evaluation.evaluate import evaluate


def test_slerp_comes_first_whatever_is_named() -> None:
    assert ComparisonConfig(prior=("hold", "slerp")).priors == ("slerp", "hold")
    assert ComparisonConfig().priors[0] == "slerp"
    assert "learned" in ComparisonConfig().priors


def test_beside_the_oracle_stand_slerp_and_auto_unless_others_are_named() -> None:
    assert ComparisonConfig(engine="oracle").priors == ("slerp", "auto")
    assert ComparisonConfig(engine="oracle", prior=("spline",)).priors == ("slerp", "spline")


def test_an_unknown_prior_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="prior 'best' is unknown; choose all, auto"):
        ComparisonConfig(prior=("slerp", "best"))


def test_an_unknown_engine_is_refused_before_the_stage_is_read() -> None:
    with pytest.raises(ConfigError, match="engine is 'video'; choose all, auto, motion or oracle"):
        evaluate("nowhere.usda", contexts=[], keys=[1], engine="video")
