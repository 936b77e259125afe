"""What video models and feature networks there are: licence and limits, size, least memory, where they are here.

Files are looked for in the folder ``ANYMOLE_MODELS`` (a studio's mirror or a local copy; one sub-folder per model) and
in the cache of the Hugging Face hub (``HF_HOME``). Nothing is fetched unless :func:`engine.video.fetch.pull` is called.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import ConfigError, DataError, ResourceMissing
from usd_io.errors import shown

PIPELINE = "model_index.json"
"""Names the parts of a diffusers pipeline."""
CONVERTED = "model.json"
"""Describes a converted DynamiCrafter."""


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
    """On the Hugging Face hub; empty: part of this package."""
    files: tuple[WeightFile, ...]
    licence: str
    limits: str
    """What the licence or its absence means for use; empty: none known."""
    memory_generate_gb: float
    """Least memory of the device to run it [1e9 bytes]; see docs/measurements.md for each mode."""
    memory_adapt_gb: float = 0.0
    """Least memory to adapt it (low-rank, low memory mode) [1e9 bytes]; 0: never adapted."""
    group: int = 0
    """Frames that share a latent, so that a lone known frame is held less exactly; 0: no video model."""
    parts: tuple[str, ...] = ()
    """Sub-folders of a diffusers pipeline, whose weights may be one file or many."""
    parts_gb: float = 0.0
    """Size of all of them, from parameter counts at two bytes each; a repository may store four."""

    @property
    def gigabytes(self) -> float:
        """Size of everything [1e9 bytes], about."""
        return round(self.parts_gb + sum(f.gigabytes for f in self.files), 2)


_PARTS = ("scheduler", "text_encoder", "tokenizer", "transformer", "vae")

EMBEDDED = Path(__file__).parent / "tiny" / "weights"
"""Weights that are part of this package."""

CARDS = (
    ModelCard(
        "tiny",
        "the same method at 96 x 64 pixels, in the package: a tour on any CPU, not quality",
        "",
        (WeightFile("tiny.safetensors", 0.01),),
        "Apache-2.0",
        "",
        1.0,
        1.0,
        1,
    ),
    ModelCard(
        "dynamicrafter",
        "DynamiCrafter_512_interp, the paper's video model: 16 frames of 512 x 320 pixels",
        "Doubiiu/DynamiCrafter_512_Interp",
        (WeightFile("model.ckpt", 10.4),),
        "Apache-2.0",
        "by the author's word in issues 107 and 117 of Doubiiu/DynamiCrafter; read them before commercial use",
        8.0,
        8.0,
        1,
    ),
    ModelCard(
        "wan-vace",
        "Wan2.1-VACE 1.3B: context and keys in one call, 16 frames/s",
        "Wan-AI/Wan2.1-VACE-1.3B-diffusers",
        (WeightFile(PIPELINE, 0.0),),
        "Apache-2.0",
        "",
        10.0,
        12.0,
        4,
        _PARTS,
        16.0,
    ),
    ModelCard(
        "ltx",
        "LTX-Video 2B: context and keys at any frame, any frame rate; the quickest",
        "Lightricks/LTX-Video-0.9.5",
        (WeightFile(PIPELINE, 0.0),),
        "LTXV Open Weights",
        "free below a yearly revenue of 10 million US dollars, by third-party summaries; read it before commercial use",
        10.0,
        12.0,
        8,
        _PARTS,
        14.0,
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


def pipeline_files(folder: Path) -> list[Path]:
    """The files of a diffusers pipeline that it cannot do without, there or not; weights as safetensors only.

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
            files += [folder / part / "config.json", *_weights(folder / part)]
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


def require_pipeline(model: ModelCard) -> Path:
    """The folder of a complete diffusers pipeline.

    Raises:
        ResourceMissing: It is not here, or files of it are missing; names them.
        DataError: A description cannot be read.
    """
    folder = require_file(model, WeightFile(PIPELINE, 0.0)).parent
    if gone := [str(f.relative_to(folder)) for f in pipeline_files(folder) if not f.is_file()]:
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
