"""What video models and feature networks there are: licence and limits, size, least memory. Plain data."""

from dataclasses import dataclass
from pathlib import Path

from engine.video.catalogue.memory_table import least_gb

PIPELINE = "model_index.json"
"""Names the parts of a diffusers pipeline."""
PREFIXES = {
    "unet": "model.diffusion_model.",
    "resampler": "image_proj_model.",
    "vae": "first_stage_model.",
    "text": "cond_stage_model.model.",
    "image": "embedder.model.",
}
"""Part of DynamiCrafter -> prefix of its tensors in ``model.ckpt``."""


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
    longest_gap_s: float = 0.0
    """The longest gap whose frames fit into what it was trained on at once [s]; 0: any."""

    @property
    def gigabytes(self) -> float:
        """Size of everything [1e9 bytes], about."""
        return round(self.parts_gb + sum(f.gigabytes for f in self.files), 2)


_PARTS = ("scheduler", "text_encoder", "tokenizer", "transformer", "vae")

EMBEDDED = Path(__file__).parents[1] / "tiny" / "weights"
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
        least_gb("wan-vace"),
        least_gb("wan-vace") + 2,
        4,
        _PARTS,
        16.0,
        5.1,
    ),
    ModelCard(
        "wan-vace-14b",
        "Wan2.1-VACE 14B: as wan-vace, better pictures",
        "Wan-AI/Wan2.1-VACE-14B-diffusers",
        (WeightFile(PIPELINE, 0.0),),
        "Apache-2.0",
        "",
        least_gb("wan-vace-14b"),
        least_gb("wan-vace-14b") + 4,
        4,
        _PARTS,
        46.3,
        5.1,
    ),
    ModelCard(
        "wan22-vace-fun",
        "Wan2.2-VACE-Fun 14B: as wan-vace-14b, one network for high and one for low noise",
        "linoyts/Wan2.2-VACE-Fun-14B-diffusers",
        (WeightFile(PIPELINE, 0.0),),
        "Apache-2.0",
        "by the card of alibaba-pai/Wan2.2-VACE-Fun-A14B, from which it was converted",
        least_gb("wan22-vace-fun"),
        least_gb("wan22-vace-fun") + 5,
        4,
        (*_PARTS, "transformer_2"),
        80.9,
        5.1,
    ),
    ModelCard(
        "ltx",
        "LTX-Video 2B: context and keys at any frame, any frame rate; the quickest",
        "Lightricks/LTX-Video-0.9.5",
        (WeightFile(PIPELINE, 0.0),),
        "LTXV Open Weights",
        "free below a yearly revenue of 10 million US dollars, by third-party summaries; read it before commercial use",
        least_gb("ltx"),
        least_gb("ltx") + 2,
        8,
        _PARTS,
        14.0,
        10.6,
    ),
    ModelCard(
        "ltx2",
        "LTX-2 19B: context, and keys where eight frames begin, 24 frames/s or more",
        "Lightricks/LTX-2",
        (WeightFile(PIPELINE, 0.0),),
        "LTX-2 Community License",
        "terms of its own for companies and for models made from it; read it before commercial use",
        least_gb("ltx2"),
        least_gb("ltx2") + 5,
        8,
        (*_PARTS, "connectors", "audio_vae", "vocoder"),
        67.7,
        4.7,
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
