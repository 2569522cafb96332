"""A camera's correction, estimated from corrections: the transform from localised to true positions.

A grasp of the policy hides its localisation error: the fingers close at the localised position and push
the object there. A person closes them at the true position, so a person's points weigh more.
Outliers (an object was pushed before the grasp) are down-weighted (Huber 1964).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palme.data.errors import TrainingDataError
from palme.training.datasets.hindsight import PickAndPlace

Array = NDArray[np.float64]

# [m] one standard deviation, per axis, of positions from hindsight. An object may have been pushed before it
# was grasped, and how deep is a person's own choice; a bowl is hit anywhere, from any height.
PICK = (0.008, 0.008, 0.010)
ON, IN = (0.006, 0.006, 0.010), (0.015, 0.015, 0.050)
HUBER = 2.0  # standard deviations beyond which a pair pulls no harder
SHIFT, TURN = 0.05, math.radians(4.0)  # [m], [rad] one standard deviation of how far a camera is knocked
ROUNDS = 50
LEAST = 6  # pairs; a rigid transform has six parameters
FARTHEST = 0.15  # [m] a mean correction beyond this is another fault than a knocked camera


@dataclass(frozen=True)
class Pairs:
    """N points: `seen`, `true` (N, 3) in [m], `sigma` (N, 3) in [m], `by_person` (N,)."""

    seen: Array
    true: Array
    sigma: Array
    by_person: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.seen)


@dataclass(frozen=True)
class Correction:
    """An estimated correction.

    Attributes:
        base_from_told: (4, 4) from the frame of localised positions to the base frame.
        before_mm: median horizontal error in [mm] without it, over a person's points if there are any.
        after_mm: likewise with it.
        pairs: points that it was estimated from.
        by_person: those of a person among them.
    """

    base_from_told: Array
    before_mm: float
    after_mm: float
    pairs: int
    by_person: int


def pairs_of(moves: Sequence[PickAndPlace]) -> Pairs:
    """Localised and true positions of all grasps and places."""
    rows = []
    for move in moves:
        if move.seen_pick is not None:
            rows.append((move.seen_pick, move.pick, PICK, move.picked_by_person))
        if move.seen_place is not None:
            into = " in the " in move.step
            rows.append((move.seen_place, move.place, IN if into else ON, move.placed_by_person))
    seen, true, sigma = (np.array([row[k] for row in rows], float).reshape(-1, 3) for k in range(3))
    return Pairs(seen, true, sigma, np.array([row[3] for row in rows], bool))


def learn_correction(moves: Sequence[PickAndPlace], correction_weight: float) -> Correction:
    """The correction estimated from `moves`; pairs of a person have the weight `correction_weight`.

    Raises:
        TrainingDataError: with fewer than `LEAST` pairs, or a mean correction beyond `FARTHEST`.
    """
    pairs = pairs_of(moves)
    weight = np.where(pairs.by_person, correction_weight, 1.0)
    counted = int((weight > 0).sum())
    if counted < LEAST:
        raise TrainingDataError(
            f"{counted} points were localised and touched, at least {LEAST} are needed; record more "
            "corrections"
        )
    pose = fit_rigid(pairs.seen, pairs.true, pairs.sigma, weight)
    chosen = pairs.by_person & (weight > 0) if (pairs.by_person & (weight > 0)).any() else weight > 0
    before = _across(pairs.seen, pairs.true)[chosen]
    after = _across(moved(pose, pairs.seen), pairs.true)[chosen]
    mean = float(np.linalg.norm((moved(pose, pairs.seen) - pairs.seen)[chosen].mean(0)))
    if not mean <= FARTHEST:
        raise TrainingDataError(
            f"the corrections put the camera {100 * mean:.0f} cm off, more than {100 * FARTHEST:.0f} cm; "
            "calibrate the camera again"
        )
    return Correction(
        pose, 1e3 * float(np.median(before)), 1e3 * float(np.median(after)), counted,
        int((pairs.by_person & (weight > 0)).sum()),
    )  # fmt: skip


def fit_rigid(seen: Array, true: Array, sigma: Array, weight: Array) -> Array:
    """(4, 4) that maps `seen` onto `true`: robust least squares with a prior at the identity.

    Args:
        seen: (N, 3) in [m].
        true: (N, 3) in [m].
        sigma: (N, 3) standard deviations in [m].
        weight: (N,), 0 leaves a pair out.
    """
    pivot = np.average(seen, axis=0, weights=weight)
    turn, shift = np.eye(3), np.zeros(3)  # about the pivot, where rotation and shift are nearly independent
    prior = np.concatenate([np.full(3, TURN**-2), np.full(3, SHIFT**-2)])
    for _ in range(ROUNDS):
        here = (seen - pivot) @ turn.T
        off = (here + pivot + shift - true) / sigma  # (N, 3)
        size = np.linalg.norm(off, axis=1)
        pull = weight * np.minimum(1.0, HUBER / np.maximum(size, 1e-12))  # (N,)
        slope = np.concatenate([-_cross(here), np.broadcast_to(np.eye(3), (len(seen), 3, 3))], 2)
        slope = slope / sigma[:, :, None]  # (N, 3, 6)
        hessian = np.einsum("n,nki,nkj->ij", pull, slope, slope) + np.diag(prior)
        gradient = np.einsum("n,nki,nk->i", pull, slope, off)
        gradient += prior * np.concatenate([_log(turn), shift])
        change = -np.linalg.solve(hessian, gradient)
        turn, shift = rotation(change[:3]) @ turn, shift + change[3:]
        if np.abs(change).max() < 1e-9:
            break
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn, pivot + shift - turn @ pivot
    return pose


def moved(pose: Array, points: Array) -> Array:
    """Points (N, 3) mapped by `pose` (4, 4)."""
    return points @ pose[:3, :3].T + pose[:3, 3]


def rotation(vector: Array) -> Array:
    """(3, 3) about `vector` (3,) by its length in [rad] (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    k = _cross(np.asarray(vector, float)[None])[0]
    if angle < 1e-12:
        return np.eye(3) + k
    return np.eye(3) + math.sin(angle) / angle * k + (1 - math.cos(angle)) / angle**2 * k @ k


def _log(turn: Array) -> Array:
    """(3,) rotation vector of a small turn."""
    skew = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
    size = float(np.linalg.norm(skew))
    return skew if size < 1e-12 else skew / size * math.atan2(size, (float(np.trace(turn)) - 1) / 2)


def _cross(v: Array) -> Array:
    """(N, 3, 3) matrices of the cross product with each of (N, 3)."""
    x, y, z = v.T
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)


def _across(one: Array, other: Array) -> Array:
    """(N,) distances in [m] over the table."""
    return np.linalg.norm((one - other)[:, :2], axis=1)
