"""The commands that start a run: which settings each of them takes, and the command that does what a form says."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from engine.config import MODEL, RESULT, RunConfig
from engine.settings.setting import Field, fields_of
from engine.settings.typed import number_text, to_text


@dataclass(frozen=True)
class RunCommand:
    """A command with the settings that it takes and those that it fixes."""

    name: str
    fields: tuple[Field, ...]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    def config(self, values: Mapping[str, Any]) -> RunConfig:
        """The run that the command starts.

        Raises:
            ConfigError: Values that cannot be used.
        """
        return RunConfig(**{**values, **self.fixed})

    def can_say(self, config: RunConfig) -> bool:
        """Whether the command can be given so that it starts this run."""
        taken = {field.name for field in self.fields}
        return all(
            getattr(config, field.name) == self.fixed.get(field.name, field.default)
            for field in fields_of(RunConfig)
            if field.name not in taken
        ) and all(getattr(config, name) for name in self.required)


@cache
def run_commands() -> dict[str, RunCommand]:
    """``run`` takes every setting, ``mimic`` those that matter where a video is given."""
    every = fields_of(RunConfig)
    without = {"engine", "takes", "self_test"}
    fitting = tuple(f for f in every if f.name not in without and f.setting.group != MODEL)
    return {
        "mimic": RunCommand("mimic", fitting, {"engine": "video"}, ("video",)),
        "run": RunCommand("run", every),
    }


@cache
def resume_fields() -> tuple[Field, ...]:
    """The settings that ``resume`` changes: how a result is authored and shown, not how it is made or where it goes."""
    return tuple(
        field
        for field in fields_of(RunConfig)
        if field.setting.group == RESULT and field.setting.decides and not field.setting.of_shot
    )


def run_command(config: RunConfig, elsewhere: frozenset[str] = frozenset()) -> str:
    """``anymole run STAGE ...`` or ``anymole mimic STAGE ...`` with every setting that is not its default, quoted for a
    POSIX shell.

    Args:
        config: The settings.
        elsewhere: Names of the settings that settings files or the environment set here: they are written out even at
            their default, since the command would take another value.
    """
    command = next(command for command in run_commands().values() if command.can_say(config))
    options: list[str] = []
    for declared in command.fields:
        value = getattr(config, declared.name)
        if not declared.setting.argument and (value != declared.default or declared.name in elsewhere):
            options += _option(declared, value)
    # what begins with a dash would be taken for an option
    dashed = config.stage.startswith("-")
    words = [*options, "--", config.stage] if dashed else [config.stage, *options]
    return shlex.join(["anymole", command.name, *words])


def _option(declared: Field, value: Any) -> list[str]:
    option = f"--{declared.option}"
    if declared.kind == "flag":
        return [option if value else f"--no-{declared.option}"]
    if declared.setting.each:
        return [word for text in each_text(declared, value) or [""] for word in _pair(option, text)]
    return _pair(option, to_text(declared, value))


def each_text(declared: Field, value: Any) -> list[str]:
    """The texts of a setting whose option is given once per entry."""
    if declared.kind == "ranges":
        return [f"{number_text(start)}:{number_text(end)}" for start, end in value]
    return list(value)


def _pair(option: str, text: str) -> list[str]:
    return [f"{option}={text}"] if text.startswith("-") else [option, text]
