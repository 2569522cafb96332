"""The detector's networks in training: first together, then frozen for the classifier."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from palme.perception.classifier import Classifier
from palme.perception.detector import REMEDY
from palme.perception.grasp_refiner import GraspRefiner
from palme.perception.localiser import Localiser
from palme.perception.relations import HolderNet
from palme.weight_files import load_state


class DetectorNets(nn.Module):
    """Localiser, grasp refiner ("crop" in the weights) and holder network, untrained."""

    def __init__(self) -> None:
        super().__init__()
        self.localiser = Localiser()
        self.localiser.trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.crop = GraspRefiner()
        self.holders = HolderNet(self.localiser.width)

    @classmethod
    def from_checkpoint(cls, path: str | Path) -> DetectorNets:
        """Trained networks from a checkpoint of the detector's training.

        Raises:
            WeightsMissing, BadWeights: no such checkpoint at `path`, with the remedy.
        """
        nets = cls()
        load_state(nets, path, REMEDY, prefix="net.")
        return nets


class DetectorWithClassifier(nn.Module):
    """The frozen detector, always in eval mode, and a trainable classifier ("namer" in the weights).

    Args:
        detector: trained networks.
        start: file of shipped weights with the initial classifier; "" = an untrained one.

    Raises:
        WeightsMissing, BadWeights: no classifier in `start`, with the remedy.
    """

    def __init__(self, detector: DetectorNets, start: str = "") -> None:
        super().__init__()
        self.detector = detector.requires_grad_(False)
        self.namer = Classifier(detector.localiser.width)
        if start:
            load_state(self.namer, start, REMEDY, prefix="namer.")

    def train(self, mode: bool = True) -> DetectorWithClassifier:
        """See `nn.Module.train`; the detector stays in eval mode."""
        super().train(mode)
        self.detector.eval()
        return self
