"""LTX-Video through diffusers: a context at the start, keys at any frame, any frame rate (HaCohen et al. 2024)."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from diffusers import LTXConditionPipeline
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
from torch import Tensor
from torch.nn.functional import mse_loss

from engine.settings.choices import Memory, PrecisionName
from engine.video.backends.calls import Call, Rules
from engine.video.backends.devices import ready_pipeline
from engine.video.backends.flow import Embeds, FlowBackend, noised
from engine.video.options import GenerateOptions
from usd_io.shapes import Bool, Float

GROUP = 8
"""Frames that its autoencoder packs into a latent, after the first."""
RULES = Rules(rate=15.0, group=GROUP, pause=False, most=161)
HEIGHT, WIDTH = 320, 512
MOST_TOKENS = 256
DECODE_TIME, DECODE_NOISE = 0.05, 0.025
"""The decoder takes the last step of denoising; values of diffusers' documentation for version 0.9.5."""


def conditions(call: Call, frames: Float[Tensor, "frame 3 height width"]) -> list[LTXVideoCondition]:
    """The context as a clip at frame 0, every known frame after it alone, at its own index.

    The clip replaces latents and is held exactly; a lone frame is given as further tokens at its time, for it shares
    its latent with free ones.
    """
    first = LTXVideoCondition(video=[frames[: call.prefix]], frame_index=0)
    rest = [i for i, held in enumerate(call.held) if held and i >= call.prefix]
    return [first, *(LTXVideoCondition(image=frames[i][None], frame_index=i) for i in rest)]


def free_latents(count: int, seed: int) -> Bool[Tensor, " latent_frame"]:
    """Which latents of a training clip are to be found: all of one frame; else those between some at the start and the
    last one."""
    free = torch.ones(count, dtype=torch.bool)
    if count > 1:
        generator = torch.Generator().manual_seed(seed)
        free[: 1 + int(torch.randint(count - 2, (), generator=generator))] = free[-1] = False
    return free


class Ltx(FlowBackend):
    """See the module."""

    pipeline = LTXConditionPipeline
    appearance = r"transformer_blocks\.\d+\.(attn1\.to_(q|k|v|out\.0)|ff\.net\.(0\.proj|2))"
    injection = r"transformer_blocks\.\d+\.attn2\.to_(q|k|v|out\.0)|proj_in"
    steps, guidance = 40, 3.0
    tokens = MOST_TOKENS
    negative = "worst quality, inconsistent motion, blurry, jittery, distorted"

    def encode_prompt(self, pipe: Any, prompt: str, guided: bool, device: torch.device) -> Mapping[str, Any]:
        """See :class:`FlowBackend`."""
        names = (
            "prompt_embeds",
            "prompt_attention_mask",
            "negative_prompt_embeds",
            "negative_prompt_attention_mask",
        )
        found = pipe.encode_prompt(
            prompt, self.negative, guided, device=device, max_sequence_length=self.tokens
        )
        return dict(zip(names, found, strict=True))

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
        """Known latents stay clean: the pipeline would add noise to them by default (``image_cond_noise_scale``)."""

        def tell(pipe: Any, step: int, time: Any, values: dict[str, Tensor]) -> dict[str, Tensor]:
            on_step()
            return values

        made = pipe(
            conditions=conditions(call, frames),
            height=self.height,
            width=self.width,
            num_frames=len(frames),
            frame_rate=call.rate,
            num_inference_steps=options.steps,
            guidance_scale=options.guidance,
            image_cond_noise_scale=0.0,
            generator=torch.Generator().manual_seed(seed),
            decode_timestep=DECODE_TIME,
            decode_noise_scale=DECODE_NOISE,
            output_type="pt",
            callback_on_step_end=tell,
            max_sequence_length=self.tokens,
            **embeds,
        )
        return made.frames[0].float()

    def latents(
        self, pipe: Any, frames: Float[Tensor, "frame 3 height width"]
    ) -> Float[Tensor, "1 channel latent_frame latent_height latent_width"]:
        """Normalised latents of a clip: the mean of the autoencoder's Gaussian."""
        pixels = (frames.transpose(0, 1)[None] * 2 - 1).to(self.device, pipe.vae.dtype)
        mode = pipe.vae.encode(pixels).latent_dist.mode().float()
        return pipe._normalize_latents(mode, pipe.vae.latents_mean, pipe.vae.latents_std)

    def loss(
        self, pipe: Any, frames: Float[Tensor, "frame 3 height width"], embeds: Embeds, seed: int
    ) -> Float[Tensor, ""]:
        """Of one frame; of a clip with known latents at its start and its end, on what lies between."""
        network = pipe.transformer
        with torch.no_grad():
            clean = self.latents(pipe, frames)
        noisy, flow, level = noised(clean, seed, 1.0)
        free = free_latents(clean.shape[2], seed)
        kept = free.to(self.device)[:, None, None]
        coordinates = pipe._scale_video_ids(
            pipe._prepare_video_ids(1, *clean.shape[2:], device=self.device),
            pipe.vae_spatial_compression_ratio,
            pipe.vae_temporal_compression_ratio,
            0,
            self.device,
        ).float()
        coordinates[:, 0] = coordinates[:, 0] / self.rate
        tokens = clean.shape[3] * clean.shape[4]
        predicted = network(
            hidden_states=pipe._pack_latents(torch.where(kept, noisy, clean)).to(network.dtype),
            encoder_hidden_states=embeds["prompt_embeds"].to(network.dtype),
            timestep=(free.float() * level * 1000).repeat_interleave(tokens)[None].to(self.device),
            encoder_attention_mask=embeds["prompt_attention_mask"],
            video_coords=coordinates,
            return_dict=False,
        )[0].float()
        wanted = free.repeat_interleave(tokens).to(self.device)
        return mse_loss(predicted[:, wanted], pipe._pack_latents(flow)[:, wanted])


def ltx(memory: Memory, device: str, weights: PrecisionName = "auto", size: tuple[int, int] = (0, 0)) -> Ltx:
    """The released model.

    Raises:
        ResourceMissing: Weights or a GPU are missing.
    """
    height, width = size if any(size) else (HEIGHT, WIDTH)
    folder, source, where = ready_pipeline("ltx", device, weights, (height, width))
    return Ltx("ltx", height, width, source, folder, where, memory, RULES, weights)
