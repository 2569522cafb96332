"""Batches of sentences and their programs, of about equal numbers of tokens."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
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


@dataclass(frozen=True)
class ProgramBatch:
    """B sentences with their programs.

    Attributes:
        ids: (B, T) tokens, padded on the right.
        mask: (B, T) 1 = a token, 0 = padding.
        targets: (B, T) index of the next token among those of `answer_tokens`; -100 = not learned.
    """

    ids: Tensor
    mask: Tensor
    targets: Tensor


def batches(
    examples: Iterable[Example], tokenizer: Any, answers: Sequence[int], tokens: int, rng: random.Random
) -> Iterator[ProgramBatch]:
    """Batches of at most `tokens` tokens, padding included.

    Args:
        examples: endless; those with too long a sentence are left out.
        answers: see `palme.language.programs.prompt.answer_tokens`.
    """
    vocabulary = Vocabulary(tokenizer)
    rank = {token: k for k, token in enumerate(answers)}
    source = iter(examples)
    while True:
        pool: list[tuple[list[int], list[int]]] = []
        size = 0
        while size < POOL * tokens:
            example = next(source)
            try:
                prompt = prompt_ids(tokenizer, example.sentence)
            except SentenceTooLong:
                continue
            answer = program_ids(vocabulary, parse(example.program))
            pool.append((prompt, answer))
            size += len(prompt) + len(answer)
        pool.sort(key=lambda pair: len(pair[0]) + len(pair[1]))
        groups = list(_grouped(pool, tokens))
        rng.shuffle(groups)
        for group in groups:
            yield _batch(group, rank, vocabulary.pad)


def _grouped(
    pool: Sequence[tuple[list[int], list[int]]], tokens: int
) -> Iterator[list[tuple[list[int], list[int]]]]:
    group: list[tuple[list[int], list[int]]] = []
    for pair in pool:  # in rising length: the next is the longest
        if group and (len(group) + 1) * (len(pair[0]) + len(pair[1])) > tokens:
            yield group
            group = []
        group.append(pair)
    if group:
        yield group


def _batch(group: Sequence[tuple[list[int], list[int]]], rank: dict[int, int], pad: int) -> ProgramBatch:
    length = max(len(prompt) + len(answer) for prompt, answer in group)
    ids = torch.full((len(group), length), pad)
    mask = torch.zeros(len(group), length, dtype=torch.long)
    targets = torch.full((len(group), length), -100)
    for row, (prompt, answer) in enumerate(group):
        n = len(prompt) + len(answer)
        ids[row, :n] = torch.tensor([*prompt, *answer])
        mask[row, :n] = 1
        begin = len(prompt) - 1  # the last token of the prompt is followed by the first of the program
        targets[row, begin : begin + len(answer)] = torch.tensor([rank[token] for token in answer])
    return ProgramBatch(ids, mask, targets)
