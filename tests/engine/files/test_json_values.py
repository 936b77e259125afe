"""Values of JSON as what they were written from."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.files.json_values import from_plain, read_json, to_plain
from engine.priors.self_test import PriorError


@dataclass(frozen=True)
class Held:
    values: dict[str, Any]
    pair: tuple[float, float]


def test_plain_values_become_what_they_were() -> None:
    errors = tuple[PriorError, ...]
    assert from_plain(errors, [{"prior": "slerp", "l2p": 1.0, "ratio": 2.0, "later": 3}]) == (
        PriorError("slerp", 1.0, 2.0),
    )
    assert from_plain(tuple[str, float] | None, ["a", 1.0]) == ("a", 1.0)
    assert from_plain(float | None, None) is None


def test_plain_values_are_those_of_asdict_and_apart_from_what_they_were_made_of() -> None:
    held: dict[str, Any] = {"list": [1, 2.5, None], "pair": (True, PriorError("slerp", 1.0, 2.0))}
    plain = to_plain(Held(held, (1.0, 2.0)))
    assert plain == asdict(Held(held, (1.0, 2.0)))
    plain["values"]["list"].append(3)
    assert held["list"] == [1, 2.5, None]


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, " " * 2000])
def test_what_is_no_json_or_too_large_is_a_value_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"Expect|too deeply|too large"):
        read_json(path, 200_000 if text.startswith("[") else 1000)
