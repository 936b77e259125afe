"""Video models: adapted to the context, made to fill the frames between keys.

The names below are what the faces use of it, each imported when it is first used; other modules import the
modules behind them.
"""

from typing import TYPE_CHECKING

from usd_io.lazy import lazily

if TYPE_CHECKING:
    from engine.video.adaptation.trainable_state import DTYPES
    from engine.video.catalogue.added import all_cards
    from engine.video.catalogue.convert import convert_checkpoint
    from engine.video.catalogue.fetch import pull, verify
    from engine.video.catalogue.memory_table import gpu_gb, memory_table
    from engine.video.catalogue.models import (
        CARDS,
        ModelCard,
        card,
        find_model,
        hub_cache,
        models_folder,
        require_file,
    )

_HOMES = {
    "CARDS": "engine.video.catalogue.models",
    "DTYPES": "engine.video.adaptation.trainable_state",
    "ModelCard": "engine.video.catalogue.models",
    "all_cards": "engine.video.catalogue.added",
    "card": "engine.video.catalogue.models",
    "card_names": "engine.video.catalogue.models",
    "convert_checkpoint": "engine.video.catalogue.convert",
    "find_model": "engine.video.catalogue.models",
    "gpu_gb": "engine.video.catalogue.memory_table",
    "hub_cache": "engine.video.catalogue.models",
    "memory_table": "engine.video.catalogue.memory_table",
    "models_folder": "engine.video.catalogue.models",
    "pull": "engine.video.catalogue.fetch",
    "require_file": "engine.video.catalogue.models",
    "verify": "engine.video.catalogue.fetch",
}
"""Where each name lives."""

__all__ = [
    "CARDS",
    "DTYPES",
    "ModelCard",
    "all_cards",
    "card",
    "card_names",
    "convert_checkpoint",
    "find_model",
    "gpu_gb",
    "hub_cache",
    "memory_table",
    "models_folder",
    "pull",
    "require_file",
    "verify",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
