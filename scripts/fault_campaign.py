"""Break runs in every way that a farm knows, resume them, and compare with an undisturbed one.

    python scripts/fault_campaign.py [--kills 100] [--preview-kills 10] [--disks 20] [--starts 10]
        [--torn 10] [--damages 700] [--streams 100] [--seed 0] [--prior auto]
        [--run-options="--no-preview"] [--stages begin,fill,score,author,check,end]

The last three say which runs are broken, by their options, and where they are killed: in stages as their events name
them, before the first (begin) and after the last (end). Runs with other stages are a matter of these.

Prints one JSON object: counts per kind of fault and every failure. Exit code 0 when there is none. Disk-full faults
need the right to mount a small tmpfs; without it they are skipped, and the report says so.
"""

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from engine import run as engine_run  # noqa: E402
from engine.config import RunConfig  # noqa: E402
from engine.errors import SourceChanged  # noqa: E402
from engine.events import Event, StageFinished, StageReused, StageStarted  # noqa: E402
from engine.runs.process import python_command  # noqa: E402
from engine.runs.registry import read_events, read_run  # noqa: E402

FOX = ROOT / "examples" / "fox"
STAGES = ("begin", "fill", "score", "author", "check", "end")
PREVIEW_STAGES = ("preview", "preview", "check", "end")
TIMEOUT_S = 1200.0


class Campaign:
    """Counts and failures of all faults."""

    def __init__(self, folder: Path, seed: int, prior: str, options: Sequence[str]) -> None:
        self.folder, self.random, self.prior = folder, random.Random(seed), prior
        self.options = [] if "--prior" in options else ["--prior", prior]
        self.options += options
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        shutil.copytree(FOX, folder / "fox")
        self.stage = folder / "fox" / "fox_survey_keys.usda"

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.failures.append(what)

    def command(self, out: Path, *more: str) -> list[str]:
        return anymole("run", str(self.stage), "--out", str(out), "--progress", "none", *self.options, *more)

    def check_result(self, out: Path, wanted: dict[str, str], what: str) -> None:
        self.expect(result_hashes(out) == wanted, f"{what}: the result differs from the undisturbed one")
        self.expect(not list(out.glob(".*.tmp")), f"{what}: half-written files are left")


def anymole(*arguments: str) -> list[str]:
    return python_command("anymole_tui", *arguments)


