"""Break runs in every way that a farm knows, resume them, and compare with an undisturbed one.

    python scripts/fault_campaign.py [--kills 100] [--previews 10] [--disks 20] ... [--seed 0] [--log LOG]
        [--prior auto] [--run-options="--no-preview"] [--stages begin,fill,score,author,check,end]

There is one option per kind of fault (``--help``); ``--only damages,streams`` leaves out all other kinds. The last
three say which runs are broken, by their options, and where they are killed: in stages as their events name them,
before the first (begin) and after the last (end). Runs with other stages are a matter of these.

Each fault is drawn by its kind and number alone, whatever was tried before it: with ``--log`` a campaign that was
stopped goes on, and one number can be tried again. Prints one JSON object: how many were tried and failed by kind,
further counts, and every failure. Exit code 0 when there is none. Disk-full faults need the right to mount a small
tmpfs; without it they are skipped, and the report says so.
"""

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from engine import run as engine_run  # noqa: E402
from engine.config import RunConfig  # noqa: E402
from engine.errors import EngineError, SourceChanged  # noqa: E402
from engine.events import Event, StageFinished, StageReused, StageStarted  # noqa: E402
from engine.files.video_file import read_video  # noqa: E402
from engine.runs.process import python_command  # noqa: E402
from engine.runs.registry import read_events, read_run  # noqa: E402
from scripts.campaign_films import make_film, wrong_with  # noqa: E402
from scripts.campaign_log import Log  # noqa: E402
from scripts.usd_campaign import judged  # noqa: E402

FOX = ROOT / "examples" / "fox"
STAGES = ("begin", "fill", "score", "author", "check", "end")
PREVIEW_STAGES = ("preview", "preview", "check", "end")
TIMEOUT_S = 1200.0


Attempt = Callable[["Campaign", int], None]


class Campaign:
    """Counts and failures of all faults."""

    def __init__(self, folder: Path, seed: int, prior: str, options: Sequence[str], log: Path | None) -> None:
        self.folder, self.seed, self.prior, self.log = folder, seed, prior, Log(log)
        self.random = random.Random(seed)
        self.options = [] if "--prior" in options else ["--prior", prior]
        self.options += options
        self.counts: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.failures: list[str] = []
        shutil.copytree(FOX, folder / "fox")
        self.stage = folder / "fox" / "fox_survey_keys.usda"

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.failures.append(what)

    def attempt(self, kind: str, number: int, attempt: "Attempt") -> None:
        """Make a fault, or take its outcome from the log."""
        told = self.log.told(kind, number)
        if told is None:
            told = self._attempt(kind, number, attempt)
        else:
            self.failures += told["failures"]
        self.counts.update(told["counts"])
        self.tried[kind] += 1
        self.failed[kind] += bool(told["failures"])

    def _attempt(self, kind: str, number: int, attempt: "Attempt") -> dict[str, Any]:
        self.random = random.Random(f"{self.seed} {kind} {number}")
        before, known = self.counts.copy(), len(self.failures)
        try:
            attempt(self, number)
        except Exception as error:
            self.failures.append(f"{kind} {number}: {type(error).__name__}: {error}")
        counts = dict(self.counts - before)
        self.counts = before
        failures = self.failures[known:]
        self.log.tell(kind, number, counts=counts, failures=failures)
        return {"counts": counts, "failures": failures}

    @cache  # noqa: B019  # one campaign per process
    def reference(self, *more: str) -> "Reference":
        """An undisturbed run."""
        out = self.folder / f"reference{''.join(more)}"
        began = time.monotonic()
        done = call(self.command(out, *more))
        if done.returncode:
            raise RuntimeError(f"the undisturbed run failed: {done.stderr}")
        return Reference(out, result_hashes(out), lengths_of(out, time.monotonic() - began))

    def command(self, out: Path, *more: str) -> list[str]:
        return anymole("run", str(self.stage), "--out", str(out), "--progress", "none", *self.options, *more)

    def check_result(self, out: Path, wanted: dict[str, str], what: str) -> None:
        self.expect(result_hashes(out) == wanted, f"{what}: the result differs from the undisturbed one")
        self.expect(not list(out.glob(".*.tmp")), f"{what}: half-written files are left")


@dataclass(frozen=True)
class Reference:
    """An undisturbed run: its folder, the hashes of its result, the lengths of its stages [s]."""

    out: Path
    wanted: dict[str, str]
    lengths: dict[str, float]


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


