"""How many questions a model with senses answers right, in words, and with its senses blank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from palme.language.sentence import Sentence
from palme.models.embodied_lm import EmbodiedLM
from palme.models.processor import EmbodiedProcessor
from palme.training.datasets.answered_questions import blanked
from palme.training.datasets.sense_examples import Events
from palme.training.datasets.sense_questions import asked
from palme.training.devices import to_device

LONGEST = 4  # tokens of an answer


@dataclass(frozen=True)
class SenseScore:
    """Counts over `n` questions about one sense.

    Attributes:
        right: answers that are the truth, word for word.
        blanked_right: the same with zeros in place of the observation.
        chance: share right of who always gives each question's most frequent answer.
        by_question: (right, asked) for each fact that was asked for.
    """

    n: int
    right: int
    blanked_right: int
    chance: float
    by_question: Mapping[str, tuple[int, int]]


def score(
    model: EmbodiedLM, processor: EmbodiedProcessor, name: str, events: Events, seed: int, batch: int = 50
) -> SenseScore:
    """One question about each event, drawn by `seed`, about the sense `name`."""
    rng = np.random.default_rng([seed, 77])
    questions = [asked(name, o, t, rng) for o, t in zip(events.observations, events.truths, strict=True)]
    given: list[str] = []
    blank = 0
    for at in range(0, len(questions), batch):
        part = questions[at : at + batch]
        truth = [answer for _, answer, _ in part]
        sentences = [sentence for sentence, _, _ in part]
        given += answers(model, processor, sentences)
        blank += _equal(answers(model, processor, sentences, blank=True), truth)
    wanted: dict[str, Counter[str]] = {}
    right: Counter[str] = Counter()
    for (_, answer, fact), said in zip(questions, given, strict=True):
        wanted.setdefault(fact, Counter())[answer] += 1
        right[fact] += said == answer
    most = sum(max(counts.values()) for counts in wanted.values())
    by_question = {fact: (right[fact], counts.total()) for fact, counts in sorted(wanted.items())}
    return SenseScore(len(questions), right.total(), blank, most / max(len(questions), 1), by_question)


@torch.inference_mode()
def answers(
    model: EmbodiedLM, processor: EmbodiedProcessor, sentences: Sequence[Sentence], blank: bool = False
) -> list[str]:
    """What the model writes after each sentence, greedily."""
    inputs: Mapping[str, Any] = to_device(
        dict(processor(list(sentences), side="left", begin=True)), model.device
    )
    observations = blanked(inputs["observations"]) if blank else inputs["observations"]
    written = model.generate(
        inputs["input_ids"], inputs["attention_mask"], observations, inputs.get("instruction_ids"),
        inputs.get("instruction_mask"), max_new_tokens=LONGEST, do_sample=False,
        pad_token_id=processor.tokenizer.pad_token_id,
    )  # fmt: skip
    return [processor.decode(row, skip_special_tokens=True).strip() for row in written]


def _equal(given: Sequence[str], wanted: Sequence[str]) -> int:
    return sum(a == b for a, b in zip(given, wanted, strict=True))