def call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def result_hashes(out: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.glob("*_inbetween*.usd*"))}


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Until it holds or the process has ended."""
    while process.poll() is None and not condition():
        time.sleep(0.002)


def kill_at(
    campaign: Campaign, out: Path, command: Sequence[str], stage: str, lengths: dict[str, float]
) -> set[str]:
    """SIGKILL a run at a random moment of a stage; returns the stages that it had completed."""
    before = len(read_events(out))
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if stage == "begin":
        time.sleep(campaign.random.uniform(0, lengths["begin"]))
    else:
        reached = (
            (lambda e: isinstance(e, StageFinished))
            if stage == "end"
            else (lambda e: isinstance(e, StageStarted))
        )
        name = "check" if stage == "end" else stage
        wait_for(lambda: any(reached(e) and e.stage == name for e, _ in read_events(out)[before:]), process)
        time.sleep(campaign.random.uniform(0, lengths.get(stage, 0.2)))
    process.send_signal(signal.SIGKILL)
    campaign.counts["killed" if process.wait() == -signal.SIGKILL else "ended before the kill"] += 1
    return {e.stage for e, _ in read_events(out) if isinstance(e, StageFinished)}


def lengths_of(out: Path, seconds: float) -> dict[str, float]:
    found = {e.stage: e.seconds for e, _ in read_events(out) if isinstance(e, StageFinished)}
    return {**found, "begin": max(0.1, seconds - sum(found.values())), "end": 0.05}


def kills(campaign: Campaign, name: str, count: int, stages: Sequence[str], *more: str) -> None:
    """Kill runs, some of them again while they are resumed, and compare."""
    reference = campaign.folder / f"reference_{name}"
    began = time.monotonic()
    done = call(campaign.command(reference, *more))
    campaign.expect(done.returncode == 0, f"{name}: the undisturbed run failed: {done.stderr}")
    wanted, lengths = result_hashes(reference), lengths_of(reference, time.monotonic() - began)
    left = count
    number = 0
    while left > 0:
        number += 1
        out, what = campaign.folder / f"{name}_{number:03d}", f"kill {name} {number}"
        command, completed = campaign.command(out, *more), set()
        for _ in range(min(left, campaign.random.choice((1, 1, 1, 2)))):
            stage = campaign.random.choice(stages)
            completed |= kill_at(campaign, out, command, stage, lengths)
            left -= 1
            if (out / "run.toml").exists():
                command = anymole("resume", str(out), "--progress", "none")
        before = len(read_events(out))
        resumed = call(command)
        campaign.expect(
            resumed.returncode == 0, f"{what}: resumed with {resumed.returncode}: {resumed.stderr}"
        )
        reused = {e.stage for e, _ in read_events(out)[before:] if isinstance(e, StageReused)}
        lost = completed - reused
        campaign.counts["completed stages before a kill"] += len(completed)
        campaign.expect(not lost, f"{what}: completed stages were done again: {sorted(lost)}")
        campaign.check_result(out, wanted, what)
        shutil.rmtree(out)


def disk_full(campaign: Campaign, count: int) -> None:
    """Runs on a disk that is too small, resumed when there is room."""
    place = campaign.folder / "disk"
    place.mkdir()
    wanted = result_hashes(campaign.folder / "reference_run")
    for number in range(count):
        size = campaign.random.randint(4, 90) * 4
        mounted = call(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(place)])
        if mounted.returncode:
            campaign.counts["disk full: skipped, no right to mount"] += 1
            return
        try:
            out = place / "a" / "b"
            (place / "a").mkdir()
            full = call(campaign.command(out))
            text = full.stderr.strip()
            campaign.counts["disk full" if full.returncode else "disk just large enough"] += 1
            campaign.expect(
                full.returncode in (0, 1), f"disk of {size} kB: exit code {full.returncode}: {text}"
            )
            campaign.expect("Traceback" not in text, f"disk of {size} kB: traceback")
            call(["mount", "-o", "remount,size=64m", str(place)])
            command = (
                anymole("resume", str(out), "--progress", "none")
                if (out / "run.toml").exists()
                else campaign.command(out)
            )
            again = call(command)
            campaign.expect(again.returncode == 0, f"disk of {size} kB, resumed: {again.stderr}")
            found = list(result_hashes(out))
            campaign.expect(found == list(wanted), f"disk of {size} kB: result files {found}")
        finally:
            call(["umount", str(place)])
        del number


def closed_folders(campaign: Campaign) -> None:
    """A folder that is read-only, one that is a file, a source that vanishes."""
    (campaign.folder / "file").write_text("")
    for out in (campaign.folder / "file" / "run", Path("/proc/anymole/run")):
        done = call(campaign.command(out))
        campaign.counts["closed folders"] += 1
        campaign.expect(
            # 2 where the plan can tell, 1 where only the attempt does
            done.returncode in (1, 2) and "Traceback" not in done.stderr,
            f"{out}: {done.returncode} {done.stderr}",
        )
    gone = call(anymole("run", str(campaign.folder / "gone.usda")))
    campaign.expect(gone.returncode == 2, f"vanished source: {gone.returncode}")


CLOCK = """
import random, sys, time
real, shift, rng = time.time, [0.0], random.Random(int(sys.argv[1]))
def jumping():
    if rng.random() < 0.2:
        shift[0] = rng.uniform(-86400, 86400)
    return real() + shift[0]
