"""LTX-2 through diffusers: a context at the start, keys where a group of frames begins (HaCohen et al. 2026).

The network makes pictures and sound together. Sound is made and dropped: without it the pictures would be out of what
the network has seen. Of the guidances of the released pipeline the one by text is used; the others, which compare with
passes of a disturbed network, cost as much again each.
"""

from collections.abc import Callable
from typing import Any

import torch
from diffusers import LTX2ConditionPipeline
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from torch import Tensor
from torch.nn.functional import mse_loss

from engine.settings.choices import Memory, PrecisionName
from engine.video.backends.calls import Call, Rules
from engine.video.backends.devices import ready_pipeline
from engine.video.backends.flow import Embeds, noised
from engine.video.backends.ltx import Ltx, free_latents
from engine.video.options import GenerateOptions
from usd_io.shapes import Float

GROUP = 8
"""Frames that its autoencoder packs into a latent, after the first."""
RULES = Rules(rate=24.0, group=GROUP, pause=False, most=121, on_grid=True)
HEIGHT, WIDTH = 320, 512
MOST_TOKENS = 1024


def conditions(call: Call, frames: Float[Tensor, "frame 3 height width"]) -> list[LTX2VideoCondition]:
    """The context as a clip at the start, then every known frame at which a group begins, by the group's number.

    Known frames within a group, as in a context after the last key, cannot be given. Pictures go in as they are: the
    compression that the pipeline would put on a lone one is left out (``crf``).
    """
    first = LTX2VideoCondition(frames=frames[: call.prefix] * 255, index=0, crf=0)
    begins = range(call.prefix, len(frames), GROUP)
    return [
        first,
        *(
            LTX2VideoCondition(frames=frames[i][None] * 255, index=(i - 1) // GROUP + 1, crf=0)
            for i in begins
            if call.held[i]
        ),
    ]


class Ltx2(Ltx):
    """See the module."""

    pipeline = LTX2ConditionPipeline
    beside = ("connectors", "audio_vae", "vocoder")
    steps, guidance = 40, 4.0
    tokens = MOST_TOKENS

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
        """Known latents, and the keys' tokens, stay clean in every step."""

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
            stg_scale=0.0,
            modality_scale=1.0,
            guidance_rescale=0.0,
            audio_guidance_scale=1.0,
            audio_stg_scale=0.0,
            audio_modality_scale=1.0,
            audio_guidance_rescale=0.0,
            spatio_temporal_guidance_blocks=None,
            use_cross_timestep=False,
            generator=torch.Generator().manual_seed(seed),
            output_type="pt",
            callback_on_step_end=tell,
            max_sequence_length=self.tokens,
            **embeds,
        )
        return made.frames[0].float()

    def loss(
        self, pipe: Any, frames: Float[Tensor, "frame 3 height width"], embeds: Embeds, seed: int
    ) -> Float[Tensor, ""]:
        """Of one frame; of a clip with known latents at its start and its end, on what lies between. The stream of
        pictures alone: that of sound has one empty frame, and neither sees the other."""
        network = pipe.transformer
        with torch.no_grad():
            clean = self.latents(pipe, frames)
            text, spoken, seen = pipe.connectors(
                embeds["prompt_embeds"],
                embeds["prompt_attention_mask"],
                padding_side=pipe.tokenizer_padding_side,
            )
        noisy, flow, level = noised(clean, seed, 1.0)
        free = free_latents(clean.shape[2], seed)
        kept = free.to(self.device)[:, None, None]
        tokens = clean.shape[3] * clean.shape[4]
        wanted = free.repeat_interleave(tokens).to(self.device)
        now = torch.tensor([level * 1000], device=self.device)
        predicted = network(
            hidden_states=pipe._pack_latents(torch.where(kept, noisy, clean)).to(network.dtype),
            audio_hidden_states=torch.zeros(1, 1, network.config.audio_in_channels)
            .to(noisy)
            .to(network.dtype),
            encoder_hidden_states=text.to(network.dtype),
            audio_encoder_hidden_states=spoken.to(network.dtype),
            timestep=wanted.float()[None] * now,
            audio_timestep=now,
            sigma=now,
            audio_sigma=now,
            encoder_attention_mask=seen,
            audio_encoder_attention_mask=seen,
            num_frames=clean.shape[2],
            height=clean.shape[3],
            width=clean.shape[4],
            fps=self.rate,
            audio_num_frames=1,
            isolate_modalities=True,
            use_cross_timestep=False,
            return_dict=False,
        )[0].float()
        return mse_loss(predicted[:, wanted], pipe._pack_latents(flow)[:, wanted])


def ltx2(
    memory: Memory, device: str, weights: PrecisionName = "auto", size: tuple[int, int] = (0, 0)
) -> Ltx2:
    """The released model.

    Raises:
        ResourceMissing: Weights or a GPU are missing.
    """
    height, width = size if any(size) else (HEIGHT, WIDTH)
    folder, source, where = ready_pipeline("ltx2", device, weights, (height, width))
    return Ltx2("ltx2", height, width, source, folder, where, memory, RULES, weights)
