"""Envelope: keeps an arm inside its workspace, above the table and off itself, stopping distance counted.

The invariant: from the commanded state, braking within the joint limits stays clear. A candidate for the
next state is let through only where the way there and braking from it stay clear too; otherwise the largest
part of it for which that is proven, and in the worst case braking itself, which the invariant keeps clear.

Looking is paid for only near a boundary: the margins of the last look, less the most that they can have
fallen since, prove most ticks clear. Far from everything one product with `reach` does; nearer, the slopes.
What such a product leaves over is spent by the ticks after it, on plain numbers, before another is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from robots.safety.clearance import ROUNDING, LinkRows, SelfDistance, Walls
from robots.spec import ArmSpec
from robots.types import Array

LOOK_AGAIN = 16  # ticks at least between looks that are taken only because the bounds have become loose
KNOTS = 24  # ticks of a braking way that are looked at first; at high rates it is longer and they are spread
# Parts of a motion that are tried, the largest first: (L, 1).
SHARES = np.array([[0.75], [0.5], [0.25], [0.125], [0.0625], [0.03125]])
WALLS, SELF = 0, 1
Numbers = Sequence[float]  # of each joint: plain ones, which cost less than arrays where there are seven


class Envelope:
    """The geometric constraints of one commanded state.

    A margin that is negative when a session starts (the arm was pushed out, or the model is wider than the
    arm) may not become more so: its floor is the best it has had, until it is 0.

    Args:
        change: (n_joints,) what braking takes off each speed a tick, in [rad/s].

    Attributes:
        held_by: the constraint that took something from the last motion asked about, or None.
        held: how often each constraint did, by name.
    """

    def __init__(self, spec: ArmSpec, change: Array) -> None:
        self.spec = spec
        self.held_by: str | None = None
        self.held: Counter[str] = Counter()
        self._links, self._walls, self._self = _built(spec)
        self._kinds: tuple[Walls | SelfDistance, ...] = (self._walls, self._self)
        self._dt, self._change = spec.dt, change
        self._half, self._way_of_speed = change / 2, spec.dt / (2 * change)
        self._rest_error = change * spec.dt / 8  # [rad] by which `_braking` may be too long
        n, k = spec.n_joints, len(self._walls.names)
        self._rows = (slice(0, k), slice(k, k + len(self._self.names)))
        self._reach = np.zeros((k + len(self._self.names), 2 * n))  # each kind has its own last look
        self._reach[:k, :n], self._reach[k:, n:] = self._walls.reach, self._self.reach
        self._looked_at = np.zeros((2, n))  # where each kind was looked at last
        self._spare = -1.0  # [m] that the last product with `reach` left over; negative = take another
        # Of each joint: the most that a margin falls a [rad], and what braking needs.
        most = np.maximum(self._walls.reach.max(0, initial=0.0), self._self.reach.max(0, initial=0.0))
        columns = (most, self._half, self._way_of_speed)
        self._joints = list(zip(*(x.tolist() for x in columns), strict=True))
        self._since: list[tuple[float, float]] = []  # there, of each joint: position, [rad] that braking took
        self._room = np.full(len(self._reach), -1.0)  # margins there; negative = look every tick
        self._floor = [np.zeros(k), np.zeros(len(self._self.names))]
        self._outside = [False, False]  # whether some floor is below 0
        self._knots = np.arange(KNOTS + 1.0)[:, None]
        self._walls_rows = np.empty(0)  # of `LinkRows` where the walls were looked at
        self._looks = 0  # one after the other: when bounds do not help, they are not tried first
        self._loose = 0  # ticks since the last look that the slopes had to prove
        self._slopes: Array | None = None  # there, (n, K); worked out when first needed
        self._slopes_by_sign = np.empty(0)  # (2 n, K): rising over falling

    def start(self, q: Array) -> None:
        """A session begins at rest at `q` (n_joints,) in [rad]."""
        self.held_by = None
        rows = self._links.of(q[None])
        for i, kind in enumerate(self._kinds):
            margins = kind.margins(rows)[0]
            self._raise_floor(i, np.full(len(margins), -np.inf), margins)
            self._remember(i, q, margins, rows[0])

    def margins(self, q: Array) -> dict[str, float]:
        """The least margin in [m] of each constraint at `q` (n_joints,), by name."""
        rows, found = self._links.of(q[None]), dict[str, float]()
        for kind in self._kinds:
            for name, margin in zip(kind.names, kind.margins(rows)[0].tolist(), strict=True):
                found[name] = min(margin, found.get(name, np.inf))
        return found

    def part(self, at: Numbers, moving: Numbers, then: Numbers, wanted: Numbers) -> float:
        """The largest tried part of the way from braking (0) to what is wanted (1) that keeps the invariant.

        Args:
            at, moving: (n_joints,) commanded state in [rad], [rad/s].
            then, wanted: (n_joints,) the state wanted a tick later.
        """
        self.held_by = None
        if self._spare >= 0 and self._spent(at, then, wanted) <= self._spare:
            return 1.0
        if not any(wanted):  # where the arm is, it is clear
            return 1.0
        q, after, speed = np.array(at), np.array(then), np.array(wanted)
        braking = self._braking(np.abs(speed))
        far = np.maximum(np.abs(after - self._looked_at) + braking, np.abs(q - self._looked_at))  # (2, n)
        left = self._room - self._reach @ far.ravel()
        self._spare = float(left.min(initial=np.inf)) - ROUNDING
        if self._spare >= 0:
            self._since, self._looks = list(zip(then, braking.tolist(), strict=True)), 0
            return 1.0
        short = left < ROUNDING  # at least one is, or something would have been to spare
        name = None
        unsure = [i for i, rows in enumerate(self._rows) if np.count_nonzero(short[rows])]
        if unsure[0] == WALLS and not self._outside[WALLS] and (self._looks < 2 or self._looks % 6 == 0):
            least, name = self._bounds_of_walls(q, speed[None], True)
            if least[0] >= 0:
                unsure, self._looks = unsure[1:], 0
                self._loose += 1
                if not unsure and self._loose >= LOOK_AGAIN:  # `reach` alone may do again from here
                    rows = self._links.of(after[None])
                    self._remember(WALLS, after, self._walls.margins(rows)[0], rows[0])
        if name is None and (not unsure or (name := self._look(q, speed, unsure)) is None):
            return 1.0
        self.held_by = name
        self.held[name] += 1
        return self._proven_part(q, np.array(moving), speed)

    def _spent(self, at: Numbers, then: Numbers, wanted: Numbers) -> float:
        """[m] that no margin can have fallen by more than since `_since`, on the way to `then` and to rest.

        Joint by joint on Python floats: between other work a handful of numpy's calls takes three times that.
        """
        spent = 0.0
        for here, there, v, (was, braked), (most, half, way) in zip(
            at, then, wanted, self._since, self._joints, strict=True
        ):
            over = abs(v) - half
            longer = over * over * way - braked if over > 0.0 else 0.0
            spent += most * (max(abs(here - was), abs(there - was)) + max(longer, 0.0))
        return spent

    def spares(self, at: Numbers, fastest: Numbers) -> bool:
        """Whether every state a tick after `at` at no more than `fastest` is let through without a look.

        Args:
            at, fastest: (n_joints,) in [rad], [rad/s].
        """
        if self._spare < 0:
            return False
        spent = 0.0
        for here, v, (was, braked), (most, half, way) in zip(
            at, fastest, self._since, self._joints, strict=True
        ):
            over = v - half
            longer = over * over * way - braked if over > 0.0 else 0.0
            spent += most * (abs(here - was) + v * self._dt + max(longer, 0.0))
        return spent <= self._spare

    def _proven_part(self, q: Array, dq: Array, speed: Array) -> float:
        """As `part` below 1: by the bounds alone, which are sharp at the speeds that a boundary allows."""
        slow = dq - np.minimum(np.maximum(dq, -self._change), self._change)
        speeds = slow + SHARES * (speed - slow)  # (L, n)
        after = q + speeds * self._dt
        braking = self._braking(np.abs(speeds))
        for again in (False, True):
            if any(self._outside):  # no bounds there: all or nothing
                break
            if again:
                if (self._looked_at == q).all():
                    break
                rows = self._links.of(q[None])
                for i, kind in enumerate(self._kinds):
                    self._remember(i, q, kind.margins(rows)[0], rows[0])
            here, gone = np.abs(q - self._looked_at[SELF]), np.abs(after - self._looked_at[SELF])
            most = np.maximum(gone + braking, here) @ self._self.reach.T
            good = (most <= self._room[self._rows[SELF]]).all(1) & (self._bounds_of_walls(q, speeds)[0] >= 0)
            if good.any():
                return float(SHARES[int(np.argmax(good)), 0])
        return 0.0

    def _bounds_of_walls(self, q: Array, speeds: Array, sure: bool = False) -> tuple[Array, str | None]:
        """(L,) what the least margin of walls and table cannot fall below on the ways from `q` to rest.

        Slope and bend where they were looked at last; every joint moves one way only, so a way lies in the
        box between its ends. With `sure`, also the wall or the table that the first way crosses beyond doubt.

        Args:
            speeds: (L, n_joints) of the next tick.
        """
        if self._slopes is None:
            self._slopes = self._walls.slopes(self._walls_rows).T
            self._slopes_by_sign = np.concatenate([np.maximum(self._slopes, 0), np.minimum(self._slopes, 0)])
        room = self._room[self._rows[WALLS]]
        here = q - self._looked_at[WALLS]
        rest = here + (speeds * self._dt + np.copysign(self._braking(np.abs(speeds)), speeds))
        box = np.concatenate([np.minimum(here, rest), np.maximum(here, rest)], 1)
        size = np.maximum(np.abs(here), np.abs(rest))
        bent = ((size @ self._walls.bend) * size).sum(1) / 2
        lowest = (room + box @ self._slopes_by_sign).min(1) - bent
        if not sure or lowest[0] >= 0:
            return lowest, None
        crossed = room + (rest[0] @ self._slopes) + bent[0] + self._walls.reach @ self._rest_error
        worst = int(np.argmin(crossed))
        return lowest, self._walls.names[worst] if crossed[worst] < 0 else None

    def _braking(self, size: Array) -> Array:
        """[rad] that braking takes at most after a tick at speed `size` >= 0; too long by `_rest_error`."""
        over = np.maximum(size - self._half, 0.0)
        return over * over * self._way_of_speed

    def _look(self, q: Array, speed: Array, unsure: list[int]) -> str | None:
        """Look along the whole way of `speed`; what is in it, or None and the way is the arm's."""
        self._looks += 1
        way, sag = self._way(q, speed)
        rows = self._links.of(way)
        looks: dict[int, Array] = {}
        found = None
        for i in unsure:
            looks[i] = self._kinds[i].margins(rows)
            if (found := self._first_below(i, way, looks[i], sag)) is not None:
                break
        clear = int(found is None)  # remember where the arm goes, or where it is
        for i, margins in looks.items():
            if clear and self._outside[i]:
                self._raise_floor(i, self._floor[i], margins[1:].min(0))
            self._remember(i, way[clear], margins[clear], rows[clear])
        return found

    def _raise_floor(self, i: int, floor: Array, margins: Array) -> None:
        self._floor[i] = np.maximum(floor, np.where(margins < 0, margins - ROUNDING, 0.0))
        self._outside[i] = bool((self._floor[i] < 0).any())

    def _remember(self, i: int, q: Array, margins: Array, rows: Array) -> None:
        self._looked_at[i], self._spare = q, -1.0
        self._room[self._rows[i]] = -1.0 if self._outside[i] else margins  # outside every tick is looked at
        if i == WALLS:
            self._walls_rows, self._slopes, self._loose = rows, None, 0

    def _way(self, q: Array, speed: Array) -> tuple[Array, Array | None]:
        """`q`, the position a tick later at `speed`, then braking, all (n_joints,): (S, n_joints).

        Also (n_joints,) how far in [rad] the arm strays from the straight lines between these positions;
        None = not at all, because every tick is among them.
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

    def _first_below(self, i: int, way: Array, margins: Array, sag: Array | None) -> str | None:
        """The first constraint of kind `i` that falls below its floor along `way`, or None.

        Where the margins at two knots do not prove the way between them, its middle is looked at too.

        Args:
            way: (S, n_joints), whose first row is where the arm is; margins: (S, K) there; sag: see `_way`.
        """
        kind = self._kinds[i]
        lowered = self._outside[i] or sag is not None
        floor = self._floor[i] + (0.0 if sag is None else kind.reach @ sag)
        if lowered:  # all floors are 0 otherwise
            margins = margins - floor
        if margins[1:].min() < 0:
            return kind.names[int(np.argmin(margins[1:].min(0)))]
        a, b, at_a, at_b = way[:-1], way[1:], margins[:-1], margins[1:]
        while True:
            unsure = kind.unsure(a, b, at_a, at_b)
            if not unsure.any():
                return None
            a, b, at_a, at_b = a[unsure], b[unsure], at_a[unsure], at_b[unsure]
            middle = (a + b) / 2
            at_middle = kind.margins(self._links.of(middle))
            if lowered:
                at_middle = at_middle - floor
            if at_middle.min() < 0:
                return kind.names[int(np.argmin(at_middle.min(0)))]
            a, b = np.concatenate([a, middle]), np.concatenate([middle, b])
            at_a, at_b = np.concatenate([at_a, at_middle]), np.concatenate([at_middle, at_b])


_known: dict[int, tuple[ArmSpec, tuple[LinkRows, Walls, SelfDistance]]] = {}


def _built(spec: ArmSpec) -> tuple[LinkRows, Walls, SelfDistance]:
    """What is fixed for `spec`; it holds no state, so gates of one arm share it."""
    if id(spec) not in _known:
        while len(_known) >= 8:
            _known.pop(next(iter(_known)))
        _known[id(spec)] = (spec, (LinkRows(spec), Walls(spec), SelfDistance(spec)))
    return _known[id(spec)][1]
