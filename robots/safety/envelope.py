"""Envelope: keeps an arm in its workspace, above the table and clear of itself, including braking distance.

Invariant: braking within the joint limits from the commanded state violates no constraint. A motion passes
only if the path to the next state, and braking from there, are proven clear. Otherwise the largest proven
fraction of the motion passes. In the worst case the arm brakes, which the invariant keeps clear.

Margins are evaluated only near a boundary. Elsewhere the margins of the last evaluation, minus the largest
possible decrease since, prove a tick clear: far from all boundaries by one product with `rate`, nearer by
the gradients. The slack of that product covers later ticks at the cost of scalar arithmetic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from robots.safety.clearance import ROUNDING, LinkPoses, SelfMargins, WorkspaceMargins
from robots.spec import ArmSpec
from robots.types import Array

RECHECK_TICKS = 16  # minimum ticks between evaluations that only tighten loose bounds
KNOTS = 24  # postures of a braking path evaluated first; a longer path (high rates) is sampled
# (L, 1) fractions of a motion that are tried, in this order.
FRACTIONS = np.array([[0.75], [0.5], [0.25], [0.125], [0.0625], [0.03125]])
WORKSPACE, SELF = 0, 1
Numbers = Sequence[float]  # (n_joints,) Python floats: faster than arrays for seven joints


class Envelope:
    """The geometric constraints on one commanded state.

    A margin that is negative when a session starts (the arm was pushed out, or the model is wider than the
    arm) may not decrease: its floor is its largest value so far, up to 0.

    Args:
        change: (n_joints,) decrease of each speed a tick when braking, in [rad/s].

    Attributes:
        limited_by: name of the constraint that limited the last motion, or None.
        held: number of limited motions by constraint name.
    """

    def __init__(self, spec: ArmSpec, change: Array) -> None:
        self.spec = spec
        self.limited_by: str | None = None
        self.held: Counter[str] = Counter()
        self._links, self._workspace, self._self = _geometry_of(spec)
        self._kinds: tuple[WorkspaceMargins | SelfMargins, ...] = (self._workspace, self._self)
        self._dt, self._change = spec.dt, change
        self._half, self._braking_factor = change / 2, spec.dt / (2 * change)
        self._braking_error = change * spec.dt / 8  # [rad] by which `_braking` may overestimate
        n, k = spec.n_joints, len(self._workspace.names)
        self._rows = (slice(0, k), slice(k, k + len(self._self.names)))
        self._rate = np.zeros((k + len(self._self.names), 2 * n))  # each kind has its own last evaluation
        self._rate[:k, :n], self._rate[k:, n:] = self._workspace.rate, self._self.rate
        self._checked_at = np.zeros((2, n))  # [rad] posture of each kind's last evaluation
        self._slack = -1.0  # [m] left by the last product with `rate`; negative = compute it again
        # Each joint's largest rate of all margins [m/rad], and its braking constants.
        most = np.maximum(self._workspace.rate.max(0, initial=0.0), self._self.rate.max(0, initial=0.0))
        columns = (most, self._half, self._braking_factor)
        self._joints = list(zip(*(x.tolist() for x in columns), strict=True))
        self._slack_state: list[tuple[float, float]] = []  # each joint's position and braking distance there
        self._known_margins = np.full(
            len(self._rate), -1.0
        )  # at `_checked_at`; negative = evaluate every tick
        self._floor = [np.zeros(k), np.zeros(len(self._self.names))]
        self._outside = [False, False]  # whether any floor is negative
        self._knots = np.arange(KNOTS + 1.0)[:, None]
        self._workspace_poses = np.empty(0)  # row of `LinkPoses` at the last workspace evaluation
        self._checks = 0  # consecutive evaluations: bounds that do not help are not tried first
        self._ticks_since_check = 0  # ticks since the last evaluation that only the gradients proved
        self._gradients: Array | None = None  # (n, K) at the last evaluation, computed on demand
        self._gradients_by_sign = np.empty(0)  # (2 n, K) positive parts over negative parts

    def start(self, q: Array) -> None:
        """Begin a session at rest at `q` (n_joints,) in [rad]."""
        self.limited_by = None
        rows = self._links.of(q[None])
        for i, kind in enumerate(self._kinds):
            margins = kind.margins(rows)[0]
            self._update_floor(i, np.full(len(margins), -np.inf), margins)
            self._store_check(i, q, margins, rows[0])

    def margins(self, q: Array) -> dict[str, float]:
        """Smallest margin in [m] of each constraint at `q` (n_joints,) in [rad], by name."""
        rows, found = self._links.of(q[None]), dict[str, float]()
        for kind in self._kinds:
            for name, margin in zip(kind.names, kind.margins(rows)[0].tolist(), strict=True):
                found[name] = min(margin, found.get(name, np.inf))
        return found

    def feasible_fraction(self, at: Numbers, moving: Numbers, then: Numbers, wanted: Numbers) -> float:
        """Largest tried fraction, from braking (0) to the requested motion (1), that keeps the invariant.

        Args:
            at, moving: (n_joints,) commanded state in [rad], [rad/s].
            then, wanted: (n_joints,) requested state a tick later in [rad], [rad/s].
        """
        self.limited_by = None
        if self._slack >= 0 and self._slack_used(at, then, wanted) <= self._slack:
            return 1.0
        if not any(wanted):  # the present position is clear
            return 1.0
        q, after, speed = np.array(at), np.array(then), np.array(wanted)
        braking = self._braking(np.abs(speed))
        far = np.maximum(np.abs(after - self._checked_at) + braking, np.abs(q - self._checked_at))  # (2, n)
        left = self._known_margins - self._rate @ far.ravel()
        self._slack = float(left.min(initial=np.inf)) - ROUNDING
        if self._slack >= 0:
            self._slack_state, self._checks = list(zip(then, braking.tolist(), strict=True)), 0
            return 1.0
        short = left < ROUNDING  # at least one is: the slack is negative
        name = None
        undecided = [i for i, rows in enumerate(self._rows) if np.count_nonzero(short[rows])]
        if (
            undecided[0] == WORKSPACE
            and not self._outside[WORKSPACE]
            and (self._checks < 2 or self._checks % 6 == 0)
        ):
            least, name = self._workspace_bounds(q, speed[None], True)
            if least[0] >= 0:
                undecided, self._checks = undecided[1:], 0
                self._ticks_since_check += 1
                if (
                    not undecided and self._ticks_since_check >= RECHECK_TICKS
                ):  # `rate` alone may suffice from here
                    rows = self._links.of(after[None])
                    self._store_check(WORKSPACE, after, self._workspace.margins(rows)[0], rows[0])
        if name is None and (not undecided or (name := self._check_path(q, speed, undecided)) is None):
            return 1.0
        self.limited_by = name
        self.held[name] += 1
        return self._proven_fraction(q, np.array(moving), speed)

    def _slack_used(self, at: Numbers, then: Numbers, wanted: Numbers) -> float:
        """Upper bound in [m] on the decrease of any margin since `_slack_state`, to `then` and to rest.

        Python floats joint by joint: a few numpy calls take three times as long.
        """
        spent = 0.0
        for here, there, v, (was, braked), (most, half, way) in zip(
            at, then, wanted, self._slack_state, self._joints, strict=True
        ):
            over = abs(v) - half
            longer = over * over * way - braked if over > 0.0 else 0.0
            spent += most * (max(abs(here - was), abs(there - was)) + max(longer, 0.0))
        return spent

    def always_clear(self, at: Numbers, fastest: Numbers) -> bool:
        """Whether every motion of one tick from `at` at speeds up to `fastest` passes without evaluation.

        Args:
            at, fastest: (n_joints,) in [rad], [rad/s].
        """
        if self._slack < 0:
            return False
        spent = 0.0
        for here, v, (was, braked), (most, half, way) in zip(
            at, fastest, self._slack_state, self._joints, strict=True
        ):
            over = v - half
            longer = over * over * way - braked if over > 0.0 else 0.0
            spent += most * (abs(here - was) + v * self._dt + max(longer, 0.0))
        return spent <= self._slack

    def _proven_fraction(self, q: Array, dq: Array, speed: Array) -> float:
        """`feasible_fraction` below 1 by the bounds alone, which are tight at low speeds near a boundary."""
        slow = dq - np.minimum(np.maximum(dq, -self._change), self._change)
        speeds = slow + FRACTIONS * (speed - slow)  # (L, n)
        after = q + speeds * self._dt
        braking = self._braking(np.abs(speeds))
        for again in (False, True):
            if any(self._outside):  # the bounds do not apply: brake
                break
            if again:
                if (self._checked_at == q).all():
                    break
                rows = self._links.of(q[None])
                for i, kind in enumerate(self._kinds):
                    self._store_check(i, q, kind.margins(rows)[0], rows[0])
            here, gone = np.abs(q - self._checked_at[SELF]), np.abs(after - self._checked_at[SELF])
            most = np.maximum(gone + braking, here) @ self._self.rate.T
            good = (most <= self._known_margins[self._rows[SELF]]).all(1) & (
                self._workspace_bounds(q, speeds)[0] >= 0
            )
            if good.any():
                return float(FRACTIONS[int(np.argmax(good)), 0])
        return 0.0

    def _workspace_bounds(self, q: Array, speeds: Array, sure: bool = False) -> tuple[Array, str | None]:
        """Lower bound (L,) in [m] of the workspace and table margins on the braking paths from `q`.

        From gradient and curvature at the last evaluation. Each joint moves in one direction, so a path lies
        in the box between its ends.

        Args:
            speeds: (L, n_joints) of the next tick in [rad/s].
            sure: also find a constraint that the first path certainly violates.

        Returns:
            The bounds, and the name of that constraint or None.
        """
        if self._gradients is None:
            self._gradients = self._workspace.gradients(self._workspace_poses).T
            self._gradients_by_sign = np.concatenate(
                [np.maximum(self._gradients, 0), np.minimum(self._gradients, 0)]
            )
        room = self._known_margins[self._rows[WORKSPACE]]
        here = q - self._checked_at[WORKSPACE]
        rest = here + (speeds * self._dt + np.copysign(self._braking(np.abs(speeds)), speeds))
        box = np.concatenate([np.minimum(here, rest), np.maximum(here, rest)], 1)
        size = np.maximum(np.abs(here), np.abs(rest))
        bent = ((size @ self._workspace.curvature) * size).sum(1) / 2
        lowest = (room + box @ self._gradients_by_sign).min(1) - bent
        if not sure or lowest[0] >= 0:
            return lowest, None
        crossed = room + (rest[0] @ self._gradients) + bent[0] + self._workspace.rate @ self._braking_error
        worst = int(np.argmin(crossed))
        return lowest, self._workspace.names[worst] if crossed[worst] < 0 else None

    def _braking(self, size: Array) -> Array:
        """Braking distance in [rad] after a tick at speed `size` >= 0; at most `_braking_error` too long."""
        over = np.maximum(size - self._half, 0.0)
        return over * over * self._braking_factor

    def _check_path(self, q: Array, speed: Array, undecided: list[int]) -> str | None:
        """Evaluate the whole path at `speed` and its braking. Returns the violated constraint, or None."""
        self._checks += 1
        path, sag = self._braking_path(q, speed)
        rows = self._links.of(path)
        checked: dict[int, Array] = {}
        found = None
        for i in undecided:
            checked[i] = self._kinds[i].margins(rows)
            if (found := self._first_violation(i, path, checked[i], sag)) is not None:
                break
        clear = int(found is None)  # store the next posture if it is clear, otherwise the present one
        for i, margins in checked.items():
            if clear and self._outside[i]:
                self._update_floor(i, self._floor[i], margins[1:].min(0))
            self._store_check(i, path[clear], margins[clear], rows[clear])
        return found

    def _update_floor(self, i: int, floor: Array, margins: Array) -> None:
        self._floor[i] = np.maximum(floor, np.where(margins < 0, margins - ROUNDING, 0.0))
        self._outside[i] = bool((self._floor[i] < 0).any())

    def _store_check(self, i: int, q: Array, margins: Array, rows: Array) -> None:
        self._checked_at[i], self._slack = q, -1.0
        self._known_margins[self._rows[i]] = -1.0 if self._outside[i] else margins  # see `_known_margins`
        if i == WORKSPACE:
            self._workspace_poses, self._gradients, self._ticks_since_check = rows, None, 0

    def _braking_path(self, q: Array, speed: Array) -> tuple[Array, Array | None]:
        """(S, n_joints) postures in [rad]: `q`, a tick later at `speed`, then braking to rest.

        Also (n_joints,) the deviation in [rad] of the arm from straight lines between these postures; None
        where every tick is among them.
        """
        size = np.abs(speed)
        ticks = np.floor(size / self._change)  # that each joint still moves
        last = int(ticks.max())
        out = np.empty((min(last, KNOTS) + 2, len(q)))
        out[0] = q
        if last <= KNOTS:  # all of them
            taken = np.minimum(self._knots[: last + 1], ticks)  # (S - 1, n)
            sag = None
        else:
            knots = np.linspace(0, last, KNOTS + 1).astype(int)
            taken = np.minimum(knots[:, None], ticks)
            apart = int(np.diff(knots).max())
            sag = self._change * self._dt * (apart * apart / 8)  # of a parabola
        braked = taken * (size - self._half * (taken + 1))
        out[1:] = q + self._dt * (speed + np.copysign(braked, speed))
        return out, sag

    def _first_violation(self, i: int, path: Array, margins: Array, sag: Array | None) -> str | None:
        """The first constraint of kind `i` that falls below its floor along `path`, or None.

        Where the margins at two postures do not prove the segment between them, its middle is evaluated too.

        Args:
            path: (S, n_joints) in [rad], the first row is the present posture.
            margins: (S, K) along `path` in [m].
            sag: see `_braking_path`.
        """
        kind = self._kinds[i]
        lowered = self._outside[i] or sag is not None
        floor = self._floor[i] + (0.0 if sag is None else kind.rate @ sag)
        if lowered:  # all floors are 0 otherwise
            margins = margins - floor
        if margins[1:].min() < 0:
            return kind.names[int(np.argmin(margins[1:].min(0)))]
        a, b, at_a, at_b = path[:-1], path[1:], margins[:-1], margins[1:]
        while True:
            undecided = kind.undecided(a, b, at_a, at_b)
            if not undecided.any():
                return None
            a, b, at_a, at_b = a[undecided], b[undecided], at_a[undecided], at_b[undecided]
            middle = (a + b) / 2
            at_middle = kind.margins(self._links.of(middle))
            if lowered:
                at_middle = at_middle - floor
            if at_middle.min() < 0:
                return kind.names[int(np.argmin(at_middle.min(0)))]
            a, b = np.concatenate([a, middle]), np.concatenate([middle, b])
            at_a, at_b = np.concatenate([at_a, at_middle]), np.concatenate([at_middle, at_b])


@lru_cache(maxsize=8)
def _geometry_of(spec: ArmSpec) -> tuple[LinkPoses, WorkspaceMargins, SelfMargins]:
    """The constant geometry of `spec`, shared by all gates of one arm (`ArmSpec` hashes by identity)."""
    return LinkPoses(spec), WorkspaceMargins(spec), SelfMargins(spec)
