"""Greedy decoding with a key-value cache, one sentence or many at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from palme.models.embodied_lm import EmbodiedLM

Follow = Callable[[Sequence[int]], Sequence[int]]
"""What has been said -> the tokens that may follow."""


@dataclass(frozen=True)
class Said:
    """What the model wrote: token ids without the end, and the probability of each among what was allowed."""

    ids: tuple[int, ...]
    probabilities: tuple[float, ...]


@torch.inference_mode()
def say_one(model: EmbodiedLM, embeds: Tensor, follow: Follow, eos: int, max_new: int = 320) -> Said:
    """Continues one sentence (1, T, D). A word that the grammar leaves no choice about costs no look.

    Several such words are fed at once, which is what keeps a step's plan within 150 ms on one core.
    """
    ids: list[int] = []
    probabilities: list[float] = []
    cache, x, position = None, embeds, 0
    while len(ids) < max_new:
        out = model.lm(
            inputs_embeds=x,
            position_ids=torch.arange(position, position + x.shape[1])[None],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = out.past_key_values
        position += x.shape[1]
        may = torch.tensor(follow(ids))
        chances = out.logits[0, -1].float()[may].softmax(-1)
        best = int(chances.argmax())
        new = [int(may[best])]
        probabilities.append(float(chances[best]))
        while new[-1] != eos and len(forced := follow([*ids, *new])) == 1:
            new.append(forced[0])
            probabilities.append(1.0)
        ids += new
        if ids[-1] == eos:
            break
        x = model.get_input_embeddings()(torch.tensor([new]))
    n = len(ids) - (ids[-1:] == [eos])
    return Said(tuple(ids[:n]), tuple(probabilities[:n]))


@torch.inference_mode()
def say(
    model: EmbodiedLM,
    embeds: Tensor,
    lengths: Sequence[int],
    follow: Follow | Sequence[Follow] | None,
    eos: int,
    max_new: int = 320,
) -> list[Said]:
    """Continues each of B sentences.

    Args:
        embeds: (B, T, D) prompts, padded on the right.
        lengths: how long each prompt is.
        follow: for all, or one for each sentence; None = anything may follow.
        eos: the token that ends an answer.
    """
    b, t, _ = embeds.shape
    shift = torch.tensor([t - n for n in lengths])  # left padding keeps the last token last
    index = (torch.arange(t) - shift[:, None]).clamp(0)  # (B, T)
    x = embeds.gather(1, index[..., None].expand_as(embeds))
    attention = (torch.arange(t) >= shift[:, None]).long()  # (B, T)
    position = index
    ids: list[list[int]] = [[] for _ in range(b)]
    probabilities: list[list[float]] = [[] for _ in range(b)]
    running = [True] * b
    cache = None
    for _ in range(max_new):
        out = model.lm(
            inputs_embeds=x,
            attention_mask=attention,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache, logits = out.past_key_values, out.logits[:, -1].float()  # (B, V)
        if follow is not None:
            for i in range(b):
                if running[i]:
                    may = list((follow if callable(follow) else follow[i])(ids[i]))
                    only = torch.full_like(logits[i], float("-inf"))
                    only[may] = logits[i, may]
                    logits[i] = only
        best = logits.softmax(-1).max(-1)
        for i, (token, p) in enumerate(zip(best.indices.tolist(), best.values.tolist(), strict=True)):
            if running[i]:
                running[i] = token != eos
                if running[i]:
                    ids[i].append(token)
                    probabilities[i].append(p)
        if not any(running):
            break
        x = model.get_input_embeddings()(best.indices[:, None])
        attention = torch.cat([attention, torch.ones(b, 1, dtype=torch.long)], 1)
        position = position[:, -1:] + 1
    return [Said(tuple(i), tuple(p)) for i, p in zip(ids, probabilities, strict=True)]
