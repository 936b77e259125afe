"""Wan2.1-VACE and its kin through diffusers: context, gaps and keys in one call (Jiang et al. 2025, arXiv 2503.07598).

What is shown in the frames to generate is a control: grey, or the motion prior's guess as depth, bones or grey levels.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from diffusers import UniPCMultistepScheduler, WanVACEPipeline, WanVACETransformer3DModel
from torch import Tensor
from torch.nn.functional import mse_loss

from engine.config import MOST_STEPS
from engine.settings.choices import Memory, PrecisionName
from engine.settings.pinned_file import PinnedFile
from engine.video.backends.calls import Call, Rules
from engine.video.backends.devices import ready_pipeline
from engine.video.backends.flow import Embeds, FlowBackend, noised
from engine.video.network.sample import combine_seeds
from engine.video.options import GenerateOptions
from usd_io.shapes import Bool, Float

GROUP = 4
"""Frames that its autoencoder packs into a latent, after the first."""
RULES = Rules(rate=15.0, group=GROUP, pause=True, most=81)
HEIGHT, WIDTH = 320, 512
MOST_TOKENS = 512
SHIFT = 3.0
"""Of noise levels in training; Wan's advice for small images."""
FEW_STEPS, FEW_STEPS_SHIFT = 4, 5.0
"""What the LoRAs of lightx2v were distilled for: levels s = 1, 0.75, 0.5, 0.25, each moved to 5 s / (1 + 4 s), and
Euler's steps between them, without guidance."""


