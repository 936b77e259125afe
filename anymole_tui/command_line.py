"""The command that does what a form says: to be copied into a shell or a script."""

import shlex
from typing import Any

from anymole_tui.fields import Field, run_fields, to_text
from engine.config import RunConfig

_OPTIONS = {"skeletons": "skeleton"}
"""Options that are not called like their setting: this one is given once per skeleton."""


def run_command(config: RunConfig) -> str:
    """``anymole run STAGE ...`` with every setting that is not its default, quoted for a POSIX shell."""
    words = ["anymole", "run"]
    for field in run_fields():
        value = getattr(config, field.name)
        if field.name != "stage" and value != field.default:
            words += _option(field, value)
    # what begins with a dash would be taken for an option
    words += ["--", config.stage] if config.stage.startswith("-") else [config.stage]
    return shlex.join(words)


def _option(field: Field, value: Any) -> list[str]:
    option = f"--{_OPTIONS.get(field.name, field.name).replace('_', '-')}"
    if field.kind == "flag":
        return [option if value else f"--no-{option[2:]}"]
    if field.name == "skeletons":
        return [word for path in value for word in (option, path)]
    if field.kind == "ranges":
        texts = [to_text(field, (pair,)) for pair in value]
    else:
        texts = [to_text(field, value)]
    return [word for text in texts for word in _pair(option, text)]


def _pair(option: str, text: str) -> list[str]:
    return [f"{option}={text}"] if text.startswith("-") else [option, text]
