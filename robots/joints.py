"""Joints that enter from outside are within the arm's limits, or refused by name.

Every place where they enter asks here: requests to our policy servers, answers of other policy servers,
GELLO's commands, vendors' and LeRobot's drivers, frames of the bridge, recorded data, descriptions of arms. A
refusal names the joint, the value and the limit, and says when the value looks like degrees or one turn off.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robots.types import Array

# [rad] by which a joint at rest on a limit may be measured beyond it: vendors round to 0.1 degree (1.75e-3).
# The simulated arms, driven to every limit, are measured at most 2e-5 beyond one.
OUTSIDE = 2e-3
DRIVEN = 0.05  # [rad] by which a driven joint may be measured beyond a limit: soft controllers, load
TURN = 2 * math.pi
DEGREE = math.pi / 180
CLEAR = 0.5  # [rad] beyond a limit from which another unit is the likely cause; nearer, it is an overshoot
WILD = 1.0  # [rad] beyond a limit where nothing is meant by it; nearer, the safety gate clamps a target
FAST = 20.0  # [rad/s] that no joint of an arm reaches; 20 deg/s is slow
WANTED = "expected an array of numbers"
TURNS = 2.0  # turns to either side that no joint limit exceeds


class Limits(Protocol):
    """The part of an `ArmSpec` that is needed here."""

    @property
    def name(self) -> str:
        """Of the arm."""
        ...

    @property
    def joint_names(self) -> tuple[str, ...]:
        """(n_joints,) base to tip."""
        ...

    @property
    def q_min(self) -> Array:
        """(n_joints,) in [rad]."""
        ...

    @property
    def q_max(self) -> Array:
        """(n_joints,) in [rad]."""
        ...


def checked(
    limits: Limits,
    values: object,
    what: str,
    refusal: type[Exception],
    tolerance: float = OUTSIDE,
    rows: bool = False,
) -> Array:
    """`values` as joint positions of the arm.

    Args:
        limits: of the arm.
        values: (n_joints,) in [rad], or (T, n_joints) with `rows`.
        what: names the values in a refusal, such as "observation/joint_position".
        refusal: class of the exception.
        tolerance: [rad] by which a value may lie beyond a limit.
        rows: whether `values` are T > 0 positions.

    Returns:
        float64 of the shape of `values`.

    Raises:
        refusal: not numbers, another shape, not finite, or outside the limits.
    """
    n = len(limits.joint_names)
    array = numbers(values, what, refusal)
    if not (array.ndim == 1 + rows and array.shape[-1] == n and len(array) > 0):
        expected = f"(T, {n})" if rows else f"({n},)"
        raise refusal(f"{what}: shape {array.shape}, expected {expected} joints of {limits.name} in [rad]")
    for number, q in enumerate(np.atleast_2d(array)):
        if text := outside(limits, q, f"{what}, row {number}" if rows else what, tolerance):
            raise refusal(text)
    return array


def numbers(values: object, what: str, refusal: type[Exception]) -> Array:
    """`values` as float64. Raises `refusal` where they are not numbers: text, booleans and None are not."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, OverflowError) as error:  # of rows of different lengths
        raise refusal(f"{what}: {type(values).__name__}, not numbers of one shape; {WANTED}") from error
    if array.dtype.kind not in "fiu":
        shown = f"array of {array.dtype}" if isinstance(values, np.ndarray) else type(values).__name__
        raise refusal(f"{what}: {shown}, not numbers; {WANTED}")
    return array.astype(np.float64)


def outside(limits: Limits, q: Array, what: str = "measured", tolerance: float = OUTSIDE) -> str:
    """Says which joint of `q` (n_joints,) in [rad] is not finite or not within the limits; "" = none is."""
    inside = (limits.q_min - tolerance <= q) & (q <= limits.q_max + tolerance)
    if inside.all():
        return ""
    j = int(np.argmin(inside))
    name, low, high = limits.joint_names[j], limits.q_min[j], limits.q_max[j]
    if not math.isfinite(q[j]):
        return f"{name}: {what} is not finite ({q[j]})"
    return (
        f"{name}: {what} {q[j]:.3f} rad, outside [{low:.3f}, {high:.3f}] of {limits.name}"
        f"{_cause(limits, q, j)}"
    )