def group_masks(
    mask: Float[Tensor, "batch channel frame height width"], group: int, cell: int
) -> Float[Tensor, "batch sub latent_frame latent_height latent_width"]:
    """Masks of latents: 1 (generate) where any frame of the group is to be generated.

    diffusers picks one frame of each group instead, and a wrong one: for 33 frames 1, 5, 9, 12, 16, ... (``nearest-
    exact``), so that a key at the last frame, or the first frame itself, would be read as to be generated.

    Args:
        mask: 1: generate, 0: known; 1 + a multiple of ``group`` frames.
        group: Frames of a latent.
        cell: Pixels of a latent, each way; these become channels.
    """
    batch, _, frames, height, width = mask.shape
    single = mask[:, 0]
    rest = single[:, 1:].reshape(batch, (frames - 1) // group, group, height, width).amax(2)
    groups = torch.cat([single[:, :1], rest], 1)
    cells = groups.reshape(batch, -1, height // cell, cell, width // cell, cell)
    return cells.permute(0, 3, 5, 1, 2, 4).flatten(1, 2)


class GroupMaskPipeline(WanVACEPipeline):  # type: ignore[misc] # diffusers is not analysed
    """The pipeline with masks that say of a group what is true of all its frames."""

    def prepare_masks(self, mask: Tensor, reference_images: Any = None, generator: Any = None) -> Tensor:
        """Overrides the sub-sampling."""
        return group_masks(mask, self.vae_scale_factor_temporal, self.vae_scale_factor_spatial)


def held_latents(call: Call) -> Bool[Tensor, " latent_frame"]:
    """Which latents of a call hold known frames only."""
    held = torch.tensor(call.held)
    return torch.cat([held[:1], held[1:].reshape(-1, GROUP).all(1)])


class WanVace(FlowBackend):
    """See the module."""

    pipeline = GroupMaskPipeline
    network = WanVACETransformer3DModel
    single_precision = ("vae",)
    appearance = r"blocks\.\d+\.(attn1\.to_(q|k|v|out\.0)|attn2\.to_(q|k|v|out\.0)|ffn\.net\.(0\.proj|2))"
    injection = r"vace_blocks\.\d+\.(attn1\.to_(q|k|v|out\.0)|attn2\.to_(q|k|v|out\.0)|ffn\.net\.(0\.proj|2))"
    steps, guidance = 50, 5.0
    few_steps = FEW_STEPS
    controls = ("depth", "pose", "grey")

    def encode_prompt(self, pipe: Any, prompt: str, guided: bool, device: torch.device) -> Mapping[str, Any]:
        """See :class:`FlowBackend`."""
        wanted, unwanted = pipe.encode_prompt(
            prompt, self.negative, guided, device=device, max_sequence_length=MOST_TOKENS
        )
        return {"prompt_embeds": wanted, "negative_prompt_embeds": unwanted}

    def sample(
        self,
        pipe: Any,
        call: Call,
        frames: Float[Tensor, "frame 3 height width"],
        embeds: Embeds,
        options: GenerateOptions,
        seed: int,
        on_step: Callable[[], None],
    ) -> Float[Tensor, "frame 3 height width"]:
        """Known latents are held, noised to each step's level, and clean after the last."""
        known, clean = held_latents(call), self.latents(pipe, _closed(call, frames))
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(combine_seeds(seed, 1))).to(
            clean
        )

        def hold(pipe: Any, step: int, time: Any, values: dict[str, Tensor]) -> dict[str, Tensor]:
            on_step()
            level = float(pipe.scheduler.sigmas[step + 1])
            latents = values["latents"]
            kept = ((1 - level) * clean + level * noise).to(latents)
            return {"latents": torch.where(known.to(latents.device)[:, None, None], kept, latents)}

        mask = 1 - torch.tensor(call.held, dtype=frames.dtype)[:, None, None, None].expand_as(frames)
        made = pipe(
            video=[frames],
            mask=[mask],
            height=self.height,
            width=self.width,
            num_frames=len(frames),
            num_inference_steps=options.steps,
            guidance_scale=options.guidance,
            conditioning_scale=options.control_scale,
            generator=torch.Generator().manual_seed(seed),
            output_type="pt",
            callback_on_step_end=hold,
            max_sequence_length=MOST_TOKENS,
            **embeds,
        )
        return made.frames[0].float()

    def few_step_schedule(self, scheduler: Any) -> Any:
        """Euler's steps, as the solver's first order without corrector, at the levels that were distilled."""
        return UniPCMultistepScheduler.from_config(
            scheduler.config,
            flow_shift=FEW_STEPS_SHIFT,
            solver_order=1,
            disable_corrector=list(range(MOST_STEPS)),
        )

    def latents(
        self, pipe: Any, frames: Float[Tensor, "frame 3 height width"]
    ) -> Float[Tensor, "1 channel latent_frame latent_height latent_width"]:
        """Normalised latents of a clip: the mean of the autoencoder's Gaussian."""
        pixels = (frames.transpose(0, 1)[None] * 2 - 1).to(self.device, pipe.vae.dtype)
        mode = pipe.vae.encode(pixels).latent_dist.mode().float()
        config = pipe.vae.config
        mean, std = (
            torch.tensor(v).reshape(1, -1, 1, 1, 1).to(mode)
            for v in (config.latents_mean, config.latents_std)
        )
        return (mode - mean) / std

    def loss(
        self, pipe: Any, frames: Float[Tensor, "frame 3 height width"], embeds: Embeds, seed: int
    ) -> Float[Tensor, ""]:
        """Of one frame without the conditioning branch; of a clip on what lies between its known ends."""
        free = torch.ones(len(frames))
        if len(frames) > 1:
            frames, free = _hide_middle(frames, seed)
        with torch.no_grad():
            clean = self.latents(pipe, frames)
            mask = free.to(clean)[None, None, :, None, None].expand(1, 3, -1, *frames.shape[2:])
            pixels = (frames.transpose(0, 1)[None] * 2 - 1).to(clean)
            control = pipe.prepare_video_latents(pixels, mask, [[]], None, self.device)
            control = torch.cat([control, pipe.prepare_masks(mask).to(control)], 1)
        noisy, flow, level = noised(clean, seed, SHIFT)
        network = _network_at(pipe, level)
        predicted = network(
            hidden_states=noisy.to(network.dtype),
            timestep=torch.tensor([level * 1000], device=self.device),
            encoder_hidden_states=embeds["prompt_embeds"].to(network.dtype),
            control_hidden_states=control.to(network.dtype),
            control_hidden_states_scale=torch.full(
                (len(network.config.vace_layers),),
                float(len(frames) > 1),
                device=self.device,
                dtype=network.dtype,
            ),
            return_dict=False,
        )[0].float()
        wanted = torch.cat([free[:1], free[1:].reshape(-1, GROUP).amax(1)]).bool().to(self.device)
        return mse_loss(predicted[:, :, wanted], flow[:, :, wanted])


def _network_at(pipe: Any, level: float) -> Any:
    """The network that denoises at a level in (0, 1), by the rule of the pipeline."""
    boundary = pipe.config.boundary_ratio
    return pipe.transformer if boundary is None or level >= boundary else pipe.transformer_2


def _closed(
    call: Call, frames: Float[Tensor, "frame 3 height width"]
) -> Float[Tensor, "frame 3 height width"]:
    """Free frames replaced by the nearest known one, so that the causal autoencoder meets no grey before a key."""
    known = [i for i, held in enumerate(call.held) if held]
    return frames[[min(known, key=lambda k: abs(k - i)) for i in range(len(frames))]]


def _hide_middle(
    frames: Float[Tensor, "frame 3 height width"], seed: int
) -> tuple[Float[Tensor, "frame 3 height width"], Float[Tensor, " frame"]]:
    """A clip as :func:`plan_calls` would ask for it, and 1 for each frame to generate, else 0.

    Its last group is a key: with what follows or, as often, repeated.
    """
    generator = torch.Generator().manual_seed(seed)
    groups = (len(frames) - 1) // GROUP
    prefix = 1 + GROUP * int(torch.randint(groups - 1, (), generator=generator))
    frames, free = frames.clone(), torch.ones(len(frames))
    if torch.rand((), generator=generator) < 0.5:
        frames[-GROUP:] = frames[-GROUP]
    free[:prefix] = free[-GROUP:] = 0
    return frames, free


def wan_vace(
    name: str,
    memory: Memory,
    device: str,
    weights: PrecisionName = "auto",
    size: tuple[int, int] = (0, 0),
    gguf: tuple[PinnedFile, ...] = (),
) -> WanVace:
    """A released model: ``wan-vace`` and ``wan-vace-14b`` with one network, ``wan22-vace-fun`` with one for high and
    one for low noise; or with those of GGUF files.

    Raises:
        ResourceMissing: Weights or a GPU are missing.
    """
    height, width = size if any(size) else (HEIGHT, WIDTH)
    folder, source, where = ready_pipeline(name, device, weights, (height, width), memory, gguf)
    return WanVace(name, height, width, source, folder, where, memory, RULES, weights, gguf)
