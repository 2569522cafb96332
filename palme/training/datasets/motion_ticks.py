"""Motions for the chunk head, tick by tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from palme.policies.chunk import EXECUTED, HORIZON

Ticks = dict[str, Tensor]
"""B ticks: q, dq (B, n) in [rad], [rad/s]; gripper (B,); goals (B, 5, n); openings (B, 2); phase, next_phase
(B,) index; q_targets (B, 16, n) and grips (B, 16) that follow."""


class MotionTicks:
    """Ticks of motions, and for each the `HORIZON` targets that follow within its motion.

    Args:
        parts: arrays as `sim.data.demonstrations` writes them, motions end to end, with `start`; optionally
            `weight` (T,), the rate at which a tick is drawn.
    """

    def __init__(self, parts: Sequence[Mapping[str, NDArray[Any]]]) -> None:
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
    def of(cls, folders: Sequence[Path]) -> MotionTicks:
        """Ticks of the demonstrations in `folders`.

        Raises:
            FileNotFoundError: if there are none, with the remedy.
        """
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

    @property
    def n_joints(self) -> int:
        """Joints of the arm."""
        return self.arrays["q"].shape[1]

    @property
    def n_held_out(self) -> int:
        """Number of ticks, from the first, that are kept out of training."""
        return len(self) // 20

    def held_out(self) -> Ticks:
        """Every seventh held-out tick; neighbours are similar."""
        return self.batch(torch.arange(0, self.n_held_out, 7))

    def sample(self, n: int) -> Ticks:
        """`n` ticks, drawn in proportion to their weight."""
        return self.batch(torch.multinomial(self.weight, n, replacement=True))

    def batch(self, rows: Tensor) -> Ticks:
        """The ticks `rows` (B,)."""
        out = {k: self.arrays[k][rows] for k in ("q", "dq", "gripper", "goals", "openings", "phase")}
        ahead = rows[:, None] + torch.arange(HORIZON)  # (B, 16): the target sent at this tick comes first
        ahead = torch.minimum(ahead, self.end[rows][:, None] - 1)
        out["q_targets"], out["grips"] = self.arrays["q_target"][ahead], self.arrays["grip"][ahead]
        out["next_phase"] = self.arrays["phase"][torch.minimum(rows + EXECUTED, self.end[rows] - 1)].long()
        out["phase"] = out["phase"].long()
        return out


def sources(data: str | Sequence[str]) -> tuple[list[Path], list[Path]]:
    """(folders of demonstrations, recorded data sets) among the paths `data`.

    Raises:
        FileNotFoundError: for a path that is neither.
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
