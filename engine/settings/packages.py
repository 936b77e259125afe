"""What installed packages add behind our protocols: motion priors and video models, found by their entry points.

A package says in its ``pyproject.toml``::

    [project.entry-points."anymole.priors"]
    ease = "studio_package.priors:ease"

Nothing of it is imported before its name is chosen. Names of ours stay ours.
"""

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError
from usd_io.errors import shown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PRIORS = "anymole.priors"
"""Group of motion priors: each a function as :data:`engine.priors.trials.Prior`."""
VIDEO_MODELS = "anymole.video_models"
"""Group of video models: each an :class:`engine.video.catalogue.added.AddedModel`."""
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
"""Names that can be typed on a command line and stand in a file's name."""


@cache
def _declared(group: str) -> "tuple[EntryPoint, ...]":
    from importlib.metadata import entry_points  # slow to import, and few commands ask

    return tuple(sorted(entry_points(group=group), key=lambda point: (point.name, package_of(point))))


def added_names(group: str, own: tuple[str, ...]) -> tuple[str, ...]:
    """Names that packages add to ours."""
    refused = refused_names(group, own)
    return tuple(dict.fromkeys(p.name for p in _declared(group) if p.name not in refused))


def refused_names(group: str, own: tuple[str, ...]) -> dict[str, str]:
    """Names that packages declare in vain, with the reason in a sentence."""
    refused = {}
    for point in _declared(group):
        if point.name in own:
            reason = f"{shown(point.name)} of {package_of(point)} is ignored: anymole has one of this name"
        elif not NAME.fullmatch(point.name):
            reason = (
                f"{shown(point.name)} of {package_of(point)} is ignored: a name has up to 40 lower-case letters, "
                "digits, dots, dashes and underscores"
            )
        elif others := [p for p in _declared(group) if p.name == point.name and p.value != point.value]:
            reason = (
                f"{point.name} is ignored: {package_of(point)} and {package_of(others[0])} both declare it; "
                "uninstall one of them"
            )
        else:
            continue
        refused[point.name] = f"{reason}."
    return refused


def package_of(point: "EntryPoint") -> str:
    """Name and version of the package that declares an entry point."""
    if point.dist is None:
        return "an unknown package"
    return f"{shown(point.dist.name)} {shown(point.dist.version)}"


def added_package(group: str, name: str, own: tuple[str, ...]) -> str:
    """Name and version of the package that a name comes from; empty for names of ours and unknown ones."""
    return package_of(_point(group, name)) if name not in own and name in added_names(group, own) else ""


def load_added(group: str, name: str, what: str) -> Any:
    """Import what a package adds.

    Args:
        group: :data:`PRIORS` or :data:`VIDEO_MODELS`.
        name: One of :func:`added_names`.
        what: "prior" or "video model", for messages.

    Raises:
        ConfigError: It cannot be imported.
    """
    point = _point(group, name)
    try:
        return point.load()
    except Exception as error:  # it is code of others, which may fail in any way
        raise ConfigError(
            f"the {what} {name} of {package_of(point)} cannot be loaded ({reason_of(error)}); "
            "fix that package or uninstall it.",
            settings=(what.split()[-1],),
        ) from error


def reason_of(error: BaseException) -> str:
    """An error of a package's code in one line."""
    return shown(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def _point(group: str, name: str) -> "EntryPoint":
    return next(point for point in _declared(group) if point.name == name)
