"""Video models behind one protocol: what a run asks of any of them.

    model = backend("dynamicrafter", memory="auto")          # says at once what is missing
    adapter = model.adapt(views, prompt, AdaptOptions(), out=folder / "adapter.safetensors", progress=progress)
    video = model.generate(front, gaps, prompt, GenerateOptions(seed=1), adapter=adapter, progress=progress)

Features: weights are loaded when they are first needed; an adapter is applied to the untouched weights, so that a run
that was stopped after *adapt* goes on with the same ones. True frames come back as they were given.
"""

from typing import get_args

from engine.errors import ConfigError
from engine.settings.choices import Memory, ModelName
from engine.video.backends.protocol import Backend, Gap

__all__ = ["Backend", "Gap", "backend"]


def backend(name: str, *, memory: Memory = "auto", device: str = "auto") -> Backend:
    """A video model that is ready to work here; its weights are read when they are first needed.

    Args:
        name: One of :data:`engine.video.options.ModelName`.
        memory: How sparing to be with the device's memory.
        device: ``auto``: a GPU, which all but ``tiny`` must have; ``cpu`` or ``cuda:1``: that one, whatever it takes.

    Raises:
        ConfigError: There is no such model.
        ResourceMissing: Weights or a device that it needs are not here; says where they were looked for, how to bring
            them, and what runs without.
    """
    match name:
        case "dynamicrafter":
            from engine.video.backends.dynamicrafter import dynamicrafter

            return dynamicrafter(memory, device)
        case "tiny":
            from engine.video.backends.dynamicrafter import tiny

            return tiny(memory, device)
        case "wan-vace":
            from engine.video.backends.wan_vace import wan_vace

            return wan_vace(memory, device)
        case "ltx":
            from engine.video.backends.ltx import ltx

            return ltx(memory, device)
    raise ConfigError(f"video model {name!r} is unknown; choose {', '.join(get_args(ModelName))}.")
