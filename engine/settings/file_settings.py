"""Settings that name files: all of them at once, where paths are resolved, mapped or gathered."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.settings.pinned_file import path_of, with_path
from engine.settings.setting import Field, fields_of

Change = Callable[[str], str]


def file_settings(settings: Any) -> tuple[Field, ...]:
    """Those of a settings class."""
    return tuple(field for field in fields_of(settings) if field.setting.names_file)


def with_files(
    settings: Any, values: Mapping[str, Any], change: Change, uncertain: Change | None = None
) -> dict[str, Any]:
    """Values with other paths; what is no text is left as it is.

    Args:
        settings: The class that declares them.
        values: By name; some may be missing.
        change: Makes the new path of one.
        uncertain: The same for a text that may name something else than a file; without it ``change`` does it.
    """
    changed = dict(values)
    for field in file_settings(settings):
        value, made = values.get(field.name), change
        if field.setting.names_else and uncertain is not None:
            made = uncertain
        if isinstance(value, str) and value:
            changed[field.name] = made(value)
        elif isinstance(value, (tuple, list)):
            changed[field.name] = type(value)(
                with_path(each, made) if isinstance(each, str) else each for each in value
            )
    return changed


def named_files(settings: Any) -> Iterator[str]:
    """The paths in the values of a settings object; some may name something else than a file."""
    for field in file_settings(type(settings)):
        value = getattr(settings, field.name)
        yield from (path_of(each) for each in ([value] if isinstance(value, str) else value) if each)
