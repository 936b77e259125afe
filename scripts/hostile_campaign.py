"""Give every command broken and hostile files, and see that it says so and does nothing else.

    python scripts/hostile_campaign.py [--inputs 600] [--seed 0] [--log LOG]

Broken and crafted stages, lists and settings; run folders with files damaged at random; pipes, folders, devices and
links in place of every file that a command is given; streams that are closed, full or of another encoding. Each input
goes to a process of its own: a crash of a reader counts too. With ``--log`` a campaign that was stopped goes on. Prints
one JSON object; exit code 0 when there was no traceback, no crash, no hang, no file outside the chosen folder, no
changed source and no undocumented exit code.
"""

import argparse
import hashlib
import json
import os
import pickle
import random
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from engine.runs.process import python_command  # noqa: E402
from scripts.campaign_log import Log  # noqa: E402
from scripts.fault_campaign import DAMAGED, STREAMS, damage  # noqa: E402

FOX = ROOT / "examples" / "fox"
LONGEST_S = 20.0
"""Of CPU time: on a machine that is busy with other work the clock on the wall says nothing of a hang."""
LONGEST_WALL_S = 240.0
CODES = {0, 1, 2, 3, 4, 5}
BAD_NAMES = (
    "\x1b]0;pwned\x07",
    "[bold red]x[/]",
    "a\nopenjd_fail: no",
    "../../escape",
    "\u202eslanif",
    "x" * 5000,
    "'; rm -rf /",
    "%s%n",
)

Case = tuple[str, list[str]]
"""What it is, and the arguments of anymole; the text after a ``|`` in the former says what of a shell is around it."""


