"""What recorded data sets teach the chunk policy: where its camera is, and motions to imitate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palme.data.errors import TrainingDataError
from palme.data.reader import Dataset
from palme.policies.base import Motion
from palme.training.datasets.camera_correction import Correction, learn_correction
from palme.training.datasets.chunk_dataset import ticks_of
from palme.training.datasets.hindsight import Moved, check_learnable, moves_of


@dataclass(frozen=True)
class Lessons:
    """The camera's correction, and motions as `MotionTicks` takes them."""

    correction: Correction
    motions: list[dict[str, Any]]
    moves: list[Moved]

    @property
    def figures(self) -> dict[str, float]:
        c = self.correction
        return {
            "pairs": c.pairs, "pairs_by_person": c.by_person, "off_before_mm": c.before_mm,
            "off_after_mm": c.after_mm, "motions": len(self.motions),
        }  # fmt: skip

    @property
    def told(self) -> str:
        """One sentence for people."""
        c = self.correction
        return (
            f"{len(self.moves)} things moved, {sum(m.by_person for m in self.moves)} of them by a person; "
            f"{c.pairs} points both seen and touched: off by {c.before_mm:.1f} mm, corrected "
            f"{c.after_mm:.1f} mm (median); {len(self.motions)} motions to imitate"
        )


def lessons_from(
    roots: Sequence[Path], motion: Motion, arm: str, camera: str, correction_weight: float
) -> Lessons:
    """From recorded data sets.

    Args:
        motion, arm: kinematics and name of the arm that they must be of.
        camera: that the policy looks through.
        correction_weight: how many times a person's motions count; 0 leaves them out.

    Raises:
        TrainingDataError: by name and remedy; and what `Dataset` raises.
    """
    if not correction_weight >= 0:
        raise TrainingDataError(f"correction_weight={correction_weight}: expected 0 (leave them out) or more")
    moves: list[Moved] = []
    motions: list[dict[str, Any]] = []
    for root in roots:
        dataset = Dataset(root)
        try:
            check_learnable(dataset, arm, len(motion.home), motion.control_hz, camera)
            for episode in dataset.episodes():
                for move in moves_of(episode, motion, camera):
                    if move.by_person and correction_weight == 0:
                        continue
                    moves.append(move)
                    ticks = ticks_of(episode, move, motion, correction_weight)
                    if ticks is not None:
                        motions.append(ticks)
        finally:
            dataset.close()
    if not moves:
        raise TrainingDataError(
            f"{', '.join(map(str, roots))}: in no step was something held and then let go of; record "
            "episodes in which things are moved to their place"
        )
    return Lessons(learn_correction(moves, correction_weight), motions, moves)
