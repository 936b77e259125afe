"""Send 500 shots to the local pool with a stub in place of the engine, kill the pool half-way, and send them again.

    python scripts/pool_campaign.py [--shots 500] [--jobs 4]

Prints one JSON object: shots done, how often each ran, the pool's peak memory and seconds. Exit code 0 when all are
done, none that was done ran again, and the summary says so.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

STUB = """
import hashlib, json, sys, tomllib
from pathlib import Path
import tomli_w
shots, number, out = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
entry = tomllib.loads(shots.read_text())["shot"][number - 1]
folder = out / entry.pop("name")
folder.mkdir(parents=True, exist_ok=True)
with (folder / "ran").open("a") as marks:
    marks.write("x")
(folder / "run.toml").write_text(tomli_w.dumps(entry))
(folder / "result.usda").write_text("#usda 1.0")
digest = lambda path: hashlib.sha256(Path(path).read_bytes()).hexdigest()
(folder / "inputs.json").write_text(json.dumps({"layers": {entry["stage"]: digest(entry["stage"])}}))
files = {"result.usda": digest(folder / "result.usda")}
(folder / "artefacts.json").write_text(json.dumps({"artefacts": {"author": {"key": "stub", "files": files}}}))
state = {"format": 1, "id": f"{number:08d}", "state": "done", "exit_code": 0, "percent": 100.0}
(folder / "state.json").write_text(json.dumps(state))
"""
MOST_MB = 300.0


def send(shots: int, jobs: int, folder: Path) -> None:
    """Run the pool here; prints its peak memory [MB]."""
    from engine.farm.batch import Needs, Submission
    from engine.farm.pool import run_pool
    from engine.farm.shots import shots_of_stages, write_shots

    out, stub = folder / "out", folder / "stub.py"
    listed = shots_of_stages([str(folder / "stages" / f"{n:03d}.usda") for n in range(1, shots + 1)], {})
    write_shots(listed, out)
    command = [sys.executable, str(stub), str(out / "shots.toml")]
    batch = Submission(listed, out, Needs(timeout_min=1), lambda number: [*command, str(number), str(out)])
    run_pool(batch, jobs=jobs, on_shot=lambda shot, state: None, stop=lambda: False)
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f}")


def done_in(folder: Path) -> int:
    """Shots that are done."""
    return len(list((folder / "out").glob("*/state.json")))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shots", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--send", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        send(options.shots, options.jobs, options.send)
        return 0
    with tempfile.TemporaryDirectory(prefix="anymole_pool_") as name:
        return campaign(Path(name), options.shots, options.jobs)


def campaign(folder: Path, shots: int, jobs: int) -> int:
    """Send, kill half-way, send again, count."""
    from engine.farm.batch import summarise
    from engine.farm.shots import read_shots

    (folder / "stages").mkdir()
    (folder / "stub.py").write_text(STUB)
    for number in range(1, shots + 1):
        (folder / "stages" / f"{number:03d}.usda").write_text("#usda 1.0")
    command = [sys.executable, __file__, "--shots", str(shots), "--jobs", str(jobs), "--send", str(folder)]
    began = time.monotonic()
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while done_in(folder) < shots // 2 and first.poll() is None:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    killed_at = done_in(folder)
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    summary = summarise(read_shots(folder / "out" / "shots.toml"), folder / "out")
    repeats = sum(len(mark.read_text()) - 1 for mark in (folder / "out").glob("*/ran"))
    peak = float(second.stdout)
    report = {
        "shots": shots,
        "done_when_killed": killed_at,
        "states": summary.states,
        "ran_again": repeats,
        "pool_peak_mb": peak,
        "seconds": round(time.monotonic() - began, 1),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    # those at work when the pool was killed may be begun by both: at most one per job
    return 0 if summary.states == {"done": shots} and repeats <= jobs and peak < MOST_MB else 1


if __name__ == "__main__":
    sys.exit(main())
