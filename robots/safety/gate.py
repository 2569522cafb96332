"""SafetyGate: what stands before every arm, simulated or real.

A bad command is refused, never repaired; a good one that asks too much is brought within the
arm's position, velocity, acceleration and jerk limits, its workspace, above the table and off itself, and
the caller is told what was sent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from robots.errors import (
    ArmLatched,
    CommandFromFuture,
    CommandJumps,
    CommandNotFinite,
    CommandOutOfOrder,
    CommandRejected,
    CommandShape,
)
from robots.safety.envelope import Envelope
from robots.spec import ArmSpec
from robots.types import Array, Asked, JointCommand

ROUNDING = 1e-9  # kept off every limit, so that rounding never exceeds one
FUTURE_TOLERANCE = 0.005  # [s] a stamp may lie ahead: clock resolution, not skew
NUMBER = (int, float, np.number)
# Of each joint after a tick: position [rad], speed [rad/s], the goal within the limits, how fast that one
# came there; whether it was met.
AfterTick = tuple[list[float], list[float], list[float], list[float], bool]


class SafetyGate:
    """Keeps one arm within `spec`'s limits, one command a control tick.

    What is sent is a row of positions, one a tick; their differences are its speed and
    acceleration. Each tick the gate picks the speed that follows the targets best among those

    - no faster than `dq_max`,
    - no further than `ddq_max * dt` from the last one (jerk: see `_change`), and
    - from which braking tick by tick ends inside the position limits,

    and of the motion so found the largest part that stays clear of walls, table and itself (`Envelope`).
    It is never an empty set, because braking itself is always in it. A stream within the limits passes
    unchanged, without lag; a far step is reached as fast as the limits allow, without overshoot.

    Args:
        geometry: whether walls, table and the arm's own body are minded: False only where nothing can break,
            as in a learner's simulation, since near a wall that costs as much as the physics.

    Attributes:
        begun: whether a session has begun.
        latched: why the arm was stopped, or None.
        envelope: the geometric constraints, None without `geometry`;
            `envelope.held` counts what held the arm back, by name.
        gripper: commanded opening in [0, 1].
    """

    def __init__(self, spec: ArmSpec, geometry: bool = True) -> None:
        self.spec, self._n = spec, spec.n_joints
        self.begun = False
        self.latched: str | None = None
        # Numbers of each joint, not arrays: see `_towards`. The arrays are made for who asks.
        self._q: list[float] = spec.q_home.tolist()
        self._dq: list[float] = [0.0] * spec.n_joints
        self._arrays: tuple[Array, Array] | None = None
        self.gripper = 1.0
        self._seq = -1
        self._t_mono = 0.0
        self._target, self._target_speed = self._q, self._dq
        self._low, self._high = spec.q_min + ROUNDING, spec.q_max - ROUNDING
        self._dq_max = spec.dq_max * (1 - ROUNDING)
        # Change of speed a tick. Acceleration may turn from one end to the other between two ticks,
        # so at high rates it is the jerk that bounds it.
        acceleration = np.minimum(spec.ddq_max, spec.jerk_max * spec.dt / 2) * (1 - ROUNDING)
        self._change = acceleration * spec.dt
        self._changes = self._change.tolist()
        self.envelope = Envelope(spec, self._change) if geometry else None
        self._dt = spec.dt
        limits = (self._low, self._high, self._dq_max, self._change)
        stop = np.array([_braking(v, c, spec.dt) for v, c in zip(self._dq_max, self._change, strict=True)])
        columns = (*limits, self._low + stop, self._high - stop)  # the last two: any speed can stop from here
        self._bounds = list(zip(*(x.tolist() for x in columns), strict=True))  # of each joint
        self._followed = False  # whether the last target was met exactly
        self._foreseen: list[tuple[float, float]] | None = None  # of each joint: see `foresee`
        self._gripper_step = spec.gripper_speed / spec.gripper_width * spec.dt if spec.has_gripper else 0.0

    @property
    def q(self) -> Array:
        """(n_joints,) commanded position in [rad]."""
        return self._as_arrays()[0]

    @property
    def dq(self) -> Array:
        """(n_joints,) commanded speed in [rad/s]."""
        return self._as_arrays()[1]

    def start(self, q_measured: Array | Sequence[float], gripper: float) -> None:
        """Begin a session at the measured joints: the arm is where it is, at rest.

        Called by the first `filter`; calling it explicitly accepts targets from anywhere after it.

        Raises:
            CommandJumps: a joint is outside its limits. Within them it would be set at one stroke.
        """
        q = np.array(self._finite(q_measured, "q_measured"))
        if outside := self.spec.outside(q):
            raise CommandJumps(f"{outside}; no motion begins there: move it inside by hand")
        self._q, self._dq = np.clip(q, self._low, self._high).tolist(), [0.0] * self.spec.n_joints
        self._arrays, self._target, self._target_speed = None, self._q, self._dq
        self.begun, self._followed, self._foreseen = True, True, None
        if self.envelope is not None:
            self.envelope.start(self.q)
        self.gripper = _share(float(gripper))

    def filter(
        self,
        command: Asked,
        q_measured: Array | Sequence[float],
        gripper_measured: float | None = None,
        now: float | None = None,
    ) -> JointCommand:
        """What may be sent for `command` at this tick.

        Args:
            command: the request.
            q_measured: (n_joints,) in [rad]; used by the first command of a session.
            gripper_measured: opening in [0, 1]; the fingers move from there, or where there is no
                measurement from what was sent last.
            now: [s] on the receiver's clock; None = stamps are not looked at.

        Raises:
            CommandRejected: one of its named kinds; nothing is sent, call `brake` for this tick.
        """
        if self.latched is not None:
            raise ArmLatched(f"{self.spec.name} was stopped: {self.latched}; `rearm` it before commanding")
        target = self._finite(command.q_target, "command seq", command.seq)
        opening = command.gripper
        if not (isinstance(opening, NUMBER) and math.isfinite(opening)):
            raise CommandNotFinite(f"command seq {command.seq}: gripper {opening!r} is not a finite number")
        if not command.seq > self._seq:
            raise CommandOutOfOrder(
                f"command seq {command.seq} is not after the last one, {self._seq}; count up by at least one"
            )
        if now is not None and not command.t_mono <= now + FUTURE_TOLERANCE:
            raise CommandFromFuture(
                f"command seq {command.seq}: stamp {command.t_mono} s lies ahead of the receiver's {now} s; "
                "stamp with the receiver's clock"
            )
        if not self.begun:
            self._check_first(target, q_measured, command.seq)
            self.start(q_measured, self.gripper if gripper_measured is None else gripper_measured)
        self._advance(target)
        self._seq, self._t_mono = command.seq, command.t_mono if now is None else now
        self.gripper = self._fingers(float(opening), gripper_measured)
        return self._sent()

    def brake(self, now: float | None = None) -> JointCommand:
        """One tick of slowing down within the limits, holding once at rest; the gripper stays.

        Raises CommandRejected if no session has begun: there is nothing to hold.
        """
        if not self.begun:
            raise CommandRejected(f"{self.spec.name}: no session has begun; the arm holds by itself")
        if any(self._dq):
            self._dq = self._slower()
            self._q = [q + dq * self._dt for q, dq in zip(self._q, self._dq, strict=True)]
            self._arrays = None
        self._target, self._target_speed, self._followed = self._q, self._dq, True
        self._foreseen = None
        if now is not None:
            self._t_mono = now
        return self._sent()

    def foresee(self) -> None:
        """Work out ahead which targets of the next tick pass as they are, so that `filter` answers at once.

        It takes what is beyond doubt, so `filter` answers the same with it or without. For who has time
        between two ticks and none when a command comes.
        """
        self._foreseen = None
        if not (self.begun and self._followed):
            return
        dt, box, fastest = self._dt, [], []
        for q, dq, (low, high, top, change, free_low, free_high) in zip(
            self._q, self._dq, self._bounds, strict=True
        ):
            least, most = max(dq - change, -top), min(dq + change, top)
            speed, first, last = max(most, -least), q + least * dt, q + most * dt
            if not (free_low <= first and last <= free_high):
                over = max(speed - change / 2, 0.0)
                way = over * over * dt / (2 * change)  # see `_passes`
                if not (low <= first - way and last + way <= high):
                    return
            fastest.append(speed)
            box.append((first, last))
        if self.envelope is None or self.envelope.spares(self._q, fastest):
            self._foreseen = box

    def foretell(self, command: Asked, gripper_measured: float | None, now: float) -> float | None:
        """The opening that `filter` will return for `command`, with joints as they are asked for.

        Where `foresee` has found that out; so the answer need not wait for `filter`, which must follow, with
        the same, before anything else is asked of this gate.

        Args:
            command: of floats, its target a tuple of them, as they come over the wire.
            gripper_measured, now: as for `filter`.

        Returns:
            None where only `filter` can tell, be it that it refuses.
        """
        box, target, opening = self._foreseen, command.q_target, command.gripper
        if box is None or self.latched is not None or type(target) is not tuple or len(target) != self._n:
            return None
        for wanted, (low, high) in zip(target, box, strict=True):
            if not low <= wanted <= high:
                return None
        in_order = command.seq > self._seq and command.t_mono <= now + FUTURE_TOLERANCE
        return self._fingers(opening, gripper_measured) if in_order and math.isfinite(opening) else None

    @property
    def held_by(self) -> str | None:
        """The wall, table or part of itself that took something from the last command's motion, or None."""
        return None if self.envelope is None else self.envelope.held_by

    @property
    def at_rest(self) -> bool:
        """True when the commanded state does not move; once stopped, not in the least.

        A new session begins without speed: what was left would come on top of what a tick may change.
        """
        still = 1e-6 if self.latched is None else 0.0  # [rad/s]
        return not self.begun or (max(self._dq) <= still and min(self._dq) >= -still)

    def stop(self, reason: str) -> None:
        """Refuse everything from now on; the caller sends `brake()` until `at_rest`."""
        if self.latched is None:  # the first cause is the one to tell
            self.latched = reason

    def rearm(self) -> None:
        """Clear a stop and begin a new session: its first target must be near the measured joints.

        Sequence numbers go on, so that nothing sent before is ever executed after.
        """
        self.latched = None
        self.begun = False

    def _finite(self, values: Array | Sequence[float], *what: object) -> list[float]:
        """`values` as numbers of each joint. Raises CommandShape, CommandNotFinite: of `what`."""
        n = self._n
        if type(values) is np.ndarray and values.dtype.char == "d" and values.shape == (n,):
            numbers: list[float] = values.tolist()
        elif type(values) is tuple and len(values) == n and set(map(type, values)) == {float}:
            numbers = list(values)
        else:
            try:
                array = np.asarray(values, dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise CommandShape(f"{_words(what)}: {values!r} is not an array of {n} numbers") from error
            if array.shape != (n,):
                shape = f"shape {array.shape}, expected ({n},)"
                raise CommandShape(f"{_words(what)}: {shape} for {self.spec.name}; arm holding")
            numbers = array.tolist()
        # The sum of finite numbers is finite but for overflow: one look instead of two passes.
        if not math.isfinite(sum(numbers)) and not all(map(math.isfinite, numbers)):
            joint = self.spec.joint_names[[math.isfinite(x) for x in numbers].index(False)]
            raise CommandNotFinite(f"{_words(what)}: {joint} is not finite; refused, arm holding")
        return numbers

    def _check_first(self, target: list[float], q_measured: Array | Sequence[float], seq: int) -> None:
        measured = self._finite(q_measured, "q_measured")
        away = np.abs(np.subtract(target, measured))
        limit = self.spec.first_command_tolerance
        if not (away <= limit).all():
            j = int(np.argmax(away))
            raise CommandJumps(
                f"{self.spec.joint_names[j]}: first target {target[j]:.3f} rad is {away[j]:.3f} rad from the "
                f"measured {measured[j]:.3f}, limit {limit}; seq {seq} refused, start where the arm is"
            )

    def _advance(self, target: list[float]) -> None:
        """Move the commanded state one tick towards `target`, which is finite."""
        box, self._foreseen = self._foreseen, None
        if box is not None:
            for wanted, (low, high) in zip(target, box, strict=True):
                if not low <= wanted <= high:
                    break
            else:
                hz = self.spec.control_hz
                self._dq = [(wanted - q) * hz for wanted, q in zip(target, self._q, strict=True)]
                self._q = self._target = target
                self._arrays, self._target_speed = None, self._dq
                return
        moved = (self._followed and self._passes(target)) or self._towards(target)
        place, speed, goal, goal_speed, followed = moved
        if self.envelope is not None:
            part = self.envelope.part(self._q, self._dq, place, speed)
            if part < 1.0:
                speed = [slow + part * (v - slow) for slow, v in zip(self._slower(), speed, strict=True)]
                place = [q + v * self._dt for q, v in zip(self._q, speed, strict=True)]
                followed = False
        self._q, self._dq, self._arrays = place, speed, None
        self._target, self._target_speed, self._followed = goal, goal_speed, followed

    def _as_arrays(self) -> tuple[Array, Array]:
        if self._arrays is None:
            self._arrays = np.array(self._q), np.array(self._dq)
        return self._arrays

    def _passes(self, target: list[float]) -> AfterTick | None:
        """The common case, cheaply: a stream well within all limits; as `_towards`, None if it is not one.

        Braking from the target takes no more than `over ** 2 * dt / (2 * change)`, the most that the sum of
        its ticks can be for any number of them. Where that place of rest is within the limits the target is
        too, for it lies between there and `q`: braking from the state so reached ends within, as ever.
        """
        dt, hz, speeds = self._dt, self.spec.control_hz, []
        for goal, q, dq, (low, high, top, change, free_low, free_high) in zip(
            target, self._q, self._dq, self._bounds, strict=True
        ):
            speed = (goal - q) * hz
            if not (-top <= speed <= top and -change <= speed - dq <= change):
                return None
            if not free_low <= goal <= free_high:
                over = max(abs(speed) - change / 2, 0.0)
                rest = goal + math.copysign(over * over * dt / (2 * change), speed)
                if not low <= rest <= high:
                    return None
            speeds.append(speed)
        return target, speeds, target, speeds, True

    def _towards(self, target: list[float]) -> AfterTick:
        """Position and speed a tick later within the joints' limits, the goal, and whether it was met.

        Joint by joint on Python floats, compared rather than passed to min and max: for seven joints that
        takes a quarter of numpy's time.
        """
        dt, hz = self._dt, 1.0 / self._dt
        speeds, goals, arriving, places, followed = [], [], [], [], True
        for q, dq, goal, last, before, (low, high, top, change, free_low, free_high) in zip(
            self._q, self._dq, target, self._target, self._target_speed, self._bounds, strict=True
        ):
            goal = low if goal < low else high if goal > high else goal
            goals.append(goal)
            arrive = (goal - last) * hz  # the target's own speed
            arriving.append(arrive)
            distance = goal - q
            side = 1.0 if distance >= 0.0 else -1.0
            distance *= side
            # Far from the goal: as fast as the limits allow, for braking from there ends before it.
            fastest = dq * side + change
            if fastest > top:
                fastest = top
            over = fastest + change / 2
            if free_low <= q <= free_high and fastest >= 0.0 and over * over * dt <= 2 * change * distance:
                place = q + fastest * side * dt
                followed = followed and -ROUNDING < place - goal < ROUNDING
                speeds.append(fastest * side)
                places.append(place)
                continue
            steady = -change <= arrive - before <= change  # it moves as the arm could
            arrive *= side  # > 0 where it moves away from the arm
            if arrive > top:
                arrive = top
            elif arrive < -top:
                arrive = -top
            behind = distance - arrive * dt
            if steady and behind <= 0.0:  # it comes after the arm, which lets itself be overtaken
                speed = arrive - _brakes_within(-behind, change, dt)
            else:
                if arrive > 0.0:  # its own speed need not be braked off at it
                    speed = _brakes_within(behind + _braking(arrive, change, dt), change, dt)
                    if steady and speed < arrive + change:  # nor what one tick brakes off
                        speed = arrive + change
                elif steady:  # it comes to meet the arm
                    speed = arrive + _brakes_within(behind, change, dt)
                else:
                    speed = _brakes_within(distance, change, dt)
                if speed > distance * hz:  # never past the target
                    speed = distance * hz
            speed *= side
            # The limits have the last word, the position limits the very last.
            if speed > dq + change:
                speed = dq + change
            elif speed < dq - change:
                speed = dq - change
            if speed > top:
                speed = top
            elif speed < -top:
                speed = -top
            if not free_low <= q <= free_high:
                over = max(abs(speed) - change / 2, 0.0)
                rest = q + speed * dt + math.copysign(over * over * dt / (2 * change), speed)  # see `_passes`
                if not rest <= high:
                    speed = min(speed, _brakes_within(high - q, change, dt))
                if not low <= rest:
                    speed = max(speed, -_brakes_within(q - low, change, dt))
            place = q + speed * dt
            followed = followed and -ROUNDING < place - goal < ROUNDING
            speeds.append(speed)
            places.append(place)
        return places, speeds, goals, arriving, followed

    def _slower(self) -> list[float]:
        """Speed of each joint at the next tick when braking, in [rad/s]."""
        return [v - min(max(v, -c), c) for v, c in zip(self._dq, self._changes, strict=True)]

    def _fingers(self, opening: float, measured: float | None) -> float:
        """Opening a tick later on the way to `opening`.

        GripperThread stopped by what they hold open at once, and not after the way they did not go.
        """
        at = self.gripper if measured is None or not math.isfinite(measured) else _share(measured)
        step, further = self._gripper_step, _share(opening) - at
        return at + (step if further > step else -step if further < -step else further)

    def _sent(self) -> JointCommand:
        return JointCommand(np.array(self._q), self.gripper, self._seq, self._t_mono)


def _share(value: float) -> float:
    """`value`, a number, brought into [0, 1]; compared, for `min` and `max` take three times as long."""
    return 0.0 if value < 0.0 else 1.0 if value > 1.0 else value


def _words(what: tuple[object, ...]) -> str:
    return " ".join(map(str, what))


def _braking(speed: float, change: float, dt: float) -> float:
    """[rad] travelled when braking from `speed` >= 0 by `change` a tick, a first tick at full `speed`."""
    n = math.ceil(speed / change)
    return n * speed * dt - change * dt * (n * (n - 1) / 2)


def _brakes_within(distance: float, change: float, dt: float) -> float:
    """The highest speed from which `_braking` takes no more than `distance` [rad]; its inverse."""
    if distance <= 0.0:
        return 0.0
    n = max(math.ceil(math.sqrt(0.25 + 2 * distance / (change * dt)) - 0.5), 1)
    return distance / (n * dt) + change * ((n - 1) / 2)
