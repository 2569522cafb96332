"""The chunk head's training recipe: imitation of demonstrated motions from key points and joints.

Data: `palme collect` writes demonstrations (`sim.demonstrations`) whose key points are true; here they are
misjudged on purpose, as eyes would, by noise on the joint goals that the targets do not follow.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from palme.policies.chunk import ACTION_SCALE, EXECUTED, HORIZON, PHASES, ChunkHead


@dataclass
class PolicyTraining:
    """Hyperparameters."""

    data: str = "runs/demos"
    out: str = "runs/chunk"
    steps: int = 12000
    batch: int = 512
    lr: float = 1e-3
    warmup: int = 200
    gripper_weight: float = 0.5
    phase_weight: float = 0.05
    seed: int = 0
    threads: int = 1
    save_every_s: float = 120.0
    start: str = ""  # weights to go on from; "" = from nothing


class Demonstrations:
    """All demonstrated ticks, and for each the `HORIZON` targets that follow within its demonstration."""

    def __init__(self, folder: str | Path) -> None:
        files = sorted(Path(folder).glob("*.npz"))
        if not files:
            raise FileNotFoundError(f"{folder}: no demonstrations (*.npz); run `palme collect`")
        parts = [dict(np.load(f)) for f in files]
        names = ("q", "dq", "gripper", "goals", "openings", "phase", "q_target", "grip")
        self.arrays = {k: torch.from_numpy(np.concatenate([p[k] for p in parts])) for k in names}
        ends, total = [], 0
        for p in parts:
            ends.append(np.repeat(p["start"][1:], np.diff(p["start"])) + total)
            total += p["start"][-1]
        self.end = torch.from_numpy(
            np.concatenate(ends)
        )  # (N,) one past the last tick of the same demonstration

    def __len__(self) -> int:
        return len(self.end)

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


def train(c: PolicyTraining) -> dict[str, float]:
    """Trains from scratch in minutes; writes `chunk.safetensors` (bf16) to `c.out` as it goes."""
    from safetensors.torch import load_file, save_file
    from torch.utils.tensorboard import SummaryWriter

    torch.set_num_threads(c.threads)
    torch.manual_seed(c.seed)
    data = Demonstrations(c.data)
    n_held_out = len(data) // 20
    held_out = data.batch(torch.arange(0, n_held_out, 7))
    head = ChunkHead(data.arrays["q"].shape[1])
    if c.start:
        head.load_state_dict({k: v.float() for k, v in load_file(c.start).items()})
    optimiser = torch.optim.AdamW(head.parameters(), lr=c.lr, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min(1.0, (s + 1) / c.warmup, max(0.0, (c.steps - s) / (0.6 * c.steps)))
    )
    out = Path(c.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(asdict(c), indent=1))
    writer, saved, began = SummaryWriter(c.out), time.monotonic(), time.monotonic()
    figures: dict[str, float] = {}
    for step in range(c.steps):
        batch = data.batch(torch.randint(n_held_out, len(data), (c.batch,)))
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
            save_file(
                {k: v.to(torch.bfloat16).contiguous() for k, v in head.state_dict().items()},
                out / "chunk.safetensors",
            )
            saved = time.monotonic()
    writer.close()
    return figures


__all__ = ["PHASES", "Demonstrations", "PolicyTraining", "train"]
