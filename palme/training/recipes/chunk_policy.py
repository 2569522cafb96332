"""The chunk policy's training recipe: motions to imitate, from key points and joints, and corrections.

Demonstrations (`palme collect what=demonstrations`) have key points that are true; here they are misjudged on
purpose, as detector would, by noise on the joint goals that the targets do not follow. Recorded episodes
(`record=PATH`) say in hindsight where things were. Two things are learned from them: where the camera truly
is (`correction`), which takes seconds, and the motions (`recorded`), mixed with the demonstrations.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from palme.data.errors import TrainingDataError
from palme.policies.base import Motion
from palme.policies.chunk import ACTION_SCALE, EXECUTED, HORIZON, PHASES, ChunkHead, load_head, save_head


@dataclass
class PolicyTraining:
    """Hyperparameters. Without demonstrations beside recorded episodes the head stays as it is and only the
    correction is learned: a few episodes alone would have it forget the rest."""

    data: str | list[str] = "runs/demos"  # demonstrations, recorded data sets, or several of them
    out: str = "runs/chunk"
    steps: int = 12000
    batch: int = 512
    lr: float = 1e-3
    warmup: int = 200
    gripper_weight: float = 0.5
    phase_weight: float = 0.05
    recorded_share: float = 0.1  # of a batch that is recorded motions, where there are any
    correction_weight: float = 8.0  # what a person did counts so many times; 0 leaves it out
    camera: str = "front"  # that the policy looks through
    arm: str = "panda"
    seed: int = 0
    threads: int = 1
    save_every_s: float = 120.0
    start: str = ""  # weights to go on from; "" = from nothing, with recorded episodes from the shipped ones


class Ticks:
    """Ticks of motions, and for each the `HORIZON` targets that follow within its motion.

    Args:
        parts: arrays end to end as `sim.data.demonstrations` writes them, with `start`; `weight` (T,) where
            some are to be drawn more often.
    """

    def __init__(self, parts: Sequence[dict[str, Any]]) -> None:
        names = ("q", "dq", "gripper", "goals", "openings", "phase", "q_target", "grip")
        self.arrays = {
            k: torch.from_numpy(np.concatenate([np.asarray(p[k], np.float32) for p in parts])) for k in names
        }
        ends, total = [], 0
        for p in parts:
            ends.append(np.repeat(p["start"][1:], np.diff(p["start"])) + total)
            total += p["start"][-1]
        self.end = torch.from_numpy(np.concatenate(ends))  # (N,) one past the last tick of the same motion
        weights = [p.get("weight", np.ones(len(p["q"]))) for p in parts]
        self.weight = torch.from_numpy(np.concatenate(weights).astype(np.float32))

    @classmethod
    def of(cls, folders: Sequence[Path]) -> Ticks:
        """Demonstrations in `folders`. Raises FileNotFoundError with the remedy."""
        files = [f for folder in folders for f in sorted(folder.glob("*.npz"))]
        if not files:
            names = ", ".join(map(str, folders))
            raise FileNotFoundError(
                f"{names}: no demonstrations (*.npz), nor a recorded data set; run `palme collect "
                "what=demonstrations`"
            )
        return cls([dict(np.load(f)) for f in files])

    def __len__(self) -> int:
        return len(self.end)

    def drawn(self, n: int) -> dict[str, Tensor]:
        """A batch of `n` ticks, those with more weight more often."""
        return self.batch(torch.multinomial(self.weight, n, replacement=True))

    def batch(self, rows: Tensor) -> dict[str, Tensor]:
        out = {k: self.arrays[k][rows] for k in ("q", "dq", "gripper", "goals", "openings", "phase")}
        ahead = rows[:, None] + torch.arange(HORIZON)  # (B, 16): the target sent at this tick comes first
        ahead = torch.minimum(ahead, self.end[rows][:, None] - 1)
        out["q_targets"], out["grips"] = self.arrays["q_target"][ahead], self.arrays["grip"][ahead]
        out["next_phase"] = self.arrays["phase"][torch.minimum(rows + EXECUTED, self.end[rows] - 1)].long()
        out["phase"] = out["phase"].long()
        return out


def loss_of(head: ChunkHead, batch: dict[str, Tensor], c: PolicyTraining) -> tuple[Tensor, dict[str, float]]:
    targets, grips, phase = head(*(batch[k] for k in ("q", "dq", "gripper", "goals", "openings", "phase")))
    away = (targets - batch["q_targets"]) / ACTION_SCALE  # (B, 16, n)
    motion = F.smooth_l1_loss(away, torch.zeros_like(away), beta=0.02)
    gripper = F.l1_loss(grips, batch["grips"])
    phases = F.cross_entropy(phase, batch["next_phase"])
    total = motion + c.gripper_weight * gripper + c.phase_weight * phases
    error = (targets - batch["q_targets"])[:, :EXECUTED].abs().mean().item()
    right = (phase.argmax(-1) == batch["next_phase"]).float().mean().item()
    return total, {"mrad": error * 1000, "gripper": gripper.item(), "phase": right}


def train(c: PolicyTraining, motion: Motion | None = None) -> dict[str, float]:
    """Trains in minutes; writes `chunk.safetensors` to `c.out` as it goes. Returns figures.

    Args:
        motion: of the arm `c.arm`; needed where `c.data` names recorded episodes.

    Raises:
        FileNotFoundError: nothing to learn from. TrainingDataError: see `hindsight` and `correction`.
    """
    torch.set_num_threads(c.threads)
    torch.manual_seed(c.seed)
    folders, recorded = sources(c.data)
    out = Path(c.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(asdict(c), indent=1))
    figures: dict[str, float] = {}
    motions: Ticks | None = None
    base_from_told: Tensor | None = None
    if recorded:
        if motion is None:
            raise ValueError("recorded episodes need the arm's kinematics")
        from palme.training.datasets.lessons import lessons_from

        lessons = lessons_from(recorded, c, motion)
        base_from_told = torch.from_numpy(lessons.correction.base_from_told).float()
        motions = Ticks(lessons.motions) if lessons.motions else None
        figures |= lessons.figures
        print(lessons.told, flush=True)
    demonstrations = Ticks.of(folders) if folders or not recorded else None
    head = _begun(c, motion, demonstrations)
    if base_from_told is not None:
        head.base_from_told.copy_(base_from_told)
    if demonstrations is None:
        save_head(head, out / "chunk.safetensors")
        return figures
    return figures | _fit(head, demonstrations, motions, c, out)


def sources(data: str | Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Folders of demonstrations, and recorded data sets, of what `data` names.

    Raises FileNotFoundError for what is neither.
    """
    paths = [Path(data)] if isinstance(data, str) else [Path(p) for p in data]
    recorded = [p for p in paths if (p / "meta" / "info.json").exists()]
    folders = [p for p in paths if p not in recorded]
    for folder in folders:
        if not any(folder.glob("*.npz")):
            raise FileNotFoundError(
                f"{folder}: no demonstrations (*.npz) and no recorded data set (meta/info.json); run "
                "`palme collect what=demonstrations`, or record with `palme run ... record=PATH`"
            )
    return folders, recorded