class Bomb:
    """A pickle that would leave a mark when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def usd_sources(folder: Path) -> dict[str, bytes]:
    """The fox in every kind of file."""
    from pxr import Sdf

    text = folder / "fox.usda"
    Sdf.Layer.FindOrOpen(str(FOX / "fox.usdc")).Export(str(text))
    package = folder / "fox.usdz"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_STORED) as archive:
        archive.write(FOX / "fox.usdc", "fox.usdc")
    crate = (FOX / "fox.usdc").read_bytes()
    return {".usdc": crate, ".usd": crate, ".usda": text.read_bytes(), ".usdz": package.read_bytes()}


def broken(sources: dict[str, bytes], rng: random.Random, folder: Path, count: int) -> Iterator[Case]:
    """Truncated and bit-flipped files of every kind."""
    for number in range(count):
        kind = rng.choice(sorted(sources))
        content = bytearray(sources[kind])
        way = rng.choice(("cut", "flip", "flip", "zero", "mixed"))
        if way in ("cut", "mixed"):
            del content[rng.randrange(len(content)) :]
        if way in ("flip", "mixed"):
            for _ in range(rng.choice((1, 5, 50, 500))):
                if content:
                    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        if way == "zero":
            at = rng.randrange(len(content))
            content[at : at + 4096] = bytes(len(content[at : at + 4096]))
        path = folder / f"{way}_{number}{kind}"
        path.write_bytes(content)
        yield f"{way}{kind}", stage_command(path, rng)


def stage_command(path: Path, rng: random.Random) -> list[str]:
    out = str(path.parent / "out" / path.stem)
    return rng.choice(
        (
            ["run", str(path), "--keys", "0,20,40", "--out", out, "--no-preview", "--progress", "plain"],
            ["run", str(path), "--keys", "0,20,40", "--out", out, "--no-preview", "--progress", "openjd"],
            ["inspect", str(path), "--joints"],
            ["check", str(path)],
        )
    )


ARM = """#usda 1.0
(
    defaultPrim = "R"
    startTimeCode = 1
    endTimeCode = 9
    {layer}
)
def SkelRoot "R" ({prim}) {{
    def Skeleton "S" (prepend apiSchemas = ["SkelBindingAPI"]) {{
        uniform token[] joints = [{joints}]
        uniform matrix4d[] bindTransforms = [{matrices}]
        uniform matrix4d[] restTransforms = [{matrices}]
        rel skel:animationSource = </R/A>
    }}
    def SkelAnimation "A" {{
        uniform token[] joints = [{joints}]
        float3[] translations.timeSamples = {{ {translations} }}
        quatf[] rotations.timeSamples = {{ {rotations} }}
        half3[] scales.timeSamples = {{ {scales} }}
    }}
}}
"""
IDENTITY = "((1,0,0,0),(0,1,0,0),(0,0,1,0),(0,0,0,1))"


def arm(
    joints: list[str],
    *,
    times: tuple[str, ...] = ("1", "5", "9"),
    layer: str = "",
    prim: str = "",
    turn: str = "(1,0,0,0)",
) -> str:
    count = len(joints)
    rows = lambda value: ", ".join(f"{t}: [{', '.join([value] * count)}]" for t in times)  # noqa: E731
    names = ", ".join(json.dumps(j) for j in joints)
    return ARM.format(
        layer=layer,
        prim=prim,
        joints=names,
        matrices=", ".join([IDENTITY] * count),
        translations=rows("(0,0,0)"),
        rotations=rows(turn),
        scales=rows("(1,1,1)"),
    )


def crafted(folder: Path, rng: random.Random) -> Iterator[Case]:
    """Files that are USD and mean harm."""
    texts = {f"name {i}": arm(["a", name]) for i, name in enumerate(BAD_NAMES)}
    texts |= {
        "time far": arm(["a"], times=("-1e300", "0", "1e300")),
        "time huge": arm(["a"], times=("1", "5", "1e12")),
        "nan": arm(["a"], turn="(nan,0,0,0)"),
        "infinite": arm(["a"], turn="(inf,0,0,0)"),
        "zero turn": arm(["a"], turn="(0,0,0,0)"),
        "rate zero": arm(["a"], layer="timeCodesPerSecond = 0"),
        "rate tiny": arm(["a"], layer="timeCodesPerSecond = 1e-300\nframesPerSecond = 1e300"),
        "rate nan": arm(["a"], layer="timeCodesPerSecond = nan"),
        "reference up": arm(["a"], prim="prepend references = @../../../../../../etc/passwd@"),
        "reference device": arm(["a"], prim="prepend references = @/dev/zero@"),
        "reference own": arm(["a"], prim="prepend references = @./reference_own.usda@</R>"),
        "sublayer pipe": arm(["a"], layer="subLayers = [@|touch pwned@, @http://127.0.0.1:9/x.usd@]"),
        "sublayer own": arm(["a"], layer="subLayers = [@./sublayer_own.usda@]"),
        "terminal in asset": arm(["a"], prim="prepend references = @\x1b[2J\x1b]0;x\x07.usd@"),
        "deep": "#usda 1.0\n" + 'def "a" {' * 3000 + "}" * 3000,
        "many joints": arm([f"j{i}" for i in range(20000)]),
        "same joints": arm(["a", "a", "a"]),
        "orphans": arm(["a/b/c/d", "x/y"]),
        "no joints": arm([]),
        "comment": "#usda 1.0\n(\n" + '"""' + "A" * 2_000_000 + '"""\n)\n',
        "not text": "#usda 1.0\n" + "\x00\xff" * 1000,
    }
    for name, text in texts.items():
        path = folder / f"{name.replace(' ', '_')}.usda"
        path.write_text(text)
        for command in (
            ["run", str(path), "--keys", "1,9", "--out", str(folder / "out" / path.stem), "--no-preview"],
            ["inspect", str(path), "--joints"],
            ["check", str(path)],
        ):
            yield name, command
    for name in ("../outside.usdc", "/tmp/outside.usdc", "a" * 300 + ".usdc"):
        path = folder / f"zip_{rng.randrange(10**6)}.usdz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, (FOX / "fox.usdc").read_bytes())
        yield (
            f"package {name[:20]}",
            ["run", str(path), "--keys", "0,20", "--out", str(folder / "out" / path.stem), "--no-preview"],
        )


def job_files(folder: Path) -> Iterator[Case]:
    """Run folders, shot lists, path mappings, suites and settings that mean harm."""
    stage = str(FOX / "fox_survey_keys.usda")
    run_tomls = {
        "empty": "",
        "no toml": "stage = ",
        "huge number": "seed = " + "9" * 5000,
        "huge": "x = '" + "y" * 60_000_000 + "'",
        "nested": "a = " + "[" * 5000 + "]" * 5000,
        "out elsewhere": f"stage = {json.dumps(stage)}\nout = '/tmp/anymole_pwned'\npreview = false",
        "wrong kinds": "stage = [1]\nkeys = 'x'",
        "device": "stage = '/dev/zero'",
        "folder": "stage = '/'",
        "binary": "\x00\x01",
        "escapes": 'stage = "\\u001b[2J.usda"',
    }
    for name, text in run_tomls.items():
        run = folder / f"run_{name.replace(' ', '_')}"
        run.mkdir()
        (run / "run.toml").write_text(text)
        (run / "state.json").write_text(
            json.dumps(
                {
                    "format": 1,
                    "id": "../../..",
                    "state": "running",
                    "pid": 1,
                    "process_start": "0",
                    "host": os.uname().nodename,
                }
            )
        )
        (run / "artefacts.json").write_text(
            json.dumps({"artefacts": {"author": {"key": "x", "files": {"../../../etc/passwd": "0"}}}})
        )
        (run / "artefacts").mkdir()
        (run / "artefacts" / "fill-0.npz").write_bytes(pickle.dumps(Bomb(folder / "pwned")))
        (run / "events.jsonl").write_text(
            '{"event": "Note", "time": 1, "level": "\\u001b[2J", "text": "\\nopenjd_fail: x"}\n{"event": "RunStarted"'
        )
        for command in ("resume", "attach", "logs", "cancel", "clean"):
            yield f"run folder {name}: {command}", [command, str(run)]
    for name, state in {"newer": {"format": 99}, "list": [], "text": "x", "deep": None}.items():
        run = folder / f"state_{name}"
        run.mkdir()
        (run / "state.json").write_text("[" * 100_000 if name == "deep" else json.dumps(state))
        for command in (["runs", str(run)], ["attach", str(run)], ["resume", str(run)], ["cancel", str(run)]):
            yield f"state {name}", command
    lists = {
        "escape": "[[shot]]\nname = '../../../pwned'\nstage = 'x.usda'",
        "out": "[[shot]]\nstage = 'x'\nout = '/tmp/pwned'",
        "none": "shot = []",
        "scalar": "shot = 3",
        "many": "[[shot]]\nstage='x'\n" * 3000,
        "settings": "settings = 3\n[[shot]]\nstage = 'x'",
        "wrong": "[[shot]]\nstage = 'x'\nkeys = 'abc'",
        "nested": "a = " + "[" * 5000,
        "huge": "#" * 40_000_000,
    }
    for name, text in lists.items():
        path = folder / f"shots_{name}.toml"
        path.write_text(text)
        yield (
            f"shots {name}",
            ["submit", str(path), "--dry-run", "--to", "openjd", "--out", str(folder / "out" / "sub")],
        )
        yield f"shots {name}", ["shot", str(path), "--number", "1", "--out", str(folder / "out" / "shots")]
        yield f"suite {name}", ["benchmark", str(path), "--out", str(folder / "out" / "table.json")]
    for name, text in {
        "list": "[]",
        "kind": '{"path_mapping_rules": [{"source_path_format": "VMS"}]}',
        "deep": "[" * 100_000,
    }.items():
        path = folder / f"mapping_{name}.json"
        path.write_text(text)
        yield (
            f"mapping {name}",
            [
                "shot",
                str(folder / "shots_escape.toml"),
                "--number",
                "1",
                "--out",
                str(folder / "out"),
                "--path-mapping",
                str(path),
            ],
        )


def pickled_arrays(folder: Path) -> Iterator[Case]:
    """A finished run whose artefacts were replaced by pickles that an honest index vouches for."""
    run = folder / "pickled"
    stage = str(FOX / "fox_survey_keys.usda")
    subprocess.run(
        python_command("anymole_tui", "run", stage, "--out", str(run), "--no-preview", "--progress", "none"),
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    artefact = run / "artefacts" / "fill-0.npz"
    artefact.write_bytes(pickle.dumps(Bomb(folder / "pwned")))
    index = json.loads((run / "artefacts.json").read_text())
    index["artefacts"]["fill-0.npz"]["files"]["artefacts/fill-0.npz"] = hashlib.sha256(
        artefact.read_bytes()
    ).hexdigest()
    (run / "artefacts.json").write_text(json.dumps(index))
    yield "pickle as artefact", ["resume", str(run)]


def finished(folder: Path) -> Path:
    """A finished run of a shot of its own."""
    shot = folder / "finished" / "fox"
    shutil.copytree(FOX, shot)
    stage, run = shot / "fox_survey_keys.usda", shot.parent / "run"
    options = ("--prior", "slerp", "--takes", "2", "--no-preview", "--progress", "none")
    command = python_command("anymole_tui", "run", str(stage), "--out", str(run), *options)
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return run


COMMANDS = (
    ("runs",),
    ("attach", "--progress", "none"),
    ("logs",),
    ("take",),
    ("take", "--gap", "1", "--reject"),
    ("clean",),
    ("cancel",),
    ("report",),
    ("resume", "--progress", "none"),
    ("inspect",),
    ("check",),
)


def damaged_folders(folder: Path, run: Path, rng: random.Random, count: int) -> Iterator[Case]:
    """Run folders with one to three files damaged, beside their shot."""
    for number in range(count):
        place = run.parent / f"damaged_{number}"
        shutil.copytree(run, place)
        names = rng.sample(DAMAGED, rng.choice((1, 1, 2, 3)))
        what = ", ".join(damage(place / name, rng) for name in names)
        for command, *more in rng.sample(COMMANDS, 3):
            yield f"{what}: {command}", [command, str(place), *more]


def odd_file(path: Path, rng: random.Random) -> str:
    """Something that is no file of the kind that is expected there; says what."""
    kind = rng.choice(("pipe", "folder", "own link", "device", "nothing", "empty", "noise", "socket"))
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "own link":
        path.symlink_to(path.name)
    elif kind == "device":
        path.symlink_to(rng.choice(("/dev/zero", "/dev/null", "/dev/full")))
    elif kind == "nothing":
        path.symlink_to("gone")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            try:
                server.bind(os.path.relpath(path))
            except OSError:  # of paths that are too long for one, and on file systems without
                os.mkfifo(path)
    else:
        path.write_bytes(b"" if kind == "empty" else rng.randbytes(3000))
    return kind


def odd_files(folder: Path, rng: random.Random, count: int) -> Iterator[Case]:
    """Pipes, folders, devices and links in place of every file that a command is given, or that a file names."""
    stage = str(FOX / "fox_survey_keys.usda")
    for number in range(count):
        place = folder / f"odd_{number}"
        place.mkdir()
        out = ["--out", str(place / "out")]
        end, commands = rng.choice(
            (
                (".usda", (["inspect"], ["check"], ["run", *out], ["run", "--dry-run"], ["render", *out])),
                (
                    ".usdc",
                    (["usd", "cat"], ["usd", "tree"], ["usd", "diff", stage], ["check", "--for", "three"]),
                ),
                (".usdz", (["inspect"], ["run", *out])),
                (".toml", (["submit", *out], ["benchmark", *out], ["shot", "--number", "1", *out])),
                (
                    "",
                    (["take"], ["resume"], ["attach"], ["report"], ["cancel"], ["clean"], ["runs"], ["logs"]),
                ),
                (".truth.usda", (["run", stage, *out, "--no-preview", "--truth"],)),
                (".mp4", (["mimic", stage, *out, "--no-preview", "--video"],)),
                (".json", (["render", stage, *out, "--camera"],)),
                (".layer.usda", (["inspect"], ["run", *out, "--no-preview"], ["check"])),
                (".png", (["render", *out, "--size", "16x16", "--times", "0"],)),
            )
        )
        path = place / f"odd{end}"
        what = odd_file(path, rng)
        given = str(path)
        if end == ".layer.usda":
            given = str(place / "shot.usda")
            Path(given).write_text(f"#usda 1.0\n(subLayers = [@./{path.name}@, @{stage}@])\n")
        elif end == ".png":
            given = str(place / "shot.usda")
            Path(given).write_text(arm(["a"], prim="") + MATERIAL.replace("FILE", path.name))
        command = rng.choice(commands)
        after = ["--truth", "--video", "--camera"]
        one, two = (command, []) if command[-1] in after else (command[:1], command[1:])
        if command[0] == "usd":
            one, two = command[:2], command[2:]
        yield f"{what} in place of {end or 'run folder'}: {command[0]}", [*one, given, *two]


MATERIAL = """
def Mesh "M" (prepend apiSchemas = ["SkelBindingAPI", "MaterialBindingAPI"]) {
    rel skel:skeleton = </R/S>
    rel material:binding = </Mat>
    point3f[] points = [(0,0,0), (1,0,0), (0,1,0)]
    int[] faceVertexCounts = [3]
    int[] faceVertexIndices = [0, 1, 2]
    texCoord2f[] primvars:st = [(0,0), (1,0), (0,1)] (interpolation = "vertex")
}
def Material "Mat" {
    token outputs:surface.connect = </Mat/S.outputs:surface>
    def Shader "S" {
        uniform token info:id = "UsdPreviewSurface"
        color3f inputs:diffuseColor.connect = </Mat/T.outputs:rgb>
        token outputs:surface
    }
    def Shader "T" {
        uniform token info:id = "UsdUVTexture"
        asset inputs:file = @./FILE@
        float3 outputs:rgb
    }
}
"""


def lost_streams(folder: Path, run: Path, rng: random.Random, count: int) -> Iterator[Case]:
    """Commands whose streams are closed, full or gone, in terminals of any encoding, from folders that are gone."""
    stage = str(FOX / "fox_survey_keys.usda")
    for number in range(count):
        out = str(folder / "out" / f"stream_{number}")
        command = rng.choice(
            (
                ["inspect", stage, "--joints"],
                ["check", stage],
                ["check", stage, "--json"],
                ["run", stage, "--dry-run"],
                ["run", stage, "--out", out, "--prior", "slerp", "--no-preview"],
                ["runs", str(run)],
                ["runs", str(run), "--json"],
                ["attach", str(run)],
                ["logs", str(run)],
                ["take", str(run)],
                ["usd", "cat", stage],
                ["usd", "tree", stage],
                ["models", "list"],
                ["config", "show", "--all"],
                ["help", "run"],
                ["--version"],
                ["render", stage, "--out", out, "--size", "16x16", "--times", "0", "--views", "front"],
            )
        )
        around = rng.choice(STREAMS)
        gone = rng.choice(("", "", "mkdir $$ && cd $$ && rmdir ../$$;", "trap '' HUP INT;"))
        encoding = rng.choice(("utf-8", "latin-1", "ascii", "utf-16"))
        yield f"{command[0]}|{gone}|{around}|{encoding}", command


def shadows(folder: Path, mark: Path) -> None:
    """Modules in the current folder under the names of ours, and of libraries; none may ever be imported."""
    for name in ("engine", "usd_io", "anymole_tui", "numpy", "pxr", "torch", "typer", "filelock", "random"):
        (folder / f"{name}.py").write_text(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n")


def snapshot(folder: Path) -> dict[str, str]:
    return {
        str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def limit_cpu() -> None:
    """In the child: SIGXCPU after so much work."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(LONGEST_S), int(LONGEST_S) + 5))


