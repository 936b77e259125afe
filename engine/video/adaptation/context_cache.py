"""The context, encoded once: 372 clips share 244 frames, so nothing is encoded twice and the encoders can leave."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.progress import Progress
from engine.video.adaptation.clips import ContextClip
from engine.video.network.conditioning import EmptyCondition, encode_empty
from engine.video.network.model import VideoModel, encode_images, encode_moments, encode_text
from usd_io.shapes import Float


@dataclass(frozen=True)
class ContextCache:
    """All that training needs of the context; on the processor's memory."""

    moments: Float[Tensor, "view frame moment latent_height latent_width"]
    tokens: Float[Tensor, "view frame clip_token clip_channel"]
    """CLIP tokens of the frames that clips start with; zero for all others."""
    text: Float[Tensor, "1 77 channel"]
    empty: EmptyCondition
    frame_rate: float
    """Of the context [frames/s]."""

    def clip_moments(
        self, clips: Sequence[ContextClip]
    ) -> Float[Tensor, "batch 16 moment latent_height latent_width"]:
        """Moments of the frames of clips."""
        return torch.stack([self.moments[c.view, list(c.frames)] for c in clips])

    def clip_tokens(self, clips: Sequence[ContextClip]) -> Float[Tensor, "batch clip_token clip_channel"]:
        """CLIP tokens of the first frames of clips."""
        return torch.stack([self.tokens[c.view, c.start] for c in clips])

    def clip_fps(self, clips: Sequence[ContextClip]) -> Float[Tensor, " batch"]:
        """Frame rates of clips [frames/s], whole as in the model's training."""
        return torch.tensor([float(round(self.frame_rate / c.stride)) for c in clips])


def encode_context(
    model: VideoModel,
    frames: Float[Tensor, "view frame 3 height width"],
    frame_rate: float,
    prompt: str,
    clips: Sequence[ContextClip],
    *,
    progress: Progress,
) -> ContextCache:
    """Encode the context for training on ``clips``."""
    views, count = frames.shape[:2]
    starts = sorted({(c.view, c.start) for c in clips})
    total = views + len(starts)
    moments = []
    for view in range(views):
        moments.append(encode_moments(model, frames[view]).cpu())
        progress.step(view + 1, total)
    first = encode_images(model, frames[starts[0]][None]).cpu()
    tokens = first.new_zeros(views, count, *first.shape[1:])
    for i, place in enumerate(starts):
        tokens[place] = encode_images(model, frames[place][None])[0].cpu()
        progress.step(views + i + 1, total)
    empty = encode_empty(model)
    return ContextCache(
        torch.stack(moments),
        tokens,
        encode_text(model, [prompt]).cpu(),
        EmptyCondition(empty.text.cpu(), empty.image.cpu()),
        frame_rate,
    )
