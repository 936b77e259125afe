"""What the video engine lacks on this machine, as far as files tell: asked before a run has a folder, without torch.

What a device decides is found out by :func:`engine.video.backends.backend`, which loads torch.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from engine.config import RunConfig
from engine.errors import ConfigError, ResourceMissing
from engine.files.regular import what_else
from engine.planning.plan import Plan
from engine.settings.pinned_file import FEW_STEP_LORA, GGUF, PinnedFile, PinnedKind, parse_pinned
from engine.video.catalogue.model_cards import CARDS, PREFIXES, ModelCard
from engine.video.catalogue.models import (
    CONVERTED,
    card,
    find_file,
    models_folder,
    require_file,
    require_pipeline,
)
from usd_io.errors import shown, timecode

INSTEAD = "Without it, the engine motion or the model tiny runs on any machine."


def check_files(config: RunConfig, plans: Sequence[Plan], time_codes_per_second: float) -> None:
    """Find out that a file is missing, or a gap too long, for the video that a run fits motion to.

    Args:
        config: Of a run with the video engine.
        plans: Of all skeletons.
        time_codes_per_second: Of the stage.

    Raises:
        ConfigError: A gap is longer than what the video model holds at once; a file is none.
        ResourceMissing: Weights are missing; says what to do and what runs without.
        DataError: A description of weights cannot be read.
    """
    if config.features != "scratch":
        for name in config.features.split("+"):
            for file in card(name).files:
                require_file(card(name), file)
    if config.video:
        return
    for kind, texts in ((FEW_STEP_LORA, config.few_step_lora), (GGUF, config.gguf)):
        for text in texts:
            pinned_file(text, kind)
    if config.caption:
        require_captions(Path(config.caption))
    model = config.video_choice.model
    check_gaps(model, plans, time_codes_per_second)
    known = next((card for card in CARDS if card.name == model), None)
    if known is not None and known.parts:
        try:
            require_pipeline(known, own_networks=not config.gguf)
        except ResourceMissing as error:
            raise ResourceMissing(f"{error} {INSTEAD}") from None
    elif model == "dynamicrafter":
        require_converted(card(model))


def check_gaps(model: str, plans: Sequence[Plan], time_codes_per_second: float) -> None:
    """Refuse gaps that are longer than what a video model holds at once.

    Raises:
        ConfigError: One is; says which keys make it fit.
    """
    known = next((card for card in CARDS if card.name == model), None)
    if known is not None and known.longest_gap_s:
        for plan in plans:
            for gap in plan.gaps:
                _check_length(model, gap.start, gap.end, known.longest_gap_s * time_codes_per_second)


def _check_length(model: str, start: float, end: float, longest: float) -> None:
    """Refuse a gap that is too long [time codes]."""
    parts = math.ceil((end - start) / longest - 1e-9)
    if parts > 1:
        keys = ", ".join(timecode(round(start + (end - start) * i / parts)) for i in range(1, parts))
        raise ConfigError(
            f"the gap {timecode(start)} to {timecode(end)} is longer than the {longest:g} time codes that the video "
            f"model {model} holds at once; add keys, at {keys} for example, or choose the model dynamicrafter.",
            settings=("keys", "model"),
        )


def pinned_file(text: str, kind: PinnedKind) -> PinnedFile:
    """A file with its hash, which is there; what is in it is not looked at.

    Raises:
        ConfigError: It is a folder, a pipe or the like, or none of the kind by its name.
        ResourceMissing: There is no such file.
    """
    file = parse_pinned(text, kind)
    if what := what_else(file.path):
        raise ConfigError(
            f"the {kind.what} {shown(file.path)} is {what}, no file; name the file itself.",
            settings=(kind.setting,),
        )
    if not file.path.is_file():
        raise ResourceMissing(f"the {kind.what} {shown(file.path)} is not there; fetch it, or leave it out.")
    return file


def require_converted(model: ModelCard) -> Path:
    """The folder of a converted DynamiCrafter.

    Raises:
        ResourceMissing: It is not here, not converted, or lacks a part.
    """
    folder = models_folder() / model.name
    if not (folder / CONVERTED).is_file():
        checkpoint = model.files[0]
        if find_file(model, checkpoint) is None:
            try:
                require_file(model, checkpoint)
            except ResourceMissing as error:
                raise ResourceMissing(f"{error} {INSTEAD}") from None
        raise ResourceMissing(
            f"{model.name}'s {checkpoint.name} is here but not yet converted; run 'anymole models convert "
            f"{model.name}' once. {INSTEAD}"
        )
    for part in PREFIXES:
        if not (folder / f"{part}.safetensors").is_file():
            raise ResourceMissing(
                f"{folder / part}.safetensors is not there; run 'anymole models convert {model.name}' again. "
                f"{INSTEAD}"
            )
    return folder


def require_captions(folder: Path) -> Path:
    """The description of an image-text model in its folder.

    Raises:
        ResourceMissing: It is not there.
    """
    config = folder / "config.json"
    if not config.is_file():
        raise ResourceMissing(
            f"{folder} holds no model (config.json is not there); name the folder of a model for captions.",
            settings=("caption",),
        )
    return config
