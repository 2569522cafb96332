"""Questions with their answers as tensors, and the same with nothing measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from palme.language.sentence import Sentence
from palme.language.vocabulary import Vocabulary
from palme.models.processor import EmbodiedProcessor, Observations


@dataclass(frozen=True)
class AnsweredQuestions:
    """Q questions with their answers, as tensors for `EmbodiedLM.forward`.

    Attributes:
        ids, mask: (Q, T) question, padded on the left, and answer, padded on the right.
        labels: (Q, T) token ids of the answers, -100 elsewhere.
        observations: see `Observations`.
        instruction_ids, instruction_mask: (Q, L) the questions, for connectors that see them.
        name: of the sense that is asked about, where a recipe has several.
    """

    ids: Tensor
    mask: Tensor
    labels: Tensor
    observations: Observations
    instruction_ids: Tensor
    instruction_mask: Tensor
    name: str = ""


def answered_questions(
    processor: EmbodiedProcessor,
    vocabulary: Vocabulary,
    sentences: Sequence[Sentence],
    answers: Sequence[Sequence[str]],
    name: str = "",
) -> AnsweredQuestions:
    """Sentences and the words of their answers, each closed by the end of the text."""
    inputs = processor(list(sentences), side="left", begin=True)
    rows = [vocabulary.encode([*words, "</s>"]) for words in answers]
    t = max(map(len, rows))
    ids = torch.tensor([[*row, *[vocabulary.pad] * (t - len(row))] for row in rows])  # (Q, t)
    mask = torch.tensor([[1] * len(row) + [0] * (t - len(row)) for row in rows])
    prompt = inputs["input_ids"]
    return AnsweredQuestions(
        torch.cat([prompt, ids], 1),
        torch.cat([inputs["attention_mask"], mask], 1),
        torch.cat([torch.full_like(prompt, -100), ids.masked_fill(mask == 0, -100)], 1),
        inputs["observations"],
        inputs["instruction_ids"],
        inputs["instruction_mask"],
        name,
    )


def blanked(observations: Observations) -> dict[str, dict[str, Tensor]]:
    """The observations with zeros in place of everything that was measured: black, silent, flat."""
    kept = ("row", "place", "mask")
    return {
        source: {k: v if k in kept else torch.zeros_like(v) for k, v in arrays.items()}
        for source, arrays in observations.items()
    }
