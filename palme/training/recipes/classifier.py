"""Recipe of the classifier: crops of objects, and features of the frozen detector."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from palme.file_names import FileName
from palme.precision import autocast
from palme.training.checkpoint import save_halves
from palme.training.config import TrainerConfig
from palme.training.datasets.augmentation import sample_pictures
from palme.training.datasets.classifier_crops import ClassifierCrops, classifier_crops
from palme.training.datasets.rendered_scenes import Labels, RenderedScenes
from palme.training.devices import device_of, to_device
from palme.training.log import Figures, means
from palme.training.losses.cells import rows
from palme.training.models.detector import DetectorNets, DetectorWithClassifier
from palme.training.processes import Processes
from palme.training.recipe import ParameterGroup
from palme.training.resources import Resources
from robots.skills import N_SOLIDS


@dataclass
class ClassifierTraining(TrainerConfig):
    """Settings.

    Attributes:
        detector: checkpoint of the detector's training.
        start: initial weights, "" = untrained.
        objects: crops of a picture.
        cylinders: factor on the rate of cylinders, which are rare and confused with blocks.
        jitter: [m] standard deviation of the detector's position, per axis.
    """

    data: FileName = "runs/scenes"
    detector: FileName = "runs/perception/checkpoint.safetensors"
    out: FileName = "runs/names"
    start: FileName = ""
    steps: int = 3000
    batch: int = 12
    objects: int = 10
    cylinders: float = 3.0
    jitter: float = 0.003
    lr: float = 1.5e-3
    decay_share: float = 0.6
    validate_every: int = 500

    def build(self, resources: Resources) -> ClassifierRecipe:
        """See `TrainerConfig.build`."""
        return ClassifierRecipe(self)

    def installed_as(self) -> str:
        """See `TrainerConfig.installed_as`."""
        return "detector.safetensors"


class ClassifierRecipe:
    """See module."""

    def __init__(self, c: ClassifierTraining) -> None:
        self.c = c
        self.scenes = RenderedScenes(c.data, slice(1, None))
        self.held_out = RenderedScenes(c.data, slice(0, 1))
        self.net = DetectorWithClassifier(DetectorNets.from_checkpoint(c.detector), c.start)

    def parameter_groups(self) -> list[ParameterGroup]:
        """See `Recipe.parameter_groups`."""
        return [ParameterGroup("namer", list(self.net.namer.parameters()), self.c.lr)]

    def batches(self, step: int, processes: Processes) -> Generator[ClassifierCrops, None, None]:
        """See `Recipe.batches`."""
        c = self.c
        while True:
            rng = np.random.default_rng([c.seed, 77, step])
            generator = torch.Generator().manual_seed(c.seed * 1_000_003 + 500_000 + step)
            rgb, labels = sample_pictures(self.scenes, c.batch, rng, generator)
            yield processes.share(self._crops(rgb, labels, generator))
            step += 1

    def _crops(self, rgb: Tensor, labels: Labels, generator: torch.Generator) -> ClassifierCrops:
        c, stride = self.c, self.net.detector.localiser.trunk.stride
        return classifier_crops(rgb, labels, c.objects, c.cylinders, c.jitter, stride, generator)

    def loss(self, batch: ClassifierCrops) -> tuple[Tensor, Figures]:
        """See `Recipe.loss`."""
        localiser = self.net.detector.localiser
        with torch.no_grad():
            dense = localiser(batch.x, batch.intrinsics, batch.base_from_camera)
            heat = localiser.entity_heat(dense.features)  # (B, 24, h, w)
        h, w = heat.shape[-2:]
        column, row = batch.cells.round().long().unbind(-1)  # (B, n)
        at = row.clamp(0, h - 1) * w + column.clamp(0, w - 1)
        feature = rows(dense.features.flatten(2).transpose(1, 2), at).flatten(0, 1).float()  # (B * n, D)
        logits = rows(heat.flatten(2).transpose(1, 2), at).flatten(0, 1)  # (B * n, 24)
        entity, size, use = (x.flatten() for x in (batch.entity, batch.size, batch.use))  # (B * n,)
        crops = batch.crops.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        names, sizes = self.net.namer(crops, feature, logits, entity >= N_SOLIDS)
        loss = F.cross_entropy(names[use], entity[use]) + 0.3 * F.cross_entropy(sizes[use], size[use])
        right, fits = names.argmax(-1) == entity, sizes.argmax(-1) == size
        return loss, {"name": right[use].float().mean(), "size": fits[use].float().mean()}

    def evaluate(self, final: bool) -> dict[str, float]:
        """See `Recipe.evaluate`."""
        generator, device = torch.Generator().manual_seed(1), device_of(self.net)
        found = []
        for labels in self.held_out.in_order(384):
            batch = to_device(self._crops(labels["rgb"].float(), labels, generator), device)
            with autocast(device):
                loss, figures = self.loss(batch)
            found.append({"loss": loss, **figures})
        return means(found)

    def save(self, folder: Path) -> Path:
        """See `Recipe.save`."""
        namer = {f"namer.{k}": v for k, v in self.net.namer.state_dict().items()}
        return save_halves(self.net.detector.state_dict() | namer, folder / "detector.safetensors")
