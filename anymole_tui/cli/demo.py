"""``demo``: two shots that come with the package, filled in a folder of their own."""

import os
import shutil
import time
from pathlib import Path
from typing import Annotated

import typer

import anymole
from anymole_tui.cli import output as out
from anymole_tui.cli.options import Debug, GroupedCommand, Metrics, ProgressOption
from anymole_tui.wording import word
from engine import ConfigError
from usd_io import shown

SHOTS = (
    (
        "boxer/shot.usda",
        "boxer/boxer.usdc",
        "A boxer: two seconds of finished motion, then a key each second",
    ),
    ("fox/fox_survey_keys.usda", "fox/fox.usdc", "A fox: eight keys half a second apart and nothing else"),
)
"""What is filled: the shot, the true motion that only the score sees, and what it is."""
REMEDY = "name another folder: anymole demo FOLDER."


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(cls=GroupedCommand)(demo)


def demo(
    folder: Annotated[str, typer.Argument(help="Where to work; it is made if it is not there.")] = "demo",
    progress: ProgressOption = "auto",
    metrics: Metrics = False,
    debug: Debug = False,
) -> None:
    """Fill two shots that come with the package, a boxer and a fox, and say how good they are and how to open them."""
    from anymole_tui.cli.attach import answer_run, watch
    from anymole_tui.cli.progress_view import is_protocol, listener, progress_kind, progress_view
    from anymole_tui.launching import launch
    from engine import RunConfig
    from engine import run as engine_run
    from engine.runs import interrupts_wait, stop_signals

    root, kind, began = Path(folder), progress_kind(progress), time.time()
    tell = out.say if is_protocol(kind) else out.answer
    copy_examples(root)
    first, second = (
        RunConfig(stage=str(root / shot), truth=str(root / truth), force=True) for shot, truth, _ in SHOTS
    )
    with interrupts_wait() as came:  # else a folder would wait for a process that never comes
        # another demo that works here is found out before anything of it is touched
        engine_run.prepare(first)
        beside = Path(os.path.relpath(engine_run.prepare(second)))
        child = launch(beside)  # another processor fills it meanwhile; it is shown when the first is done
    try:
        if came:
            raise KeyboardInterrupt
        tell(_title(root, 0))
        with progress_view(kind) as view, stop_signals() as stop:
            result = engine_run.run(first, listener(view), stop)
        answer_run(result, kind, as_json=False, metrics=metrics)
    except BaseException:
        child.terminate()
        child.wait()
        raise
    tell(f"\n{_title(root, 1)}")
    watch(beside, kind, as_json=False, metrics=metrics, child=child, since=began)
    tell(f"\nNext: cd {word(str(root))}, then the commands of the README, or 'anymole' to look around.")


def _title(root: Path, number: int) -> str:
    shot, _, what = SHOTS[number]
    return f"{what} ({shown(str(root / shot))})\n"


def examples_folder() -> Path:
    """The examples in the package, or those of the source tree that is installed for editing."""
    package = Path(anymole.__file__).parent
    return next(path for path in (package / "examples", package.parent / "examples") if path.is_dir())


def copy_examples(target: Path) -> None:
    """Copy all examples that are data; what is there already must be the same.

    Raises:
        ConfigError: A file of another content is in the way, or the folder cannot be written.
    """
    source = examples_folder()
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if (
            path.suffix in (".py", ".md")
            or not path.is_file()
            or "_inbetween" in str(path.relative_to(source))
        ):
            continue
        try:
            if place.is_file() and place.read_bytes() == path.read_bytes():
                continue
            if os.path.lexists(place):  # a link that leads nowhere, too
                raise ConfigError(f"{shown(str(place))} is not the file that the demo brings; {REMEDY}")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        except OSError as error:
            raise ConfigError(
                f"{shown(str(place))} cannot be written ({error.strerror}); {REMEDY}"
            ) from error