def _begun(c: PolicyTraining, motion: Motion | None, demonstrations: Ticks | None) -> ChunkHead:
    """The head to go on with."""
    from palme.policies.chunk import WEIGHTS

    n_joints = len(motion.home) if demonstrations is None else demonstrations.arrays["q"].shape[1]
    if motion is not None and len(motion.home) != n_joints:
        raise TrainingDataError(
            f"the demonstrations are of {n_joints} joints, {c.arm} has {len(motion.home)}"
        )
    if c.start:
        return load_head(c.start, n_joints)
    return ChunkHead(n_joints) if motion is None else load_head(WEIGHTS, n_joints)


def _fit(
    head: ChunkHead, data: Ticks, motions: Ticks | None, c: PolicyTraining, out: Path
) -> dict[str, float]:
    from torch.utils.tensorboard import SummaryWriter

    n_held_out = len(data) // 20
    held_out = data.batch(torch.arange(0, n_held_out, 7))
    optimiser = torch.optim.AdamW(head.parameters(), lr=c.lr, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min(1.0, (s + 1) / c.warmup, max(0.0, (c.steps - s) / (0.6 * c.steps)))
    )
    writer, saved, began = SummaryWriter(c.out), time.monotonic(), time.monotonic()
    figures: dict[str, float] = {}
    n_recorded = 0 if motions is None else round(c.batch * c.recorded_share)
    for step in range(c.steps):
        batch = data.batch(torch.randint(n_held_out, len(data), (c.batch - n_recorded,)))
        if motions is not None and n_recorded:
            more = motions.drawn(n_recorded)
            batch = {k: torch.cat([v, more[k]]) for k, v in batch.items()}
        batch["q"] = batch["q"] + torch.randn_like(batch["q"]) * 0.002
        loss, metrics = loss_of(head, batch, c)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        last = step + 1 == c.steps
        if step % 500 == 0 or last:
            with torch.no_grad():
                figures = loss_of(head, held_out, c)[1]
            for k, v in figures.items():
                writer.add_scalar(f"held_out/{k}", v, step)
            rate = (step + 1) * c.batch / (time.monotonic() - began)
            shown = "  ".join(f"{k} {v:.3f}" for k, v in figures.items())
            print(
                f"step {step}/{c.steps}  {rate:.0f} samples/s  loss {loss.item():.4f}  held out: {shown}",
                flush=True,
            )
        if last or time.monotonic() - saved > c.save_every_s:
            save_head(head, out / "chunk.safetensors")
            saved = time.monotonic()
    writer.close()
    return figures


__all__ = ["PHASES", "PolicyTraining", "Ticks", "train"]
