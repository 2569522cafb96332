"""Recipe of the planner: words, imitated objects, the right words to say.

Object tokens are made from symbolic states with imitated detector errors, nothing is rendered; with
`perceived` a part of them comes from the trained detector (`PerceivedFile`).
"""

from __future__ import annotations

import shutil
from collections.abc import Generator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from torch import Tensor, nn

from palme.language.instruction_encoder import FOLDER, InstructionEncoder
from palme.training.config import TrainerConfig
from palme.training.datasets.planner_batches import end, serve, taken
from palme.training.datasets.question_makers import QuestionSources
from palme.training.datasets.questions import TaskSource
from palme.training.devices import device_of
from palme.training.log import Figures
from palme.training.losses.answers import QuestionTensors, answer_loss
from palme.training.models.planner import continued_planner, new_planner, planner_groups, save_planner
from palme.training.planner_eval import evaluate
from palme.training.processes import Processes
from palme.training.recipe import ParameterGroup
from palme.training.resources import Resources


@dataclass
class PlannerTraining(TrainerConfig):
    """Settings.

    Attributes:
        width, layers, heads, inner: of the language model.
        tokens: padded tokens a step (questions are sorted by length and cut to fit).
        muon: matrices inside the language model by Muon, the rest by AdamW.
        perceived, perceived_share: a file of what the detector saw, and how often it is used.
        goal_share: part of the questions that only ask what a sentence wants: short, so many can be read.
        start: weights to begin with (a folder), "" = from nothing.
        reader: a folder with the text encoder that reads instructions, "" = none; it does not learn here.
    """

    out: str = "runs/planner"
    minutes: float = 80.0
    lr: float = 1e-3
    muon_lr: float = 0.01
    muon: bool = True
    weight_decay: float = 0.01
    warmup: int = 150
    clip: float = 1.0
    tokens: int = 4096
    width: int = 192
    layers: int = 4
    heads: int = 6
    inner: int = 512
    follow_ups: float = 0.8
    goal_share: float = 0.5
    workers: int = 1  # processes that make questions
    save_every_s: float = 180.0
    evaluate_every_s: float = 420.0
    evaluate_n: int = 120
    start: str = ""
    reader: str = ""
    perceived: str = ""
    perceived_share: float = 0.5
    feature_dim: int = 0  # of the detector's feature of an object, 0 = none

    def build(self, resources: Resources) -> PlannerRecipe:
        return PlannerRecipe(self, resources.task_source())

    def installed_as(self) -> str:
        return "planner"


class PlannerRecipe:
    def __init__(self, c: PlannerTraining, source: TaskSource) -> None:
        self.c, self.source = c, source
        self.questions = QuestionSources(
            source, c.follow_ups, c.goal_share, bool(c.reader), c.feature_dim, c.perceived, c.perceived_share
        )
        self.reader = InstructionEncoder.load(c.reader) if c.reader else None
        dims = (c.feature_dim, self.reader.dim if self.reader else 0)
        sizes = (c.width, c.layers, c.heads, c.inner)
        self.net = continued_planner(c.start, *dims) if c.start else new_planner(*sizes, *dims)

    def parameter_groups(self) -> list[ParameterGroup]:
        c = self.c
        return planner_groups(self.net, c.lr, c.muon_lr if c.muon else None, c.weight_decay)

    def batches(self, step: int, processes: Processes) -> Generator[QuestionTensors, None, None]:
        c, read = self.c, self.reader and self.reader.read
        part = slice(processes.rank, None, processes.world)
        seeds = [c.seed * 1_000_003 + 7919 * step + 31 * w + 1 for w in range(c.workers)]
        served = [serve(self.questions, c.tokens, [seed], read, part) for seed in seeds]
        try:
            for queue, (worker,) in cycle(served):  # in turn: the order depends on no worker's speed
                yield QuestionTensors.of(taken(queue, worker))
        finally:
            end([worker for _, workers in served for worker in workers])

    def loss(self, batch: QuestionTensors) -> tuple[Tensor, Figures]:
        loss, each = answer_loss(self.net, batch)
        return loss, {f"loss/{name}": each[batch.kind == i].mean() for i, name in enumerate(batch.kinds)}

    def evaluate(self, final: bool) -> dict[str, float]:
        n, seed = (2 * self.c.evaluate_n, 90_002) if final else (self.c.evaluate_n, 90_001)
        device = device_of(self.net)
        figures = evaluate(self.net.cpu(), self.source, n, seed, reader=self.reader)  # decoding is of the CPU
        nn.Module.to(self.net, device)
        return figures

    def save(self, folder: Path) -> Path:
        save_planner(self.net, folder / "model")
        if self.reader is not None and not (folder / "model" / FOLDER).exists():
            shutil.copytree(self.c.reader, folder / "model" / FOLDER)
        return folder / "model"
