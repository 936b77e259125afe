"""A prompt from pictures: what a local image-text model of transformers says of the context.

Any folder with a model that ``AutoModelForImageTextToText`` knows, its tokenizer and its weights as safetensors. Of
BLIP-2 the frames go through the vision tower one by one and their tokens are read together, as its variant for actions
does (EILEV, Yu et al. 2023), which is what the paper's code uses (``kpyu/eilev-blip2-opt-2.7b``); models with a chat
template get the frames as pictures of one message; others the middle frame.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from engine.errors import DataError, ResourceMissing
from engine.files.images import to_picture
from engine.files.tensors import check_safetensors
from engine.video.catalogue.ready import require_captions
from engine.video.memory import explain_memory
from engine.video.network.model import clip_pixels
from usd_io.errors import shown
from usd_io.shapes import Float

FRAMES = 8
"""Evenly spread over the context (EILEV)."""
QUESTION = "Explain what is in the video and what is it doing?"
BLIP2_PROMPT = f"Question: Where is the camera? Answer: In the rendering scene. Question: {QUESTION} Answer:"
"""Of the paper's code: the first answer keeps the renderer out of the second."""
MOST_WORDS = 32
"""Tokens of a caption."""
BEAMS, LENGTH_PENALTY = 5, -1.0
"""Of the paper's code; a negative penalty prefers short captions."""


@torch.no_grad()
def caption(
    frames: Float[Tensor, "frame 3 height width"], folder: Path, *, prompt: str = "", device: str = "cpu"
) -> str:
    """Describe what a character does.

    Args:
        frames: Of one view, in order, display-referred RGB in [0, 1].
        folder: Of the model.
        prompt: The question for models that take one; empty: :data:`QUESTION`.
        device: Where the model works.

    Returns:
        One line; may be empty.

    Raises:
        ResourceMissing: The folder is not there or lacks files.
        DataError: Its weights are damaged, no safetensors, or no image-text model.
        OutOfMemory: The model does not fit.
    """
    kind = _check(folder)
    chosen = frames[torch.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().long()]
    with explain_memory(
        "describing the context", "a smaller model or a prompt of your own", "caption", "prompt"
    ):
        try:
            model = AutoModelForImageTextToText.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
            )
            model = model.to(device).eval()
            say = _say_blip2 if kind == "blip-2" else _say
            text = say(model, folder, chosen, prompt or QUESTION)
        except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise DataError(f"{folder} cannot be used to describe pictures: {shown(reason[0])}.") from error
    return " ".join(text.split())


def _check(folder: Path) -> str:
    """The kind of model, once its files have been found to be there and safe."""
    config = require_captions(folder)
    try:
        kind = str(json.loads(config.read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{config} cannot be read as a model's description.") from error
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ResourceMissing(
            f"{folder} has no weights as safetensors; other formats can run code and are not read."
        )
    for path in weights:
        check_safetensors(path)
    return kind


def _say_blip2(model: Any, folder: Path, frames: Float[Tensor, "frame 3 height width"], question: str) -> str:
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    ids = tokenizer(BLIP2_PROMPT.format(question), return_tensors="pt").input_ids.to(model.device)
    embeds = torch.cat([read_frames(model, frames), model.get_input_embeddings()(ids)], 1)
    line_end = tokenizer.encode("\n", add_special_tokens=False)[-1:]
    made = model.language_model.generate(
        inputs_embeds=embeds,
        attention_mask=torch.ones(embeds.shape[:2], dtype=torch.long, device=embeds.device),
        num_beams=BEAMS,
        length_penalty=LENGTH_PENALTY,
        max_new_tokens=MOST_WORDS,
        eos_token_id=line_end or None,
    )
    text: str = tokenizer.decode(made[0], skip_special_tokens=True)
    return text


def read_frames(
    model: Any, frames: Float[Tensor, "frame 3 height width"]
) -> Float[Tensor, "1 query channel"]:
    """Frames as BLIP-2's language model reads them: all vision tokens side by side, attended to by its queries."""
    pixels = clip_pixels(frames, model.config.vision_config.image_size).to(model.device, model.dtype)
    seen = model.vision_model(pixel_values=pixels).last_hidden_state
    seen = seen.reshape(1, -1, seen.shape[-1])
    attended = model.qformer(query_embeds=model.query_tokens, encoder_hidden_states=seen).last_hidden_state
    projected: Tensor = model.language_projection(attended)
    return projected


def _say(model: Any, folder: Path, frames: Float[Tensor, "frame 3 height width"], question: str) -> str:
    processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    pictures = [Image.fromarray(to_picture(np.asarray(f.permute(1, 2, 0).cpu()))) for f in frames]
    chats = bool(getattr(processor, "chat_template", None))
    if chats:
        content = [*({"type": "image", "image": p} for p in pictures), {"type": "text", "text": question}]
        given = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
    else:
        given = processor(images=pictures[len(pictures) // 2], return_tensors="pt")
    given = given.to(model.device)
    length = (
        given["input_ids"].shape[1]
        if "input_ids" in given and getattr(processor, "chat_template", None)
        else 0
    )
    made = model.generate(**given, max_new_tokens=MOST_WORDS, do_sample=False)
    text: str = processor.decode(made[0][length:], skip_special_tokens=True)
    return text
