"""Settings of a run: frozen dataclasses, read from TOML or flags, saved with every result."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from engine.errors import ConfigError
from engine.files.toml import read_toml

EngineName = Literal["auto", "motion", "video"]
PriorName = Literal["auto", "learned", "context", "spline", "slerp", "hold"]
AuthorMode = Literal["rebind", "over", "variant"]
FeatureName = Literal["scratch", "dinov2+fit3d"]
SolverName = Literal["map", "paper"]
ModelName = Literal["dynamicrafter", "wan-vace", "ltx", "tiny"]
AdaptMode = Literal["auto", "full", "lora", "off"]
"""``auto``: what suits the model; ``full``: all that the paper trains; ``lora``: low-rank pairs; ``off``: nothing."""
Memory = Literal["auto", "low", "high"]
"""``low``: least memory of the device, more time; ``high``: single precision and all activations kept."""
CHOICES = {
    "engine": EngineName,
    "prior": PriorName,
    "author": AuthorMode,
    "model": ModelName,
    "adapt": AdaptMode,
    "memory": Memory,
    "features": FeatureName,
    "solver": SolverName,
}

MOST_STEPS = 1000
"""Timesteps of the models' training: more cannot be sampled."""
MOST_TAKES = 100


@dataclass(frozen=True)
class RunConfig:
    """All that decides a result. Times are time codes of the stage."""

    stage: str
    """The USD stage to read; never written to."""
    skeletons: tuple[str, ...] = ()
    """Prim paths of the skeletons to fill; empty: all with something to fill."""
    context: tuple[tuple[float, float], ...] = ()
    """Ranges of finished motion; empty: found from the authored samples."""
    keys: tuple[float, ...] = ()
    """Times whose pose is kept exactly; empty: found from the authored samples."""
    lock: tuple[str, ...] = ()
    """Joints (name, path or shell pattern) that keep what is authored, also between the keys."""
    engine: EngineName = "auto"
    """How motion is made; ``auto`` takes the best engine this machine has what it needs for."""
    prior: PriorName = "auto"
    """The motion prior; ``auto`` chooses per gap by its fit and the self-test. A fit to a video starts from it."""
    contacts: bool = True
    """Let joints that rest in the filled motion, as feet do, stay where they are; of slerp and hold they never do."""
    takes: int = 1
    """How many motions are made: the best estimate, and others that are as plausible."""
    seed: int = 0
    """Seed of everything random."""
    out: str = ""
    """Run folder; empty: ``STEM_inbetween`` beside the stage, numbered where that exists."""
    author: AuthorMode = "rebind"
    """How the result is authored: a new animation bound instead, an override, or a variant."""
    truth: str = ""
    """A stage with the true motion of the same skeletons, to score against; empty: the stage's own hidden samples."""
    force: bool = False
    """Replace a result that is already in the run folder."""
    preview: bool = True
    """Draw the result beside slerp and the keys: a video, a contact sheet and a plot in the run folder."""
    report: bool = True
    """Write ``report.html`` into the run folder: one file with a 3D player, plots, scores and settings."""
    model: ModelName = "dynamicrafter"
    """The video model; ``tiny`` ships with the package and is a tour of the method, no more."""
    prompt: str = ""
    """What is to be seen, for the video model."""
    caption: str = ""
    """Folder of an image-text model that writes the prompt from the pictures of the context."""
    steps: int = 0
    """Sampling steps of the video model; 0: its own number."""
    guidance: float = 0.0
    """How strongly the video model keeps to the prompt; 0: its own strength."""
    adapt: AdaptMode = "auto"
    """How the video model learns the character from the context (ICAdapt)."""
    memory: Memory = "auto"
    """How device memory is traded for time."""
    video: str = ""
    """A video of the character to fit, a folder of pictures or a video file, instead of a generated one."""
    video_fps: float = 0.0
    """Frame rate of that video [frames/s]; 0: what its file says, 15 for a folder of pictures."""
    video_offset: float = 0.0
    """Its first frame, after the start of the first gap [s]; negative where it begins in the context."""
    camera: str = ""
    """Prim path of the camera that sees what the video shows, the ``render.json`` of its pictures, or a view: front,
    left, right, back or an azimuth in degrees; empty: of a given video the front, else where most is to be told."""
    features: FeatureName = "scratch"
    """What the joint estimator looks at: a network trained on this shot's pictures, or frozen ones with weights."""
    solver: SolverName = "map"
    """How motion is fitted to video: all frames at once (``map``), or frame by frame as in the paper."""
    self_test: bool = False
    """Fill a hidden piece of the context with video too, compare, and let engine ``auto`` choose by it; costs about as
    much again. The motion engine always tests itself."""

    def __post_init__(self) -> None:
        problems = _unknown_choices(vars(self))
        if not self.stage:
            problems.append("no stage is named; give the path of a .usd, .usda, .usdc or .usdz file")
        if not all(math.isfinite(t) for t in (*self.keys, *(t for pair in self.context for t in pair))):
            problems.append("--keys and --context take finite time codes")
        if not 0 <= self.seed < 2**63:
            problems.append(f"--seed {self.seed} is out of range; choose 0 to 2^63 - 1")
        if not 1 <= self.takes <= MOST_TAKES:
            problems.append(f"--takes {self.takes} is out of range; choose 1 to {MOST_TAKES}")
        if self.takes > 1 and self.author == "over":
            problems.append("--author over has room for one take; choose rebind or variant for several")
        if not 0 <= self.steps <= MOST_STEPS:
            problems.append(f"--steps {self.steps} is out of range; choose 1 to {MOST_STEPS}")
        for name, value in (("guidance", self.guidance), ("fps", self.video_fps)):
            if not 0 <= value <= 1000:
                problems.append(f"--{name} {value:g} is out of range; choose 0 to 1000")
        if not math.isfinite(self.video_offset):
            problems.append("--offset takes a finite number of seconds")
        if self.video and self.takes > 1:
            problems.append(f"--takes {self.takes} of one video cannot be fitted; give --takes 1")
        if self.video and self.self_test:
            problems.append(
                "--self-test needs a model that makes video; a given --video shows no hidden piece"
            )
        if self.video and self.engine == "motion":
            problems.append("--engine motion makes no use of --video; leave one of them out")
        if problems:
            raise ConfigError("; ".join(problems) + ".")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for TOML and JSON."""
        return asdict(self)


def config_from_mapping(values: Mapping[str, Any]) -> RunConfig:
    """Build settings from TOML or JSON values.

    Raises:
        ConfigError: Unknown names or values of the wrong type, all in one message.
    """
    known = {f.name for f in fields(RunConfig)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(
            f"unknown settings {', '.join(map(repr, unknown))}; known are {', '.join(sorted(known))}."
        )
    problems = _unknown_choices(values)
    if problems:
        raise ConfigError("; ".join(problems) + ".")
    try:
        lists: dict[str, Any] = {
            "skeletons": tuple(map(_text, values.get("skeletons", ()))),
            "lock": tuple(map(_text, values.get("lock", ()))),
            "keys": tuple(map(_number, values.get("keys", ()))),
            "context": tuple((_number(start), _number(end)) for start, end in values.get("context", ())),
        }
        config = RunConfig(stage=_text(values.get("stage", "")))
        single = {
            name: _as_default(value, getattr(config, name))
            for name, value in values.items()
            if name not in lists
        }
        for name, value in single.items():
            if type(value) is not type(getattr(config, name)):
                raise TypeError(f"{name} = {value!r} is no {type(getattr(config, name)).__name__}")
        return replace(config, **lists, **single)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"settings of the wrong type: {error}.") from error


def _unknown_choices(values: Mapping[str, Any]) -> list[str]:
    return [
        f"--{name} {values[name]!r} is unknown; choose {', '.join(get_args(choices))}"
        for name, choices in CHOICES.items()
        if name in values and values[name] not in get_args(choices)
    ]


def read_config(path: Path) -> RunConfig:
    """Read settings from a TOML file (``run.toml`` of a run folder, or one written by hand)."""
    return config_from_mapping(read_toml(path, "the settings file"))


def _as_default(value: Any, default: Any) -> Any:
    """TOML and JSON write a whole number where a float is meant."""
    return _number(value) if isinstance(default, float) and not isinstance(value, bool) else value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return float(value)
