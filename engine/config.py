"""Settings of a run, each declared once: see :mod:`engine.settings.setting`. Read from TOML or flags, saved with every
result."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_args

from engine.errors import ConfigError
from engine.files.toml import read_toml
from engine.settings.choices import (
    CELLS,
    CONTROLLED,
    VIEWS,
    AdaptMode,
    AuthorMode,
    ControlName,
    EngineName,
    FeatureName,
    Memory,
    ModelName,
    PrecisionName,
    PriorName,
    QualityName,
    SolverName,
    StyleName,
)
from engine.settings.packages import PRIORS, VIDEO_MODELS
from engine.settings.pinned_file import FEW_STEP_LORA, GGUF, parse_pinned
from engine.settings.pins import parse_pin
from engine.settings.quality import VideoChoice, choose_video
from engine.settings.samples import parse_samples
from engine.settings.setting import Setting, checked, fields_of
from usd_io.errors import timecode

MOST_STEPS = 1000
"""Timesteps of the models' training: more cannot be sampled."""
MOST_TAKES = 100
MOST_GUIDANCE = 100.0
MOST_CONTROL = 2.0
"""Weight of the branch that takes in known frames and control; what models were trained with is 1."""
MOST_PIXELS = 4096
"""Of a generated video, each way."""
MOST_RATE = 1000.0
"""Frames per second of a video."""

SHOT = "What is filled"
MOTION = "How motion is made"
RESULT = "The result"
MODEL = "A video that a model makes"
GIVEN = "A video of your own"
FIT = "The fit to a video"


