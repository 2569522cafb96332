"""Recipe of the instruction encoder: fine-tuning of a pretrained text encoder on instructions.

Two heads on the vector that the planner gets predict the kind of goal and, for a tower, the direction of its
list.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from torch import Tensor

from palme.file_names import FileName
from palme.training.config import TrainerConfig
from palme.training.datasets.goal_sentences import Sentences, sentences
from palme.training.datasets.tasks import TaskSource
from palme.training.log import Figures
from palme.training.losses.goal_heads import GoalHeads, goal_loss
from palme.training.models.text_encoder import load_base
from palme.training.processes import Processes
from palme.training.recipe import ParameterGroup
from palme.training.resources import Resources

POOL = 8  # batches drawn together and sorted by length, for less padding


@dataclass
class InstructionEncoderTraining(TrainerConfig):
    """Settings.

    Attributes:
        base: a folder with a pretrained text encoder, "" = see `find_base`.
        batch: sentences a step.
        own_words: share of instructions phrased by `palme.training.datasets.phrasings`.
        evaluate_n: sentences of a split in an evaluation; twice as many in the last one.
    """

    out: FileName = "runs/reader"
    base: FileName = ""
    minutes: float = 40.0
    lr: float = 1e-4
    head_lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 50
    decay_share: float = 1.0
    clip: float = 1.0
    batch: int = 32
    own_words: float = 0.08
    evaluate_every_s: float = 240.0
    evaluate_n: int = 400

    def build(self, resources: Resources) -> InstructionEncoderRecipe:
        """See `TrainerConfig.build`."""
        return InstructionEncoderRecipe(self, resources.task_source())


class InstructionEncoderRecipe:
    """See module."""

    def __init__(self, c: InstructionEncoderTraining, source: TaskSource) -> None:
        self.c, self.source = c, source
        self.encoder = load_base(c.base)
        self.net = GoalHeads(self.encoder)

    def parameter_groups(self) -> list[ParameterGroup]:
        """See `Recipe.parameter_groups`."""
        c, net = self.c, self.net
        inside = [p for p in net.encoder.parameters() if p.requires_grad]
        outside = [*net.kind.parameters(), *net.way.parameters()]
        return [
            ParameterGroup("encoder", inside, c.lr, c.weight_decay),
            ParameterGroup("heads", outside, c.head_lr, c.weight_decay),
        ]

    def batches(self, step: int, processes: Processes) -> Generator[Sentences, None, None]:
        """See `Recipe.batches`."""
        c = self.c
        draw = sentences(self.source, c.seed * 1_000_003 + 7919 * step + 1, "train", c.own_words)
        while True:
            pool = sorted(islice(draw, POOL * c.batch), key=lambda row: len(row[0]))
            groups = [pool[k : k + c.batch] for k in range(0, len(pool), c.batch)]
            random.Random(step).shuffle(groups)
            for group in reversed(groups):
                yield Sentences.of(group[processes.rank :: processes.world])
                step += 1

    def loss(self, batch: Sentences) -> tuple[Tensor, Figures]:
        """See `Recipe.loss`."""
        return goal_loss(self.net(self.encoder, batch.texts), batch), {}

    def evaluate(self, final: bool) -> dict[str, float]:
        """Share of right kinds and right ways, training and validation phrasings, in [0, 1]."""
        n, seed = (2 * self.c.evaluate_n, 90_002) if final else (self.c.evaluate_n, 90_001)
        found: dict[str, float] = {}
        for split in ("train", "validation"):
            draw = sentences(self.source, seed, split)
            kinds = ways = towers = 0
            for _ in range(0, n, 50):
                part = Sentences.of(list(islice(draw, 50)))
                kind, way = (logits.argmax(-1).cpu() for logits in self.net(self.encoder, part.texts))
                kinds += int((kind == part.kind).sum())
                towers += int((part.way >= 0).sum())
                ways += int((way == part.way).sum())  # a sentence without a way has -1
            found |= {f"{split}/kind": kinds / n, f"{split}/way": ways / max(towers, 1)}
        return found

    def save(self, folder: Path) -> Path:
        """See `Recipe.save`."""
        self.encoder.save(folder / "model")
        return folder / "model"
