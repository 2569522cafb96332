"""Recipe of the planner: instructions and objects in, answers out.

Objects are symbolic states with simulated errors of the detector, without rendering; with `perceived` a share
of them comes from the trained detector (`PerceivedFile`).
"""

from __future__ import annotations

import shutil
from collections.abc import Generator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from torch import Tensor, nn

from palme.file_names import FileName
from palme.language.instruction_encoder import FOLDER, InstructionEncoder
from palme.training.config import TrainerConfig
from palme.training.datasets.planner_batches import next_batch, start_workers, stop_workers
from palme.training.datasets.question_makers import QuestionSources
from palme.training.datasets.tasks import TaskSource
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
        width, layers, heads, inner: of the language model, see `new_planner`.
        tokens: padded tokens of a batch.
        muon: Muon for the matrices inside the language model; AdamW for the rest.
        perceived, perceived_share: a file of the detector's outputs, and the share of questions from it.
        goal_share: share of questions that ask for the goal alone; they are short.
        start: folder of initial weights, "" = untrained.
        reader: folder of the instruction encoder, "" = none; it is frozen.
    """

    out: FileName = "runs/planner"
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
    start: FileName = ""
    reader: FileName = ""
    perceived: FileName = ""
    perceived_share: float = 0.5
    feature_dim: int = 0  # of the detector's feature of an object, 0 = none

    def build(self, resources: Resources) -> PlannerRecipe:
        """See `TrainerConfig.build`."""
        return PlannerRecipe(self, resources.task_source())

    def installed_as(self) -> str:
        """See `TrainerConfig.installed_as`."""
        return "planner"


class PlannerRecipe:
    """See module."""

    def __init__(self, c: PlannerTraining, source: TaskSource) -> None:
        self.c, self.source = c, source
        self.questions = QuestionSources(
            source, c.follow_ups, c.goal_share, bool(c.reader), c.feature_dim, c.perceived, c.perceived_share
        )
        self.encoder = InstructionEncoder.load(c.reader) if c.reader else None
        dims = (c.feature_dim, self.encoder.dim if self.encoder else 0)
        sizes = (c.width, c.layers, c.heads, c.inner)
        self.net = continued_planner(c.start, *dims) if c.start else new_planner(*sizes, *dims)

    def parameter_groups(self) -> list[ParameterGroup]:
        """See `Recipe.parameter_groups`."""
        c = self.c
        return planner_groups(self.net, c.lr, c.muon_lr if c.muon else None, c.weight_decay)

    def batches(self, step: int, processes: Processes) -> Generator[QuestionTensors, None, None]:
        """See `Recipe.batches`."""
        c, read = self.c, self.encoder and self.encoder.read
        part = slice(processes.rank, None, processes.world)
        seeds = [c.seed * 1_000_003 + 7919 * step + 31 * w + 1 for w in range(c.workers)]
        served = [start_workers(self.questions, c.tokens, [seed], read, part) for seed in seeds]
        try:
            for queue, (worker,) in cycle(served):  # in turn: independent of the workers' speed
                yield QuestionTensors.of(next_batch(queue, worker))
        finally:
            stop_workers([worker for _, workers in served for worker in workers])

    def loss(self, batch: QuestionTensors) -> tuple[Tensor, Figures]:
        """See `Recipe.loss`."""
        loss, each = answer_loss(self.net, batch)
        return loss, {f"loss/{name}": each[batch.kind == i].mean() for i, name in enumerate(batch.kinds)}

    def evaluate(self, final: bool) -> dict[str, float]:
        """See `Recipe.evaluate`."""
        n, seed = (2 * self.c.evaluate_n, 90_002) if final else (self.c.evaluate_n, 90_001)
        device = device_of(self.net)
        figures = evaluate(
            self.net.cpu(), self.source, n, seed, instruction_encoder=self.encoder
        )  # decoding runs on the CPU
        nn.Module.to(self.net, device)
        return figures

    def save(self, folder: Path) -> Path:
        """See `Recipe.save`."""
        save_planner(self.net, folder / "model")
        if self.encoder is not None and not (folder / "model" / FOLDER).exists():
            shutil.copytree(self.c.reader, folder / "model" / FOLDER)
        return folder / "model"
