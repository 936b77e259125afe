"""The commands as documents: tables of options for docs/ and a manual page, made from the commands themselves."""

from collections.abc import Iterator
from typing import Any

from anymole_tui.cli.option_sources import commands_of
from anymole_tui.cli.options import COMMAND, HELP_OPTIONS
from engine import ExitCode

BEGIN, END = "<!-- options of {}: made from the commands, by scripts/document_commands.py -->", "<!-- end -->"


def sections_of(command: Any) -> dict[str, list[tuple[str, str]]]:
    """Options (``--seed N``) with their help, by the title of their group; those of the command itself last."""
    sections: dict[str, list[tuple[str, str]]] = {}
    # a command keeps the help option of the first context that asks for it
    context = command.context_class(command, help_option_names=HELP_OPTIONS)
    for parameter in command.get_params(context):
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        title = getattr(parameter, "rich_help_panel", None) or "Options"
        sections.setdefault(title, []).append((_call(parameter), _help(parameter)))
    return {title: rows for title, rows in sections.items() if title != COMMAND} | {
        title: rows for title, rows in sections.items() if title == COMMAND
    }


def _call(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    flags = ", ".join(parameter.opts)
    if parameter.secondary_opts:
        flags += f", {', '.join(parameter.secondary_opts)}"
    return flags if parameter.is_flag else f"{flags} {parameter.metavar or parameter.name.upper()}"


def _help(parameter: Any) -> str:
    """Its help; declared settings tell their default in it."""
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    has_default = parameter.show_default and default not in (None, "", False)
    return f"{parameter.help or ''} [default: {default}]" if has_default else parameter.help or ""


def option_table(command: Any) -> str:
    """The options of a command as a Markdown table."""
    lines = ["| option | meaning |", "| --- | --- |"]
    for title, rows in sections_of(command).items():
        lines.append(f"| **{title}** | |")
        lines += [f"| `{_cell(call)}` | {_cell(text)} |" for call, text in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def documented(text: str, group: Any) -> str:
    """A Markdown document with its tables of options brought up to date."""
    for words, command in commands_of(group):
        begin = BEGIN.format(" ".join(words))
        if begin in text:
            before, rest = text.split(begin, 1)
            text = f"{before}{begin}\n{option_table(command)}\n{END}{rest.split(END, 1)[1]}"
    return text


def named_in(text: str, group: Any) -> Iterator[str]:
    """The commands whose options a document shows."""
    return (" ".join(words) for words, _ in commands_of(group) if BEGIN.format(" ".join(words)) in text)


def man_page(group: Any, version: str) -> str:
    """All commands as a manual page, in the macros of ``man(7)``."""
    lines = [
        f'.TH ANYMOLE 1 "" "anymole {_roff(version)}" "User Commands"',
        ".SH NAME",
        r"anymole \- motion in-betweening for any character on OpenUSD",
        ".SH SYNOPSIS",
        ".B anymole",
        '.RI [ COMMAND ] " " [ OPTION ]...',
        ".br",
        ".B anymole",
        ".RI [ FILE | FOLDER ]",
        ".SH DESCRIPTION",
        _roff(group.help or ""),
        "Without a command, or with a file or a folder in its place, the terminal UI opens.",
        ".SH COMMANDS",
    ]
    for words, command in commands_of(group):
        if getattr(command, "commands", None):
            continue
        lines += [f'.SS "anymole {_roff(" ".join(words))}"', _roff(" ".join((command.help or "").split()))]
        for title, rows in sections_of(command).items():
            lines += [".PP", rf"\fI{_roff(title)}\fR"]
            for call, text in rows:
                lines += [".TP", rf"\fB{_roff(call)}\fR", _roff(text) or r"\&"]
        if command.epilog:
            lines += [".PP", r"\fIExamples\fR", ".PP", ".nf", *map(_roff, command.epilog.splitlines()), ".fi"]
    lines += [".SH EXIT STATUS"]
    for code in ExitCode:
        lines += [".TP", rf"\fB{int(code)}\fR", _roff(code.name.lower().replace("_", " "))]
    return "\n".join(lines) + "\n"


def _roff(text: str) -> str:
    """A line of text that the formatter leaves as it is."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    return rf"\&{escaped}" if escaped.startswith(".") else escaped
