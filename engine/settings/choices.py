"""Words that settings may take. Importing this takes no time, so that commands can name them."""

import math
from typing import Literal

EngineName = Literal["auto", "motion", "video"]
PriorName = Literal["auto", "learned", "context", "spline", "slerp", "hold"]
StyleName = Literal["calm", "natural", "lively"]
"""``calm``: the best estimate, a mean; ``natural``: with the small quick movement of the context; ``lively``: with one
idea's movement too."""
AuthorMode = Literal["rebind", "over", "variant", "flat"]
FeatureName = Literal["scratch", "dinov2+fit3d"]
SolverName = Literal["map", "paper"]
ModelName = Literal[
    "auto", "dynamicrafter", "wan-vace", "wan-vace-14b", "wan22-vace-fun", "ltx", "ltx2", "tiny"
]
"""``auto``: that of the quality."""
QualityName = Literal["preview", "standard", "best"]
"""Presets of a generated video, see :mod:`engine.settings.quality`."""
PrecisionName = Literal["auto", "single", "half", "int8", "fp8"]
"""Of a video model's weights. ``auto``: half on a GPU where memory is not high, else single; ``int8`` and ``fp8``: the
denoising network's weights in one byte each, which needs the extra ``quantised``."""
ControlName = Literal["none", "depth", "pose", "grey"]
"""How the motion prior's guess is drawn for a video model: distance from the camera, bones, or pictures without
colours."""
CONTROLLED = ("wan-vace", "wan-vace-14b", "wan22-vace-fun")
"""Models that can be shown a guess in the frames they generate."""
CELLS = {**dict.fromkeys(CONTROLLED, 16), "ltx": 32, "ltx2": 32}
"""Models whose pictures may have other sizes than their own, in multiples of so many pixels."""
AdaptMode = Literal["auto", "full", "lora", "off"]
"""``auto``: what suits the model; ``full``: all that the paper trains; ``lora``: low-rank pairs; ``off``: nothing."""
Memory = Literal["auto", "lowest", "low", "high"]
"""``lowest``: the blocks of a diffusers model wait in main memory for their turn, so that it cannot be adapted;
``low``: little memory of the device, more time; ``high``: single precision and all activations kept."""
Appearance = Literal["textured", "shaded", "canonical"]
"""``textured``: colours of the file under light; ``shaded``: clay under light; ``canonical``: each point in the
colour of its bind-pose position in the unit box, without light, one colour domain for all characters."""
RendererName = Literal["auto", "torch", "pyrender"]

VIEWS = {"front": 0.0, "left": 90.0, "right": 270.0, "back": 180.0}
"""Azimuths [degrees] of the named views, see :func:`engine.rendering.camera.orbit_rotation`."""


def view_azimuth(text: str) -> float | None:
    """``front``, ``left`` or ``30`` as an azimuth [degrees]; None where it is neither a known name nor a number."""
    try:
        azimuth = VIEWS[text] if text in VIEWS else float(text)
    except ValueError:
        return None
    return azimuth if math.isfinite(azimuth) else None
