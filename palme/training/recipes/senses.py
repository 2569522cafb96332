"""Recipe of the senses: encoder and connector of each, and a small language model that answers in words.

`palme train senses senses=[spectrogram]`: events are simulated (`sim.sensing`), each observation stands in a
question, and the loss falls on the answer alone. Batches of the senses alternate.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from palme.file_names import FileName
from palme.language.vocabulary import Vocabulary
from palme.models.modality import BadModality
from palme.training.config import TrainerConfig
from palme.training.datasets.answered_questions import AnsweredQuestions, answered_questions, blanked
from palme.training.datasets.sense_examples import Events, events
from palme.training.datasets.sense_questions import SENSE_TASKS, asked
from palme.training.devices import SettingError, device_of, to_device
from palme.training.log import Figures
from palme.training.models.senses import fill_from, new_senses, processor_of, save_senses
from palme.training.processes import Processes
from palme.training.recipe import ParameterGroup
from palme.training.resources import Resources


@dataclass
class SensesTraining(TrainerConfig):
    """Settings.

    Attributes:
        senses: names of modalities to train, in turn; one that is named twice is trained twice as often;
            empty = all that have questions.
        data: folder where simulated events are kept.
        examples: events of each source; a question about one is drawn anew each time.
        validation: events of each source that are kept out.
        lr: peak learning rate of encoders and connectors.
        lr_words: that of the language model.
        width, layers, heads, inner: of the language model.
        start: folder of an earlier training whose weights are taken over where they fit; "" = none.
    """

    senses: tuple[str, ...] = ()
    data: FileName = "runs/senses/data"
    out: FileName = "runs/senses"
    steps: int = 1500
    batch: int = 32
    examples: int = 4000
    validation: int = 200
    lr: float = 1e-3
    lr_words: float = 1e-3
    clip: float = 1.0
    validate_every: int = 500
    width: int = 128
    layers: int = 3
    heads: int = 4
    inner: int = 256
    start: FileName = ""

    def build(self, resources: Resources) -> SensesRecipe:
        """See `TrainerConfig.build`."""
        names = tuple(self.senses) or tuple(SENSE_TASKS)
        if unknown := [name for name in names if name not in SENSE_TASKS]:
            raise SettingError(f"senses: {unknown[0]!r} has no questions; there are {', '.join(SENSE_TASKS)}")
        return SensesRecipe(replace(self, senses=names), resources)

    def installed_as(self) -> str:
        """See `TrainerConfig.installed_as`."""
        return "senses"


class SensesRecipe:
    """See module."""

    def __init__(self, c: SensesTraining, resources: Resources) -> None:
        self.c = c
        try:
            self.net = new_senses(tuple(dict.fromkeys(c.senses)), c.width, c.layers, c.heads, c.inner)
        except BadModality as error:
            raise SettingError(str(error)) from error
        if c.start:
            fill_from(self.net, c.start)
        self.processor = processor_of(self.net)
        self.vocabulary = Vocabulary(self.processor.tokenizer)
        self.train: dict[str, Events] = {}
        self.validation: dict[str, Events] = {}
        for source in dict.fromkeys(SENSE_TASKS[name].source for name in c.senses):
            with resources.senses(source) as draw:
                folder = Path(c.data)
                self.train[source] = events(
                    draw, source, "train", c.seed, c.examples, folder, resources.watched
                )
                self.validation[source] = events(
                    draw, source, "validation", c.seed, c.validation, folder, resources.watched
                )

    def parameter_groups(self) -> list[ParameterGroup]:
        """`senses`, encoders and connectors, and `words`, the language model."""
        senses = [p for p in self.net.senses.parameters() if p.requires_grad]
        return [
            ParameterGroup("senses", senses, self.c.lr),
            ParameterGroup("words", list(self.net.lm.parameters()), self.c.lr_words),
        ]

    def batches(self, step: int, processes: Processes) -> Generator[AnsweredQuestions, None, None]:
        """See `Recipe.batches`."""
        while True:
            name = self.c.senses[step % len(self.c.senses)]
            kept = self.train[SENSE_TASKS[name].source]
            rng = np.random.default_rng([self.c.seed, 211, step])
            chosen = rng.integers(len(kept), size=self.c.batch)[processes.rank :: processes.world]
            yield self._questions(name, kept, chosen, rng)
            step += 1

    def _questions(
        self, name: str, kept: Events, chosen: np.ndarray, rng: np.random.Generator
    ) -> AnsweredQuestions:
        drawn = [asked(name, kept.observations[i], kept.truths[i], rng) for i in chosen.tolist()]
        sentences, answers, _ = zip(*drawn, strict=True)
        words = [answer.split() for answer in answers]
        return answered_questions(self.processor, self.vocabulary, sentences, words, name)

    def loss(self, batch: AnsweredQuestions) -> tuple[Tensor, Figures]:
        """Cross-entropy of the answers; `right`: share of them with every token right."""
        x = self.net.embed(
            batch.ids, batch.observations, batch.instruction_ids, batch.instruction_mask
        )  # (Q, T, D)
        wanted = batch.labels[:, 1:]
        there = wanted != -100  # (Q, T - 1)
        hidden = self.net.hidden(x, batch.mask)[:, :-1][there]  # (A, D): the head only where words are due
        logits = self.net.get_output_embeddings()(hidden)  # (A, V)
        loss = torch.nn.functional.cross_entropy(logits.float(), wanted[there])
        wrong = torch.zeros_like(there)
        wrong[there] = logits.argmax(-1) != wanted[there]
        right = 1 - wrong.any(-1).float().mean()
        return loss, {"right": right, f"right/{batch.name}": right}

    def evaluate(self, final: bool) -> dict[str, float]:
        """For each sense: answers right on events kept out, and with zeros in place of what was measured."""
        device, found = device_of(self.net), {}
        for name in dict.fromkeys(self.c.senses):
            kept, rng = self.validation[SENSE_TASKS[name].source], np.random.default_rng(90_003)
            totals = [0.0, 0.0]
            for at in range(0, len(kept), self.c.batch):
                chosen = np.arange(at, min(at + self.c.batch, len(kept)))
                batch = to_device(self._questions(name, kept, chosen, rng), device)
                blank = replace(batch, observations=blanked(batch.observations))
                for k, one in enumerate((batch, blank)):
                    totals[k] += float(self.loss(one)[1]["right"]) * len(chosen)
            found[name], found[f"{name}/blanked"] = (total / max(len(kept), 1) for total in totals)
        return found

    def save(self, folder: Path) -> Path:
        """Model and processor."""
        save_senses(self.net, self.processor, folder / "model")
        return folder / "model"
