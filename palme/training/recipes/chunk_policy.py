"""Recipe of the chunk policy: imitation of motions, from key points and joints, and a camera correction.

Demonstrations (`palme collect what=demonstrations`) have true key points; noise on the joints, which the
targets do not follow, simulates a detector's errors. Recorded episodes (`record=PATH`) give the camera's
correction (`camera_correction`, takes seconds) and further motions.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from palme.file_names import FileName
from palme.policies.chunk import WEIGHTS, save_head
from palme.training.config import TrainerConfig
from palme.training.datasets.motion_ticks import MotionTicks, Ticks, sources
from palme.training.datasets.recorded_motions import RecordedMotions, load_recorded_motions
from palme.training.devices import device_of, to_device
from palme.training.log import Figures, means
from palme.training.losses.chunks import imitation_loss
from palme.training.models.chunk_head import begin_head
from palme.training.processes import Processes
from palme.training.recipe import ParameterGroup
from palme.training.resources import Resources

Q_NOISE = 0.002  # [rad] standard deviation of the noise on the head's joint inputs


@dataclass
class ChunkPolicyTraining(TrainerConfig):
    """Settings. Without demonstrations the head is not trained: it would overfit to few episodes.

    Attributes:
        data: demonstrations, recorded data sets, or several of them.
        recorded_share: share of recorded motions in a batch, if there are any.
        correction_weight: weight of a person's motions; 0 leaves them out.
        camera: name of the policy's camera.
        start: initial weights; "" = untrained, with recorded episodes the shipped ones.
    """

    data: FileName | list[FileName] = "runs/demos"
    out: FileName = "runs/chunk"
    steps: int = 12000
    batch: int = 512
    lr: float = 1e-3
    warmup: int = 200
    decay_share: float = 0.6
    mixed_precision: bool = False  # targets are good to a milliradian, which bf16 is not
    gripper_weight: float = 0.5
    phase_weight: float = 0.05
    recorded_share: float = 0.1
    correction_weight: float = 8.0
    camera: str = "front"
    arm: str = "panda"
    resume: bool = False  # other data in the same folder would be ignored
    validate_every: int = 500
    save_every_s: float = 120.0
    start: FileName = ""

    def build(self, resources: Resources) -> ChunkPolicyRecipe:
        """See `TrainerConfig.build`."""
        return ChunkPolicyRecipe(self, resources)

    def installed_as(self) -> str:
        """A correction belongs to one table and is not installed: `policy.weights=PATH`."""
        return "" if sources(self.data)[1] else "chunk.safetensors"


class ChunkPolicyRecipe:
    """See module."""

    demonstrations: MotionTicks | None
    recorded: MotionTicks | None
    recordings: RecordedMotions | None

    def __init__(self, c: ChunkPolicyTraining, resources: Resources) -> None:
        self.c, joints = c, {}
        self.demonstrations = self.recorded = self.recordings = None
        folders, recorded = sources(c.data)
        if folders or not recorded:
            self.demonstrations = MotionTicks.of(folders)
            joints["demonstrations"] = self.demonstrations.n_joints
        if recorded:
            motion = resources.motion(c.arm)
            joints[c.arm] = len(motion.home)
            self.recordings = load_recorded_motions(recorded, motion, c.arm, c.camera, c.correction_weight)
            self.recorded = MotionTicks(self.recordings.motions) if self.recordings.motions else None
            print(self.recordings.summary, flush=True)
        self.net = begin_head(joints, c.start or (str(WEIGHTS) if recorded else ""))
        if self.recordings:
            self.net.base_from_told.copy_(torch.from_numpy(self.recordings.correction.base_from_told))

    def parameter_groups(self) -> list[ParameterGroup]:
        """See `Recipe.parameter_groups`."""
        return [ParameterGroup("head", list(self.net.parameters()), self.c.lr, weight_decay=1e-4)]

    def batches(self, step: int, processes: Processes) -> Generator[Ticks, None, None]:
        """See `Recipe.batches`."""
        c, data, recorded = self.c, self.demonstrations, self.recorded
        n_recorded = 0 if recorded is None else round(c.batch * c.recorded_share)
        while data is not None:
            batch = data.batch(torch.randint(data.n_held_out, len(data), (c.batch - n_recorded,)))
            if recorded is not None and n_recorded:
                more = recorded.sample(n_recorded)
                batch = {k: torch.cat([v, more[k]]) for k, v in batch.items()}
            batch["q"] = batch["q"] + torch.randn_like(batch["q"]) * Q_NOISE
            yield processes.share(batch)

    def loss(self, batch: Ticks) -> tuple[Tensor, Figures]:
        """See `Recipe.loss`."""
        return imitation_loss(self.net, batch, self.c.gripper_weight, self.c.phase_weight)

    def evaluate(self, final: bool) -> dict[str, float]:
        """See `Recipe.evaluate`."""
        figures = self.recordings.figures if self.recordings else {}
        if self.demonstrations is None:
            return figures
        held_out = to_device(self.demonstrations.held_out(), device_of(self.net))
        return figures | means([self.loss(held_out)[1]])

    def save(self, folder: Path) -> Path:
        """See `Recipe.save`."""
        save_head(self.net, folder / "chunk.safetensors")
        return folder / "chunk.safetensors"
