"""The command line: arguments -> settings -> :mod:`engine`; answers on stdout, talk on stderr.

Nothing heavy is imported here: each command imports what it runs, so that ``--help`` is quick.
"""

import io
import os
import platform
import sys
import traceback
from contextlib import redirect_stdout
from copy import copy
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from itertools import chain, takewhile
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from typer.main import get_command

from anymole_tui.cli import output as out
from anymole_tui.cli.option_sources import (
    bind_environment,
    default_map,
    flag,
    flags_by_setting,
    unheeded_variables,
)
from anymole_tui.cli.options import HELP, HELP_OPTIONS, next_words
from anymole_tui.settings_files import files
from anymole_tui.wording import one_line
from engine import ConfigError, EngineError, ExitCode
from usd_io import shown

COMPLETION = "_ANYMOLE_COMPLETE"
"""Environment variable by which a shell asks what can follow."""

HOMES = {
    "anymole_tui.cli.demo": ("demo",),
    "anymole_tui.cli.commands.tui": ("tui",),
    "anymole_tui.cli.commands.look": ("inspect", "check", "take"),
    "anymole_tui.cli.commands.run": ("run",),
    "anymole_tui.cli.commands.video": ("mimic", "adapt", "generate"),
    "anymole_tui.cli.commands.manage": ("runs", "attach", "logs", "cancel", "resume", "clean"),
    "anymole_tui.cli.commands.report": ("report", "view"),
    "anymole_tui.cli.commands.usd": ("usd",),
    "anymole_tui.cli.commands.submit": ("submit", "shot"),
    "anymole_tui.cli.commands.compare": ("evaluate", "benchmark"),
    "anymole_tui.cli.commands.render": ("render",),
    "anymole_tui.cli.commands.models": ("models",),
    "anymole_tui.cli.commands.config": ("config",),
}
"""The module that adds each command, in the order of the help."""


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", help="Say the version and stop; with --json, of all that counts."),
    ] = False,
) -> None:
    pass


