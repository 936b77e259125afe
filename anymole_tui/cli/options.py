"""Options of commands: those made from declared settings, and those of the command itself that several take."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from engine import ConfigError
from engine.settings import Field, Setting, from_text, limits_text, to_text
from usd_io import shown

HELP_OPTIONS = ["-h", "--help"]
HELP = "help"
"""A first word that is no command: ``help run`` is ``run --help``."""
COMMAND = "The command itself"
"""Title of the options that decide nothing of the result."""
_METAVARS = {
    "flag": "",
    "integer": "N",
    "number": "NUMBER",
    "text": "TEXT",
    "names": "NAME,NAME,...",
    "times": "T,T,...|A:B:STEP",
    "ranges": "A:B",
    "size": "HEIGHTxWIDTH",
}


def completer(words: Callable[[], Iterable[str]], *, many: bool = False) -> Callable[[str], list[str]]:
    """What the shell offers where one of a few words is typed.

    Args:
        words: Looks them up, only then.
        many: Whether several can be typed, with commas between them.
    """

    def complete(incomplete: str) -> list[str]:
        before, comma, begun = incomplete.rpartition(",") if many else ("", "", incomplete)
        return [f"{before}{comma}{word}" for word in words() if word.startswith(begun)]

    return complete


def next_words(ctx: typer.Context, incomplete: str) -> list[str]:
    """Words of commands that can follow those typed as ``command``."""
    group: Any = ctx.find_root().command
    for word in ctx.params.get("command") or ():
        group = getattr(group, "commands", {}).get(word)
    return [word for word in getattr(group, "commands", {}) if word.startswith(incomplete) and word != HELP]


Stage = Annotated[
    str, typer.Argument(metavar="STAGE", help="A .usd, .usda, .usdc or .usdz file.", show_default=False)
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object on stdout and nothing else.", rich_help_panel=COMMAND),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=COMMAND)
]
ProgressOption = Annotated[
    str,
    typer.Option(
        "--progress",
        help="How progress is shown.",
        metavar="auto|rich|plain|json|openjd|none",
        autocompletion=completer(lambda: ("auto", "rich", "plain", "json", "openjd", "none")),
        rich_help_panel=COMMAND,
    ),
]
Detach = Annotated[
    bool,
    typer.Option(
        "--detach", help="Start it, say where it is, and leave it to itself.", rich_help_panel=COMMAND
    ),
]
Here = Annotated[
    bool,
    typer.Option(
        "--here",
        help="Work in this process, even where a person watches in a terminal.",
        rich_help_panel=COMMAND,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.", rich_help_panel=COMMAND)]


Metrics = Annotated[
    bool,
    typer.Option(
        "--metrics",
        help="Say the figures by name too: L2P, L2Q, NPSS, shares of the priors, confidence.",
        rich_help_panel=COMMAND,
    ),
]


_TYPE = re.compile(r" <\w[\w ]*(\[\w+\])?>")
_CHOICES = re.compile(r" <(\w+(?:\|\w+)+)>")


class GroupedCommand(TyperCommand):
    """A command whose help lists options under titles, in their order, and whose wrong values are said as all others
    are."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = [*args]
        try:
            rest = super().parse_args(ctx, args)
        except typer.BadParameter as error:
            # a missing one is of a kind below; it is said with how the command is called
            if type(error) is not typer.BadParameter or error.param is None:
                raise
            typed, _, _ = self.make_parser(ctx).parse_args(args=given)
            value, _ = error.param.consume_value(ctx, typed)
            raise ConfigError(
                f"{error.param.name} is {shown(repr(value))}; {wanted_of(error.param)}.",
                settings=(error.param.name or "",),
            ) from error
        if "" in given and not ctx.resilient_parsing:
            self._refuse_empty_arguments(ctx, given)
        return rest

    def _refuse_empty_arguments(self, ctx: Any, given: list[str]) -> None:
        """A path of no letters would be the current folder, and messages would name nothing."""
        typed, _, _ = self.make_parser(ctx).parse_args(args=[*given])
        for parameter in self.params:
            value = typed.get(parameter.name or "")
            if parameter.param_type_name == "argument" and "" in (
                [value] if parameter.nargs == 1 else value or ()
            ):
                name, more = (parameter.name or "").upper(), "" if parameter.required else ", or leave it out"
                raise ConfigError(
                    f"{name} is empty; name one{more}.",
                    settings=(parameter.name or "",),
                )

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        declared: Mapping[str, Field] = getattr(self.callback, "settings", {})
        for parameter in self.get_params(ctx):
            field = declared.get(parameter.name or "")
            if field and field.setting.packages:  # looked at only for help, so that commands start quickly
                parameter.metavar = metavar_of(field, field.choices)
            record = parameter.get_help_record(ctx)
            if record is not None:
                # the type of a value says nothing that a person needs; what it is called does
                named = (
                    "" if parameter.param_type_name == "argument" else f" {(parameter.name or '').upper()}"
                )
                record = (_CHOICES.sub(r" \1", _TYPE.sub(named, record[0])), record[1])
                title = getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault(title, []).append(record)
        first, last = (
            [(title, sections.pop(title)) for title in titles if title in sections]
            for titles in (("Arguments",), (COMMAND, "Options"))
        )
        for title, records in [*first, *sections.items(), *last]:
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"  {line}\n")


