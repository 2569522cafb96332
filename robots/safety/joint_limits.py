"""JointLimits: one control tick of each joint within its position, velocity, acceleration and jerk limits.

Python floats joint by joint, compared instead of passed to min and max: for seven joints that takes a
quarter of numpy's time.
"""

from __future__ import annotations

import math

import numpy as np

from robots.spec import ArmSpec

ROUNDING = 1e-9  # kept off every limit, so that rounding never exceeds one
# State after a tick, each (n_joints,): position [rad], speed [rad/s], the target clipped to the position
# limits [rad], the target's own speed [rad/s]; then whether the position equals the target.
AfterTick = tuple[list[float], list[float], list[float], list[float], bool]


class JointLimits:
    """The limits of one arm, a few `ROUNDING` inside those of its `ArmSpec`.

    Attributes:
        q_min, q_max: (n_joints,) in [rad].
        change: (n_joints,) largest change of each speed a tick in [rad/s]. The acceleration may reverse
            between two ticks, so at high rates the jerk limit determines it.
    """

    def __init__(self, spec: ArmSpec) -> None:
        self.q_min, self.q_max = spec.q_min + ROUNDING, spec.q_max - ROUNDING
        dq_max = spec.dq_max * (1 - ROUNDING)
        acceleration = np.minimum(spec.ddq_max, spec.jerk_max * spec.dt / 2) * (1 - ROUNDING)
        self.change = acceleration * spec.dt
        self._changes: list[float] = self.change.tolist()
        self._dt, self._hz = spec.dt, spec.control_hz
        stop = np.array([braking_distance(v, c, spec.dt) for v, c in zip(dq_max, self.change, strict=True)])
        # From any position between the last two, a joint at any speed stops within its limits.
        columns = (self.q_min, self.q_max, dq_max, self.change, self.q_min + stop, self.q_max - stop)
        self._bounds = list(zip(*(x.tolist() for x in columns), strict=True))  # a tuple for each joint

    def braked(self, dq: list[float]) -> list[float]:
        """(n_joints,) speeds in [rad/s] after one tick of braking from `dq`."""
        return [v - min(max(v, -c), c) for v, c in zip(dq, self._changes, strict=True)]

    def exact(self, q: list[float], dq: list[float], target: list[float]) -> AfterTick | None:
        """The state after a tick that reaches `target` within all limits; None if `track` must limit it.

        Braking from the target takes at most `over ** 2 * dt / (2 * change)`, the largest sum of its ticks
        for any number of them. If that position of rest is within the limits, so is the target, which lies
        between it and `q`.

        Args:
            q, dq, target: (n_joints,) in [rad], [rad/s], [rad].
        """
        dt, hz, speeds = self._dt, self._hz, []
        for goal, at, moving, (low, high, top, change, free_low, free_high) in zip(
            target, q, dq, self._bounds, strict=True
        ):
            speed = (goal - at) * hz
            if not (-top <= speed <= top and -change <= speed - moving <= change):
                return None
            if not free_low <= goal <= free_high:
                over = max(abs(speed) - change / 2, 0.0)
                rest = goal + math.copysign(over * over * dt / (2 * change), speed)
                if not low <= rest <= high:
                    return None
            speeds.append(speed)
        return target, speeds, target, speeds, True

    def exact_range(
        self, q: list[float], dq: list[float]
    ) -> tuple[list[tuple[float, float]], list[float]] | None:
        """Targets that the next tick certainly reaches exactly: each joint's (lowest, highest) in [rad].

        Also each joint's highest speed in [rad/s] for such a target. None where a position limit is too near.

        Args:
            q, dq: (n_joints,) in [rad], [rad/s].
        """
        dt, ranges, fastest = self._dt, [], []
        for at, moving, (low, high, top, change, free_low, free_high) in zip(
            q, dq, self._bounds, strict=True
        ):
            least, most = max(moving - change, -top), min(moving + change, top)
            speed, first, last = max(most, -least), at + least * dt, at + most * dt
            if not (free_low <= first and last <= free_high):
                over = max(speed - change / 2, 0.0)
                braking = over * over * dt / (2 * change)  # see `exact`
                if not (low <= first - braking and last + braking <= high):
                    return None
            fastest.append(speed)
            ranges.append((first, last))
        return ranges, fastest

    def track(
        self,
        q: list[float],
        dq: list[float],
        target: list[float],
        before: list[float],
        before_dq: list[float],
    ) -> AfterTick:
        """The state after a tick that follows `target` as closely as the limits allow, without overshoot.

        Args:
            q, dq: (n_joints,) commanded state in [rad], [rad/s].
            target: (n_joints,) in [rad].
            before, before_dq: (n_joints,) the previous target and its speed in [rad], [rad/s].
        """
        dt, hz = self._dt, 1.0 / self._dt
        speeds, goals, goal_speeds, places, reached = [], [], [], [], True
        for at, moving, goal, last, last_speed, (low, high, top, change, free_low, free_high) in zip(
            q, dq, target, before, before_dq, self._bounds, strict=True
        ):
            goal = low if goal < low else high if goal > high else goal
            goals.append(goal)
            goal_speed = (goal - last) * hz
            goal_speeds.append(goal_speed)
            distance = goal - at
            side = 1.0 if distance >= 0.0 else -1.0
            distance *= side
            # Far from the goal: as fast as the limits allow, since braking from there ends before it.
            fastest = moving * side + change
            if fastest > top:
                fastest = top
            over = fastest + change / 2
            if free_low <= at <= free_high and fastest >= 0.0 and over * over * dt <= 2 * change * distance:
                place = at + fastest * side * dt
                reached = reached and -ROUNDING < place - goal < ROUNDING
                speeds.append(fastest * side)
                places.append(place)
                continue
            steady = -change <= goal_speed - last_speed <= change  # the arm could follow the goal's motion
            goal_speed *= side  # > 0 where the goal moves away from the arm
            if goal_speed > top:
                goal_speed = top
            elif goal_speed < -top:
                goal_speed = -top
            behind = distance - goal_speed * dt
            if steady and behind <= 0.0:  # the goal approaches from behind: the arm slows down for it
                speed = goal_speed - brakes_within(-behind, change, dt)
            else:
                if goal_speed > 0.0:  # the arm need not brake below the goal's own speed
                    speed = brakes_within(behind + braking_distance(goal_speed, change, dt), change, dt)
                    if steady and speed < goal_speed + change:  # nor remove what one tick of braking removes
                        speed = goal_speed + change
                elif steady:  # the goal moves towards the arm
                    speed = goal_speed + brakes_within(behind, change, dt)
                else:
                    speed = brakes_within(distance, change, dt)
                if speed > distance * hz:  # never past the target
                    speed = distance * hz
            speed *= side
            # Acceleration and velocity limits override the target; position limits override both.
            if speed > moving + change:
                speed = moving + change
            elif speed < moving - change:
                speed = moving - change
            if speed > top:
                speed = top
            elif speed < -top:
                speed = -top
            if not free_low <= at <= free_high:
                over = max(abs(speed) - change / 2, 0.0)
                rest = at + speed * dt + math.copysign(over * over * dt / (2 * change), speed)  # see `exact`
                if not rest <= high:
                    speed = min(speed, brakes_within(high - at, change, dt))
                if not low <= rest:
                    speed = max(speed, -brakes_within(at - low, change, dt))
            place = at + speed * dt
            reached = reached and -ROUNDING < place - goal < ROUNDING
            speeds.append(speed)
            places.append(place)
        return places, speeds, goals, goal_speeds, reached


def braking_distance(speed: float, change: float, dt: float) -> float:
    """[rad] travelled when braking from `speed` >= 0 by `change` a tick, after a first tick at `speed`."""
    n = math.ceil(speed / change)
    return n * speed * dt - change * dt * (n * (n - 1) / 2)


def brakes_within(distance: float, change: float, dt: float) -> float:
    """Highest speed in [rad/s] whose `braking_distance` is at most `distance` [rad]; its inverse."""
    if distance <= 0.0:
        return 0.0
    n = max(math.ceil(math.sqrt(0.25 + 2 * distance / (change * dt)) - 0.5), 1)
    return distance / (n * dt) + change * ((n - 1) / 2)
