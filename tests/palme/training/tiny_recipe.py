"""A recipe that takes milliseconds: two linear layers learn a sine. Also run by processes of their own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from palme.training.checkpoint import save_halves
from palme.training.config import TrainerConfig
from palme.training.log import Figures
from palme.training.processes import Processes, global_mean
from palme.training.recipe import ParameterGroup
from palme.training.resources import Resources
from palme.training.trainer import Trainer

Batch = dict[str, list[Tensor] | dict[str, Tensor]]


@dataclass
class TinyTraining(TrainerConfig):
    """`kill_at`: a step whose batch comes with two SIGTERMs; `nan_at`: one whose loss is no number."""

    batch: int = 12
    lr: float = 0.02
    device: str = "cpu"
    warmup: int = 2
    log_every_s: float = 1e-9
    mixed_precision: bool = False  # bf16 rounds batches of other shapes to other numbers
    kill_at: int = -1
    nan_at: int = -1

    def build(self, resources: Resources) -> TinyRecipe:
        return TinyRecipe(self)


class TinyRecipe:
    """`taken` counts batches; `evaluated` the evaluations."""

    def __init__(self, c: TinyTraining) -> None:
        self.c, self.evaluated, self.at = c, 0, 0
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))

    def parameter_groups(self) -> list[ParameterGroup]:
        first, last = self.net[0], self.net[2]
        return [
            ParameterGroup("first", list(first.parameters()), self.c.lr),
            ParameterGroup("last", list(last.parameters()), self.c.lr / 2),
        ]

    def batches(self, step: int, processes: Processes) -> Generator[Batch, None, None]:
        while True:
            self.at = step
            if step == self.c.kill_at:
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGTERM)
            x = torch.randn(self.c.batch, 3, generator=torch.Generator().manual_seed(step))
            weight = torch.rand(self.c.batch)  # of the global generator, whose state the checkpoint holds
            yield processes.share({"inputs": {"x": x}, "targets": [x.sum(1).sin(), weight]})
            step += 1

    def loss(self, batch: Batch) -> tuple[Tensor, Figures]:
        inputs, (y, weight) = batch["inputs"], batch["targets"]
        assert isinstance(inputs, dict)
        off = (self.net(inputs["x"])[:, 0] - y).square() * weight
        loss = global_mean(off.sum(), weight.sum())
        return loss * torch.nan if self.at == self.c.nan_at else loss, {"weight": weight.mean()}

    def evaluate(self, final: bool) -> dict[str, float]:
        self.evaluated += 1
        torch.rand(7)  # must not change the training
        return {"norm": float(self.net[2].weight.norm())}

    def save(self, folder: Path) -> Path:
        return save_halves(self.net.state_dict(), folder / "tiny.safetensors", list(self.net.state_dict()))


if __name__ == "__main__":  # accelerate launch ... -m tests.palme.training.tiny_recipe OUT
    Trainer(TinyTraining(out=sys.argv[1], steps=6)).fit()
