"""Video models behind one protocol: what a run asks of any of them.

    model = backend("dynamicrafter", memory="auto")          # says at once what is missing
    adapter = model.adapt(views, prompt, AdaptOptions(), out=folder / "adapter.safetensors", progress=progress)
    video = model.generate(front, gaps, prompt, GenerateOptions(seed=1), adapter=adapter, progress=progress)

Features: weights are loaded when they are first needed; an adapter is applied to the untouched weights, so that a run
that was stopped after *adapt* goes on with the same ones. True frames come back as they were given.
"""

from inspect import getattr_static

from engine.errors import ConfigError, EngineError
from engine.settings.choices import Memory, PrecisionName
from engine.settings.packages import reason_of
from engine.settings.pinned_file import PinnedFile
from engine.video.backends.protocol import Backend, Gap

__all__ = ["Backend", "Gap", "backend"]


def backend(
    name: str,
    *,
    memory: Memory = "auto",
    device: str = "auto",
    precision: PrecisionName = "auto",
    size: tuple[int, int] = (0, 0),
    gguf: tuple[PinnedFile, ...] = (),
) -> Backend:
    """A video model that is ready to work here; its weights are read when they are first needed.

    Args:
        name: One of :data:`engine.settings.choices.ModelName`, or a video model of an installed package.
        memory: How sparing to be with the device's memory.
        device: ``auto``: a GPU, which all but ``tiny`` must have; ``cpu`` or ``cuda:1``: that one, whatever it takes.
        precision: Of its weights. A model of another package has its own.
        size: Height and width of its pictures [pixels], where it can make others than its own; 0: its own.
        gguf: Files with the denoising networks of a VACE model, in place of its own.

    Raises:
        ConfigError: There is no such model, or the package that adds it is broken.
        ResourceMissing: Weights or a device that it needs are not here; says where they were looked for, how to bring
            them, and what runs without.
    """
    match name:
        case "dynamicrafter":
            from engine.video.backends.dynamicrafter import dynamicrafter

            return dynamicrafter(memory, device, precision)
        case "tiny":
            from engine.video.backends.dynamicrafter import tiny

            return tiny(memory, device, precision)
        case "wan-vace" | "wan-vace-14b" | "wan22-vace-fun":
            from engine.video.backends.wan_vace import wan_vace

            return wan_vace(name, memory, device, precision, size, gguf)
        case "ltx":
            from engine.video.backends.ltx import ltx

            return ltx(memory, device, precision, size)
        case "ltx2":
            from engine.video.backends.ltx2 import ltx2

            return ltx2(memory, device, precision, size)
    return _added(name, memory, device)


def _added(name: str, memory: Memory, device: str) -> Backend:
    from engine.video.catalogue.added import added_model

    model = added_model(name)
    try:
        made = model.make(memory, device)
    except EngineError:
        raise
    except Exception as error:  # it is code of others, which may fail in any way
        raise ConfigError(
            f"the video model {name} cannot be made ({reason_of(error)}); fix the package that adds it.",
            settings=("model",),
        ) from error
    if not isinstance(made, Backend):
        raise ConfigError(
            f"the video model {name} lacks {_lacking(made)}, which each Backend has; fix the package that adds it.",
            settings=("model",),
        )
    return made


def _lacking(made: object) -> str:
    """Names of the protocol that an object has not."""
    parts = [name for name in vars(Backend) if not name.startswith("_")]
    return ", ".join(n for n in parts if getattr_static(made, n, None) is None) or "a part"
