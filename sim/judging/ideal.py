"""What a table would be had each step been carried out as it was meant: geometry, no arm and no physics."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np

from robots.skills import TABLE, Step
from sim.geometry.shapes import BOWL_FLOOR, Array, height, width
from sim.judging.snapshot import Snapshot

XY = tuple[float, float]

NEAR = 0.04  # [m] from the place that a step names to the thing that is meant
SURE = 0.005  # [m] by which the next one must be farther
X_RANGE, Y_RANGE = (0.35, 0.65), (-0.28, 0.28)  # [m] of the table that every arm reaches
PITCH = 0.02  # [m] between the places that are tried


class NoSuchStep(Exception):
    """A step singles nothing out, or cannot be done as things stand."""


@dataclass(frozen=True)
class Placement:
    """What a step does, by the simulator's identities.

    Attributes:
        what: index of the thing that is moved.
        onto: index of what it is put in or on; None = the table.
        xy: where on the table, in [m], base frame; None = anywhere free.
    """

    what: int
    onto: int | None
    xy: XY | None = None


def meant(step: Step, table: Snapshot) -> Placement:
    """What `step` means on `table`: the things of its names that are nearest to its places.

    Raises:
        NoSuchStep: no thing, or more than one, is meant.
    """
    if step.is_done:
        raise NoSuchStep("'done' moves nothing")
    what = _thing(step.what, step.what_at, table)
    if step.target == TABLE:
        return Placement(what, None, None if step.target_at is None else step.target_at[:2])
    return Placement(what, _thing(step.target, step.target_at, table))


def carried_out(table: Snapshot, placement: Placement) -> Snapshot:
    """`table` after `placement`, upright and with the gripper open.

    Raises:
        NoSuchStep: something lies on the thing or on what it goes on, or its place is taken.
    """
    i, j = placement.what, placement.onto
    specs, state = table.specs, replace(table, held=None).state
    if specs[i].kind == "bowl" or i == j:
        raise NoSuchStep(f"the {specs[i].name} cannot be moved so")
    if not state.is_clear(i):
        raise NoSuchStep(f"something lies on the {specs[i].name}")
    if j is None:
        at = _free(table, i) if placement.xy is None else np.array(placement.xy)
        if not _is_free(table, i, at):
            raise NoSuchStep(f"something stands where the {specs[i].name} shall go")
        return _with(table, i, at, 0.0)
    if specs[j].kind == "bowl":
        return _in_bowl(table, i, j)
    if any(k != i for k in state.on_top_of(j)):
        raise NoSuchStep(f"something lies on the {specs[j].name}")
    return _with(table, i, table.positions[j, :2], _top(table, j))


def _thing(name: str, at: tuple[float, float, float] | None, table: Snapshot) -> int:
    alike = [i for i, spec in enumerate(table.specs) if spec.name == name]
    if at is None:
        if len(alike) != 1:
            raise NoSuchStep(f"{len(alike)} things are called {name!r}, and the step does not say where")
        return alike[0]
    far = sorted((math.dist(_seen_at(table, i), at), i) for i in alike)
    if not far or not far[0][0] <= NEAR:
        raise NoSuchStep(f"no {name} is within {100 * NEAR:.0f} cm of {at}")
    if len(far) > 1 and not far[1][0] >= far[0][0] + SURE:
        raise NoSuchStep(f"two things called {name!r} are equally near to {at}")
    return far[0][1]


def _seen_at(table: Snapshot, i: int) -> Array:
    """(3,) the point by which a step names a thing: the middle of a solid's top face, of a bowl's floor."""
    spec, at = table.specs[i], table.positions[i].copy()
    at[2] += BOWL_FLOOR - height(spec) / 2 if spec.kind == "bowl" else height(spec) / 2
    return np.asarray(at, float)


def _in_bowl(table: Snapshot, i: int, bowl: int) -> Snapshot:
    spec, centre = table.specs[i], table.positions[bowl, :2]
    floor = float(table.positions[bowl, 2]) - height(table.specs[bowl]) / 2 + BOWL_FLOOR
    state = table.state
    there = [k for k in range(len(table.specs)) if k != i and state.container(k) == bowl]
    ring = 0.5 * (width(table.specs[bowl]) - 0.01 - 1.1 * width(spec))
    angles = np.arange(8) * math.pi / 4
    spots = [centre, *(centre + ring * np.array([math.cos(a), math.sin(a)]) for a in angles)]
    for spot in spots:
        if all(_apart(table, i, k, spot) for k in there):
            return _with(table, i, spot, floor)
    top = max(there, key=lambda k: float(table.positions[k, 2]))
    return _with(table, i, table.positions[top, :2], _top(table, top))


def _free(table: Snapshot, i: int) -> Array:
    """(2,) the free place on the table that is nearest to where the thing is."""
    grid = itertools.product(np.arange(*X_RANGE, PITCH), np.arange(*Y_RANGE, PITCH))
    free = [np.array(at) for at in grid if _is_free(table, i, np.array(at))]
    if not free:
        raise NoSuchStep(f"no place on the table is free for the {table.specs[i].name}")
    return min(free, key=lambda at: float(np.linalg.norm(at - table.positions[i, :2])))


def _is_free(table: Snapshot, i: int, at: Array) -> bool:
    state = table.state
    return all(
        _apart(table, i, k, at)
        for k, spec in enumerate(table.specs)
        if k != i and (state.holder[k] is None or spec.kind == "bowl")
    )


def _apart(table: Snapshot, i: int, k: int, at: Array) -> bool:
    least = (width(table.specs[i]) + width(table.specs[k])) / 2
    return bool(np.linalg.norm(table.positions[k, :2] - at) >= least)


def _top(table: Snapshot, i: int) -> float:
    """z of the top of a solid that stands upright, in [m]."""
    return float(table.positions[i, 2]) + height(table.specs[i]) / 2


def _with(table: Snapshot, i: int, xy: Array, bottom: float) -> Snapshot:
    positions, quats = table.positions.copy(), table.quats_xyzw.copy()
    positions[i] = (xy[0], xy[1], bottom + height(table.specs[i]) / 2)
    quats[i] = (0.0, 0.0, 0.0, 1.0)
    return Snapshot(table.specs, positions, quats)