def kills(name: str, stages: Sequence[str], *more: str) -> "Attempt":
    """Kill runs, some of them again while they are resumed, and compare."""

    def attempt(campaign: Campaign, number: int) -> None:
        reference = campaign.reference(*more)
        out, what = campaign.folder / f"{name}_{number:03d}", f"kill {name} {number}"
        command, completed = campaign.command(out, *more), set()
        for _ in range(campaign.random.choice((1, 1, 1, 2))):
            completed |= kill_at(campaign, out, command, campaign.random.choice(stages), reference.lengths)
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
        campaign.check_result(out, reference.wanted, what)
        shutil.rmtree(out)

    return attempt


def disk_full(campaign: Campaign, number: int) -> None:
    """A run on a disk that is too small, resumed when there is room."""
    place = campaign.folder / "disk"
    place.mkdir(exist_ok=True)
    del number
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
        campaign.expect(full.returncode in (0, 1), f"disk of {size} kB: exit code {full.returncode}: {text}")
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
        campaign.expect(
            found == list(campaign.reference().wanted), f"disk of {size} kB: result files {found}"
        )
    finally:
        call(["umount", str(place)])


def closed_folders(campaign: Campaign, number: int) -> None:
    """A folder that is a file, one that nobody can make, a source that is not there."""
    (campaign.folder / "file").write_text("")
    if number == 2:
        gone = call(anymole("run", str(campaign.folder / "gone.usda")))
        campaign.expect(gone.returncode == 2, f"vanished source: {gone.returncode}")
        return
    out = (campaign.folder / "file" / "run", Path("/proc/anymole/run"))[number]
    done = call(campaign.command(out))
    campaign.expect(
        # 2 where the plan can tell, 1 where only the attempt does
        done.returncode in (1, 2) and "Traceback" not in done.stderr,
        f"{out}: {done.returncode} {done.stderr}",
    )


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


def clock_jumps(campaign: Campaign, number: int) -> None:
    """A run whose clock jumps by up to a day at any reading."""
    out = campaign.folder / f"clock_{number}"
    done = call([sys.executable, "-c", CLOCK, str(number), *campaign.command(out)[4:]])
    campaign.expect(done.returncode == 0, f"clock {number}: {done.stderr}")
    campaign.check_result(out, campaign.reference().wanted, f"clock {number}")
    shutil.rmtree(out, ignore_errors=True)


def two_starts(campaign: Campaign, number: int) -> None:
    """Three processes begin the same run at once: one does it."""
    out = campaign.folder / f"twice_{number}"
    running = [start(campaign.command(out)) for _ in range(3)]
    codes = sorted(process.wait() for process in running)
    # one that comes late refuses to replace the result of the first, or confirms it where it had looked before
    campaign.expect(codes[0] == 0 and set(codes[1:]) <= {0, 2, 3}, f"three starts: exit codes {codes}")
    campaign.check_result(out, campaign.reference().wanted, f"three starts {number}")
    shutil.rmtree(out, ignore_errors=True)


