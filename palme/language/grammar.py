"""Which word may come next: answers are decoded inside this grammar, so a step is always a legal step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from palme.language.words import BOS, ENTITY_WORDS, EOS, NOTHING, TABLE, VOCABULARY

SOLIDS = tuple(w for w in ENTITY_WORDS if not w.endswith("_bowl"))
BLOCKS = tuple(w for w in ENTITY_WORDS if w.endswith("_block"))
BOWLS = tuple(w for w in ENTITY_WORDS if w.endswith("_bowl"))
MAX_CHECKS = 14  # longest honest rationale: goal, five blocks with their piles, what covers them
WAYS = ("up", "down", "mixed")
_PLACES = (*ENTITY_WORDS, TABLE)
_SEGMENT = (*_PLACES, "under", "put", "done", "unknown")


@lru_cache(maxsize=65536)
def allowed(said: tuple[str, ...]) -> tuple[str, ...]:
    """Words that may follow `said` in an answer to "next:" (see `palme.language.answers`)."""
    if not said:
        return ("goal", "unknown")
    if said[-1] == ".":
        return (EOS,)
    at = len(said)
    while at > 0 and said[at - 1] != ";":
        at -= 1
    if at == len(said) and said.count(";") >= MAX_CHECKS:
        return ("put", "done", "unknown")
    return _in_segment(said[at:])


def check_words(said: tuple[str, ...]) -> tuple[str, ...]:
    """Words that may follow in the answer to a success question: `target what where-it-is yes|no .`"""
    if said[-1] in ("yes", "no"):
        return (".",)
    return (EOS,) if said[-1] == "." else _in_segment(said)


def _in_segment(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words:
        return _SEGMENT
    head, last, n = words[0], words[-1], len(words)
    if head == "goal":
        return _in_goal(words)
    if head in ("done", "unknown"):
        return (".",)
    if head == "put":
        return _in_put(words)
    if head == "under":
        if n == 1:
            return SOLIDS
        return (";",) if last == NOTHING else (NOTHING, *(w for w in SOLIDS if w not in words))
    if last in ("yes", "no", "nowhere"):
        return (";",)
    if n == 1:
        return (*SOLIDS, "nowhere")
    if n == 2:
        return _PLACES
    if head.endswith("_bowl") and last not in (TABLE, *BOWLS):  # down to what stands on the table
        return (*(w for w in SOLIDS if w not in words), *BOWLS, TABLE)
    return ("yes", "no")


def _in_goal(words: tuple[str, ...]) -> tuple[str, ...]:
    n = len(words)
    if n == 1:
        return ("in", "stack", "match")
    if words[1] == "match":
        return (";",)
    if words[1] == "in":
        return (BOWLS, SOLIDS, (";",))[n - 2]
    if TABLE in words:  # the same blocks again, bottom to top
        at = words.index(TABLE)
        rest = tuple(b for b in words[2 : at - 1] if b not in words[at:])
        return rest or (";",)
    if words[-1] in WAYS:
        return (TABLE,)
    rest = tuple(b for b in SOLIDS if b not in words)
    return rest if n < 4 else (*rest, *WAYS) if n < 8 else WAYS


def _in_put(words: tuple[str, ...]) -> tuple[str, ...]:
    n = len(words)
    if n == 1:
        return SOLIDS
    if n == 2:
        return ("in", "on")
    if n == 3:
        return BOWLS if words[2] == "in" else tuple(w for w in (*SOLIDS, TABLE) if w != words[1])
    return (".",)


class AnswerGrammar:
    """Logits masks for answers to "next:", by token ids of `vocabulary`."""

    def __init__(self, vocabulary: Sequence[str] = VOCABULARY) -> None:
        self.words = tuple(vocabulary)
        self._id = {w: i for i, w in enumerate(self.words)}
        self._masks: dict[tuple[str, ...], Tensor] = {}

    def mask(self, said: Sequence[int]) -> Tensor:
        """(V,) 0 where a token may follow `said`, -inf elsewhere."""
        return self.mask_of(allowed(tuple(self.words[i] for i in said)))

    def mask_of(self, words: tuple[str, ...]) -> Tensor:
        """(V,) 0 at `words`, -inf elsewhere."""
        if words not in self._masks:
            mask = torch.full((len(self.words),), float("-inf"))
            mask[[self._id[w] for w in words]] = 0.0
            self._masks[words] = mask
        return self._masks[words]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """As a `LogitsProcessor` of `transformers`; with `inputs_embeds`, `input_ids` is what was said."""
        rows = []
        for row in input_ids.tolist():
            said = [i for i in row if self.words[i] != BOS]
            if EOS in (self.words[i] for i in said):
                said = said[: [self.words[i] for i in said].index(EOS)]
            rows.append(
                self.mask(said) if not said or self.words[said[-1]] != EOS else torch.zeros(len(self.words))
            )
        return scores + torch.stack(rows).to(scores)
