"""The script for the first GPU, tried with tiny networks on the processor."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_every_part_is_measured_finite_and_told_in_a_table() -> None:
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(ROOT / "scripts" / "bench_gpu.sh"), "--small", "--device", "cpu"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.split("| --- |", 1)[1]
    rows = re.findall(r"^\| ([^|]+) \| (\d+\.\d+) \| - \| - \| yes \|$", table, re.MULTILINE)
    assert [name for name, _ in rows] == [
        "draw a picture on cpu",
        "UNet once, weights in bfloat16",
        "UNet once, weights in float16",
        "generate a gap of 1 s, 1 steps",
        "generate a gap of 1 s, 2 steps",
        "adapt full, memory auto: a step",
        "adapt lora, memory low: a step",
    ]
    assert all(float(seconds) > 0 for _, seconds in rows)


def test_full_size_is_refused_on_a_processor() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "bench_gpu_random.py"), "--device", "cpu"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300
    )
    assert done.returncode == 2
    assert "use a GPU, or --small" in done.stderr
