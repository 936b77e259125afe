"""DynamiCrafter's UNet, built from diffusers' blocks of the same design (ModelScope's 3D UNet).

Against ``UNet3DConditionModel`` it has an embedding of the frame rate and, in each spatial cross-attention, keys and
values of their own for the image tokens, which belong to the frames one by one.
"""

from typing import Any

import torch
from diffusers import UNet3DConditionModel
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import TimestepEmbedding
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from engine.video.network.shapes import TEXT_TOKENS, UNetShape
from usd_io.shapes import Float, Shaped


class TextImageAttention(nn.Module):
    """Cross-attention to text plus that to image tokens, with the same queries (``image_cross_attention``)."""

    def __init__(self, channels: int, context_channels: int) -> None:
        super().__init__()
        self.to_k_ip = nn.Linear(context_channels, channels, bias=False)
        self.to_v_ip = nn.Linear(context_channels, channels, bias=False)

    def __call__(
        self,
        attn: Attention,
        hidden_states: Float[Tensor, "batch pixel channel"],
        encoder_hidden_states: Float[Tensor, "batch token context"],
        attention_mask: None = None,
        temb: None = None,
    ) -> Float[Tensor, "batch pixel channel"]:
        """Attend; the signature is that of diffusers' attention processors."""
        text, image = encoder_hidden_states[:, :TEXT_TOKENS], encoder_hidden_states[:, TEXT_TOKENS:]

        def heads(x: Tensor) -> Tensor:
            return x.reshape(*x.shape[:2], attn.heads, -1).transpose(1, 2)

        query = heads(attn.to_q(hidden_states))
        out = scaled_dot_product_attention(query, heads(attn.to_k(text)), heads(attn.to_v(text)))
        out = out + scaled_dot_product_attention(
            query, heads(self.to_k_ip(image)), heads(self.to_v_ip(image))
        )
        result: Tensor = attn.to_out[1](attn.to_out[0](out.transpose(1, 2).flatten(2)))
        return result


class DynamiCrafterUNet(UNet3DConditionModel):  # type: ignore[misc] # diffusers is not analysed
    """The denoising network: noisy latents, time, context and frame rate to the velocity v.

    The blocks are run one layer at a time here and not by their own ``forward``, because a layer (residual block,
    temporal convolution, spatial and temporal attention) is the unit of gradient checkpointing, which diffusers'
    3D blocks do not offer.
    """

    def __init__(self, shape: UNetShape) -> None:
        kind = ["CrossAttn{}Block3D" if a else "{}Block3D" for a in shape.attention]
        super().__init__(
            in_channels=shape.in_channels,
            out_channels=shape.out_channels,
            down_block_types=tuple(k.format("Down") for k in kind),
            up_block_types=tuple(k.format("Up") for k in reversed(kind)),
            block_out_channels=shape.channels,
            layers_per_block=shape.layers,
            cross_attention_dim=shape.context_channels,
            attention_head_dim=shape.head_channels,
            norm_num_groups=shape.norm_groups,
        )
        self.recompute = False
        """Whether activations inside layers are computed again in the backward pass instead of kept."""
        self.fps_embedding = TimestepEmbedding(shape.channels[0], 4 * shape.channels[0])
        for module in self.modules():
            if isinstance(module, ResnetBlock2D):
                module.dropout = nn.Dropout(shape.dropout)
        for name, module in list(self.named_modules()):
            if name.endswith(".attn2") and "temp_attentions" not in name and "transformer_in" not in name:
                module.set_processor(TextImageAttention(module.inner_dim, shape.context_channels))

    def forward(
        self,
        sample: Float[Tensor, "batch in_channels frame height width"],
        timestep: Shaped[Tensor, " batch"],
        context: Float[Tensor, "batch token context"],
        fps: Shaped[Tensor, " batch"],
    ) -> Float[Tensor, "batch out_channels frame height width"]:
        """Predict the velocity.

        Args:
            sample: Noisy latents and, after them on the channel axis, the latents of the known end frames.
            timestep: 0 to 999.
            context: 77 text tokens, then the image tokens, an equal share of them for each frame.
            fps: Frame rate of the window [frames/s].
        """
        frames = sample.shape[2]
        embedding = self._embed(timestep, fps).repeat_interleave(frames, 0)
        tokens = tokens_per_frame(context, frames)
        x = self.conv_in(sample.transpose(1, 2).flatten(0, 1))
        x = self.transformer_in(x, num_frames=frames, return_dict=False)[0]
        skips = [x]
        for block in self.down_blocks:
            for layer in range(len(block.resnets)):
                x = self._run(block, layer, x, embedding, tokens, frames)
                skips.append(x)
            for down in block.downsamplers or ():
                x = down(x)
                skips.append(x)
        x = self._run(self.mid_block, 0, x, embedding, tokens, frames)
        x = self.mid_block.resnets[1](x, embedding)
        x = self.mid_block.temp_convs[1](x, num_frames=frames)
        for block in self.up_blocks:
            for layer in range(len(block.resnets)):
                x = self._run(block, layer, torch.cat([x, skips.pop()], 1), embedding, tokens, frames)
            for up in block.upsamplers or ():
                x = up(x, skips[-1].shape[-2:])
        x = self.conv_out(self.conv_act(self.conv_norm_out(x)))
        return x.reshape(-1, frames, *x.shape[1:]).transpose(1, 2)

    def _embed(self, timestep: Tensor, fps: Tensor) -> Tensor:
        dtype = self.conv_in.weight.dtype
        time = self.time_embedding(self.time_proj(timestep).to(dtype))
        return time + self.fps_embedding(self.time_proj(fps).to(dtype))

    def _run(self, block: Any, layer: int, *inputs: Any) -> Tensor:
        if self.recompute and torch.is_grad_enabled():
            result: Tensor = checkpoint(_run_layer, block, layer, *inputs, use_reentrant=False)
            return result
        return _run_layer(block, layer, *inputs)


def _run_layer(block: Any, layer: int, x: Tensor, embedding: Tensor, tokens: Tensor, frames: int) -> Tensor:
    """Residual block, temporal convolution and, where the block has them, spatial and temporal attention."""
    x = block.resnets[layer](x, embedding)
    x = block.temp_convs[layer](x, num_frames=frames)
    if hasattr(block, "attentions"):
        x = block.attentions[layer](x, encoder_hidden_states=tokens, return_dict=False)[0]
        x = block.temp_attentions[layer](x, num_frames=frames, return_dict=False)[0]
    return x


def tokens_per_frame(
    context: Float[Tensor, "batch token channel"], frames: int
) -> Float[Tensor, "batch_frame frame_token channel"]:
    """Give every frame the whole text and its own share of the image tokens."""
    text, image = context[:, :TEXT_TOKENS], context[:, TEXT_TOKENS:]
    image = image.reshape(len(image) * frames, -1, image.shape[-1])
    return torch.cat([text.repeat_interleave(frames, 0), image], 1)
