"""``demo``: two shots that come with the package, filled in a folder of their own."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

import anymole
from anymole_tui.cli import output as out
from anymole_tui.cli.options import Debug, GroupedCommand, Metrics, ProgressOption
from engine import ConfigError, ExitCode
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
    from anymole_tui.cli.progress_view import listener, progress_kind, progress_view
    from anymole_tui.report import findings_report
    from anymole_tui.run_report import run_report
    from engine import RunConfig
    from engine import run as engine_run
    from engine.runs import stop_signals

    root, kind = Path(folder), progress_kind(progress)
    copy_examples(root)
    for shot, truth, what in SHOTS:
        out.answer(f"{what} ({shown(str(root / shot))})\n")
        config = RunConfig(stage=str(root / shot), truth=str(root / truth), force=True)
        with progress_view(kind) as view, stop_signals() as stop:
            result = engine_run.run(config, listener(view), stop)
        errors = [finding for finding in engine_run.check(result.result) if finding.severity == "error"]
        if errors:
            out.answer(findings_report(result.result, errors))
            raise typer.Exit(ExitCode.VALIDATION)
        out.answer(run_report(result, metrics=metrics) + "\n")
    out.answer(f"Next: cd {shown(str(root))}, then the commands of the README, or 'anymole' to look around.")


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
            if place.exists():
                raise ConfigError(f"{shown(str(place))} is not the file that the demo brings; {REMEDY}")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        except OSError as error:
            raise ConfigError(
                f"{shown(str(place))} cannot be written ({error.strerror}); {REMEDY}"
            ) from error
