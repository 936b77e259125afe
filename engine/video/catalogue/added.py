"""Video models of installed packages, behind the protocol of ours."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import ConfigError
from engine.settings.packages import (
    VIDEO_MODELS,
    added_names,
    added_package,
    load_added,
    refused_names,
)
from engine.video.catalogue.model_cards import CARDS, ModelCard

if TYPE_CHECKING:
    from engine.settings.choices import Memory
    from engine.video.backends.protocol import Backend

OWN = tuple(card.name for card in CARDS)


@dataclass(frozen=True)
class AddedModel:
    """What an entry point of :data:`engine.settings.packages.VIDEO_MODELS` names."""

    card: ModelCard
    """Its name is that of the entry point. Files are looked for as those of our models; what comes with the package
    itself is left out of them."""
    make: "Callable[[Memory, str], Backend]"
    """Called with the memory setting and the device (``auto``, ``cpu``, ``cuda:1``); raises
    :class:`engine.errors.ResourceMissing` at once where the model cannot work here."""


def added_model(name: str) -> AddedModel:
    """The model of an installed package.

    Raises:
        ConfigError: There is none of this name, it cannot be imported, or the package declares something else.
    """
    names = added_names(VIDEO_MODELS, OWN)
    if name not in names:
        ours = [card.name for card in CARDS if card.group]
        raise ConfigError(f"video model {name!r} is unknown; choose {', '.join((*ours, *names))}.")
    found = load_added(VIDEO_MODELS, name, "video model")
    if not isinstance(found, AddedModel) or found.card.name != name:
        raise ConfigError(
            f"the video model {name} of {added_package(VIDEO_MODELS, name, OWN)} is no AddedModel with a card of that "
            "name; fix that package or uninstall it.",
            settings=("model",),
        )
    return found


def all_cards() -> tuple[tuple[ModelCard, ...], tuple[str, ...]]:
    """Cards of our models and of those of packages; and what is wrong with packages, a sentence each."""
    cards, wrong = list(CARDS), list(refused_names(VIDEO_MODELS, OWN).values())
    for name in added_names(VIDEO_MODELS, OWN):
        try:
            cards.append(added_model(name).card)
        except ConfigError as error:
            wrong.append(str(error))
    return tuple(cards), tuple(wrong)
