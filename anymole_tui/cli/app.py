"""The command line: arguments -> settings -> :mod:`engine`; answers on stdout, talk on stderr.

Nothing heavy is imported here: each command imports what it runs, so that ``--help`` is quick.
"""

import sys
import traceback
from functools import cache
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.main import get_command

from anymole_tui.cli import output as out
from anymole_tui.cli.commands import (
    compare,
    config,
    look,
    manage,
    models,
    render,
    report,
    run,
    submit,
    tui,
    usd,
    video,
)
from anymole_tui.cli.option_sources import bind_environment, default_map, flag, flags_by_setting
from engine.errors import ExitCode

app = typer.Typer(
    name="anymole",
    help="Fill in the motion between keys, for any character, on USD stages.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        out.answer(f"anymole {version('anymole')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and stop."),
    ] = False,
) -> None:
    pass


for _module in (tui, look, run, video, manage, report, usd, submit, compare, render, models, config):
    _module.add_to(app)


@cache
def command_group() -> Any:
    """All commands, every option with its environment variable."""
    group = get_command(app)
    bind_environment(group)
    return group


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with a documented code (docs/cli.md)."""
    argv = sys.argv[1:] if arguments is None else arguments
    if not argv and sys.stdin.isatty() and sys.stdout.isatty():
        argv = ["tui"]
    group = command_group()
    as_json = flag(argv, "json", group)
    try:
        group.main(
            argv,
            prog_name="anymole",
            default_map={} if {"--help", "--version"} & {*argv} else default_map(group),
        )
    except SystemExit as stop:
        if as_json and stop.code == ExitCode.USAGE:  # typer has said on stderr what it did not understand
            out.print_json({"error": "the command line was not understood", "exit_code": int(ExitCode.USAGE)})
        raise
    except (Exception, KeyboardInterrupt) as error:
        if flag(argv, "debug", group):
            traceback.print_exception(error)
        sys.exit(int(out.fail(error, as_json=as_json, flags=flags_by_setting(argv, group))))
