"""Training data of the chunk policy from recorded episodes: a camera correction, and motions to imitate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palme.data.errors import TrainingDataError
from palme.data.joint_limits import rows_within
from palme.data.reader import Dataset
from palme.policies.base import Motion
from palme.training.datasets.camera_correction import Correction, learn_correction
from palme.training.datasets.chunk_dataset import ticks_of
from palme.training.datasets.hindsight import PickAndPlace, check_learnable, moves_of
from robots.spec import ArmSpec


@dataclass(frozen=True)
class RecordedMotions:
    """Training data of recorded episodes.

    Attributes:
        correction: of the camera's calibration.
        motions: as `MotionTicks` takes them.
        moves: all pick and place motions, also those too short to imitate.
    """

    correction: Correction
    motions: list[dict[str, Any]]
    moves: list[PickAndPlace]

    @property
    def figures(self) -> dict[str, float]:
        """Numbers for the log; errors in [mm]."""
        c = self.correction
        return {
            "pairs": c.pairs, "pairs_by_person": c.by_person, "off_before_mm": c.before_mm,
            "off_after_mm": c.after_mm, "motions": len(self.motions),
        }  # fmt: skip

    @property
    def summary(self) -> str:
        """The figures in one line."""
        c = self.correction
        return (
            f"{len(self.moves)} objects moved, {sum(m.by_person for m in self.moves)} by a person; "
            f"{c.pairs} points localised and touched: median error {c.before_mm:.1f} mm, "
            f"{c.after_mm:.1f} mm with the correction; {len(self.motions)} motions to imitate"
        )


def load_recorded_motions(
    roots: Sequence[Path], motion: Motion, arm: str, camera: str, correction_weight: float
) -> RecordedMotions:
    """Training data from recorded data sets.

    Args:
        roots: folders of the data sets.
        motion: kinematics of the arm.
        arm: name of the arm that they must be recorded on.
        camera: name of the policy's camera.
        correction_weight: weight of a person's motions, >= 0; 0 leaves them out.

    Raises:
        TrainingDataError: if nothing can be learned from them, or a joint is outside the arm's limits, with
            the remedy.
        DataError: for a damaged data set, see `Dataset`.
    """
    if not correction_weight >= 0:
        raise TrainingDataError(
            f"correction_weight={correction_weight}: expected at least 0 (0 leaves them out)"
        )
    spec = ArmSpec.load(arm)
    moves: list[PickAndPlace] = []
    motions: list[dict[str, Any]] = []
    for root in roots:
        dataset = Dataset(root)
        try:
            check_learnable(dataset, arm, len(motion.home), motion.control_hz, camera)
            for number, episode in enumerate(dataset.episodes()):
                for key in ("action", "observation.state"):
                    where = f"{root}, episode {number}: "
                    rows_within(spec, key, episode.numbers[key], TrainingDataError, where)
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
            f"{', '.join(map(str, roots))}: no step in which an object is grasped and released; record "
            "complete pick and place motions"
        )
    return RecordedMotions(learn_correction(moves, correction_weight), motions, moves)
