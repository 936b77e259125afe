"""All motion priors by name: ours, and those of installed packages."""

from collections.abc import Mapping
from functools import cache

from engine.errors import ConfigError, DataError, EngineError
from engine.planning.plan import Plan
from engine.priors import auto
from engine.priors.baselines import hold, slerp
from engine.priors.context.prior import context
from engine.priors.learned import prior as learned
from engine.priors.spline import spline
from engine.priors.trials import Prior
from engine.settings.packages import PRIORS as GROUP
from engine.settings.packages import added_names, added_package, load_added, reason_of
from usd_io.errors import UsdIoError, shown
from usd_io.model import Character, Motion

PRIORS: Mapping[str, Prior] = {
    "auto": auto.auto,
    "learned": learned.learned,
    "context": context,
    "spline": spline,
    "slerp": slerp,
    "hold": hold,
}
"""All motion priors of ours, best first."""
BARE = ("slerp", "hold")
"""Priors that stand for what is done without any knowledge, as a measure for others: contacts are not held for them."""
SURE = ("auto", "learned")
"""Priors that say how sure they are of every joint; the others have nothing to tell it by."""


def prior_names() -> tuple[str, ...]:
    """Names of all priors."""
    return (*PRIORS, *added_names(GROUP, tuple(PRIORS)))


def prior_package(name: str) -> str:
    """Name and version of the package that a prior comes from; empty for ours."""
    return added_package(GROUP, name, tuple(PRIORS))


def prior_of(name: str) -> Prior:
    """A prior by its name.

    Raises:
        ConfigError: There is none of this name, or the package that adds it is broken.
    """
    check_prior(name)
    return PRIORS[name] if name in PRIORS else _added(name)


def check_prior(name: str, *, also: tuple[str, ...] = ()) -> None:
    """Refuse what is no name of a prior; packages are looked at for names that are not ours.

    Args:
        name: As given.
        also: Words that stand for priors where it was given, for the message.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in PRIORS and name not in prior_names():
        known = ", ".join((*also, *prior_names()))
        raise ConfigError(f"prior {name!r} is unknown; choose {known}.", settings=("prior",))


@cache
def _added(name: str) -> Prior:
    made, package = load_added(GROUP, name, "prior"), prior_package(name)
    if not callable(made):
        raise ConfigError(
            f"the prior {name} of {package} is no function; fix that package or uninstall it.",
            settings=("prior",),
        )

    def prior(character: Character, known: Motion, plan: Plan) -> Motion:
        try:
            result = made(character, known, plan)
        except (EngineError, UsdIoError):
            raise
        except Exception as error:  # it is code of others, which may fail in any way
            raise _failed(f"fails ({reason_of(error)})", character) from error
        shape = (len(plan.fill_times), len(character.joints))
        if not isinstance(result, Motion) or len(result.times) != shape[0]:
            raise _failed(f"gives no motion of the {shape[0]} frames to fill", character)
        if result.rotations.shape != (*shape, 4) or result.translations.shape != (*shape, 3):
            raise _failed(
                f"gives arrays of other shapes than {shape[0]} frames of {shape[1]} joints", character
            )
        return result

    def _failed(what: str, character: Character) -> DataError:
        return DataError(
            f"{shown(character.skeleton_path)}: the prior {name} of {package} {what}; choose another prior or fix "
            "that package.",
            settings=("prior",),
        )

    return prior
