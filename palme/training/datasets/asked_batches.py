"""Asked scenes as batches for any `EmbodiedLM`.

Where the scene stands first, its questions stand in one row behind it, and an attention mask keeps them from
seeing each other: a scene is computed once for all of them. Else each question has a row of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from palme.language.prompts import asking_words, prompt_words, scene_words
from palme.language.sentence import placeholder
from palme.language.vocabulary import PAD, Vocabulary
from palme.models.modality import Modality
from palme.models.processor import Placed, tensors
from palme.training.datasets.asked_scenes import KINDS, NEXT, AskedScene
from palme.training.datasets.planner_batches import Read

Senses = dict[str, Modality]
"""The model's own version of each modality, by placeholder."""


@dataclass(frozen=True)
class AskedBatch:
    """R rows of at most T tokens, with M tokens of answers to Q questions.

    Attributes:
        ids, positions: (R, T) tokens, and the place of each in its own sentence.
        sees: (R, 1, T, T) bool, which tokens each one attends to.
        at: (M,) flat positions in `ids` before a token of an answer.
        target: (M,) that token.
        question: (M,) number of its question in the batch.
        kind: (Q,) index into `KINDS`.
        observations: see `palme.models.processor.Observations`.
    """

    ids: Tensor
    positions: Tensor
    sees: Tensor
    at: Tensor
    target: Tensor
    question: Tensor
    kind: Tensor
    observations: dict[str, dict[str, Tensor]]


@dataclass
class _Row:
    """One row while it is made: tokens, their places, and the number of the block that each stands in."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    block: list[int] = field(default_factory=list)
    shared: int = 0  # tokens that all blocks see

    def add(self, ids: Sequence[int], at: int, block: int) -> None:
        self.positions += range(at, at + len(ids))
        self.block += [block] * len(ids)
        self.ids += ids

    def sees(self, t: int) -> Tensor:
        """(T, T) bool; padding sees itself."""
        n = len(self.ids)
        out = torch.eye(t, dtype=torch.bool)
        block = torch.tensor(self.block)
        first = torch.arange(n) < self.shared
        out[:n, :n] = torch.ones(n, n, dtype=torch.bool).tril() & (first | (block[:, None] == block))
        return out


def batch_of(
    scenes: Sequence[AskedScene],
    vocabulary: Vocabulary,
    senses: Senses,
    scene_first: bool,
    read: Read | None = None,
) -> AskedBatch:
    """The questions of `scenes` as one batch.

    Args:
        scenes: each with a question.
        vocabulary: of the model's tokens.
        senses: the model's modalities.
        scene_first: whether scenes stand before their questions.
        read: text encoder of instructions, for a model with `<read>`.
    """
    rows: list[_Row] = []
    placed = Placed()
    answers: list[tuple[int, int, list[int]]] = []  # row, column of the first, tokens
    kinds: list[int] = []
    for scene in scenes:
        row = _Row()
        if scene_first:
            words = scene_words(len(scene))
            ids = _placed(words, _given(scene), vocabulary, senses, len(rows), placed)
            row.add(ids, 0, 0)
            row.shared = len(ids)
            rows.append(row)
        for k, one in enumerate(scene.asked, 1):
            if scene_first:
                prompt = vocabulary.encode((*asking_words(one.text, ask=one.ask), *one.given))
            else:
                row = _Row()
                given = _given(scene)
                if reads := read is not None and one.kind == NEXT:
                    given["read"] = read([one.text])[0]
                words = [*prompt_words(one.text, len(scene), ask=one.ask, read=reads), *one.given]
                prompt = _placed(words, given, vocabulary, senses, len(rows), placed)
                rows.append(row)
            reply = vocabulary.encode(one.reply)
            answers.append((len(rows) - 1, len(row.ids) + len(prompt), reply))
            row.add([*prompt, *reply[:-1]], row.shared, k)
            kinds.append(KINDS.index(one.kind))
    t = max(len(row.ids) for row in rows)
    at = [r * t + c + k - 1 for r, c, reply in answers for k in range(len(reply))]
    return AskedBatch(
        torch.tensor([row.ids + [vocabulary.pad] * (t - len(row.ids)) for row in rows]),
        torch.tensor([row.positions + [0] * (t - len(row.ids)) for row in rows]),
        torch.stack([row.sees(t) for row in rows])[:, None],
        torch.tensor(at),
        torch.tensor([token for *_, reply in answers for token in reply]),
        torch.tensor([q for q, (*_, reply) in enumerate(answers) for _ in reply]),
        torch.tensor(kinds),
        tensors(placed.arrays()),
    )


def _given(scene: AskedScene) -> dict[str, Any]:
    return {"obj": scene.objects, "state": scene.robot}


def _placed(
    words: Sequence[str],
    given: Mapping[str, Any],
    vocabulary: Vocabulary,
    senses: Senses,
    row: int,
    placed: Placed,
) -> list[int]:
    """Tokens of `words`; the observations `given` are placed in row number `row`."""
    ids: list[int] = []
    for word in words:
        if word[0] == "<" and (part := placeholder(word)) is not None:
            kind = senses.get(part.modality.placeholder)
            n = placed.add(row, len(ids), part, given[part.source], kind)
            ids += vocabulary.pieces(PAD) * n
        else:
            ids += vocabulary.pieces(word)
    return ids