def start(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def changed_sources(campaign: Campaign, number: int) -> None:
    """The source is saved again as a stage of a run begins."""
    moment = ("fill", "score", "author")[number % 3]
    folder = campaign.folder / f"changing_{number}"
    shutil.copytree(FOX, folder)
    stage = folder / "fox_survey_keys.usda"

    def change(event: Event) -> None:
        if isinstance(event, StageStarted) and event.stage == moment:
            stage.write_text(stage.read_text() + "\n# saved again\n")

    config = RunConfig(stage=str(stage), out=str(folder / "run"), prior=campaign.prior, preview=False)
    try:
        engine_run.run(config, change)
        campaign.expect(False, f"a change during {moment} was not noticed")
    except SourceChanged as error:
        campaign.expect(stage.name in str(error), f"a change during {moment} does not name the file")
    campaign.expect(not result_hashes(folder / "run"), f"a change during {moment} left a result")
    engine_run.resume(folder / "run")
    campaign.expect(read_run(folder / "run").state == "done", f"not resumed after a change during {moment}")


def torn_lines(campaign: Campaign, number: int) -> None:
    """An event log cut and scribbled over anywhere: it is read, and the run goes on in it."""
    reference = campaign.reference()
    whole = (reference.out / "events.jsonl").read_bytes()
    out = campaign.folder / f"torn_{number}"
    shutil.copytree(reference.out, out)
    cut = whole[: campaign.random.randrange(len(whole))]
    (out / "events.jsonl").write_bytes(cut + campaign.random.randbytes(campaign.random.choice((0, 0, 40))))
    readable = len(read_events(out))
    campaign.expect(readable >= cut.count(b"\n"), f"torn log {number}: {readable} events left")
    engine_run.resume(out)
    campaign.expect(len(read_events(out)) > readable, f"torn log {number}: nothing was added")
    campaign.check_result(out, reference.wanted, f"torn log {number}")
    shutil.rmtree(out, ignore_errors=True)


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


def damaged_folder(campaign: Campaign, number: int) -> None:
    """A run folder with one to three files damaged: every command answers or says why not, and the run goes on, or says
    what is in its way."""
    # beside the reference: a run names its stage by the way from its folder
    reference, place = campaign.reference(), campaign.folder
    out, good = place / "damaged", place / "good"
    source = campaign.stage.read_bytes()
    for copy in (out, good):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(reference.out, copy)
    names = campaign.random.sample(DAMAGED, campaign.random.choice((1, 1, 2, 3)))
    what = f"damage {number}: {', '.join(damage(out / name, campaign.random) for name in names)}"
    options = {"attach": ("--progress", "none"), "clean": ("--dry-run",)}
    for command in COMMANDS:
        where = str(place) if command == "runs" else str(out)
        code, text = said(command, where, *options.get(command, ()))
        campaign.expect(
            "Traceback" not in text and "unexpected" not in text, f"{what}: {command}: {text[-200:]}"
        )
        campaign.expect("\x1b" not in text, f"{what}: {command}: an escape sequence")
        campaign.expect(command != "runs" or "good" in text, f"{what}: runs hides another run")
        campaign.expect(code in (0, 1, 2, 3, 4, 130), f"{what}: {command}: exit code {code}")
    code, text = said("resume", str(out), "--progress", "none", "--here")
    campaign.expect("Traceback" not in text and "unexpected" not in text, f"{what}: resume: {text[-200:]}")
    same = result_hashes(out) == reference.wanted
    campaign.expect(same or code != 0, f"{what}: the resumed result differs")
    campaign.expect(bool(result_hashes(out)), f"{what}: the earlier result is lost")
    campaign.expect(result_hashes(good) == reference.wanted, f"{what}: another run changed")
    campaign.counts["damaged folders that went on" if code == 0 else "damaged folders that say why not"] += 1
    campaign.expect(campaign.stage.read_bytes() == source, f"{what}: the source changed")
    for copy in (out, good):
        shutil.rmtree(copy, ignore_errors=True)


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


def lost_streams(campaign: Campaign, number: int) -> None:
    """A run whose streams are closed, full or gone, in a terminal of any encoding: it ends well all the same."""
    out, streams = campaign.folder / f"stream_{number}", campaign.random.choice(STREAMS)
    encoding = campaign.random.choice(("utf-8", "latin-1", "ascii", "utf-16"))
    extra = campaign.random.choice(("", "--json", "--progress plain", "--progress json", "--progress openjd"))
    gone = campaign.random.choice(("", "", "mkdir $$ && cd $$ && rmdir ../$$; ", "trap '' HUP INT; "))
    words = (
        f"cd {shlex.quote(str(campaign.folder))}; {gone}{shlex.join(campaign.command(out))} {extra} {streams}"
    )
    words += "; exit ${PIPESTATUS[0]}"
    done = call(["env", f"PYTHONIOENCODING={encoding}", f"PYTHONPATH={ROOT}", "bash", "-c", words])
    what = f"stream {number} ({gone}{extra} {streams}, {encoding})"
    campaign.expect("Traceback" not in done.stdout + done.stderr, f"{what}: traceback")
    if "rmdir" in gone:  # refused before anything is begun
        campaign.expect(done.returncode == 1 and not out.exists(), f"{what}: {done.returncode}")
        return
    campaign.expect(done.returncode == 0, f"{what}: {done.returncode} {done.stderr[-200:]}")
    campaign.check_result(out, campaign.reference().wanted, what)
    shutil.rmtree(out, ignore_errors=True)


def repose(stage: Path, rng: random.Random) -> bytes:
    """The stage with the pose of one key at another one."""
    from pxr import Sdf

    layer, path = Sdf.Layer.OpenAsAnonymous(str(stage)), "/Fox/Anim/Survey.rotations"
    times = layer.ListTimeSamplesForPath(path)
    one, other = rng.sample(times, 2)
    layer.SetTimeSample(path, one, layer.QueryTimeSample(path, other))
    return layer.ExportToString().encode()


def is_of(campaign: Campaign, folder: Path, content: bytes) -> list[str]:
    """What in the result of ``folder/run`` is not as in this content of its stage, by pxr alone."""
    copy = campaign.folder / "judged"
    shutil.copytree(folder, copy, symlinks=True)
    try:
        (copy / campaign.stage.name).write_bytes(content)
        return judged(copy / campaign.stage.name, str(next((copy / "run").glob("*_inbetween.usda"))))
    finally:
        shutil.rmtree(copy)


def recorded_hash(out: Path, name: str) -> str:
    """The hash of a layer of the source in the record of a result."""
    from pxr import Sdf

    root = Sdf.Layer.OpenAsAnonymous(str(next(out.glob("*_inbetween.usda"))))
    data = Sdf.Layer.OpenAsAnonymous(str(out / root.subLayerPaths[0]))
    layers = data.customLayerData["anymole"]["source"]["layers"].values()
    return next(str(layer["sha256"]) for layer in layers if layer["path"].endswith(name))


def saved_sources(campaign: Campaign, number: int) -> None:
    """The source is saved by another program at any moment: there is no result, or that of the content it names."""
    folder = campaign.folder / f"saved_{number}"
    shutil.copytree(FOX, folder)
    stage, out, what = folder / campaign.stage.name, folder / "run", f"save {number}"
    contents = [stage.read_bytes(), repose(stage, campaign.random)]
    seconds = sum(campaign.reference().lengths.values())
    process = start(anymole("run", str(stage), "--out", str(out), "--progress", "none", *campaign.options))
    time.sleep(campaign.random.uniform(0.3, 1.0) * seconds)
    (folder / "new.usda").write_bytes(contents[1])
    (folder / "new.usda").replace(stage)
    code = process.wait()
    campaign.counts[f"sources saved: exit {code}"] += 1
    campaign.expect(code in (0, 3), f"{what}: exit code {code}")
    campaign.expect(code == 0 or not result_hashes(out), f"{what}: a result in spite of {code}")
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    if code == 0:
        of = hashes.index(recorded_hash(out, stage.name))
        campaign.expect(not (wrong := is_of(campaign, folder, contents[of])), f"{what}: {wrong}")
    resumed = call(anymole("resume", str(out), "--progress", "none")) if (out / "run.toml").exists() else None
    if resumed is not None:
        campaign.expect(
            resumed.returncode == 0, f"{what}: resumed with {resumed.returncode}: {resumed.stderr}"
        )
        campaign.expect(
            recorded_hash(out, stage.name) == hashes[1], f"{what}: resumed, but of the old content"
        )
        campaign.expect(not (wrong := is_of(campaign, folder, contents[1])), f"{what}: resumed: {wrong}")
    shutil.rmtree(folder)


def result_seen(out: Path) -> tuple[str, str] | None:
    """Hashes of what a reader finds: the root stage, whatever it calls its data layer, and that layer; None where one
    is not there."""
    try:
        root = next(out.glob("*_inbetween.usda")).read_bytes()
        named = re.search(rb"@\./([^@]*_anim[^@]*)@", root)
        data = (out / os.fsdecode(named[1])).read_bytes() if named else b""
    except (OSError, StopIteration):
        return None
    plain = root.replace(named[1], b"") if named else root
    return hashlib.sha256(plain).hexdigest(), hashlib.sha256(data).hexdigest()


def replaced_results(campaign: Campaign, number: int) -> None:
    """A good result is replaced by a run that is killed, stopped or left alone: a reader always sees one of the two."""
    old, new = campaign.reference("--prior=slerp"), campaign.reference("--prior=spline")
    out, what = campaign.folder / f"replaced_{number}", f"replacing {number}"
    shutil.copytree(old.out, out)
    names = {result_seen(old.out): "old", result_seen(new.out): "new"}
    process = start(campaign.command(out, "--prior=spline", "--force"))
    way = campaign.random.choice((signal.SIGKILL, signal.SIGINT, None, None))
    until = time.monotonic() + campaign.random.uniform(0.3, 1.0) * sum(new.lengths.values())
    odd = False
    while process.poll() is None:
        odd |= result_seen(out) not in names
        time.sleep(0.0005)
        if way is not None and time.monotonic() > until:
            process.send_signal(way)
            way = None
    campaign.expect(not odd, f"{what}: a reader saw neither the old nor the new result")
    left = names.get(result_seen(out))
    campaign.counts[f"replaced results: {left or 'neither'} after the run"] += 1
    campaign.expect(left is not None, f"{what}: neither the old nor the new result is left")
    resumed = call(anymole("resume", str(out), "--progress", "none"))
    campaign.expect(resumed.returncode == 0, f"{what}: resumed with {resumed.returncode}: {resumed.stderr}")
    campaign.expect(result_seen(out) in names, f"{what}: resumed, neither the old nor the new result")
    campaign.expect(
        len(list(out.glob("*_inbetween*.usd*"))) == 2, f"{what}: {sorted(p.name for p in out.iterdir())}"
    )
    shutil.rmtree(out)


OTHERS = (
    "report.json",
    "run.toml",
    "state.json",
    "events.jsonl",
    "cancel",
    "lock",
    "log.txt",
    "preview.mp4",
    ".othertool.tmp",
    ".hero_inbetween.usda",
    "fox_survey_keys_inbetween.usda",
    "fox_survey_keys_inbetween_anim.usdc",
    "checkpoints/model.pt",
    "artefacts/sim.bgeo",
    "notes.txt",
    "shots.toml",
)


def others_files(campaign: Campaign, number: int) -> None:
    """A folder with files of others under any names: it is refused, and clean and resume leave all as it was."""
    out, what = campaign.folder / f"others_{number}", f"files of others {number}"
    elsewhere = campaign.folder / f"elsewhere_{number}"
    for folder in (out, elsewhere):
        folder.mkdir()
        (folder / "kept").write_text("mine")
    names = campaign.random.sample(OTHERS, campaign.random.choice((1, 2, 5)))
    for name in names:
        path = out / name
        path.parent.mkdir(exist_ok=True)
        if campaign.random.random() < 0.3:
            path.symlink_to(campaign.random.choice((elsewhere, elsewhere / "kept")))
        else:
            path.write_text("mine")
    before = everything_in(out, elsewhere)
    for command in (
        campaign.command(out),
        campaign.command(out, "--force"),
        campaign.command(out, "--detach"),
        anymole("submit", str(campaign.stage), "--to", "commands", "--out", str(out)),
        anymole("render", str(campaign.stage), "--out", str(out), "--size", "16x16", "--times", "0"),
        anymole("clean", str(out)),
    ):
        done = call(command)
        campaign.expect(done.returncode in (1, 2), f"{what}: {command[4]}: {done.returncode} {done.stdout}")
        campaign.expect("Traceback" not in done.stderr, f"{what}: {command[4]}: {done.stderr[-200:]}")
        campaign.expect(everything_in(out, elsewhere) == before, f"{what}: {command[4]} changed it: {names}")
    for folder in (out, elsewhere):
        shutil.rmtree(folder)


def everything_in(*folders: Path) -> dict[str, str | bytes]:
    """Content of files and targets of links by path."""
    return {
        str(path): str(path.readlink()) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*"))
    }


def crowds(campaign: Campaign, number: int) -> None:
    """Three to six commands on one folder at once, and a reader, who always sees one of the takes."""
    reference, what = campaign.reference("--takes=3"), f"crowd {number}"
    out = campaign.folder / f"crowd_{number}"
    shutil.copytree(reference.out, out)
    whole = {result_seen(out)}
    for take in (2, 3, 1):  # chosen, the first one is named, too
        call(anymole("take", str(out), str(take)))
        whole.add(result_seen(out))
    shutil.rmtree(out)
    shutil.copytree(reference.out, out)
    commands = [
        campaign.random.choice(
            (
                anymole("take", str(out), campaign.random.choice("123")),
                anymole("take", str(out), campaign.random.choice("123")),
                anymole("clean", str(out)),
                anymole("resume", str(out), "--progress", "none"),
                campaign.command(out, "--takes=3", "--force"),
                anymole("runs", str(out)),
                anymole("attach", str(out), "--progress", "none"),
            )
        )
        for _ in range(campaign.random.choice((3, 4, 5, 6)))
    ]
    running = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    odd = False
    while any(process.poll() is None for process in running):
        odd |= result_seen(out) not in whole
        time.sleep(0.0005)
    for command, process in zip(commands, running, strict=True):
        text = process.stderr.read() if process.stderr else ""
        name = command[4]
        campaign.counts[f"crowds: {name} ends with {process.returncode}"] += 1
        campaign.expect(process.returncode in (0, 3), f"{what}: {name}: {process.returncode} {text[-200:]}")
        campaign.expect("Traceback" not in text, f"{what}: {name}: {text[-200:]}")
    campaign.expect(not odd, f"{what}: a reader saw none of the takes")
    campaign.expect(result_seen(out) in whole, f"{what}: none of the takes is left")
    campaign.expect(not list(out.glob(".*.tmp")), f"{what}: half-written files are left")
    after = call(anymole("resume", str(out), "--progress", "none"))
    campaign.expect(after.returncode == 0, f"{what}: resumed with {after.returncode}: {after.stderr[-200:]}")
    campaign.expect(result_seen(out) in whole, f"{what}: resumed, none of the takes")
    shutil.rmtree(out)


def moves(campaign: Campaign, number: int) -> None:
    """A run made with relative paths, then moved with its shot, looked at from another folder or through a link."""
    place, what = campaign.folder / f"moving_{number}", f"move {number}"
    first = place / "first"
    shutil.copytree(FOX, first / "shot")
    where, options = campaign.random.choice(((first, "shot/"), (first / "shot", ""))), campaign.options
    out = campaign.random.choice(("run", "../run", "../runs/a"))
    made = anymole("run", f"{where[1]}{campaign.stage.name}", "--out", out, "--progress", "none", *options)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    (place / "runs").mkdir()
    done = subprocess.run(made, cwd=where[0], env=environment, capture_output=True, text=True, check=False)
    campaign.expect(done.returncode == 0, f"{what}: {done.returncode} {done.stderr[-200:]}")
    run = Path(os.path.normpath(where[0] / out))
    way = campaign.random.choice(("moved", "linked", "named from elsewhere"))
    if way == "moved":
        (place / "new").mkdir()
        for inside in list(place.iterdir()):
            if inside.name != "new":
                inside.rename(place / "new" / inside.name)
        run = place / "new" / run.relative_to(place)
    elif way == "linked":
        (place / "deep" / "er").mkdir(parents=True)
        (place / "deep" / "er" / "link").symlink_to(run)
        run = place / "deep" / "er" / "link"
    real = Path(os.path.realpath(run))
    stage = next(real.parents[1].rglob(f"shot/{campaign.stage.name}"), campaign.stage)
    wrong = judged(stage, str(next(real.glob("*_inbetween.usda"))))
    campaign.expect(not wrong, f"{what} ({way}, {out}): {wrong}")
    kept = result_hashes(real)
    here = campaign.random.choice((run, run.parent, campaign.folder))
    name = os.path.relpath(run, here)
    for command in ("attach", "logs", "take", "resume", "runs"):
        more = ("--progress", "none") if command in ("attach", "resume") else ()
        done = subprocess.run(
            anymole(command, name, *more),
            cwd=here,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        campaign.expect(done.returncode == 0, f"{what} ({way}): {command}: {done.returncode} {said[-200:]}")
        gone = way == "moved" and str(first) in said
        campaign.expect(not gone, f"{what}: {command} names the old place: {said[-300:]}")
    # a result that names its source from another place is authored again, its layer under a free name until the next
    before, after = (
        [re.sub(r"_\d+(?=\.usdc)", "", str(f)) for f in found] for found in (kept, result_hashes(real))
    )
    campaign.expect(after == before, f"{what} ({way}): other files after resuming")
    wrong = judged(stage, str(next(real.glob("*_inbetween.usda"))))
    campaign.expect(not wrong, f"{what} ({way}, resumed): {wrong}")
    campaign.counts[f"moves: {way}"] += 1
    shutil.rmtree(place)


def gone_hosts(campaign: Campaign, number: int) -> None:
    """A run whose host is gone: attach says so at once, cancel and clean work, and resume goes on."""
    reference, what = campaign.reference(), f"gone host {number}"
    out = campaign.folder / f"gone_{number}"
    shutil.copytree(reference.out, out)
    state = json.loads((out / "state.json").read_text())
    process = campaign.random.choice(("1", "", "99999999999"))
    state |= {"state": "running", "host": "container-4711", "pid": campaign.random.choice((1, 7, 10**7))}
    state |= {"process_start": process, "stage": campaign.random.choice(("fill", "author", ""))}
    (out / "state.json").write_text(json.dumps(state))
    if campaign.random.random() < 0.7:
        (out / "lock").write_text(
            campaign.random.choice(("", "x", "{}", json.dumps({"host": "container-4711"})))
        )
        past = time.time() - campaign.random.choice((120, 86400, 10**8))
        os.utime(out / "lock", (past, past))
    code, text = said("attach", str(out), "--progress", "none")
    campaign.expect(code == 3, f"{what}: attach: {code} {text[-200:]}")
    from anymole_tui.cli.commands import manage

    manage.SILENT_WAIT_S = 0.1  # nobody is there who could answer
    for command in campaign.random.sample([("cancel",), ("clean", "--force")], 2):
        code, text = said(command[0], str(out), *command[1:])
        over = (
            command[0] == "cancel" and code == 2 and "is cancelled, not at work" in text
        )  # cleaning has ended it
        campaign.expect(code == 0 or over, f"{what}: {command}: {code} {text[-200:]}")
    code, text = said("resume", str(out), "--progress", "none", "--here")
    campaign.expect(code == 0, f"{what}: resume: {code} {text[-200:]}")
    campaign.check_result(out, reference.wanted, what)
    shutil.rmtree(out)


def odd_films(campaign: Campaign, number: int) -> None:
    """A film of uneven times, turned, cut by an edit list: each frame has its own time; a damaged one is a sentence."""
    folder, what = campaign.folder / f"film_{number}", f"film {number}"
    folder.mkdir()
    path, stamps, done = make_film(folder, campaign.random)
    wrong = wrong_with(path, stamps, done)
    campaign.expect(not wrong, f"{what} ({path.suffix}, {done}): {wrong}")
    content = bytearray(path.read_bytes())
    if campaign.random.random() < 0.5:
        del content[campaign.random.randrange(len(content)) :]
    for _ in range(campaign.random.choice((0, 1, 20))):
        if content:
            content[campaign.random.randrange(len(content))] ^= 1 << campaign.random.randrange(8)
    path.write_bytes(content)
    try:
        read_video(path)
        campaign.counts["damaged films that are read"] += 1
    except EngineError:
        campaign.counts["damaged films that say why not"] += 1
    shutil.rmtree(folder)


def little_memory(campaign: Campaign, number: int) -> None:
    """A run that may not have the memory it needs: a sentence where Python can still say it, never a wrong result."""
    out, what = campaign.folder / f"memory_{number}", f"memory {number}"
    limit = campaign.random.randrange(500, 3000)
    words = f"ulimit -v {limit * 1024}; exec {shlex.join(campaign.command(out))}"
    done = call(["bash", "-c", words])
    told = done.stdout + done.stderr
    # below what the interpreter and its libraries take nothing of ours is at work yet
    started = "ImportError" not in told and "importlib" not in told
    campaign.expect(not started or "Traceback" not in told, f"{what} ({limit} MB): {told[-300:]}")
    kept = result_hashes(out)
    campaign.expect(not kept or kept == campaign.reference().wanted, f"{what} ({limit} MB): another result")
    campaign.expect(done.returncode != 0 or bool(kept), f"{what} ({limit} MB): 0 without a result")
    way = "done" if done.returncode == 0 else "says so" if 0 < done.returncode < 100 else "killed"
    campaign.counts[f"little memory: {way}"] += 1
    again = call(
        anymole("resume", str(out), "--progress", "none")
        if (out / "run.toml").exists()
        else campaign.command(out)
    )
    campaign.expect(again.returncode == 0, f"{what} ({limit} MB), resumed: {again.stderr[-200:]}")
    campaign.check_result(out, campaign.reference().wanted, what)
    shutil.rmtree(out, ignore_errors=True)


SLEEPS = """
import sys, time
from pathlib import Path
from engine.config import RunConfig
from engine.run import run
stage, folder, seconds = sys.argv[1:]
def slow(event):
    time.sleep(float(seconds))
run(RunConfig(stage=stage, out=folder, prior="slerp", preview=False, report=False), slow)
"""


def time_limits(campaign: Campaign, number: int) -> None:
    """Shots in the local pool, some of which never end: those have failed for their time limit, the others are done."""
    from engine.farm.batch import Needs, Submission, summarise
    from engine.farm.pool import run_pool
    from engine.farm.shots import shots_of_stages, write_shots

    place, what = campaign.folder / f"limits_{number}", f"time limit {number}"
    slow = campaign.random.sample([True, False, False], 3)[: campaign.random.choice((2, 3))]
    for i in range(len(slow)):
        shutil.copytree(FOX, place / f"fox{i}")
    stages = [str(place / f"fox{i}" / campaign.stage.name) for i in range(len(slow))]
    shots, out = shots_of_stages(stages, {}), place / "out"
    write_shots(shots, out)
    batch = Submission(
        shots,
        out,
        Needs(timeout_min=1.0, retries=0),
        lambda n: [
            sys.executable,
            "-c",
            SLEEPS,
            stages[n - 1],
            str(shots[n - 1].folder(out)),
            "3600" if slow[n - 1] else "0",
        ],
    )
    run_pool(batch, jobs=campaign.random.choice((1, 3)), on_shot=lambda shot, state: None, stop=lambda: False)
    found = summarise(shots, out)
    wanted = Counter("failed" if each else "done" for each in slow)
    campaign.expect(found.states == dict(wanted), f"{what}: {found.states} of {slow}")
    for failure in found.failures:
        campaign.expect("time limit" in str(failure["message"]), f"{what}: {failure['message']}")
    shutil.rmtree(place)


KINDS: dict[str, tuple[int, Attempt]] = {
    "disks": (20, disk_full),
    "closed": (3, closed_folders),
    "clocks": (10, clock_jumps),
    "starts": (10, two_starts),
    "changes": (12, changed_sources),
    "torn": (10, torn_lines),
    "saves": (80, saved_sources),
    "replacements": (60, replaced_results),
    "others": (40, others_files),
    "crowds": (60, crowds),
    "moves": (40, moves),
    "hosts": (25, gone_hosts),
    "streams": (100, lost_streams),
    "films": (80, odd_films),
    "memories": (20, little_memory),
    "limits": (5, time_limits),
    "damages": (315, damaged_folder),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    counts = {"kills": 100, "previews": 10} | {name: count for name, (count, _) in KINDS.items()}
    for name, default in counts.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--log", type=Path, help="one line per fault; those that are in it are not tried again"
    )
    parser.add_argument("--only", default="", help="kinds, separated by commas; all others are left out")
    parser.add_argument("--prior", default="auto", help="the motion prior of the runs")
    parser.add_argument("--run-options", default="--no-preview", help="options of the runs that are broken")
    parser.add_argument("--stages", default=",".join(STAGES), help="where they are killed")
    options = parser.parse_args()
    wanted = {n: getattr(options, n) for n in counts if not options.only or n in options.only.split(",")}
    began = time.monotonic()
    os.environ["ANYMOLE_CONFIG"] = ""
    signal.signal(signal.SIGALRM, too_long)
    with tempfile.TemporaryDirectory(prefix="anymole_faults_") as name:
        runs = options.run_options.split()
        campaign = Campaign(Path(name), options.seed, options.prior, runs, options.log)
        os.environ["ANYMOLE_STATE_DIR"] = str(Path(name) / "known")
        attempts = {kind: attempt for kind, (_, attempt) in KINDS.items()}
        attempts["kills"] = kills("kills", options.stages.split(","))
        attempts["previews"] = kills("previews", PREVIEW_STAGES, "--preview")
        # in turns, so that one that is stopped has tried every kind
        order = sorted((n / count, kind, n) for kind, count in wanted.items() for n in range(count))
        for _, kind, number in order:
            campaign.attempt(kind, number, attempts[kind])
    report = {
        "tried": dict(campaign.tried),
        "failed": dict(campaign.failed),
        "counts": dict(campaign.counts),
        "failures": campaign.failures,
        "seconds": round(time.monotonic() - began, 1),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 1 if campaign.failures else 0


if __name__ == "__main__":
    sys.exit(main())
