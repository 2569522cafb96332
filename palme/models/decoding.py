"""Greedy decoding with a key-value cache inside a grammar, one sentence or many at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from palme.language.constrained_decoding import Walk
from palme.language.vocabulary import Vocabulary
from palme.models.embodied_lm import EmbodiedLM
from palme.models.padding import BadPadding, check_lengths


@dataclass(frozen=True)
class Completion:
    """The model's continuation of one prompt.

    Attributes:
        ids: tokens without the end-of-text token.
        words: their words.
        probabilities: of each token among those allowed at its place, in [0, 1].
        walk: the walk through the grammar, None = decoded without one.
    """

    ids: tuple[int, ...]
    words: tuple[str, ...]
    probabilities: tuple[float, ...]
    walk: Walk | None = None

    def probability(self, start: int = 0, end: int | None = None) -> float:
        """Probability of words number `start` to `end` (None = the last), given those before.

        Needs a `walk`.
        """
        assert self.walk is not None
        until = None if end is None else self.walk.start(end)
        return math.prod(self.probabilities[self.walk.start(start) : until])


@torch.inference_mode()
def decode_one(model: EmbodiedLM, embeds: Tensor, walk: Walk, max_new: int = 320) -> Completion:
    """Continue one prompt (1, T, D).

    Tokens without an alternative in the grammar take no forward pass of their own: a run of them enters the
    next pass together, which keeps the planning of a step within 150 ms on one core.

    Raises:
        BadPadding: more than one prompt.
    """
    check_lengths([embeds.shape[1]] * len(embeds), 1, embeds.shape[1])
    ids: list[int] = []
    probabilities: list[float] = []
    cache, x, position = None, embeds, 0
    while len(ids) < max_new and (may := walk.allowed()):
        out = model.lm(
            inputs_embeds=x,
            position_ids=torch.arange(position, position + x.shape[1])[None],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = out.past_key_values
        position += x.shape[1]
        chances = out.logits[0, -1].float()[may].softmax(-1)
        best = int(chances.argmax())
        new = [may[best]]
        probabilities.append(float(chances[best]))
        walk.push(new[-1])
        while len(forced := walk.allowed()) == 1:
            new.append(forced[0])
            probabilities.append(1.0)
            walk.push(forced[0])
        ids += new
        x = model.get_input_embeddings()(torch.tensor([new]))
    ended = not walk.allowed()
    return Completion(
        tuple(ids[: len(ids) - ended]), walk.words, tuple(probabilities[: len(ids) - ended]), walk
    )


@torch.inference_mode()
def decode_batch(
    model: EmbodiedLM,
    embeds: Tensor,
    lengths: Sequence[int],
    vocabulary: Vocabulary,
    walks: Sequence[Walk] | None = None,
    max_new: int = 320,
) -> list[Completion]:
    """Continue each of B prompts.

    Args:
        embeds: (B, T, D) prompts, padded on the right.
        lengths: tokens of each prompt.
        walks: one for each prompt; None = any token may follow.

    Raises:
        BadPadding: `lengths` or `walks` are not one for each prompt.
    """
    b, t, _ = embeds.shape
    check_lengths(lengths, b, t)
    if walks is not None and len(walks) != b:
        raise BadPadding(f"{len(walks)} walks for {b} prompts; give one for each")
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
        if walks is not None:
            for i in range(b):
                if running[i]:
                    may = walks[i].allowed()
                    only = torch.full_like(logits[i], float("-inf"))
                    only[may] = logits[i, may]
                    logits[i] = only
        best = logits.softmax(-1).max(-1)
        for i, (token, p) in enumerate(zip(best.indices.tolist(), best.values.tolist(), strict=True)):
            if running[i]:
                if walks is not None:
                    walks[i].push(token)
                running[i] = token != vocabulary.eos
                if running[i]:
                    ids[i].append(token)
                    probabilities[i].append(p)
        if not any(running):
            break
        x = model.get_input_embeddings()(best.indices[:, None])
        attention = torch.cat([attention, torch.ones(b, 1, dtype=torch.long)], 1)
        position = position[:, -1:] + 1
    if walks is None:
        return [
            Completion(tuple(i), tuple(vocabulary.words(i)), tuple(p))
            for i, p in zip(ids, probabilities, strict=True)
        ]
    rows = zip(ids, probabilities, walks, strict=True)
    return [Completion(tuple(i), walk.words, tuple(p), walk) for i, p, walk in rows]
