"""SafetyGate: checks and limits every command before it reaches an arm, simulated or real.

An invalid command is refused, never repaired. A valid one is limited to the arm's position, velocity,
acceleration and jerk limits, its workspace, the space above the table and clear of itself. The gate returns
the command that is really sent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from robots.errors import (
    ArmLatched,
    ArmMoving,
    CommandFromFuture,
    CommandJumps,
    CommandNotFinite,
    CommandOutOfOrder,
    CommandRejected,
    CommandShape,
    FollowingError,
)
from robots.safety.envelope import Envelope
from robots.safety.first_command import check_first_target
from robots.safety.following import Following
from robots.safety.joint_limits import JointLimits
from robots.spec import ArmSpec
from robots.types import Array, CommandLike, JointCommand

FUTURE_TOLERANCE = 0.005  # [s] by which a stamp may be in the future: clock resolution, not skew
NUMBER = (int, float, np.number)
SAME = 1e-9  # [rad] a sent position this near to the target is the target
REMEDY = "see what blocks or moves the arm, and whether its motors are on"


class SafetyGate:
    """Keeps one arm within the limits of its `ArmSpec`, one command a control tick.

    The gate sends one position a tick; the differences of positions are speed and acceleration. Each tick it
    selects the speed that follows the targets best among those

    - at most `dq_max`,
    - at most `ddq_max * dt` from the previous one (jerk: see `JointLimits.change`), and
    - from which braking tick by tick ends within the position limits,

    and of that motion the largest fraction that satisfies the geometric constraints (`Envelope`). Braking is
    always among the candidates, so one always exists. A stream within the limits passes unchanged, without
    lag; a distant target is reached as fast as the limits allow, without overshoot.

    An arm that is not where it was sent (`Following`) is not driven on: it is held, and stopped if that
    lasts. Then the gate goes to the measured joints within the limits: it neither winds up nor jumps back.

    Args:
        geometry: whether workspace, table and self-collision are checked. False only where nothing can break,
            as in a learner's simulation: near a boundary the checks cost as much as the physics.

    Attributes:
        begun: whether a client's session has begun: its first command was accepted.
        holding: whether there is a posture to hold, with or without a session.
        latched: why the arm was stopped, or None.
        counts: commands by what became of them: "limited" by a limit or constraint, "held" while the arm did
            not follow, "refused NAME" by the exception.
        envelope: the geometric constraints, None without `geometry`; `envelope.held` counts the motions that
            each constraint limited.
        gripper: commanded opening in [0, 1].
    """

    def __init__(self, spec: ArmSpec, geometry: bool = True) -> None:
        self.spec, self._n = spec, spec.n_joints
        self.begun = self.holding = False
        self.counts: Counter[str] = Counter()
        self.latched: str | None = None
        # Lists of Python floats (see `JointLimits`); the arrays are made on demand.
        self._q: list[float] = spec.q_home.tolist()
        self._dq: list[float] = [0.0] * spec.n_joints
        self._arrays: tuple[Array, Array] | None = None
        self.gripper = 1.0
        self._seq = -1
        self._t_mono = 0.0
        self._target, self._target_speed = self._q, self._dq
        self._limits = JointLimits(spec)
        self.envelope = Envelope(spec, self._limits.change) if geometry else None
        self._following = Following(spec)
        self._holds_back = False  # because the arm is not where it was sent
        self._way_to: list[float] | None = None  # (n_joints,) [rad] where such an arm is given way to
        self._dt = spec.dt
        self._reached = False  # whether the last target was reached exactly
        self._exact_range: list[tuple[float, float]] | None = None  # of each joint: see `precompute`
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
        """Begin a session at the measured joints, at rest.

        The first `filter` calls it. After an explicit call, by a caller that checks the first target itself,
        that target may be any distance away.

        Args:
            q_measured: (n_joints,) in [rad].
            gripper: measured opening in [0, 1].

        Raises:
            CommandJumps: a joint is outside its limits; clipping it to them would be a jump.
        """
        self.hold(q_measured, gripper)
        self.begun = True

    def hold(self, q_measured: Array | Sequence[float], gripper: float) -> None:
        """Hold the arm where it is, at rest. No session begins: the next first target must be near the arm.

        Args and errors: as `start`.
        """
        q = np.array(self._finite(q_measured, "q_measured"))
        if outside := self.spec.outside(q):
            raise CommandJumps(f"{outside}; no motion can begin there: move it inside by hand")
        self._q, self._dq = np.clip(q, self._limits.q_min, self._limits.q_max).tolist(), [0.0] * self._n
        self._arrays, self._target, self._target_speed = None, self._q, self._dq
        self.holding, self._reached, self._exact_range = True, True, None
        self._following.start(self._q)
        self._holds_back, self._way_to = False, None
        if self.envelope is not None:
            self.envelope.start(self.q)
        self.gripper = _clip01(float(gripper))

    def filter(
        self,
        command: CommandLike,
        q_measured: Array | Sequence[float],
        gripper_measured: float | None = None,
        now: float | None = None,
    ) -> JointCommand:
        """The command to send at this tick for `command`.

        Args:
            command: the request.
            q_measured: (n_joints,) in [rad], the newest measurement.
            gripper_measured: opening in [0, 1] from which the fingers move; None or NaN = not measured, they
                move from the last commanded opening.
            now: [s] on the receiver's clock; None = stamps are not checked.

        Raises:
            CommandRejected: one of its named kinds; nothing is sent, call `brake` for this tick.
            FollowingError: the arm is not where it was sent; it is latched.
        """
        try:
            return self._filter(command, q_measured, gripper_measured, now)
        except CommandRejected as refusal:
            self.counts[f"refused {type(refusal).__name__}"] += 1
            raise

    def _filter(
        self,
        command: CommandLike,
        q_measured: Array | Sequence[float],
        gripper_measured: float | None,
        now: float | None,
    ) -> JointCommand:
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
                f"command seq {command.seq}: timestamp {command.t_mono} s is in the future, the receiver's "
                f"clock is at {now} s; stamp with the receiver's clock"
            )
        follows = True
        if not self.begun:
            measured = self._finite(q_measured, "q_measured")
            check_first_target(self.spec, target, measured, f"command seq {command.seq}")
            if self.holding and self._following.check(q_measured):
                self.begun, self._holds_back = True, False  # it goes on from the posture held: no step
            elif self.holding and not self.at_rest:
                raise ArmMoving(f"{self.spec.name}: the arm still decelerates; command it when it is at rest")
            else:
                self.start(q_measured, self.gripper if gripper_measured is None else gripper_measured)
        elif not (follows := self._follows(q_measured)) and self.latched is not None:
            raise FollowingError(f"{self._following.trouble}; {REMEDY}; `rearm` it before commanding")
        self._seq, self._t_mono = command.seq, command.t_mono if now is None else now
        if not follows:
            self._hold_back()
            return self._to_send()
        self._advance(target)
        self._following.sent(self._q)
        if self._q is not target and any(abs(a - b) > SAME for a, b in zip(self._q, target, strict=True)):
            self.counts["limited"] += 1
        self.gripper = self._gripper_after_tick(float(opening), gripper_measured)
        return self._to_send()

    def brake(
        self, now: float | None = None, q_measured: Array | Sequence[float] | None = None
    ) -> JointCommand:
        """The command of one tick of braking within the limits; holds at rest. The gripper keeps its opening.

        Args:
            now: as for `filter`.
            q_measured: (n_joints,) in [rad]; an arm that is not where it was sent is held, and latched if
                that lasts. None = not checked at this tick.

        Raises:
            CommandRejected: there is no posture to hold.
        """
        if not self.holding:
            raise CommandRejected(f"{self.spec.name}: no session has begun; the arm holds by itself")
        if now is not None:
            self._t_mono = now
        if q_measured is not None:
            self._follows(q_measured)
        if self._holds_back:
            self._hold_back()
            return self._to_send()
        self._brake()
        self._following.sent(self._q)
        return self._to_send()

    def _brake(self) -> None:
        if any(self._dq):
            self._dq = self._limits.braked(self._dq)
            self._q = [q + dq * self._dt for q, dq in zip(self._q, self._dq, strict=True)]
            self._arrays = None
        self._target, self._target_speed, self._reached = self._q, self._dq, True
        self._exact_range = None

    def _follows(self, q_measured: Array | Sequence[float]) -> bool:
        """Whether the arm is where it was sent; latches where it was not for too long."""
        following = self._following
        self._holds_back = not following.check(q_measured)
        if following.failed:
            self.stop(f"FollowingError: {following.trouble}; {REMEDY}")
            here, limit = following.measured, self.spec.following_error
            # Kept until the arm is moved on: an arm that trembles would never come to rest.
            if here is not None and (
                self._way_to is None
                or any(abs(a - b) > limit for a, b in zip(here, self._way_to, strict=True))
            ):
                self._way_to = here
        return not self._holds_back

    def _hold_back(self) -> None:
        """One tick for an arm that is not where it was sent: it is held, and once stopped, given way to.

        To give way is to go to the measured joints within the limits: it is neither pressed on nor pulled.
        """
        self.counts["held"] += 1
        if self.gives_way and self._way_to is not None:
            self._advance(self._way_to)
        else:
            self._brake()

    def precompute(self) -> None:
        """Compute the targets of the next tick that pass unchanged, so that `filter` answers faster.

        Called between two ticks, when there is time. It covers only certain cases, so `filter` returns the
        same with or without it.
        """
        self._exact_range = None
        if not (self.begun and self._reached):
            return
        found = self._limits.exact_range(self._q, self._dq)
        if found is not None and (self.envelope is None or self.envelope.always_clear(self._q, found[1])):
            self._exact_range = found[0]

    def predict(
        self,
        command: CommandLike,
        q_measured: Array | Sequence[float],
        gripper_measured: float | None,
        now: float,
    ) -> float | None:
        """The gripper opening that `filter` will return for `command`, if its joint target passes unchanged.

        So an acknowledgement need not wait for `filter`. `filter` must follow with the same arguments before
        any other call to this gate.

        Args:
            command: its target is a tuple of floats, as decoded from the wire.
            q_measured, gripper_measured, now: as for `filter`.

        Returns:
            The opening in [0, 1], or None where only `filter` decides, including every refusal.
        """
        ranges, target, opening = self._exact_range, command.q_target, command.gripper
        if ranges is None or self.latched is not None or type(target) is not tuple or len(target) != self._n:
            return None
        for wanted, (low, high) in zip(target, ranges, strict=True):
            if not low <= wanted <= high:
                return None
        if not (self.begun and self._following.is_near(q_measured)):
            return None
        in_order = command.seq > self._seq and command.t_mono <= now + FUTURE_TOLERANCE
        return (
            self._gripper_after_tick(opening, gripper_measured)
            if in_order and math.isfinite(opening)
            else None
        )

    @property
    def limited_by(self) -> str | None:
        """What limited the last command's motion: a geometric constraint, a following error; or None."""
        if self._holds_back:
            return f"following error: {self._following.trouble}"
        return None if self.envelope is None else self.envelope.limited_by

    @property
    def gives_way(self) -> bool:
        """Whether it goes to the measured joints, because the arm was not where it was sent for too long."""
        return self._holds_back and self._following.failed and self._way_to is not None

    @property
    def at_rest(self) -> bool:
        """Whether the commanded speed is below 1e-6 rad/s; after a stop, exactly 0.

        A new session begins at speed 0: a remaining speed would add to the largest change of a tick.
        """
        still = 1e-6 if self.latched is None else 0.0  # [rad/s]
        return not self.holding or (max(self._dq) <= still and min(self._dq) >= -still)

    def stop(self, reason: str) -> None:
        """Refuse every later command; the caller sends `brake()` until `at_rest`."""
        if self.latched is None:  # the first cause is reported
            self.latched = reason

    def rearm(self) -> None:
        """Clear a stop. The next session's first target must be near the measured joints.

        Sequence numbers continue, so that a command sent earlier is never executed later.
        """
        self.latched = None
        self.begun = self.holding = self._holds_back = False

    def _finite(self, values: Array | Sequence[float], *what: object) -> list[float]:
        """`values` as floats, one a joint. Raises CommandShape, CommandNotFinite; `what` names it there."""
        n = self._n
        if type(values) is np.ndarray and values.dtype.char == "d" and values.shape == (n,):
            numbers: list[float] = values.tolist()
        elif type(values) is tuple and len(values) == n and set(map(type, values)) == {float}:
            numbers = list(values)
        else:
            try:
                array = np.asarray(values, dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise CommandShape(f"{_label(what)}: {values!r} is not an array of {n} numbers") from error
            if array.shape != (n,):
                shape = f"shape {array.shape}, expected ({n},)"
                raise CommandShape(f"{_label(what)}: {shape} for {self.spec.name}; arm holding")
            numbers = array.tolist()
        # The sum of finite numbers is finite except for overflow, so most calls check one number.
        if not math.isfinite(sum(numbers)) and not all(map(math.isfinite, numbers)):
            joint = self.spec.joint_names[[math.isfinite(x) for x in numbers].index(False)]
            raise CommandNotFinite(f"{_label(what)}: {joint} is not finite; refused, arm holding")
        return numbers

    def _advance(self, target: list[float]) -> None:
        """Advance the commanded state by one tick towards `target`, which is finite."""
        ranges, self._exact_range = self._exact_range, None
        if ranges is not None:
            for wanted, (low, high) in zip(target, ranges, strict=True):
                if not low <= wanted <= high:
                    break
            else:
                hz = self.spec.control_hz
                self._dq = [(wanted - q) * hz for wanted, q in zip(target, self._q, strict=True)]
                self._q = self._target = target
                self._arrays, self._target_speed = None, self._dq
                return
        q, dq, limits = self._q, self._dq, self._limits
        moved = limits.exact(q, dq, target) if self._reached else None
        if moved is None:
            moved = limits.track(q, dq, target, self._target, self._target_speed)
        place, speed, goal, goal_speed, reached = moved
        if self.envelope is not None:
            fraction = self.envelope.feasible_fraction(q, dq, place, speed)
            if fraction < 1.0:
                speed = [b + fraction * (v - b) for b, v in zip(limits.braked(dq), speed, strict=True)]
                place = [at + v * self._dt for at, v in zip(q, speed, strict=True)]
                reached = False
        self._q, self._dq, self._arrays = place, speed, None
        self._target, self._target_speed, self._reached = goal, goal_speed, reached

    def _as_arrays(self) -> tuple[Array, Array]:
        if self._arrays is None:
            self._arrays = np.array(self._q), np.array(self._dq)
        return self._arrays

    def _gripper_after_tick(self, opening: float, measured: float | None) -> float:
        """Opening in [0, 1] after a tick towards `opening`.

        It starts from the measured opening, so that fingers blocked by an object open at once.
        """
        at = self.gripper if measured is None or not math.isfinite(measured) else _clip01(measured)
        step, further = self._gripper_step, _clip01(opening) - at
        return at + (step if further > step else -step if further < -step else further)

    def _to_send(self) -> JointCommand:
        return JointCommand(np.array(self._q), self.gripper, self._seq, self._t_mono)


def _clip01(value: float) -> float:
    """`value` clipped to [0, 1]; comparisons take a third of the time of `min` and `max`."""
    return 0.0 if value < 0.0 else 1.0 if value > 1.0 else value


def _label(what: tuple[object, ...]) -> str:
    return " ".join(map(str, what))
