"""Recipe of the detector, on rendered scenes.

The localiser is trained on entity heatmaps, step-text heatmaps, points, sizes and holders in one pass; the
grasp refiner on points and grasp yaw in crops around jittered true points.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from palme.file_names import FileName
from palme.precision import autocast
from palme.training.checkpoint import save_halves
from palme.training.config import TrainerConfig
from palme.training.datasets.augmentation import sample_pictures
from palme.training.datasets.detector_batches import DetectorBatch, detector_batch
from palme.training.datasets.rendered_scenes import RenderedScenes
from palme.training.devices import device_of, to_device
from palme.training.log import Figures, means
from palme.training.losses.grasp_refiner import refiner_losses
from palme.training.losses.localiser import localiser_losses
from palme.training.models.detector import DetectorNets
from palme.training.processes import Processes
from palme.training.recipe import ParameterGroup
from palme.training.resources import Resources

WEIGHTS = {
    "heat": 1.0, "class": 0.7, "solid": 1.0, "bowl": 0.5, "in": 0.7, "on": 0.7, "size": 0.3, "holder": 0.5,
    "what": 0.3, "where": 0.3, "free": 0.5, "shift": 2.0, "yaw": 0.5, "opening": 1.0,
}  # fmt: skip


@dataclass
class DetectorTraining(TrainerConfig):
    """Settings.

    Attributes:
        texts: step texts of a picture.
        crops: crops of a picture for the grasp refiner.
        name_steps: steps of the classifier's training, which follows.
    """

    data: FileName = "runs/scenes"
    out: FileName = "runs/perception"
    steps: int = 9000
    batch: int = 16
    lr: float = 2e-3
    warmup: int = 300
    floor: float = 0.01
    clip: float = 5.0
    texts: int = 6
    crops: int = 5
    name_steps: int = 4000
    validate_every: int = 500

    def build(self, resources: Resources) -> DetectorRecipe:
        """See `TrainerConfig.build`."""
        return DetectorRecipe(self)

    def following(self) -> TrainerConfig:
        """See `TrainerConfig.following`."""
        from palme.training.recipes.classifier import ClassifierTraining

        out = Path(self.out)
        return ClassifierTraining(
            detector=str(out / "checkpoint.safetensors"), out=str(out / "names"), steps=self.name_steps,
            data=self.data, seed=self.seed, threads=self.threads, device=self.device, install=self.install,
            resume=False,
        )  # fmt: skip


class DetectorRecipe:
    """See module."""

    def __init__(self, c: DetectorTraining) -> None:
        self.c = c
        self.scenes = RenderedScenes(c.data, slice(1, None))
        self.held_out = RenderedScenes(c.data, slice(0, 1))
        self.net = DetectorNets()

    def parameter_groups(self) -> list[ParameterGroup]:
        """See `Recipe.parameter_groups`."""
        return [
            ParameterGroup(name, list(net.parameters()), self.c.lr) for name, net in self.net.named_children()
        ]

    def batches(self, step: int, processes: Processes) -> Generator[DetectorBatch, None, None]:
        """See `Recipe.batches`."""
        c = self.c
        while True:
            rng = np.random.default_rng([c.seed, step])
            generator = torch.Generator().manual_seed(c.seed * 1_000_003 + step)
            rgb, labels = sample_pictures(self.scenes, c.batch, rng, generator)
            yield processes.share(detector_batch(rgb, labels, c.texts, c.crops, rng, generator))
            step += 1

    def loss(self, batch: DetectorBatch) -> tuple[Tensor, Figures]:
        """See `Recipe.loss`."""
        net = self.net
        losses, figures = localiser_losses(net.localiser, net.holders, batch.x, batch.labels, batch.texts)
        more, found = refiner_losses(net.crop, batch.crops)
        losses |= more
        total = sum((WEIGHTS[k] * v for k, v in losses.items()), batch.x.new_zeros(()))
        return total, {f"loss/{k}": v.detach() for k, v in losses.items()} | figures | found

    def evaluate(self, final: bool) -> dict[str, float]:
        """See `Recipe.evaluate`."""
        rng, generator = np.random.default_rng(1), torch.Generator().manual_seed(1)
        device = device_of(self.net)
        c, found = self.c, []
        for labels in self.held_out.in_order(320):
            rgb = labels["rgb"].float()
            batch = to_device(detector_batch(rgb, labels, c.texts, c.crops, rng, generator), device)
            with autocast(device):
                found.append(self.loss(batch)[1])
        return means(found)

    def save(self, folder: Path) -> Path:
        """See `Recipe.save`."""
        return save_halves(self.net.state_dict(), folder / "detector.safetensors")
