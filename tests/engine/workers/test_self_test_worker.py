"""The process that makes self-tests: it answers, can be stopped, and says what is wrong."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from engine.config import RunConfig
from engine.inspection.draft import Draft
from tests.patience import PATIENCE_S


@pytest.fixture(scope="module")
def service() -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "engine.workers.self_test"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


def ask(service: "subprocess.Popen[bytes]", *lines: str) -> dict[str, object]:
    assert service.stdin is not None
    assert service.stdout is not None
    service.stdin.write("".join(f"{line}\n" for line in lines).encode())
    service.stdin.flush()
    answer: dict[str, object] = json.loads(service.stdout.readline())
    return answer


def test_answers_what_the_draft_says(service: "subprocess.Popen[bytes]", data: Path) -> None:
    stage = str(data / "fox" / "fox_survey.usda")
    config = RunConfig(stage=stage, context=((0, 48),), keys=(58, 70), prior="spline")
    draft = Draft(stage)
    expected = {path: asdict(test) for path, test in draft.expect(config, draft.plan(config)).items()}
    request = json.dumps(config.to_dict())
    assert ask(service, request) == {"tests": json.loads(json.dumps(expected))}
    stopped = ask(service, request, "")
    assert "stopped" in str(stopped["error"])
    assert "outside" in str(ask(service, json.dumps(config.to_dict() | {"keys": [58, 900]}))["error"])
    assert "'colour'" in str(ask(service, '{"colour": 3}')["error"])
    assert ask(service, "", request) == {"tests": json.loads(json.dumps(expected))}
