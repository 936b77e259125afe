"""What weights there are: licence and limits, size, least memory, and where they are on this machine.

Files are looked for in the folder ``ANYMOLE_MODELS`` (a studio's mirror or a local copy; one sub-folder per model) and
in the cache of the Hugging Face hub (``HF_HOME``). Nothing is fetched unless :func:`pull` is called, and that
respects ``HF_HUB_OFFLINE``.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import ConfigError, ResourceMissing
from engine.video.weights import check_hash, check_safetensors, load_checkpoint


@dataclass(frozen=True)
class WeightFile:
    """One file of a model."""

    name: str
    gigabytes: float
    """About, 1e9 bytes."""
    sha256: str = ""
    """Empty where we have not seen the file ourselves; then it can be read with care but not verified."""


@dataclass(frozen=True)
class ModelCard:
    """What a user should know before choosing a model."""

    name: str
    what: str
    repository: str
    """On the Hugging Face hub."""
    files: tuple[WeightFile, ...]
    licence: str
    limits: str
    """What the licence or its absence means for use; empty: none known."""
    memory_generate_gb: float
    """Least memory of the device to run it [1e9 bytes]; see docs/measurements.md for each mode."""
    memory_adapt_gb: float = 0.0
    """Least memory to adapt it (low-rank, low memory mode) [1e9 bytes]; 0: never adapted."""
    hold: Literal["frame", ""] = ""
    """How exactly a known frame can be held: each frame alone; empty: no video model."""


CARDS = (
    ModelCard(
        "dynamicrafter",
        "DynamiCrafter_512_interp, the paper's video model: 16 frames of 512 x 320 pixels",
        "Doubiiu/DynamiCrafter_512_Interp",
        (WeightFile("model.ckpt", 10.4),),
        "Apache-2.0",
        "by the author's word in issues 107 and 117 of Doubiiu/DynamiCrafter; read them before commercial use",
        8.0,
        8.0,
        "frame",
    ),
    ModelCard(
        "fit3d",
        "FiT3D: 3D-aware image features (ViT-S/14) for the joint estimator",
        "yuanwenyue/FiT3D",
        (WeightFile("dinov2_reg_small_finetuned.pth", 0.09),),
        "code MIT; weights not stated",
        "finetuned on ScanNet++, whose terms are for research; ask the authors before commercial use",
        1.0,
    ),
    ModelCard(
        "dinov2",
        "DINOv2 with registers (ViT-B/14): image features for the joint estimator",
        "facebook/dinov2-with-registers-base",
        (WeightFile("config.json", 0.0), WeightFile("model.safetensors", 0.35)),
        "Apache-2.0",
        "",
        1.0,
    ),
)


def card(name: str) -> ModelCard:
    """The card of a model.

    Raises:
        ConfigError: There is no such model.
    """
    found = next((c for c in CARDS if c.name == name), None)
    if found is None:
        raise ConfigError(f"model {name!r} is unknown; choose {', '.join(c.name for c in CARDS)}.")
    return found


def models_folder() -> Path:
    """Where converted and copied weights are kept: ``ANYMOLE_MODELS``, or the user's cache."""
    if chosen := os.environ.get("ANYMOLE_MODELS"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "anymole" / "models"


def hub_cache() -> Path:
    """Where the Hugging Face hub keeps downloads, by its own rules."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()


def find_file(model: ModelCard, file: WeightFile) -> Path | None:
    """Where a file is on this machine; None where it is not."""
    from huggingface_hub import try_to_load_from_cache  # takes a quarter of a second

    own = models_folder() / model.name / file.name
    if own.is_file():
        return own
    cached = try_to_load_from_cache(model.repository, file.name, cache_dir=hub_cache())
    return Path(cached) if isinstance(cached, str) else None


def require_file(model: ModelCard, file: WeightFile) -> Path:
    """Where a file is.

    Raises:
        ResourceMissing: It is nowhere on this machine; the message says how to bring it here.
    """
    found = find_file(model, file)
    if found is None:
        raise ResourceMissing(
            f"{file.name} of {model.name} ({file.gigabytes:g} GB, licence: {model.licence}) is neither in "
            f"{models_folder() / model.name} nor in the hub's cache {hub_cache()}. Fetch it with 'anymole models pull "
            f"{model.name}', copy it there, or point ANYMOLE_MODELS to a folder that has it."
        )
    return found


def offline() -> bool:
    """Whether downloads are forbidden, by the hub's own variable."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def pull(model: ModelCard) -> list[Path]:
    """Download what is missing of a model into the hub's cache.

    Raises:
        ResourceMissing: Downloads are forbidden, or the hub cannot be reached.
        DataError: A file came damaged.
    """
    from huggingface_hub import hf_hub_download

    paths = []
    for file in model.files:
        path = find_file(model, file)
        if path is None and offline():
            raise ResourceMissing(
                f"{file.name} of {model.name} is missing and HF_HUB_OFFLINE forbids to fetch it."
            )
        if path is None:
            try:
                path = Path(hf_hub_download(model.repository, file.name, cache_dir=hub_cache()))
            except Exception as error:  # the hub's own errors and those of three libraries below it
                raise ResourceMissing(f"{model.repository} cannot be fetched: {error}") from error
        verify_file(file, path)
        paths.append(path)
    return paths


def verify_file(file: WeightFile, path: Path) -> bool:
    """Check a file; False where its hash is not known to us, so that only its form was checked.

    Raises:
        ResourceMissing: There is no such file.
        DataError: The hash is another, or the file is damaged or unsafe.
    """
    if file.sha256:
        check_hash(path, file.sha256)
        return True
    if path.suffix == ".safetensors":
        check_safetensors(path)
    elif path.suffix in {".ckpt", ".pth", ".pt"}:
        load_checkpoint(path)
    return False
