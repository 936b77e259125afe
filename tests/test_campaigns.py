"""Samples of the campaigns of ``scripts/``; ``make campaign`` does them in full (docs/measurements.md)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HANG_S = 1800.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        (
            "fault_campaign",
            "--only kills,disks,starts,torn,saves,others,moves,hosts,streams,films,damages --kills 1 --disks 1 "
            "--starts 1 --torn 1 --saves 1 --others 1 --moves 1 --hosts 1 --streams 1 --films 4 --damages 2 "
            "--prior slerp --seed 7",
        ),
        ("hostile_campaign", "--inputs 12 --only-crafted 4 --folders 1 --odd 2 --streams 2"),
        ("pool_campaign", "--shots 4 --jobs 2"),
    ],
)
def test_a_small_campaign_finds_no_failure(script: str, arguments: str) -> None:
    command = [sys.executable, str(ROOT / "scripts" / f"{script}.py"), *arguments.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not json.loads(done.stdout).get("failures")
