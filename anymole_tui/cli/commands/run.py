"""``run``: fill the motion between the keys."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.options import (
    COMMAND,
    AsJson,
    Debug,
    Detach,
    DryRun,
    GroupedCommand,
    Here,
    Metrics,
    ProgressOption,
    completer,
    takes_settings,
)
from anymole_tui.wording import describe_plan
from engine import ConfigError, RunConfig
from engine.runs import run_commands

EXAMPLES = """anymole run shot.usda
anymole run walk.usda --context 1:49 --keys 49,73,97 --lock 'Head,*Hand*'"""
_RUN = run_commands()["run"]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(cls=GroupedCommand, epilog=EXAMPLES)(run)


def _stages() -> tuple[str, ...]:
    from engine.run import stage_names

    return stage_names()


@takes_settings(_RUN.fields, _RUN.config)
def run(
    config: RunConfig,
    until: Annotated[
        str,
        typer.Option(
            help="Stop after this stage; 'resume' goes on.",
            metavar="NAME",
            autocompletion=completer(_stages),
            show_default=False,
            rich_help_panel=COMMAND,
        ),
    ] = "",
    dry_run: DryRun = False,
    detach: Detach = False,
    here: Here = False,
    progress: ProgressOption = "auto",
    metrics: Metrics = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Fill the motion between the keys and author it as a new layer; the source is never touched."""
    if until:
        from engine import prepare
        from engine.run import check_stage

        check_stage(config, until)  # before a folder is made for it
        if not dry_run:
            return advance_to(prepare(config), until, progress, as_json=as_json)
    start(
        config,
        dry_run=dry_run,
        detach=detach,
        here=here,
        progress=progress,
        metrics=metrics,
        as_json=as_json,
    )


def start(
    config: RunConfig,
    *,
    dry_run: bool,
    detach: bool,
    here: bool,
    progress: str,
    metrics: bool,
    as_json: bool,
) -> None:
    """Do a run, or have it done: the second half of all commands that start one."""
    from dataclasses import asdict

    from anymole_tui.cli.progress_view import listener, progress_kind, progress_view
    from engine import run as engine_run

    kind = progress_kind(progress)
    check_place(detach=detach, here=here)
    planned = engine_run.plan(config, dry=True) if dry_run else engine_run.plan(config)
    if dry_run:
        engine_run.check_ready(config, planned)
        plans = [asdict(plan) for plan in planned.plans]
        if as_json:
            out.print_json({"plan": plans, "notes": planned.notes})
        else:
            out.answer("\n".join(map(describe_plan, plans)))
            for warning in (*(w for plan in plans for w in plan["warnings"]), *planned.notes):
                out.say(f"warning: {warning}")
        return
    from anymole_tui.cli import attach as attaching  # what only a run needs: a plan is quicker without
    from engine.runs import stop_signals

    if detach:
        attaching.start_detached_run(lambda: engine_run.prepare(config, planned), as_json=as_json)
    elif in_own_process(kind, here=here):
        attaching.start_watched_run(
            lambda: engine_run.prepare(config, planned), kind, as_json=as_json, metrics=metrics
        )
    else:
        with progress_view(kind, as_json=as_json) as view, stop_signals() as stop:
            result = engine_run.run(config, listener(view), stop, planned=planned)
        attaching.answer_run(result, kind, as_json=as_json, metrics=metrics)


def advance_to(folder: Path, stage: str, progress: str, *, as_json: bool) -> None:
    """Do a run up to the end of a stage, in this process."""
    from anymole_tui.cli.progress_view import listener, progress_kind, progress_view
    from engine import advance
    from engine.runs import stop_signals
    from usd_io import shown

    with progress_view(progress_kind(progress), as_json=as_json) as view, stop_signals() as stop:
        advance(folder, stage, listener(view), stop)
    if as_json:
        out.print_json({"run": str(folder), "stage": stage})
    else:
        out.answer(f"{stage} is done in {shown(folder)}; 'anymole resume' goes on from there.")


def check_place(*, detach: bool, here: bool) -> None:
    """Refuse to both leave this process and stay in it.

    Raises:
        ConfigError: Both are asked for.
    """
    if detach and here:
        raise ConfigError(
            "a run is either left to itself or done in this process; give one of the two.",
            settings=("detach", "here"),
        )


def in_own_process(kind: str, *, here: bool) -> bool:
    """Whether a run leaves this process, so as to outlive a terminal: where a person watches it.

    Elsewhere (farms, scripts, tests) the run is the process that was started, which signals and limits then reach.
    """
    return kind == "rich" and not here and sys.stdin.isatty() and sys.stderr.isatty()