@cache
def command_group(only: str = "") -> Any:
    """All commands, or those of one command's module alone, every option with its environment variable."""
    app = typer.Typer(
        name="anymole",
        help="Fill in the motion between keys, for any character, on USD stages.",
        no_args_is_help=True,
        add_completion=True,
        context_settings={"help_option_names": HELP_OPTIONS},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(invoke_without_command=False)(_options)
    for module, commands in HOMES.items():
        if not only or only in commands:
            import_module(module).add_to(app)
    group = get_command(app)
    bind_environment(group)
    return group


def group_for(argv: list[str]) -> Any:
    """The commands that a call needs: where its first word is one, those of its module, which start in half the time.
    Settings files may name any, and shells, help and ``config`` show all."""
    word = argv[0] if argv else ""
    known = any(word in commands for commands in HOMES.values())
    one_will_do = known and word != "config" and COMPLETION not in os.environ and not files()
    group = command_group(word) if one_will_do else command_group()
    return _with_help(group) if COMPLETION in os.environ else group


def _with_help(group: Any) -> Any:
    """The commands with ``help`` among them, for shells alone: a call of it never comes so far."""

    def of(
        command: Annotated[list[str] | None, typer.Argument(autocompletion=next_words)] = None,
    ) -> None:
        """Show the help of a command."""

    app = typer.Typer(add_completion=False)
    app.command(HELP)(of)
    with_help = copy(group)
    with_help.commands = {**group.commands, HELP: get_command(app)}
    return with_help


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with a documented code (docs/cli.md)."""
    out.prepare_streams()
    argv = sys.argv[1:] if arguments is None else arguments
    group = group_for(argv)
    as_json = flag(argv, "json", group)
    try:
        if {"--version", "-V"} & {*argv[:2]} and {*argv} <= {"--version", "-V", "--json"}:
            sys.exit(say_version(as_json=as_json))
        if not _needs_no_files(argv):
            _check_current_folder()
        argv = as_command(argv, group)
        if _asks_for_help(argv) and "--json" in argv:
            sys.exit(say_help_as_json([word for word in argv if word != "--json"], group))
        if not _needs_no_files(argv):
            for sentence in unheeded_variables(argv, group, list(chain(*HOMES.values()))):
                out.say(one_line(f"warning: {sentence}"))
        group.main(argv, prog_name="anymole", default_map={} if _needs_no_files(argv) else default_map(group))
    except SystemExit as stop:
        if as_json and stop.code == ExitCode.USAGE:
            out.print_json({"error": _misunderstood(stop), "exit_code": int(ExitCode.USAGE)})
        raise
    except (Exception, KeyboardInterrupt) as error:
        if flag(argv, "debug", group):
            traceback.print_exception(error)
        sys.exit(int(out.fail(error, as_json=as_json, flags=flags_by_setting(argv, group))))


def _misunderstood(stop: SystemExit) -> str:
    """What typer has said on stderr, in one sentence: it ends the process while it handles its own error."""
    said = getattr(stop.__context__, "format_message", None)
    text = one_line(said()).strip() if said else ""
    return f"the command line was not understood{f': {text}' if text else '.'}"


def _check_current_folder() -> None:
    """Every path is seen from there.

    Raises:
        EngineError: It has been removed.
    """
    try:
        Path.cwd()
    except OSError:
        raise EngineError("the current folder is gone; change to another one and try again.") from None


def _needs_no_files(argv: list[str]) -> bool:
    """Help and what a shell asks for while one types must not fail over a settings file."""
    return _asks_for_help(argv) or COMPLETION in os.environ


def _asks_for_help(argv: list[str]) -> bool:
    return bool({"--help", "-h"} & {*argv})


def as_command(argv: list[str], group: Any) -> list[str]:
    """The command that is meant: ``help run`` is ``run --help``; a file, a folder or nothing is opened in the UI.

    Raises:
        ConfigError: The first word is neither a command nor something that exists.
    """
    if COMPLETION in os.environ:
        return argv
    if not argv:
        return ["tui"] if sys.stdin.isatty() and sys.stdout.isatty() else argv
    word, rest = argv[0], argv[1:]
    if word == HELP:
        _check_command(rest, group)
        return [*rest, "--help"]
    if word.startswith("-") or word in group.commands:
        return argv
    if os.path.exists(word):  # noqa: PTH110  # never raises, whatever the word
        return ["tui", *argv]
    if not word.strip():
        raise ConfigError(f"the first word is empty; {_hint(word, group)}")
    raise ConfigError(f"{shown(word)} is no command, and no such file or folder exists; {_hint(word, group)}")


def _hint(word: str, group: Any, before: str = "") -> str:
    near = get_close_matches(word, group.commands, n=1)
    call = " ".join(filter(None, (HELP, before)))
    return (
        f"did you mean 'anymole {before and f'{before} '}{near[0]}'?"
        if near
        else f"'anymole {call}' lists the commands."
    )


def _check_command(words: list[str], group: Any) -> None:
    """Raises:
    ConfigError: The words, but for options, call no command.
    """
    called: list[str] = []
    for word in (word for word in words if not word.startswith("-")):
        if not hasattr(group, "commands"):
            raise ConfigError(
                f"{shown(word)} says nothing more about a command; 'anymole help {' '.join(called)}' is enough."
            )
        if word not in group.commands:
            raise ConfigError(
                f"there is no command '{shown(' '.join((*called, word)))}'; {_hint(word, group, ' '.join(called))}"
            )
        called.append(word)
        group = group.commands[word]


def say_help_as_json(argv: list[str], group: Any) -> int:
    """Say the help of a call as one JSON object; returns the exit code."""
    text = io.StringIO()
    with redirect_stdout(text):
        code = group.main(argv, prog_name="anymole", standalone_mode=False)
    command = " ".join(["anymole", *takewhile(lambda word: not word.startswith("-"), argv)])
    out.print_json({"command": command, "help": text.getvalue()})
    return int(code or ExitCode.OK)


def say_version(*, as_json: bool) -> int:
    """Say the version, or for ``--json`` those of all that a fault may depend on; returns the exit code."""
    from importlib.metadata import version

    if not as_json:
        out.answer(f"anymole {version('anymole')}")
        return ExitCode.OK
    from engine.settings import PRIORS, PriorName, refused_names
    from engine.video import all_cards, find_model

    cards, wrong = all_cards()

    out.print_json(
        {
            **{name: version(name) for name in ("anymole", "usd-core", "torch", "textual", "numpy")},
            "python": platform.python_version(),
            "platform": platform.platform(),
            "models": {card.name: find_model(card).state for card in cards},
            "packages": [*wrong, *refused_names(PRIORS, get_args(PriorName)).values()],
        }
    )
    return ExitCode.OK
