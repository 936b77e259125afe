"""Where the value of an option comes from: command line, environment, project file, user file, default; in this order.

Every option of every command has an environment variable, ``ANYMOLE_COMMAND_OPTION``, and a place in two TOML files:
``anymole.toml`` in the current folder or the nearest one above it, and the user's ``config.toml``. A table named after
a command holds its options; what stands above all tables counts for every command that has such an option.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from anymole_tui.settings_files import TUI_TABLES, check_user_file, dashed, files, variable
from engine import ConfigError
from engine.files import read_toml
from usd_io import shown

OWN_VARIABLES = {
    "ANYMOLE_CONFIG",
    "ANYMOLE_MIRROR",
    "ANYMOLE_MODELS",
    "ANYMOLE_PRESETS",
    "ANYMOLE_STATE_DIR",
    "ANYMOLE_VIEWER",
}
"""Variables that are read and belong to no option."""
_NEAR = 0.9
"""Names of the environment that are as like to one of ours (difflib's ratio) are meant for it; others are of others."""
_TRUE = {"1", "true", "t", "yes", "y", "on"}


@dataclass(frozen=True)
class SetOption:
    """One option and where its value comes from."""

    command: str
    option: str
    value: Any
    source: str
    """``default``, ``user``, ``project`` or ``environment``."""
    where: str
    """The file or the variable."""
    key: str = ""
    """How the file names it: ``seed``, or ``[run] seed`` in a table."""

    @property
    def origin(self) -> str:
        """Where its value is to be changed; empty for a default."""
        return f"{shown(self.key)} in {shown(self.where)}" if self.key else self.where


def commands_of(group: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands below a group with the words that call them."""
    for name, command in group.commands.items():
        words = (*prefix, name)
        if hasattr(command, "commands"):
            yield from commands_of(command, words)
        else:
            yield words, command


def options_of(command: Any, *, every: bool = False) -> dict[str, Any]:
    """Options of a command by their long name without dashes (``dry-run``); unless ``every``, without those that count
    only where they are typed."""
    typed: frozenset[str] = frozenset() if every else getattr(command.callback, "only_given", frozenset())
    found = {}
    for parameter in command.params:
        long = [text for text in parameter.opts if text.startswith("--")]
        if long and long[0] != "--help" and parameter.name not in typed:
            found[long[0][2:]] = parameter
    return found


def bind_environment(group: Any) -> None:
    """Give every option its environment variable."""
    for words, command in commands_of(group):
        for name, parameter in options_of(command).items():
            parameter.envvar = parameter.envvar or variable(words, name)
            parameter.show_envvar = False  # all are named alike: said once, in docs and 'config show'


def default_map(group: Any) -> dict[str, Any]:
    """Defaults from the files, as the command line library takes them.

    Raises:
        ConfigError: A file cannot be read, or names a command or option that does not exist.
    """
    merged: dict[str, Any] = {}
    for setting, parameter in _from_files(group):
        place = merged
        for word in setting.command.split():
            place = place.setdefault(word, {})
        place[parameter.name] = setting.value
    return merged


def settings(group: Any, *, every: bool) -> list[SetOption]:
    """Every option with its value and source; only those that are set somewhere unless ``every``."""
    from_files = {(s.command, s.option): s for s, _ in _from_files(group)}
    found = []
    for words, command in commands_of(group):
        for name, parameter in options_of(command).items():
            place = (" ".join(words), name)
            env = variable(words, name)
            default = SetOption(*place, parameter.default, "default", "")
            setting = from_files.get(place, default)
            if os.environ.get(env):
                setting = SetOption(*place, os.environ[env], "environment", env)
            if every or setting.source != "default":
                found.append(setting)
    return found


def flags_by_setting(words: list[str], group: Any) -> dict[str, str]:
    """Options of the command that is called by the settings that they give: ``--skeleton`` by ``skeletons``, and where
    it was not typed, ``--skeleton from ANYMOLE_RUN_SKELETON``."""
    called = _called(words, group)
    command = next((command for name, command in commands_of(group) if name == called), None)
    options = options_of(command, every=True) if command is not None else {}
    try:
        set_elsewhere = {
            s.option: s.origin for s in settings(group, every=False) if s.command == " ".join(called)
        }
    except ConfigError:  # a file that cannot be read sets nothing
        set_elsewhere = {}
    flags = {}
    for option, parameter in options.items():
        origin = "" if _is_typed(parameter, words) else set_elsewhere.get(option, "")
        flags[option.replace("-", "_")] = flags[parameter.name] = f"--{option}{origin and f' from {origin}'}"
    return flags


def unheeded_variables(words: list[str], group: Any, commands: Collection[str]) -> list[str]:
    """Sentences about variables of the environment that set nothing, though they are named as if they did for the
    command that is called: its options alone are looked at, and names near to those and to our own.

    Args:
        words: The call.
        group: The commands; the one that is called is among them.
        commands: First words of all commands: their variables are theirs to look at.
    """
    called = _called(words, group)
    command = next((command for name, command in commands_of(group) if name == called), None)
    known = {variable(called, name) for name in options_of(command)} if command is not None else set()
    known |= OWN_VARIABLES
    others = tuple(variable((name,), "") for name in commands)
    found = []
    for name in sorted(name for name in os.environ if name.startswith(variable((), "")) and os.environ[name]):
        own = command is not None and name.startswith(variable(called, ""))
        near = get_close_matches(name.upper(), sorted(known), n=1, cutoff=0.0 if own else _NEAR)
        if name not in known and near and (own or not name.startswith(others)):
            found.append(f"{shown(name)} is set and is no setting; did you mean {near[0]}?")
    return found


def _is_typed(parameter: Any, words: list[str]) -> bool:
    return bool({word.partition("=")[0] for word in words} & {*parameter.opts, *parameter.secondary_opts})


def _called(words: list[str], group: Any) -> tuple[str, ...]:
    named = [w for w in words if not w.startswith("-")]
    return next((c for c, _ in commands_of(group) if list(c) == named[: len(c)]), ())


def flag(words: list[str], name: str, group: Any) -> bool:
    """Whether a flag is set for a call, before the call is understood: it decides how errors are reported."""
    if f"--{name}" in words:
        return True
    called = _called(words, group)
    if called and os.environ.get(variable(called, name), "").lower() in _TRUE:
        return True
    try:
        return any(
            s.value is True
            for s, _ in _from_files(group)
            if s.option == name and s.command == " ".join(called)
        )
    except ConfigError:
        return False


def _from_files(group: Any) -> list[tuple[SetOption, Any]]:
    """Settings of the files with their parameters; a later one wins over an earlier one."""
    known = {" ".join(words): options_of(command) for words, command in commands_of(group)}
    won: dict[tuple[str, str], tuple[SetOption, Any]] = {}
    check_user_file()
    for name, path in files():
        values = read_toml(path, "the settings file")
        options = {key: value for key, value in values.items() if key not in TUI_TABLES}
        for command, key, value in _entries(options, known, path):
            option = dashed(key.rpartition(" ")[2])
            parameter = known[command][option]
            made = _as_option(value, parameter, key, path)
            setting = SetOption(command, option, made, name, str(path), key)
            won[command, option] = (setting, parameter)
    return list(won.values())


def _entries(
    values: Mapping[str, Any], known: Mapping[str, Any], path: Path
) -> Iterator[tuple[str, str, Any]]:
    """Commands, keys as of :class:`SetOption` and values of a file."""
    for name, value in values.items():
        if not isinstance(value, Mapping):
            having = [command for command, options in known.items() if dashed(name) in options]
            if not having:
                raise ConfigError(f"{shown(path)}: no command has an option {shown(name)}.")
            yield from ((command, name, value) for command in having)
    yield from _tables(values, known, path, "")


def _tables(
    values: Mapping[str, Any], known: Mapping[str, Any], path: Path, prefix: str
) -> Iterator[tuple[str, str, Any]]:
    for name, table in values.items():
        if not isinstance(table, Mapping):
            continue
        command = f"{prefix} {name}".strip()
        if command not in known:
            if not any(other.startswith(f"{command} ") for other in known):
                raise ConfigError(f"{shown(path)}: there is no command {shown(command)}.")
            yield from _tables(table, known, path, command)
            continue
        for option, value in table.items():
            if dashed(option) not in known[command]:
                raise ConfigError(f"{shown(path)}: 'anymole {command}' has no option {shown(option)}.")
            yield command, f"[{command.replace(' ', '.')}] {option}", value


def _as_option(value: Any, parameter: Any, key: str, path: Path) -> Any:
    """A TOML value as an option takes it: lists become T,T,... where one text is wanted."""
    single = (str, int, float, bool)
    if isinstance(value, list) and all(isinstance(v, single) for v in value):
        return list(map(str, value)) if parameter.multiple else ",".join(map(str, value))
    if not isinstance(value, single):
        raise ConfigError(f"{shown(path)}: {shown(key)} is no text, number, flag or list of those.")
    if parameter.is_flag is not isinstance(value, bool):
        raise ConfigError(
            f"{shown(path)}: {shown(key)} takes {'true or false' if parameter.is_flag else 'a value'}, "
            f"not {shown(_toml(value))}."
        )
    return [str(value)] if parameter.multiple else value


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