def judge(name: str, command: list[str], environment: dict[str, str]) -> tuple[list[str], int, float]:
    """Run one case; what was wrong with it, its exit code and its time."""
    began = time.monotonic()
    words = python_command("anymole_tui", *command)
    if "|" in name:
        _, gone, *rest = name.split("|")
        around, encoding = "|".join(rest[:-1]), rest[-1]
        script = f"{gone} {shlex.join(words)} {around}; exit ${{PIPESTATUS[0]}}"
        # the interpreter itself does not start in a folder that is gone where its path names the current one
        words = ["env", f"PYTHONIOENCODING={encoding}", f"PYTHONPATH={ROOT}", "bash", "-c", script]
    try:
        done = subprocess.run(
            words,
            cwd=environment["PWD"],
            capture_output=True,
            timeout=LONGEST_WALL_S,
            preexec_fn=limit_cpu,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [f"{name}: hangs: {command}"], -1, LONGEST_S
    if done.returncode == -signal.SIGXCPU:
        return [f"{name}: hangs: {command}"], -1, LONGEST_S
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    tests: dict[str, Callable[[], bool]] = {
        "traceback": lambda: "Traceback" in text or "unexpected " in text,
        # utf-16 and shells have bytes of their own
        "escape sequence": lambda: "|" not in name and ("\x1b" in text or "\u202e" in text),
        "forged protocol line": lambda: "\nopenjd_fail: no" in text or "\nopenjd_fail: x" in text,
        f"exit code {done.returncode}": lambda: done.returncode not in CODES,
    }
    return (
        [f"{name}: {what}: {command} {text[-300:]!r}" for what, wrong in tests.items() if wrong()],
        done.returncode,
        time.monotonic() - began,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=700, help="at least so many, the rest are broken files")
    parser.add_argument("--folders", type=int, default=40, help="damaged run folders, three commands on each")
    parser.add_argument("--odd", type=int, default=120, help="odd things in place of files")
    parser.add_argument("--streams", type=int, default=60, help="commands with lost streams")
    parser.add_argument(
        "--log", type=Path, help="one line per input; those that are in it are not tried again"
    )
    parser.add_argument("--only-crafted", type=int, default=0, help="of the crafted ones, only so many")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, began = random.Random(options.seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="anymole_hostile_") as name:
        top = Path(name)
        folder, elsewhere = top / "files", top / "elsewhere"
        folder.mkdir()
        elsewhere.mkdir()
        shadows(elsewhere, top / "pwned_by_import")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT), "", ".")),  # the last two mean the current folder
            "PWD": str(elsewhere),
            "HOME": str(elsewhere),
            "ANYMOLE_CONFIG": "",
            "ANYMOLE_STATE_DIR": str(top / "known"),
        }
        sources = usd_sources(top)
        cases = [*crafted(folder, rng), *job_files(folder), *pickled_arrays(folder)]
        if options.only_crafted:
            cases = rng.sample(cases, options.only_crafted)
        if options.folders or options.streams:
            run = finished(folder)
            cases += damaged_folders(folder, run, rng, options.folders)
            cases += lost_streams(folder, run, rng, options.streams)
        cases += odd_files(folder, rng, options.odd)
        cases += broken(sources, rng, folder, max(0, options.inputs - len(cases)))
        rng.shuffle(cases)  # so that one that is stopped has tried every kind
        log = Log(options.log)
        shipped, outside = snapshot(FOX), snapshot(elsewhere)
        codes: Counter[int] = Counter()
        failures: list[str] = []
        slowest = 0.0
        for number, (what, command) in enumerate(cases):
            told = log.told("input", number)
            if told is not None:
                failures += told["failures"]
                codes[told["code"]] += 1
                continue
            given = {
                a: hashlib.sha256(Path(a).read_bytes()).hexdigest()
                for a in command
                if Path(a).suffix in sources and Path(a).is_file()
            }
            wrong, code, seconds = judge(what, command, environment)
            changed = [
                a for a, digest in given.items() if hashlib.sha256(Path(a).read_bytes()).hexdigest() != digest
            ]
            wrong += [f"{what}: changed {a}" for a in changed]
            failures += wrong
            codes[code] += 1
            log.tell("input", number, what=what, code=code, failures=wrong)
            slowest = max(slowest, seconds)
        after = snapshot(elsewhere)
        strays = [name for name in after if after[name] != outside.get(name)]
        # a shot called ../../../pwned may lie in its own folder under a plain name
        strays += [str(p) for p in top.rglob("pwned*") if folder / "out" not in p.parents]
        strays += [str(p) for p in (Path("/tmp/anymole_pwned"),) if p.exists()]
        if snapshot(FOX) != shipped:
            failures.append("the shipped files changed")
        failures += [f"outside the chosen folder: {stray}" for stray in strays]
    report = {
        "inputs": len(cases),
        "exit_codes": {str(c): n for c, n in sorted(codes.items())},
        "slowest_s": round(slowest, 1),
        "failures": failures,
        "seconds": round(time.monotonic() - began, 1),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
