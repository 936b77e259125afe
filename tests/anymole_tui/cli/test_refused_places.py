"""What may not be read or written, and names of the wrong kind of thing: the cause, the remedy, exit code 2."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anymole_tui.cli.app import main
from engine.errors import EngineError, ExitCode, exit_code, message_of
from usd_io.errors import AuthorError, StageReadError, unwritable

Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANYMOLE_CONFIG", "")
    monkeypatch.setenv("ANYMOLE_STATE_DIR", str(tmp_path / "state"))

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        return int(stop.value.code or 0), capfd.readouterr().err

    return run


def protect(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the system refuse what is written below a folder, which it does not to root."""
    real_open, real_mkdir = os.open, os.mkdir

    def refuse(path: Any) -> None:
        if not isinstance(path, int) and Path(os.fspath(path)).absolute().is_relative_to(folder):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    def guarded_open(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            refuse(path)
        return real_open(path, flags, *rest, **named)

    def guarded_mkdir(path: Any, *rest: Any, **named: Any) -> None:
        refuse(path)
        real_mkdir(path, *rest, **named)

    monkeypatch.setattr(os, "open", guarded_open)
    monkeypatch.setattr(os, "mkdir", guarded_mkdir)


def test_a_run_folder_that_may_not_be_written_is_told_and_kept(
    call: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = shutil.copy(data / "cases" / "usd" / "baked_channel.usda", tmp_path)
    locked = tmp_path / "locked"
    made = ("run", stage, "--prior", "slerp", "--no-preview", "--no-report", "--out", locked / "run")
    assert call(*made)[0] == 0
    before = {path: path.read_bytes() for path in (locked / "run").rglob("*") if path.is_file()}
    protect(locked, monkeypatch)
    for words in (
        ("take", locked / "run", 1),
        ("take", locked / "run", "--gap", 1, "--reject"),
        ("report", locked / "run"),
        ("report", locked),
        ("resume", locked / "run"),
        ("resume", locked / "run", "--author", "flat"),
        ("resume", locked / "run", "--author", "flat", "--detach"),
        ("clean", locked / "run"),
        ("usd", "retime", stage, "--out", locked / "a.usda"),
    ):
        code, err = call(*words)
        assert code == ExitCode.USAGE, words
        assert err.count("\n") == 1
        assert "cannot be written (Permission denied); make it and its folder writable" in err, words
        assert "make room" not in err
        assert "another folder" not in err or words[0] != "resume", words  # it goes on where the run is
    assert {path: path.read_bytes() for path in (locked / "run").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", [".anymole", "report.json", "events.jsonl", "state.json", "run.toml"])
def test_a_run_whose_files_may_not_be_read_is_refused(
    name: str, call: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, run = shutil.copy(data / "cases" / "usd" / "baked_channel.usda", tmp_path), tmp_path / "run"
    made = ("run", stage, "--prior", "slerp", "--no-preview", "--no-report", "--out", run)
    assert call(*made)[0] == 0
    access, real_open = os.access, os.open

    def guarded_open(path: Any, *rest: Any, **named: Any) -> int:
        if not isinstance(path, int) and Path(os.fspath(path)).name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real_open(path, *rest, **named)

    monkeypatch.setattr(os, "open", guarded_open)  # as nothing is refused to root
    monkeypatch.setattr(os, "access", lambda path, how: Path(path).name != name and access(path, how))
    for words in (("take",), ("logs",), ("resume",), ("attach",), ("report",), ("clean",), ("cancel",)):
        said = f"anymole: {run / name} may not be read; allow it, or name another run.\n"
        assert call(*words, run) == (ExitCode.USAGE, said), words


def test_the_remedy_fits_what_the_system_said() -> None:
    locked, full, other = (
        OSError(code, os.strerror(code)) for code in (errno.EROFS, errno.ENOSPC, errno.ENOTDIR)
    )
    assert (
        unwritable("a", locked)
        == f"a cannot be written ({locked.strerror}); make it and its folder writable."
    )
    assert unwritable("a", full, "name another").endswith("; make room or name another.")
    assert unwritable("a", other, "name another").endswith("; name another.")
    assert unwritable("a", other).endswith("; mend that and try again.")


@pytest.mark.parametrize("kind", [EngineError, AuthorError, StageReadError])
@pytest.mark.parametrize(("cause", "code"), [(errno.EACCES, 2), (errno.EROFS, 2), (errno.ENOSPC, 1)])
def test_what_is_refused_is_no_failure_of_ours(kind: type[Exception], cause: int, code: int) -> None:
    system = OSError(cause, os.strerror(cause), "a")
    error = kind("not written")
    error.__cause__ = system
    assert exit_code(error) == (4 if kind is StageReadError else code)  # which says itself what it is
    assert exit_code(system) == code
    assert ("allow it" in message_of(system)) == (code == 2)


@pytest.mark.parametrize(
    "words", [("run",), ("check",), ("inspect",), ("usd", "tree"), ("evaluate",), ("render", "--out", "out")]
)
def test_a_folder_in_place_of_a_stage_is_as_a_stage_that_is_not_there(
    call: Call, words: tuple[str, ...]
) -> None:
    Path("folder").mkdir()
    assert call(*words, "folder") == (2, "anymole: folder is a folder; name a USD file in it.\n")
    assert call(*words, "none.usda") == (2, "anymole: none.usda does not exist; name a USD file.\n")


def test_a_stage_that_may_not_be_read_is_not_damaged(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.usda").write_text("nothing that we see")
    monkeypatch.setattr(os, "access", lambda *_: False)  # as nothing is refused to root
    assert call("check", "secret.usda") == (
        2,
        "anymole: secret.usda may not be read; allow it, or name another file.\n",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", ""), "FILE is empty; name one."),
        (("take", ""), "RESULT is empty; name one."),
        (("report", ""), "RUN is empty; name one."),
        (("benchmark", ""), "SUITE is empty; name one."),
        (("runs", ""), "FOLDERS is empty; name one, or leave it out."),
        (("runs", ".", "notes.txt"), "notes.txt is no folder; name a folder to look in."),
        (("runs", "none"), "none does not exist; name a folder to look in."),
        (
            ("check", "notes.usda", "--for", "three,,blender"),
            "no reader '' is known; name some of blender, three, lightusd, tinyusdz, usd-25.05, usd-24.03 (--for).",
        ),
        (("clean", "x", ""), "NAMES is empty; name one, or leave it out."),
        (("submit", ""), "STAGES is empty; name one, or leave it out."),
        (("usd", "diff", "a", "b", "--tolerance", "nan"), "tolerance is nan; give 0 or more (--tolerance)."),
        (
            ("usd", "trim", "a", "--range", "nan:1", "--out", "b"),
            "'nan:1' is no range; give the earlier time first (--range).",
        ),
        (
            ("usd", "retime", "a", "--scale", "nan", "--out", "b"),
            "scale is nan and offset 0; give a scale above 0 and a finite offset (--scale, --offset).",
        ),
        (("submit", "folder"), "folder is no file; name stages or a shot list."),
        (("submit", "none.usda"), "none.usda does not exist; name stages or a shot list."),
        (
            ("report", "notes.txt"),
            "notes.txt is of no run: there is no run.toml beside it; name a run or its result.",
        ),
    ],
)
def test_names_of_nothing_and_of_other_things(call: Call, words: tuple[str, ...], said: str) -> None:
    Path("folder").mkdir()
    Path("notes.txt").touch()
    assert call(*words) == (2, f"anymole: {said}\n")


@pytest.mark.parametrize(
    ("stage", "options", "said"),
    [
        (
            "baked_channel.usda",
            ("--author", "flat", "--takes", 2),
            "The mode flat has room for one take: readers that do not compose know no variants. Use the mode rebind or "
            "variant for several (--author).",
        ),
        ("baked_channel.usda", ("--author", "over", "--takes", 2), "for several (--author)."),
        (
            "late_refusal_of_variant.usda",
            ("--author", "variant"),
            "reference the character instead (--author).",
        ),
        ("late_refusal.usda", ("--skeleton", "/World/Extra/Skel"), "on the instance (--author)."),
    ],
)
def test_what_a_mode_cannot_do_names_the_option(
    call: Call, stage: str, options: tuple[str, ...], said: str, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["run", str(data / "cases" / "usd" / stage), *map(str, options), "--dry-run", "--json"])
    out, err = capfd.readouterr()
    assert err.endswith(f"{said}\n")
    assert json.loads(out)["settings"] == ["author"]


@pytest.mark.parametrize("out", [(), ("--out", "locked/run")])
def test_a_dry_run_needs_no_folder_to_write_to(
    call: Call, out: tuple[str, ...], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    stage = shutil.copy(data / "cases" / "usd" / "baked_channel.usda", locked)
    protect(locked, monkeypatch)
    code, err = call("run", stage, *out, "--dry-run")
    assert code == 0
    assert "cannot be written (Permission denied)" in err
    code, err = call("run", stage, *out, "--here")
    assert code == ExitCode.USAGE
    assert "cannot be written (Permission denied)" in err
    assert [path.name for path in locked.iterdir()] == ["baked_channel.usda"]
