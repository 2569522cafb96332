"""The detector's networks in training: first together, then frozen for the classifier."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from palme.perception.classifier import Classifier
from palme.perception.grasp_refiner import GraspRefiner
from palme.perception.localiser import Localiser
from palme.perception.relations import HolderNet


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
        """Trained networks from a checkpoint of the detector's training."""
        from safetensors.torch import load_file

        nets = cls()
        nets.load_state_dict({k[4:]: v for k, v in load_file(path).items() if k.startswith("net.")})
        return nets


class DetectorWithClassifier(nn.Module):
    """The frozen detector, always in eval mode, and a trainable classifier ("namer" in the weights).

    Args:
        detector: trained networks.
        start: file of shipped weights with the initial classifier; "" = an untrained one.
    """

    def __init__(self, detector: DetectorNets, start: str = "") -> None:
        super().__init__()
        self.detector = detector.requires_grad_(False)
        self.namer = Classifier(detector.localiser.width)
        if start:
            from safetensors.torch import load_file

            before = {k[6:]: v.float() for k, v in load_file(start).items() if k.startswith("namer.")}
            counted = {k: v.long() if k.endswith("tracked") else v for k, v in before.items()}
            self.namer.load_state_dict(counted)

    def train(self, mode: bool = True) -> DetectorWithClassifier:
        """See `nn.Module.train`; the detector stays in eval mode."""
        super().train(mode)
        self.detector.eval()
        return self
