"""``config show``: where the value of every option comes from."""

from typing import Annotated

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.options import AsJson, Debug, GroupedCommand, next_words
from anymole_tui.wording import one_line, table
from engine import ConfigError
from usd_io import shown


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        help="Settings from files and the environment.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command(cls=GroupedCommand)(show)
    group.command(cls=GroupedCommand)(where)
    app.add_typer(group, name="config")


def show(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[COMMAND]...",
            help="Only options of this command, or of those of this group.",
            show_default="all",
            autocompletion=next_words,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Those with their default value, too.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show the options that are set, and by what: environment, project file or user file."""
    from anymole_tui.cli.option_sources import commands_of, settings, unheeded_variables

    group = context.find_root().command
    asked = " ".join(command or ()).split()  # a command of two words may be one argument
    known = {words for words, _ in commands_of(group) if [*words[: len(asked)]] == asked}
    if not known:
        raise ConfigError(
            f"there is no command '{shown(' '.join(asked))}'; 'anymole help' lists the commands.",
            settings=("command",),
        )
    found = [s for s in settings(group, every=every) if tuple(s.command.split()) in known]
    first = {words[0] for words, _ in commands_of(group)}
    said = set(unheeded_variables(["config", "show"], group, first))  # by every command
    for words in sorted(known):
        for sentence in unheeded_variables([*words], group, first):
            if sentence not in said:
                said.add(sentence)
                out.say(one_line(f"warning: {sentence}"))
    if as_json:
        out.print_json({"settings": found})
    elif not found:
        out.say("nothing is set; all options have their defaults (--all shows them).")
    else:
        rows = [[s.command, s.option, str(s.value), s.source, s.where] for s in found]
        out.answer(table(["command", "option", "value", "source", "where"], rows))


def where(as_json: AsJson = False, debug: Debug = False) -> None:
    """Name the settings files that count, weakest first."""
    from anymole_tui.settings_files import files

    found = [{"source": source, "path": str(path)} for source, path in files()]
    if as_json:
        out.print_json({"files": found})
    else:
        out.answer(
            "\n".join(f"{entry['source']}: {entry['path']}" for entry in found) or "no settings file is there"
        )
