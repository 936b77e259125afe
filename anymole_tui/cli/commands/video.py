"""``mimic``, ``adapt`` and ``generate``: a video from elsewhere, and single stages of a run with one of our own."""

import typer

from anymole_tui.cli.commands.manage import RunName
from anymole_tui.cli.commands.run import advance_to, start
from anymole_tui.cli.options import (
    AsJson,
    Debug,
    Detach,
    DryRun,
    GroupedCommand,
    Here,
    Metrics,
    ProgressOption,
    takes_settings,
)
from engine import RunConfig
from engine.runs import run_commands

EXAMPLES = """anymole mimic shot.usda --video playblast.mp4 --camera /World/Cam
anymole mimic shot.usda --video frames --video-fps 24 --camera front"""
_MIMIC = run_commands()["mimic"]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(cls=GroupedCommand, epilog=EXAMPLES)(mimic)
    for command in (adapt, generate):
        app.command(cls=GroupedCommand)(command)


@takes_settings(_MIMIC.fields, _MIMIC.config, _MIMIC.required)
def mimic(
    config: RunConfig,
    dry_run: DryRun = False,
    detach: Detach = False,
    here: Here = False,
    progress: ProgressOption = "auto",
    metrics: Metrics = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Fit the motion between the keys to a video of the character, whatever made it, and author it as a new layer."""
    start(
        config,
        dry_run=dry_run,
        detach=detach,
        here=here,
        progress=progress,
        metrics=metrics,
        as_json=as_json,
    )


def adapt(
    run: RunName, progress: ProgressOption = "auto", as_json: AsJson = False, debug: Debug = False
) -> None:
    """Do a run up to the end of its stage adapt; 'resume' goes on from there."""
    _advance(run, "adapt", progress, as_json=as_json)


def generate(
    run: RunName, progress: ProgressOption = "auto", as_json: AsJson = False, debug: Debug = False
) -> None:
    """Do a run up to the end of its stage generate; 'resume' goes on from there."""
    _advance(run, "generate", progress, as_json=as_json)


def _advance(name: str, stage: str, progress: str, *, as_json: bool) -> None:
    from engine.runs import find_run

    advance_to(find_run(name), stage, progress, as_json=as_json)
