"""What was got wrong comes back once, as it was, and no more often than its share."""

import random
from collections.abc import Iterator
from itertools import islice

import pytest
import torch

from palme.language.programs.prompt import answer_tokens
from palme.language.vocabulary import Vocabulary
from palme.models.pretrained.load import pretrained
from palme.training.datasets.instructions.drawing import Instructions
from palme.training.datasets.missed_programs import MissedPrograms
from palme.training.datasets.program_batches import ProgramBatch, batches
from tests.palme.tiny_lm import tiny_lm


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> object:
    return pretrained(tiny_lm(tmp_path_factory.mktemp("tiny")))[1]


def _rows(batch: ProgramBatch, new: bool) -> list[tuple[int, ...]]:
    return [
        (*ids[mask.bool()].tolist(), *targets[targets >= 0].tolist())
        for ids, mask, targets, row_new in zip(batch.ids, batch.mask, batch.targets, batch.new, strict=True)
        if bool(row_new) == new
    ]


def _batches(tokenizer: object, missed: MissedPrograms, answers: list[int]) -> Iterator[ProgramBatch]:
    rng = random.Random(3)
    return batches(Instructions().examples(rng), tokenizer, answers, 256, rng, missed.take)


def test_what_was_missed_comes_back_once_as_it_was(tokenizer: object) -> None:
    answers = answer_tokens(Vocabulary(tokenizer))
    missed = MissedPrograms(answers, share=0.4)
    noted: list[tuple[int, ...]] = []
    again: list[tuple[int, ...]] = []
    for batch in islice(_batches(tokenizer, missed, answers), 120):
        again += _rows(batch, new=False)
        noted += _rows(batch, new=True)
        missed.note(batch, torch.zeros(len(batch.ids), dtype=torch.bool))
    assert len(again) > 50
    assert set(again) <= set(noted)
    assert all(again.count(row) <= noted.count(row) for row in set(again))
    assert len(again) < 0.55 * (len(again) + len(noted))


def test_what_was_right_never_comes_back(tokenizer: object) -> None:
    answers = answer_tokens(Vocabulary(tokenizer))
    missed = MissedPrograms(answers, share=0.9)
    for batch in islice(_batches(tokenizer, missed, answers), 40):
        assert batch.new.all()
        missed.note(batch, torch.ones(len(batch.ids), dtype=torch.bool))
    assert len(missed) == 0
