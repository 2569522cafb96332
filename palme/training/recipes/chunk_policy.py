"""Recipe of the chunk policy: motions to imitate, from key points and joints, and corrections.

Demonstrations (`palme collect what=demonstrations`) have true key points; noise on the joints, which the
targets do not follow, stands for a detector's errors. Recorded episodes (`record=PATH`) teach where the
camera truly is (`camera_correction`, in seconds) and, mixed with the demonstrations, motions.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from palme.policies.chunk import WEIGHTS, save_head
from palme.training.config import TrainerConfig
from palme.training.datasets.lessons import Lessons, lessons_from
from palme.training.datasets.motion_ticks import MotionTicks, Ticks, sources
from palme.training.devices import device_of, to_device
from palme.training.log import Figures, means
from palme.training.losses.chunks import imitation_loss
from palme.training.models.chunk_head import begin_head
from palme.training.processes import Processes
from palme.training.recipe import ParameterGroup
from palme.training.resources import Resources

Q_NOISE = 0.002  # [rad] standard deviation of the joints that the head sees


@dataclass
class ChunkPolicyTraining(TrainerConfig):
    """Settings. Without demonstrations the head stays as it is: few episodes alone would make it forget.

    Attributes:
        data: demonstrations, recorded data sets, or several of them.
        recorded_share: of a batch that is recorded motions, where there are any.
        correction_weight: how many times a person's motions count; 0 leaves them out.
        camera: that the policy looks through.
        start: weights to go on from; "" = from nothing, with recorded episodes from the shipped ones.
    """

    data: str | list[str] = "runs/demos"
    out: str = "runs/chunk"
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
    start: str = ""

    def build(self, resources: Resources) -> ChunkPolicyRecipe:
        return ChunkPolicyRecipe(self, resources)

    def installed_as(self) -> str:
        """A correction belongs to one table and is not installed: `policy.weights=PATH`."""
        return "" if sources(self.data)[1] else "chunk.safetensors"


class ChunkPolicyRecipe:
    demonstrations: MotionTicks | None
    recorded: MotionTicks | None
    lessons: Lessons | None

    def __init__(self, c: ChunkPolicyTraining, resources: Resources) -> None:
        self.c, joints = c, {}
        self.demonstrations = self.recorded = self.lessons = None
        folders, recorded = sources(c.data)
        if folders or not recorded:
            self.demonstrations = MotionTicks.of(folders)
            joints["demonstrations"] = self.demonstrations.n_joints
        if recorded:
            motion = resources.motion(c.arm)
            joints[c.arm] = len(motion.home)
            self.lessons = lessons_from(recorded, motion, c.arm, c.camera, c.correction_weight)
            self.recorded = MotionTicks(self.lessons.motions) if self.lessons.motions else None
            print(self.lessons.told, flush=True)
        self.net = begin_head(joints, c.start or (str(WEIGHTS) if recorded else ""))
        if self.lessons:
            self.net.base_from_told.copy_(torch.from_numpy(self.lessons.correction.base_from_told))

    def parameter_groups(self) -> list[ParameterGroup]:
        return [ParameterGroup("head", list(self.net.parameters()), self.c.lr, weight_decay=1e-4)]

    def batches(self, step: int, processes: Processes) -> Generator[Ticks, None, None]:
        c, data, recorded = self.c, self.demonstrations, self.recorded
        n_recorded = 0 if recorded is None else round(c.batch * c.recorded_share)
        while data is not None:
            batch = data.batch(torch.randint(data.n_held_out, len(data), (c.batch - n_recorded,)))
            if recorded is not None and n_recorded:
                more = recorded.drawn(n_recorded)
                batch = {k: torch.cat([v, more[k]]) for k, v in batch.items()}
            batch["q"] = batch["q"] + torch.randn_like(batch["q"]) * Q_NOISE
            yield processes.share(batch)

    def loss(self, batch: Ticks) -> tuple[Tensor, Figures]:
        return imitation_loss(self.net, batch, self.c.gripper_weight, self.c.phase_weight)

    def evaluate(self, final: bool) -> dict[str, float]:
        figures = self.lessons.figures if self.lessons else {}
        if self.demonstrations is None:
            return figures
        held_out = to_device(self.demonstrations.held_out(), device_of(self.net))
        return figures | means([self.loss(held_out)[1]])

    def save(self, folder: Path) -> Path:
        save_head(self.net, folder / "chunk.safetensors")
        return folder / "chunk.safetensors"
