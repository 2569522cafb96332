"""Greedy decoding with a key-value cache, one sentence or many at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from palme.language.model import EmbodiedLM


@dataclass(frozen=True)
class Said:
    """What the model wrote: token ids without the end, and the probability of each."""

    ids: tuple[int, ...]
    probabilities: tuple[float, ...]


@torch.inference_mode()
def say(
    model: EmbodiedLM,
    embeds: Tensor,
    lengths: Sequence[int],
    mask: Callable[[Sequence[int]], Tensor] | None,
    eos: int,
    max_new: int = 320,
) -> list[Said]:
    """Continues each of B sentences greedily.

    Args:
        embeds: (B, T, D) prompts, padded on the right.
        lengths: how long each prompt is.
        mask: what has been said -> (V,) to add to the logits; None = free.
        eos: the token that ends an answer.
    """
    b, t, _ = embeds.shape
    shift = torch.tensor([t - n for n in lengths])  # left padding keeps the last token last
    index = (torch.arange(t) - shift[:, None]).clamp(0)  # (B, T)
    x = embeds.gather(1, index[..., None].expand_as(embeds))
    attention = (torch.arange(t) >= shift[:, None]).long()  # (B, T)
    position = index
    ids: list[list[int]] = [[] for _ in range(b)]
    probs: list[list[float]] = [[] for _ in range(b)]
    running = [True] * b
    cache = None
    for _ in range(max_new):
        single = b == 1
        out = model.lm(
            inputs_embeds=x,
            attention_mask=None if single else attention,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache, logits = out.past_key_values, out.logits[:, -1].float()  # (B, V)
        if mask is not None:
            blank = torch.zeros(logits.shape[-1])
            logits = logits + torch.stack([mask(ids[i]) if running[i] else blank for i in range(b)])
        best = logits.softmax(-1).max(-1)
        chosen, p = best.indices.tolist(), best.values.tolist()
        for i in range(b):
            if running[i]:
                running[i] = chosen[i] != eos
                if running[i]:
                    ids[i].append(chosen[i])
                    probs[i].append(p[i])
        if not any(running):
            break
        x = model.get_input_embeddings()(best.indices[:, None])
        attention = torch.cat([attention, torch.ones(b, 1, dtype=torch.long)], 1)
        position = position[:, -1:] + 1
    return [Said(tuple(i), tuple(p)) for i, p in zip(ids, probs, strict=True)]
