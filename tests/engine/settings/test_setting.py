"""Wrong values are said as they are typed."""

import math

import pytest

from engine.config import RunConfig
from engine.errors import ConfigError
from usd_io.errors import counted


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"context": ((math.nan, 48.0),)}, "context is nan:48; give a list of pairs"),
        ({"context": ((0.0, 48.5), (1.0, math.inf))}, "context is 0:48.5,1:inf; give a list of pairs"),
        ({"keys": (1.0, math.nan)}, "keys is 1,nan; give a list of finite numbers"),
        ({"keys": 3}, "keys is 3; give a list"),
        ({"keys": ("a",)}, r"keys is \('a',\); give a list"),
        ({"seed": "x"}, "seed is 'x'; give a whole number"),
    ],
)
def test_a_wrong_value_is_said_as_it_is_typed(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=f"^{said}"):
        RunConfig(stage="a.usda", **given)  # type: ignore[arg-type]


def test_one_is_not_many() -> None:
    assert [counted(number, "joint") for number in (0, 1, 2)] == ["0 joints", "1 joint", "2 joints"]
