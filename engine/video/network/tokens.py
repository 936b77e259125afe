"""CLIP's byte-pair tokens without a network: the merges are part of the package.

``clip_merges.txt.gz`` holds the 48,894 merges that CLIP uses of its ``bpe_simple_vocab_16e6.txt.gz`` (openai/CLIP, MIT
licence, see CLIP_LICENSE beside it); the whole vocabulary follows from them. It is shipped because the packages that
carry it bring a vision library along, for 0.2 MB of text.
"""

import gzip
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.video.network.shapes import TEXT_TOKENS
from usd_io.shapes import Int

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
PADDING_ID = 0
"""OpenCLIP fills up with token 0 and not, as transformers does, with the end token."""


def _bytes() -> list[str]:
    """One printable character for each byte, in CLIP's order: the printable ones first (GPT-2's byte encoder)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (256 + i for i in range(256 - len(printable)))
    return [chr(c) for c in chain(printable, others)]


@cache
def tokenizer() -> "CLIPTokenizer":
    """The tokenizer, built from the shipped merges."""
    from transformers import CLIPTokenizer

    packed = files("engine.video.network").joinpath("clip_merges.txt.gz").read_bytes()
    merges = [tuple(line.split(" ")) for line in gzip.decompress(packed).decode().splitlines()]
    letters = _bytes()
    words = [*letters, *(c + WORD_END for c in letters), *("".join(m) for m in merges), START, END]
    return CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=merges)


def tokenize(prompts: Sequence[str]) -> Int[Tensor, "prompt 77"]:
    """Token ids as OpenCLIP gives them: start, text, end, zeros; a text that is too long is cut before the end."""
    rows = tokenizer()(list(prompts), truncation=True, max_length=TEXT_TOKENS)["input_ids"]
    ids = torch.full((len(prompts), TEXT_TOKENS), PADDING_ID)
    for row, tokens in zip(ids, rows, strict=True):
        row[: len(tokens)] = torch.tensor(tokens)
    return ids