time.time = jumping
from anymole_tui.cli.app import main
main(sys.argv[2:])
"""


def clock_jumps(campaign: Campaign, count: int) -> None:
    """Runs whose clock jumps by up to a day at any reading."""
    wanted = result_hashes(campaign.folder / "reference_run")
    for number in range(count):
        out = campaign.folder / f"clock_{number}"
        done = call([sys.executable, "-c", CLOCK, str(number), *campaign.command(out)[4:]])
        campaign.counts["clock jumps"] += 1
        campaign.expect(done.returncode == 0, f"clock {number}: {done.stderr}")
        campaign.check_result(out, wanted, f"clock {number}")


def two_starts(campaign: Campaign, count: int) -> None:
    """Three processes begin the same run at once: one does it."""
    wanted = result_hashes(campaign.folder / "reference_run")
    for number in range(count):
        out = campaign.folder / f"twice_{number}"
        running = [
            subprocess.Popen(
                campaign.command(out), cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            for _ in range(3)
        ]
        codes = sorted(process.wait() for process in running)
        campaign.counts["starts at once"] += 1
        # one that comes late refuses to replace the result of the first, or confirms it where it had looked before
        campaign.expect(codes[0] == 0 and set(codes[1:]) <= {0, 2, 3}, f"three starts: exit codes {codes}")
        campaign.check_result(out, wanted, f"three starts {number}")


def changed_sources(campaign: Campaign) -> None:
    """The source is saved anew while a run reads it."""
    for moment in ("fill", "score", "author"):
        folder = campaign.folder / f"changing_{moment}"
        shutil.copytree(FOX, folder)
        stage = folder / "fox_survey_keys.usda"

        def change(event: Event, moment: str = moment, stage: Path = stage) -> None:
            if isinstance(event, StageStarted) and event.stage == moment:
                stage.write_text(stage.read_text() + "\n# saved again\n")

        config = RunConfig(stage=str(stage), out=str(folder / "run"), prior=campaign.prior, preview=False)
        campaign.counts["sources changed"] += 1
        try:
            engine_run.run(config, change)
            campaign.expect(False, f"a change during {moment} was not noticed")
        except SourceChanged as error:
            campaign.expect(stage.name in str(error), f"a change during {moment} does not name the file")
        campaign.expect(not result_hashes(folder / "run"), f"a change during {moment} left a result")
        engine_run.resume(folder / "run")
        campaign.expect(
            read_run(folder / "run").state == "done", f"not resumed after a change during {moment}"
        )


def torn_lines(campaign: Campaign, count: int) -> None:
    """Event logs cut and scribbled over anywhere: they are read, and the run goes on in them."""
    wanted = result_hashes(campaign.folder / "reference_run")
    whole = (campaign.folder / "reference_run" / "events.jsonl").read_bytes()
    for number in range(count):
        out = campaign.folder / f"torn_{number}"
        shutil.copytree(campaign.folder / "reference_run", out)
        cut = whole[: campaign.random.randrange(len(whole))]
        (out / "events.jsonl").write_bytes(
            cut + campaign.random.randbytes(campaign.random.choice((0, 0, 40)))
        )
        campaign.counts["torn logs"] += 1
        readable = len(read_events(out))
        campaign.expect(readable >= cut.count(b"\n"), f"torn log {number}: {readable} events left")
        engine_run.resume(out)
        campaign.expect(len(read_events(out)) > readable, f"torn log {number}: nothing was added")
        campaign.check_result(out, wanted, f"torn log {number}")


DAMAGED = (
    "state.json",
    "events.jsonl",
    "report.json",
    "run.toml",
    "inputs.json",
    "artefacts.json",
    ".anymole",
    "lock",
    "log.txt",
    "cancel",
)
COMMANDS = ("runs", "attach", "logs", "take", "clean", "cancel")
LONGEST_S = 60


def damage(path: Path, rng: random.Random) -> str:
    """Put something else in the place of a file; says what."""
    content = path.read_bytes() if path.is_file() else b""
    kind = rng.choice(
        ("pipe", "folder", "link", "cut", "noise", "flips", "brackets", "value", "value", "value")
    )
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(rng.choice(("/dev/zero", "/dev/null", "/nowhere", str(path))))
    elif kind == "cut":
        path.write_bytes(content[: rng.randrange(len(content) + 1)])
    elif kind == "noise":
        path.write_bytes(rng.randbytes(rng.choice((0, 1, 500))))
    elif kind == "flips":
        flipped = bytearray(content)
        for _ in range(min(len(flipped), 5)):
            flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
    elif kind == "brackets":
        path.write_bytes(content + b"[" * 100_000)
    else:
        path.write_text(other_value(content.decode(), rng))
    return f"{path.name}: {kind}"


def other_value(text: str, rng: random.Random) -> str:
    """A text of JSON, or of lines of it, with one value replaced by one of another kind."""
    odd = rng.choice(
        (None, True, -1, 1e308, 10**30, float("nan"), "", "x" * 5000, "\x1b[2J", [], {}, [[]], {"a": 1})
    )
    lines = text.splitlines() if text.count('"event"') > 1 else [text]
    at = rng.randrange(len(lines)) if lines else 0
    try:
        values = json.loads(lines[at])
        place = values
        while isinstance(place, dict) and place:
            name = rng.choice(sorted(place))
            if not (isinstance(place[name], dict) and place[name]) or rng.random() < 0.3:
                place[name] = odd
                break
            place = place[name]
        lines[at] = json.dumps(values)
    except (ValueError, IndexError):
        return f"{text}\n{odd!r} = 1"
    return "\n".join(lines) + "\n"


def too_long(*_: object) -> None:
    raise TimeoutError("hangs")


def said(*arguments: str) -> tuple[int, str]:
    """A command in this process: its exit code and all that it says."""
    from anymole_tui.cli.app import main as command_line

    told = io.StringIO()
    signal.alarm(LONGEST_S)
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            command_line(list(arguments))
    except SystemExit as stop:
        return int(stop.code or 0), told.getvalue()
    except BaseException as error:
        return -1, f"Traceback {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return 0, told.getvalue()


def damaged_folders(campaign: Campaign, count: int) -> None:
    """Run folders with one to three files damaged: every command answers or says why not, and the run goes on, or says
    what is in its way."""
    # beside the reference: a run names its stage by the way from its folder
    reference, place = campaign.folder / "reference_run", campaign.folder
    out, good = place / "damaged", place / "good"
    wanted, source = result_hashes(reference), hashlib.sha256(campaign.stage.read_bytes()).digest()
    signal.signal(signal.SIGALRM, too_long)
    for number in range(count):
        for copy in (out, good):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(reference, copy)
        names = campaign.random.sample(DAMAGED, campaign.random.choice((1, 1, 2, 3)))
        what = f"damage {number}: {', '.join(damage(out / name, campaign.random) for name in names)}"
        campaign.counts["damaged folders"] += 1
        for command in COMMANDS:
            where = str(place) if command == "runs" else str(out)
            more = (
                ("--progress", "none")
                if command == "attach"
                else ("--dry-run",)
                if command == "clean"
                else ()
            )
            code, text = said(command, where, *more)
            campaign.expect(
                "Traceback" not in text and "unexpected" not in text, f"{what}: {command}: {text[-200:]}"
            )
            campaign.expect("\x1b" not in text, f"{what}: {command}: an escape sequence")
            campaign.expect(command != "runs" or "good" in text, f"{what}: runs hides another run")
            campaign.expect(code in (0, 1, 2, 3, 4, 130), f"{what}: {command}: exit code {code}")
        code, text = said("resume", str(out), "--progress", "none", "--here")
        campaign.expect(
            "Traceback" not in text and "unexpected" not in text, f"{what}: resume: {text[-200:]}"
        )
        same = result_hashes(out) == wanted
        campaign.expect(same or code != 0, f"{what}: the resumed result differs")
        campaign.expect(bool(result_hashes(out)), f"{what}: the earlier result is lost")
        campaign.expect(result_hashes(good) == wanted, f"{what}: another run changed")
        campaign.counts[
            "damaged folders that went on" if code == 0 else "damaged folders that say why not"
        ] += 1
    campaign.expect(hashlib.sha256(campaign.stage.read_bytes()).digest() == source, "the source changed")


STREAMS = (
    "2>&-",
    ">&-",
    "<&- >&- 2>&-",
    ">/dev/full",
    "2>/dev/full",
    ">/dev/full 2>&1",
    "| true",
    "2>&1 | head -c 5",
)


def lost_streams(campaign: Campaign, count: int) -> None:
    """Runs whose streams are closed, full or gone, in terminals of any encoding: they end well all the same."""
    wanted = result_hashes(campaign.folder / "reference_run")
    for number in range(count):
        out, streams = campaign.folder / f"stream_{number}", campaign.random.choice(STREAMS)
        encoding = campaign.random.choice(("utf-8", "latin-1", "ascii", "utf-16"))
        extra = campaign.random.choice(
            ("", "--json", "--progress plain", "--progress json", "--progress openjd")
        )
        words = f"{shlex.join(campaign.command(out))} {extra} {streams}; exit ${{PIPESTATUS[0]}}"
        done = call(["env", f"PYTHONIOENCODING={encoding}", "bash", "-c", words])
        campaign.counts["lost streams"] += 1
        what = f"stream {number} ({extra} {streams}, {encoding})"
        campaign.expect(done.returncode == 0, f"{what}: {done.returncode} {done.stderr[-200:]}")
        campaign.expect("Traceback" not in done.stdout + done.stderr, f"{what}: traceback")
        campaign.check_result(out, wanted, what)
        shutil.rmtree(out, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (
        ("kills", 100),
        ("preview-kills", 10),
        ("disks", 20),
        ("starts", 10),
        ("torn", 10),
        ("damages", 700),
        ("streams", 100),
        ("seed", 0),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--prior", default="auto", help="the motion prior of the runs")
    parser.add_argument("--run-options", default="--no-preview", help="options of the runs that are broken")
    parser.add_argument("--stages", default=",".join(STAGES), help="where they are killed")
    options = parser.parse_args()
    began = time.monotonic()
    os.environ["ANYMOLE_CONFIG"] = ""
    with tempfile.TemporaryDirectory(prefix="anymole_faults_") as name:
        campaign = Campaign(Path(name), options.seed, options.prior, options.run_options.split())
        os.environ["ANYMOLE_STATE_DIR"] = str(Path(name) / "known")
        kills(campaign, "run", options.kills, options.stages.split(","))
        if options.preview_kills:
            kills(campaign, "preview", options.preview_kills, PREVIEW_STAGES, "--preview")
        disk_full(campaign, options.disks)
        closed_folders(campaign)
        clock_jumps(campaign, max(1, options.starts // 2))
        two_starts(campaign, options.starts)
        changed_sources(campaign)
        torn_lines(campaign, options.torn)
        damaged_folders(campaign, options.damages)
        lost_streams(campaign, options.streams)
    report = {
        "faults": dict(campaign.counts),
        "failures": campaign.failures,
        "seconds": round(time.monotonic() - began, 1),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 1 if campaign.failures else 0


if __name__ == "__main__":
    sys.exit(main())