def wider(limits: Limits, low: Array, high: Array, source: str = "the arm reports") -> str:
    """Says which joint of a description may go further than another source allows; "" = none may.

    Args:
        limits: of the description.
        low, high: (n_joints,) in [rad], as the arm itself or a URDF states them.
        source: of `low` and `high`, with a verb.
    """
    for j, name in enumerate(limits.joint_names):
        if not (math.isfinite(low[j]) and math.isfinite(high[j])):
            return f"{name}: {source} [{low[j]:g}, {high[j]:g}], which are no limits"
        if not (abs(low[j]) <= TURNS * TURN and abs(high[j]) <= TURNS * TURN):
            return f"{name}: {source} [{low[j]:g}, {high[j]:g}] rad, which looks like degrees"
        if not (low[j] - OUTSIDE <= limits.q_min[j] and limits.q_max[j] <= high[j] + OUTSIDE):
            return (
                f"{name}: {limits.name} allows [{limits.q_min[j]:.4f}, {limits.q_max[j]:.4f}] rad, "
                f"{source} [{low[j]:.4f}, {high[j]:.4f}]"
            )
    return ""


def turned(limits: Limits, q: Array, near: Array, what: str) -> str:
    """Says which joint of `q` is a turn or more off `near`, both (n_joints,) in [rad]; "" = none is.

    For arms whose joints turn further than once, where limits alone do not show it.
    """
    away = np.abs(q - near)
    off = ~(away <= TURN - CLEAR)
    if not off.any():
        return ""
    j = int(np.argmax(off))
    return (
        f"{limits.joint_names[j]}: {what} {q[j]:.3f} rad, {away[j]:.3f} rad from {near[j]:.3f} before it; "
        "it looks like one turn (2 pi) off: send angles on the arm's own turn"
    )


def _cause(limits: Limits, q: Array, j: int) -> str:
    """What `q`, outside the limits first at joint `j`, looks like; "" where it may be an overshoot."""
    value, low, high = q[j], limits.q_min, limits.q_max
    beyond = np.maximum(q - high, low - q)
    if not np.nanmax(beyond) > CLEAR:
        return ""

    def fits(values: Array) -> NDArray[np.bool_]:
        return (low - OUTSIDE <= values) & (values <= high + OUTSIDE)

    turn, degrees = fits(q) | fits(q - TURN) | fits(q + TURN), fits(DEGREE * q)
    if not (turn.all() or degrees.all()):  # joints of both kinds: the named one decides
        turn, degrees = turn[j : j + 1], degrees[j : j + 1]
    if turn.all():
        return "; it looks like one turn (2 pi) off: send angles on the arm's own turn"
    if degrees.all():
        return f"; it looks like degrees ({value:.1f} deg are {DEGREE * value:.3f} rad): send radians"
    return ""


def units_of_limits(limits: Limits, dq_max: Array) -> str:
    """Says which joint's limits are too wide to be in [rad] and [rad/s]; "" = none.

    Args:
        limits: of a description of an arm.
        dq_max: (n_joints,) largest speeds in [rad/s].
    """
    for j, name in enumerate(limits.joint_names):
        for key, value in (("q_min", limits.q_min[j]), ("q_max", limits.q_max[j])):
            if not abs(value) <= TURNS * TURN:
                return (
                    f"{key}: {name} {value:g} rad is more than {TURNS:g} turns; it looks like degrees "
                    f"({value:g} deg are {DEGREE * value:.4f} rad): write radians"
                )
        if not dq_max[j] <= FAST:
            return (
                f"dq_max: {name} {dq_max[j]:g} rad/s is faster than any arm; it looks like degrees a second "
                f"({dq_max[j]:g} deg/s are {DEGREE * dq_max[j]:.4f} rad/s): write rad/s"
            )
    return ""
