"""Batches of sentences and their programs, of about equal numbers of tokens."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from palme.language.programs.parser import parse
from palme.language.programs.prompt import SentenceTooLong, program_ids, prompt_ids
from palme.language.vocabulary import Vocabulary
from palme.training.datasets.instructions.grammar import Example

POOL = 24
"""Batches that are drawn together and sorted by length, so that little is padded."""

IGNORED = -100
"""Target of what is not learned."""

Pair = tuple[list[int], list[int]]
"""Tokens of a prompt and of its program."""

Row = tuple[list[int], list[int], bool]
"""A pair, and whether it is new."""


@dataclass(frozen=True)
class ProgramBatch:
    """B sentences with their programs.

    Attributes:
        ids: (B, T) tokens, padded on the right.
        mask: (B, T) 1 = a token, 0 = padding.
        targets: (B, T) index of the next token among those of `answer_tokens`; `IGNORED` = not learned.
        new: (B,) bool, False = one that was learned from before.
    """

    ids: Tensor
    mask: Tensor
    targets: Tensor
    new: Tensor


def nothing_again(rng: random.Random) -> Pair | None:
    """Every pair is new."""
    return None


def batches(
    examples: Iterable[Example],
    tokenizer: Any,
    answers: Sequence[int],
    tokens: int,
    rng: random.Random,
    again: Callable[[random.Random], Pair | None] = nothing_again,
) -> Iterator[ProgramBatch]:
    """Batches of at most `tokens` tokens, padding included.

    Args:
        examples: endless; those with too long a sentence are left out.
        answers: see `palme.language.programs.prompt.answer_tokens`.
        again: a pair to learn from once more, or None for a new one.
    """
    vocabulary = Vocabulary(tokenizer)
    rank = {token: k for k, token in enumerate(answers)}
    source = iter(examples)
    while True:
        pool: list[Row] = []
        size = 0
        while size < POOL * tokens:
            pair = again(rng)
            new = pair is None
            if pair is None:
                example = next(source)
                try:
                    prompt = prompt_ids(tokenizer, example.sentence)
                except SentenceTooLong:
                    continue
                pair = prompt, program_ids(vocabulary, parse(example.program))
            pool.append((*pair, new))
            size += _length(pool[-1])
        pool.sort(key=_length)
        groups = list(_grouped(pool, tokens))
        rng.shuffle(groups)
        for group in groups:
            yield _batch(group, rank, vocabulary.pad)


def _length(row: Row) -> int:
    return len(row[0]) + len(row[1])


def _grouped(pool: Sequence[Row], tokens: int) -> Iterator[list[Row]]:
    group: list[Row] = []
    for row in pool:  # in rising length: the next is the longest
        if group and (len(group) + 1) * _length(row) > tokens:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _batch(group: Sequence[Row], rank: dict[int, int], pad: int) -> ProgramBatch:
    length = max(_length(row) for row in group)
    ids = torch.full((len(group), length), pad)
    mask = torch.zeros(len(group), length, dtype=torch.long)
    targets = torch.full((len(group), length), IGNORED)
    for row, (prompt, answer, _) in enumerate(group):
        n = len(prompt) + len(answer)
        ids[row, :n] = torch.tensor([*prompt, *answer])
        mask[row, :n] = 1
        begin = len(prompt) - 1  # the last token of the prompt is followed by the first of the program
        targets[row, begin : begin + len(answer)] = torch.tensor([rank[token] for token in answer])
    return ProgramBatch(ids, mask, targets, torch.tensor([new for *_, new in group]))