def wanted_of(parameter: Any) -> str:
    """What the value of a parameter that typer reads has to be."""
    kind = parameter.type
    if choices := getattr(kind, "choices", ()):
        return f"choose {', '.join(choices[:-1])} or {choices[-1]}"
    if getattr(parameter, "is_flag", False):
        return "give true or false"
    limits = limits_text(Setting("", least=getattr(kind, "min", None), most=getattr(kind, "max", None)))
    what = "a whole number" if kind.name.startswith("int") else "a number"
    return f"give {what}{limits and f', {limits}'}"


def takes_settings(
    fields: Sequence[Field],
    build: Callable[[Mapping[str, Any]], Any],
    required: Sequence[str] = (),
    *,
    only_given: bool = False,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command of a function whose first parameter is built from declared settings; the others stay its own.

    Args:
        fields: The settings that the command line gets.
        build: Makes the first argument of their values by name.
        required: Names of settings that must be given here, though they have a default elsewhere.
        only_given: Whether ``build`` gets only those that are given on the command line, where they change what is
            there: neither files nor the environment say them then.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command).parameters.values())[1:]

        @wraps(command)
        def call(**given: Any) -> None:
            said = {field: given.pop(field.name) for field in fields}
            values = {
                field.name: typed_value(field, value)
                for field, value in said.items()
                if value is not None or not only_given
            }
            command(build(values), **given)

        made = [parameter_of(field, required=field.name in required, change=only_given) for field in fields]
        # those without a default come first, as Python wants it
        parameters = sorted([*made, *own], key=lambda p: p.default is not inspect.Parameter.empty)
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {p.name: p.annotation for p in parameters}
        call.settings = {field.name: field for field in fields}  # type: ignore[attr-defined]
        call.only_given = frozenset(call.settings if only_given else ())  # type: ignore[attr-defined]
        del call.__wrapped__  # else its annotations would be read
        return call

    return decorate


def parameter_of(field: Field, *, required: bool = False, change: bool = False) -> inspect.Parameter:
    """A declared setting as a parameter of a command, as typer reads it.

    Args:
        field: The setting.
        required: Whether it must be given.
        change: Whether it is None where it is not given, and what there is stays.
    """
    setting, kind = field.setting, inspect.Parameter.POSITIONAL_OR_KEYWORD
    if setting.argument:
        argument = typer.Argument(
            help=help_of(field), metavar=field.name.upper(), show_default=False, rich_help_panel=setting.group
        )
        return inspect.Parameter(field.name, kind, annotation=Annotated[str, argument])
    default: Any = inspect.Parameter.empty
    if not required and field.default is not None:
        default = to_text(field, field.default)
    if field.kind == "flag":
        option = typer.Option(
            f"--{field.option}/--no-{field.option}", help=help_of(field, change=change), **_shown(field)
        )
        if change:
            return inspect.Parameter(
                field.name, kind, default=None, annotation=Annotated[bool | None, option]
            )
        return inspect.Parameter(field.name, kind, default=field.default, annotation=Annotated[bool, option])
    option = typer.Option(
        f"--{field.option}",
        help=help_of(field, required=required, change=change),
        metavar=metavar_of(field),
        autocompletion=completer(lambda: field.words, many=field.kind == "names" and not setting.each),
        **_shown(field),
    )
    if setting.each:
        annotation: Any = Annotated[list[str] | None, option]
        return inspect.Parameter(field.name, kind, default=None, annotation=annotation)
    if change:
        return inspect.Parameter(field.name, kind, default=None, annotation=Annotated[str | None, option])
    return inspect.Parameter(field.name, kind, default=default, annotation=Annotated[str, option])


def _shown(field: Field) -> dict[str, Any]:
    return {"show_default": False, "show_envvar": False, "rich_help_panel": field.setting.group}


def metavar_of(field: Field, choices: Sequence[str] | None = None) -> str:
    """What stands for the value of a setting in help.

    Args:
        field: The setting.
        choices: What it may be, where that is more than our own.
    """
    return field.setting.metavar or "|".join(choices or field.own_choices) or _METAVARS[field.kind]


def help_of(field: Field, *, required: bool = False, change: bool = False) -> str:
    """The help of a setting with its limits and its default; see :func:`parameter_of`."""
    setting = field.setting
    notes = [
        "may be repeated" if setting.each else "",
        limits_text(setting) if field.kind != "size" else "",
        "" if required else "default: as it was" if change else default_of(field),
    ]
    said = "; ".join(filter(None, notes))
    return f"{setting.help} [{said}]" if said else setting.help


def default_of(field: Field) -> str:
    """``default: ...`` in words; empty where it is nothing."""
    if field.setting.empty:
        return f"default: {field.setting.empty}"
    text = to_text(field, field.default) if field.default is not None else ""
    return f"default: {text}" if text else ""


def typed_value(field: Field, given: Any) -> Any:
    """The value of what was typed for a setting."""
    if field.setting.each:
        if field.kind == "names":  # one per option; a single empty one is none, whatever the environment says
            texts = tuple(given or ())
            return () if texts == ("",) else texts
        return from_text(field, ",".join(filter(None, given or ())))
    if field.kind in ("flag", "text") or field.setting.argument:
        return given
    return from_text(field, given)