@dataclass(frozen=True)
class RunConfig:
    """All that decides a result. Times are time codes of the stage.

    Raises:
        ConfigError: Values of another type, beyond their limits or at odds with each other, all in one message.
    """

    stage: Annotated[
        str,
        Setting(
            "The USD stage to read; it is never written to.",
            SHOT,
            argument=True,
            names_file=True,
            of_shot=True,
        ),
    ]
    skeletons: Annotated[
        tuple[str, ...],
        Setting(
            "Prim path of a skeleton to fill.",
            SHOT,
            flag="skeleton",
            each=True,
            metavar="PRIM",
            empty="all with something to fill",
            of_shot=True,
            counts_from="fill",
        ),
    ] = ()
    context: Annotated[
        tuple[tuple[float, float], ...],
        Setting(
            "A range of finished motion [time codes].",
            SHOT,
            each=True,
            empty="the dense ranges of the authored samples; where keys are given, what lies outside of them",
            of_shot=True,
            counts_from="fill",
        ),
    ] = ()
    keys: Annotated[
        tuple[float, ...],
        Setting(
            "Times of the poses that the result equals exactly [time codes].",
            SHOT,
            empty="the lone samples between dense ranges",
            of_shot=True,
            counts_from="fill",
        ),
    ] = ()
    lock: Annotated[
        tuple[str, ...],
        Setting(
            "Joints (name, path or shell pattern) that keep what is authored, also between the keys.",
            SHOT,
            metavar="JOINT,JOINT,...",
            of_shot=True,
            counts_from="fill",
        ),
    ] = ()
    pin: Annotated[
        tuple[str, ...],
        Setting(
            "A joint (name, path or shell pattern) that stays where it is from time code A to B, by the limb above it.",
            SHOT,
            each=True,
            metavar="JOINT@A:B",
            of_shot=True,
            counts_from="fill",
        ),
    ] = ()
    in_place: Annotated[
        bool,
        Setting(
            "Keep the character in place: over the ground the root goes straight from key to key, and stays where the "
            "keys do. Contacts are not held.",
            MOTION,
            counts_from="fill",
        ),
    ] = False
    loop: Annotated[
        bool,
        Setting(
            "Let the shot cycle: the last pose is the first one again (it may have travelled over the ground), and "
            "motion and velocity go on from the one to the other.",
            MOTION,
            counts_from="fill",
        ),
    ] = False
    engine: Annotated[
        EngineName,
        Setting(
            "How motion is made: by a motion prior, in seconds on any machine, or fitted to a video that a model makes;"
            " auto takes video where the weights of the model and a GPU are there.",
            MOTION,
            counts_from="fill",
        ),
    ] = "auto"
    prior: Annotated[
        PriorName,
        Setting(
            "The motion prior; auto blends them per gap, by what did well on many clips and in the self-test. A fit to "
            "a video starts from it.",
            MOTION,
            counts_from="fill",
            packages=PRIORS,
        ),
    ] = "auto"
    style: Annotated[
        StyleName,
        Setting(
            "How alive the filled motion is: calm is the best estimate, a mean and so smooth; natural adds the small "
            "quick movement of the context; lively also follows one way the motion may go, with the priors auto and "
            "learned.",
            MOTION,
            counts_from="fill",
        ),
    ] = "natural"
    contacts: Annotated[
        bool,
        Setting(
            "Hold joints that rest, as feet do, in their place; with the priors slerp and hold they always slide.",
            MOTION,
            counts_from="fill",
        ),
    ] = True
    takes: Annotated[
        int,
        Setting(
            "How many motions are made: the best estimate, and others that are as plausible.",
            MOTION,
            least=1,
            most=MOST_TAKES,
            counts_from="fill",
        ),
    ] = 1
    seed: Annotated[
        int,
        Setting(
            "Seed of everything random; the same seed gives the same takes. The first take of the motion engine has "
            "nothing random.",
            MOTION,
            least=0,
            most=2**63 - 1,
            counts_from="fill",
        ),
    ] = 0
    out: Annotated[
        str,
        Setting(
            "Run folder.",
            RESULT,
            metavar="FOLDER",
            empty="STEM_inbetween beside the stage, numbered where that exists",
            of_shot=True,
            decides=False,
        ),
    ] = ""
    author: Annotated[
        AuthorMode,
        Setting(
            "How the result is authored: a new animation bound instead of the old one, an override of the old one, a "
            "variant, or all of the stage as one flat file for readers that do not compose.",
            RESULT,
            counts_from="author",
        ),
    ] = "rebind"
    samples: Annotated[
        str,
        Setting(
            "How many samples lie between the keys: full, one per frame, or sparse, as few breakdowns as keep every "
            "joint within 0.1 % of the height (sparse:0.5 within 0.5 %) of the full motion.",
            RESULT,
            metavar="full|sparse[:PERCENT]",
            words=lambda: ("full", "sparse"),
            counts_from="author",
        ),
    ] = "full"
    truth: Annotated[
        str,
        Setting(
            "A stage with the true motion of the same skeletons, to score the result against.",
            RESULT,
            metavar="STAGE",
            empty="the stage's own samples inside the gaps, where it has them",
            names_file=True,
            of_shot=True,
        ),
    ] = ""
    force: Annotated[
        bool,
        Setting("Replace an earlier result in the run folder.", RESULT, of_shot=True, decides=False),
    ] = False
    preview: Annotated[
        bool,
        Setting("Draw the result beside slerp and the keys: a video, a contact sheet and a plot.", RESULT),
    ] = True
    report: Annotated[
        bool,
        Setting(
            "Write report.html into the run folder: one file with a 3D player, plots, scores and settings.",
            RESULT,
        ),
    ] = True
    quality: Annotated[
        QualityName,
        Setting(
            "What a video is made with: preview, wan-vace in half precision, 256 x 416 pixels and 20 steps; standard, "
            "dynamicrafter; best, wan-vace-14b in half precision and 480 x 832 pixels. A setting that is given wins.",
            MODEL,
            counts_from="render",
        ),
    ] = "standard"
    model: Annotated[
        ModelName,
        Setting(
            "The video model, auto that of the quality; tiny ships with the package and is a tour of the method, no "
            "more.",
            MODEL,
            counts_from="render",
            packages=VIDEO_MODELS,
        ),
    ] = "auto"
    prompt: Annotated[
        str,
        Setting(
            "What the video shows, in words.", MODEL, metavar="TEXT", of_shot=True, counts_from="generate"
        ),
    ] = ""
    caption: Annotated[
        str,
        Setting(
            "Folder of an image-text model that writes the prompt from pictures of the context.",
            MODEL,
            metavar="FOLDER",
            names_file=True,
            counts_from="generate",
        ),
    ] = ""
    steps: Annotated[
        int,
        Setting(
            "Sampling steps of the video model.",
            MODEL,
            least=0,
            most=MOST_STEPS,
            empty="those of the quality, 4 with a few-step LoRA, else the model's own number",
            counts_from="generate",
        ),
    ] = 0
    few_step_lora: Annotated[
        tuple[str, ...],
        Setting(
            "A LoRA (safetensors) with which a VACE model needs 4 steps and no guidance, stacked on what was learnt "
            "from the context; the SHA-256 behind it may stand in a SHA256SUMS beside the file instead. Of "
            "wan22-vace-fun one for high and one for low noise, in this order.",
            MODEL,
            each=True,
            metavar="FILE[@SHA256]",
            names_file=True,
            counts_from="generate",
        ),
    ] = ()
    gguf: Annotated[
        tuple[str, ...],
        Setting(
            "The denoising network of a VACE model from a GGUF file, with a few bits per weight, in place of the "
            "model's own; hashes as of LoRAs. Of wan22-vace-fun one for high and one for low noise, in this order. "
            "Needs the extra gguf.",
            MODEL,
            each=True,
            metavar="FILE[@SHA256]",
            names_file=True,
            counts_from="adapt",
        ),
    ] = ()
    precision: Annotated[
        PrecisionName,
        Setting(
            "Precision of the video model's weights; auto is that of the quality, else half on a GPU unless memory is "
            "high. int8 and fp8 keep a byte for each weight of a diffusers model and need the extra quantised.",
            MODEL,
            counts_from="adapt",
        ),
    ] = "auto"
    resolution: Annotated[
        tuple[int, int],
        Setting(
            "Height and width of the video that is made [pixels], multiples of 16 (ltx, ltx2: 32); other models "
            "than wan and ltx have one size.",
            MODEL,
            least=0,
            most=MOST_PIXELS,
            empty="those of the quality, else the model's own",
            counts_from="render",
        ),
    ] = (0, 0)
    guidance: Annotated[
        float,
        Setting(
            "How strongly the video keeps to the prompt, usually 1 to 15.",
            MODEL,
            least=0,
            most=MOST_GUIDANCE,
            empty="the model's own strength",
            counts_from="generate",
        ),
    ] = 0.0
    adapt: Annotated[
        AdaptMode,
        Setting(
            "How the video model learns the character from the context (ICAdapt).", MODEL, counts_from="adapt"
        ),
    ] = "auto"
    memory: Annotated[
        Memory,
        Setting(
            "How device memory is traded for time: low takes little memory, high is quickest; lowest has the blocks of "
            "a diffusers model wait in main memory for their turn, and adapts nothing.",
            MODEL,
            counts_from="adapt",
        ),
    ] = "auto"
    control: Annotated[
        ControlName,
        Setting(
            "What the video model is shown of the motion prior's guess in the frames that it generates: its distance "
            "from the camera, its bones, or its pictures without colours. Known frames stay as they are.",
            MODEL,
            counts_from="generate",
        ),
    ] = "none"
    control_strength: Annotated[
        float,
        Setting(
            "How strongly the guess is shown, up to 1; less is mixed with grey, which leaves more to the model.",
            MODEL,
            least=0,
            most=1,
            empty="what does best on a hidden piece of the context, no control among it, which costs about as much "
            "as four gaps",
            counts_from="generate",
        ),
    ] = 0.0
    control_scale: Annotated[
        float,
        Setting(
            "Weight of what the video model is shown, known frames and control alike; it was trained with 1.",
            MODEL,
            above=0,
            most=MOST_CONTROL,
            counts_from="generate",
        ),
    ] = 1.0
    video: Annotated[
        str,
        Setting(
            "A video of the character to fit instead of a generated one: a folder of pictures in the order of their "
            "names, or an mp4, mov, mkv or webm file.",
            GIVEN,
            metavar="FOLDER|FILE",
            names_file=True,
            of_shot=True,
            counts_from="estimate_joints",
        ),
    ] = ""
    video_fps: Annotated[
        float,
        Setting(
            "Frame rate of the video [frames/s].",
            GIVEN,
            least=0,
            most=MOST_RATE,
            empty="what its file says, 15 for a folder",
            of_shot=True,
            counts_from="estimate_joints",
        ),
    ] = 0.0
    video_offset: Annotated[
        float,
        Setting(
            "Time of the video's first frame after the start of the first gap [s]; negative where the video begins in "
            "the context.",
            GIVEN,
            of_shot=True,
            counts_from="estimate_joints",
        ),
    ] = 0.0
    camera: Annotated[
        str,
        Setting(
            "The camera that sees the video: a prim path, the render.json that 'anymole render' wrote, or a view: "
            "front, left, right, back or an azimuth in degrees.",
            FIT,
            metavar="PRIM|FILE|VIEW",
            empty="of a given video the front, of a generated one the view that tells most of the motion",
            names_file=True,
            names_else=True,
            words=lambda: VIEWS,
            of_shot=True,
            counts_from="render",
        ),
    ] = ""
    second_video: Annotated[
        str,
        Setting(
            "A video of the same motion from another side, fitted together with the first: what one hides the other "
            "shows. Its pictures have the same aspect ratio; frame rate and beginning are those given for the first.",
            GIVEN,
            metavar="FOLDER|FILE",
            names_file=True,
            of_shot=True,
            counts_from="estimate_joints",
        ),
    ] = ""
    second_camera: Annotated[
        str,
        Setting(
            "The camera that sees the second video, as the first one's is given.",
            GIVEN,
            metavar="PRIM|FILE|VIEW",
            names_file=True,
            names_else=True,
            words=lambda: VIEWS,
            of_shot=True,
            counts_from="estimate_joints",
        ),
    ] = ""
    features: Annotated[
        FeatureName,
        Setting(
            "What the joint estimator looks at: a network trained on pictures of this shot, or the paper's frozen "
            "ones, which need their weights.",
            FIT,
            counts_from="estimate_joints",
        ),
    ] = "scratch"
    solver: Annotated[
        SolverName,
        Setting(
            "How motion is fitted to the video: map, all frames at once; paper, frame by frame as in the paper.",
            FIT,
            counts_from="mimic",
        ),
    ] = "map"
    self_test: Annotated[
        bool,
        Setting(
            "Try the video engine on a hidden piece of the context first, compare it with the motion engine, and let "
            "engine auto take the better one; costs about as much as a run with one gap. The motion engine always "
            "tests itself.",
            MOTION,
            counts_from="self_test",
        ),
    ] = False

    __no_type_check__: ClassVar[bool] = True
    """Values are checked below, in words for people, where the tests' checker of types would come first."""

    def __post_init__(self) -> None:
        problems = checked(self)
        if self.stage == "":
            problems["stage"] = "no stage is named; give the path of a .usd, .usda, .usdc or .usdz file"
        if not problems:
            problems = self._contradictions()
        if problems:
            raise ConfigError("; ".join(problems.values()) + ".", settings=problems)

    def _contradictions(self) -> dict[str, str]:
        """Settings that cannot be used together; the key is the one to change."""
        problems = {}
        empty = next(
            (f"{timecode(start)}:{timecode(end)}" for start, end in self.context if not start < end), None
        )
        if empty:
            problems["context"] = f"the context {empty} is empty; give it as START:END with START < END"
        try:
            for text in self.pin:
                parse_pin(text)
        except ConfigError as error:
            problems["pin"] = str(error).rstrip(".")
        try:
            parse_samples(self.samples)
        except ConfigError as error:
            problems["samples"] = str(error).rstrip(".")
        if self.takes > 1 and self.author == "over":
            problems["author"] = "author over has room for one take; choose rebind or variant for several"
        if self.video and self.takes > 1:
            problems["takes"] = f"a given video allows one take, not {self.takes}"
        if self.video and self.self_test:
            problems["self_test"] = (
                "a given video shows no hidden piece of the context for a self-test; leave one of them out"
            )
        if self.video and self.engine == "motion":
            problems["video"] = "engine motion makes no use of a video; leave one of them out"
        if not self.video:
            for name, what in (("video_fps", "frame rate"), ("video_offset", "offset")):
                if getattr(self, name):
                    problems[name] = f"there is no video for the {what}; name one, or leave the {what} out"
        return (
            problems
            | self._second_contradictions()
            | self._model_contradictions()
            | self._control_contradictions()
        )

    def _second_contradictions(self) -> dict[str, str]:
        if not self.second_video:
            unused = bool(self.second_camera)
            return {"second_camera": "there is no second video for it; name one"} if unused else {}
        if not self.video:
            return {"second_video": "there is no first video; give a single one as video"}
        if not self.second_camera or self.second_camera == (self.camera or "front"):
            return {
                "second_camera": "the second video needs a camera of its own: left or a camera prim, for example"
            }
        if self.solver == "paper":
            return {"solver": "solver paper fits one video; choose map, or leave the second out"}
        return {}

    def _model_contradictions(self) -> dict[str, str]:
        problems = {}
        model, own = self.video_choice.model, get_args(ModelName)
        size = self.video_choice.size
        if any(size) and model in own:
            if (cell := CELLS.get(model, 0)) == 0:
                problems["resolution"] = f"{model} has one size of its own; leave the resolution out"
            elif not all(size) or any(pixels % cell for pixels in size):
                problems["resolution"] = (
                    f"{model} cannot make {size[0]} x {size[1]} pixels; choose multiples of {cell}, 320x512 for example"
                )
        networks = 2 if model == "wan22-vace-fun" else 1
        for kind, files in ((FEW_STEP_LORA, self.few_step_lora), (GGUF, self.gguf)):
            try:
                for text in files:
                    parse_pinned(text, kind)
            except ConfigError as error:
                problems[kind.setting] = str(error).rstrip(".")
            if files and model in own and model not in CONTROLLED:
                problems[kind.setting] = (
                    f"{model} takes no {kind.what}; choose the model {', '.join(CONTROLLED)} or leave it out"
                )
            elif model in own and len(files) > networks:
                problems[kind.setting] = (
                    f"{model} takes {networks} {kind.what}, not {len(files)}; leave the others out"
                )
        if self.gguf and model in own and len(self.gguf) < networks and "gguf" not in problems:
            problems["gguf"] = f"{model} has two networks; give a GGUF file for high and one for low noise"
        if self.gguf and self.precision in ("int8", "fp8"):
            problems["precision"] = (
                "the GGUF file says how its weights are kept; choose precision half or single, or leave the file out"
            )
        if self.memory == "lowest" and model in ("dynamicrafter", "tiny"):
            problems["memory"] = f"{model} has no blocks that can wait in main memory; choose memory low"
        elif self.memory == "lowest" and self.adapt != "off":
            problems["memory"] = (
                "adaptation needs the whole network on the device; choose adapt off or memory low"
            )
        if self.video_choice.precision in ("int8", "fp8") and model in ("dynamicrafter", "tiny"):
            problems["precision"] = f"{model} is not quantised; choose precision half or single"
        return problems

    def _control_contradictions(self) -> dict[str, str]:
        if self.control == "none":
            unused = self.control_strength > 0
            return {"control_strength": "control none has no strength; choose a control"} if unused else {}
        if self.video:
            return {
                "control": "a given video is not generated, so there is nothing to control; leave one of them out"
            }
        if self.engine == "motion":
            return {
                "control": "engine motion makes no video to control; choose engine video, or leave the control out"
            }
        model = self.video_choice.model
        if model in CONTROLLED or model not in get_args(ModelName):
            return {}  # what a model of another package takes it says itself
        why = (
            f"{model} is reported to fall back to the keys in the middle of a gap when it gets keys and a control "
            "together"
            if model in ("ltx", "ltx2")
            else f"{model} takes no control"
        )
        return {"control": f"{why}; choose control none or the model {', '.join(CONTROLLED)}"}

    @property
    def video_choice(self) -> VideoChoice:
        """What a video is made with: the preset of the quality, and what is given in its place."""
        return choose_video(
            self.quality,
            model=self.model,
            steps=self.steps,
            precision=self.precision,
            size=self.resolution,
            few_steps=bool(self.few_step_lora),
        )

    @property
    def is_tested(self) -> bool:
        """Whether the video engine is tried on a hidden piece of the context first: requested, or needed to find the
        strength of the control."""
        return self.self_test or (self.control != "none" and self.control_strength == 0)

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
    return RunConfig(**{"stage": "", **values})


def read_config(path: str | Path) -> RunConfig:
    """Read settings from a TOML file (``run.toml`` of a run folder, or one written by hand)."""
    return config_from_mapping(read_toml(Path(path), "the settings file"))


def of_a_shot() -> frozenset[str]:
    """Settings that name a path, a time or a prim of one shot: no preset keeps them."""
    return frozenset(field.name for field in fields_of(RunConfig) if field.setting.of_shot)


def deciding(config: RunConfig) -> dict[str, Any]:
    """The settings that decide which files a run makes and what is in them, by name."""
    return {f.name: getattr(config, f.name) for f in fields_of(RunConfig) if f.setting.decides}
