"""Where the models of :mod:`engine.video.catalogue.model_cards` are on this machine, and what is missing of them.

Files are looked for in the folder ``ANYMOLE_MODELS`` (a studio's mirror or a local copy; one sub-folder per model) and
in the cache of the Hugging Face hub (``HF_HOME``). Nothing is fetched unless
:func:`engine.video.catalogue.fetch.pull` is called.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import ConfigError, DataError, ResourceMissing
from engine.settings.packages import VIDEO_MODELS, added_names
from engine.video.catalogue.added import OWN, added_model
from engine.video.catalogue.model_cards import CARDS, EMBEDDED, PIPELINE, ModelCard, WeightFile
from usd_io.errors import shown

__all__ = [
    "CARDS",
    "CONVERTED",
    "EMBEDDED",
    "PIPELINE",
    "Found",
    "ModelCard",
    "State",
    "WeightFile",
    "card",
    "card_names",
    "find_file",
    "find_model",
    "hub_cache",
    "models_folder",
    "offline",
    "pipeline_files",
    "require_file",
    "require_pipeline",
]

CONVERTED = "model.json"
"""Describes a converted DynamiCrafter."""


def card(name: str) -> ModelCard:
    """The card of a model.

    Raises:
        ConfigError: There is no such model, or the package that adds it is broken.
    """
    if found := next((c for c in CARDS if c.name == name), None):
        return found
    if name in added_names(VIDEO_MODELS, OWN):
        return added_model(name).card
    raise ConfigError(f"model {name!r} is unknown; choose {', '.join(card_names())}.")


def card_names() -> tuple[str, ...]:
    """Of our models and those of packages."""
    return (*(c.name for c in CARDS), *added_names(VIDEO_MODELS, OWN))


def models_folder() -> Path:
    """Where converted and copied weights are kept: ``ANYMOLE_MODELS``, or the user's cache."""
    if chosen := os.environ.get("ANYMOLE_MODELS"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "anymole" / "models"


def hub_cache() -> Path:
    """Where the Hugging Face hub keeps downloads, by its own rules."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()


def offline() -> bool:
    """Whether downloads are forbidden, by the hub's own variable."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def find_file(model: ModelCard, file: WeightFile) -> Path | None:
    """Where a file is on this machine; None where it is not."""
    own = models_folder() / model.name / file.name if model.repository else EMBEDDED / file.name
    if own.is_file():
        return own
    repository = hub_cache() / f"models--{model.repository.replace('/', '--')}"
    try:
        revision = (repository / "refs" / "main").read_text().strip()
    except (OSError, ValueError):
        return None
    cached = repository / "snapshots" / revision / file.name
    return cached if revision and cached.is_file() else None


def require_file(model: ModelCard, file: WeightFile) -> Path:
    """Where a file is.

    Raises:
        ResourceMissing: It is nowhere on this machine; the message says how to bring it here.
    """
    found = find_file(model, file)
    if found is None:
        raise ResourceMissing(
            f"{file.name} of {model.name} ({model.gigabytes:g} GB, licence: {model.licence}) is neither in "
            f"{models_folder() / model.name} nor in the hub's cache {hub_cache()}. Fetch it with 'anymole models pull "
            f"{model.name}', copy it there, or point ANYMOLE_MODELS to a folder that has it."
        )
    return found


def pipeline_files(folder: Path, *, own_networks: bool = True) -> list[Path]:
    """The files of a diffusers pipeline that it cannot do without, there or not; weights as safetensors only.

    Args:
        folder: Of the pipeline.
        own_networks: False: the weights of its denoising networks are not needed.

    Raises:
        DataError: A description cannot be read or names files outside the folder.
    """
    files = [folder / PIPELINE]
    index = _read_json(folder / PIPELINE)
    for part, kind in sorted(index.items()):
        if not isinstance(kind, list) or None in kind or part.startswith("_"):
            continue
        if part in ("scheduler", "tokenizer"):
            files.append(
                folder / part / ("scheduler_config.json" if part == "scheduler" else "tokenizer_config.json")
            )
        else:
            needed = own_networks or not part.startswith("transformer")
            files += [folder / part / "config.json", *(_weights(folder / part) if needed else ())]
    return files


def _weights(part: Path) -> list[Path]:
    """Weight files of one part: the shards that its index names, or the one file that it has."""
    indices = sorted(part.glob("*.safetensors.index.json"))
    if not indices:
        found = sorted(part.glob("*.safetensors"))
        stem = "diffusion_pytorch_model" if part.name != "text_encoder" else "model"
        return found[:1] or [part / f"{stem}.safetensors"]
    names = _read_json(indices[0]).get("weight_map")
    if not isinstance(names, dict) or any(Path(str(name)).name != name for name in names.values()):
        raise DataError(f"{shown(indices[0])} names no files beside it.")
    return [indices[0], *(part / name for name in sorted(set(names.values())))]


def _read_json(path: Path) -> dict[str, object]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResourceMissing(f"{shown(path)} is not there.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{shown(path)} cannot be read ({shown(error)}); fetch it again.") from error
    if not isinstance(values, dict):
        raise DataError(f"{shown(path)} is no description of a model; fetch it again.")
    return values


def require_pipeline(model: ModelCard, *, own_networks: bool = True) -> Path:
    """The folder of a complete diffusers pipeline; without ``own_networks`` its denoising networks may be missing.

    Raises:
        ResourceMissing: It is not here, or files of it are missing; names them.
        DataError: A description cannot be read.
    """
    folder = require_file(model, WeightFile(PIPELINE, 0.0)).parent
    if gone := [
        str(f.relative_to(folder))
        for f in pipeline_files(folder, own_networks=own_networks)
        if not f.is_file()
    ]:
        raise ResourceMissing(
            f"{model.name} in {folder} lacks {', '.join(gone)}; fetch the rest with 'anymole models pull {model.name}' "
            "(weights are read as safetensors only)."
        )
    return folder


State = Literal["ready", "to convert", "incomplete", "missing"]


@dataclass(frozen=True)
class Found:
    """What there is of a model on this machine."""

    state: State
    path: Path | None
    """Its folder, or its file where it is one."""
    detail: str = ""
    """What is missing, in words."""


def find_model(model: ModelCard) -> Found:
    """Look for a model on this machine, without reading its weights."""
    own = models_folder() / model.name
    if (own / CONVERTED).is_file():
        return Found("ready", own)
    if not model.files:
        return Found("ready", None, "in its package")
    paths = [find_file(model, file) for file in model.files]
    here = [path for path in paths if path is not None]
    if not here:
        return Found("missing", None)
    if len(here) < len(paths):
        gone = [f.name for f, path in zip(model.files, paths, strict=True) if path is None]
        return Found("incomplete", here[0].parent, f"{', '.join(gone)} missing")
    if model.parts:
        try:
            require_pipeline(model)
        except (ResourceMissing, DataError) as error:
            return Found("incomplete", here[0].parent, str(error))
    if model.name == "dynamicrafter":
        return Found("to convert", here[0], "run 'anymole models convert dynamicrafter' once")
    return Found("ready", here[0] if len(here) == 1 and not model.parts else here[0].parent)
