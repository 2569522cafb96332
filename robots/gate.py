"""SafetyGate: what stands before every arm, simulated or real.

A bad command is refused, never repaired; a good one that asks too much is brought within the
arm's position, velocity, acceleration and jerk limits, and the caller is told what was sent.
"""

from __future__ import annotations

import math

import numpy as np
from ruckig import ControlInterface, InputParameter, OutputParameter, Ruckig, Synchronization

from robots.errors import (
    ArmLatched,
    CommandFromFuture,
    CommandJumps,
    CommandNotFinite,
    CommandOutOfOrder,
    CommandRejected,
    CommandShape,
)
from robots.spec import ArmSpec
from robots.types import Array, JointCommand

FUTURE_TOLERANCE = 0.005  # [s] a stamp may lie ahead: clock resolution, not skew


class SafetyGate:
    """Keeps one arm within `spec`'s limits, one command a control tick.

    The gate carries the position, velocity and acceleration it has commanded; each tick Ruckig
    moves that state towards the target as fast as the limits allow. The state can always brake to
    rest inside the position limits: that holds at rest and is checked before each state is kept.

    Attributes:
        begun: whether a session has begun.
        latched: why the arm was stopped, or None.
        q, dq, ddq: (n_joints,) commanded state in [rad], [rad/s], [rad/s2].
    """

    def __init__(self, spec: ArmSpec) -> None:
        self.spec = spec
        self.latched: str | None = None
        self.q = np.array(spec.q_home)
        self.dq = np.zeros(spec.n_joints)
        self.ddq = np.zeros(spec.n_joints)
        self.gripper = 1.0
        self.begun = False
        self._seq = -1
        self._t_mono = 0.0
        self._target = np.zeros(spec.n_joints)
        self._otg = Ruckig(spec.n_joints, spec.dt)
        self._state = InputParameter(spec.n_joints)
        self._state.max_velocity = spec.dq_max
        self._state.max_acceleration = spec.ddq_max
        self._state.max_jerk = spec.jerk_max
        self._state.synchronization = Synchronization.No  # joints do not wait for one another
        self._next = OutputParameter(spec.n_joints)
        # commanded positions stay this far inside, for what Ruckig leaves to rounding
        self._low, self._high = spec.q_min + 1e-9, spec.q_max - 1e-9
        self._still = np.zeros(spec.n_joints)
        self._ramp = spec.ddq_max**2 / (2 * spec.jerk_max)  # [rad/s] gained while the jerk turns around
        self._turn = 2 * spec.ddq_max / spec.jerk_max  # [s] the turning takes
        self._gripper_step = spec.gripper_speed / spec.gripper_width * spec.dt

    def start(self, q_measured: Array, gripper: float) -> None:
        """Begin a session at the measured joints: the arm is where it is, at rest.

        Called by the first `filter`; calling it explicitly accepts targets from anywhere after it.
        """
        q = self._finite("q_measured", q_measured)
        self.q = np.clip(q, self._low, self._high)
        self.dq, self.ddq = np.zeros(self.spec.n_joints), np.zeros(self.spec.n_joints)
        self._target = self.q
        self.begun = True
        self.gripper = min(max(float(gripper), 0.0), 1.0)

    def filter(
        self,
        command: JointCommand,
        q_measured: Array,
        gripper_measured: float = 1.0,
        now: float | None = None,
    ) -> JointCommand:
        """What may be sent for `command` at this tick.

        Args:
            command: the request.
            q_measured: (n_joints,) in [rad]; used by the first command of a session.
            gripper_measured: opening in [0, 1]; used likewise.
            now: [s] on the receiver's clock; None = stamps are not looked at.

        Raises:
            CommandRejected: one of its named kinds; nothing is sent, call `brake` for this tick.
        """
        if self.latched is not None:
            raise ArmLatched(f"{self.spec.name} was stopped: {self.latched}; `rearm` it before commanding")
        target = self._finite(f"command seq {command.seq}", command.q_target)
        opening = command.gripper
        if not (isinstance(opening, int | float | np.number) and math.isfinite(opening)):
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
            self.start(q_measured, gripper_measured)
        self._advance(target)
        self._seq, self._t_mono = command.seq, command.t_mono if now is None else now
        return self._sent(float(opening))

    def brake(self, now: float | None = None) -> JointCommand:
        """One tick of slowing down within the limits, holding once at rest; the gripper stays.

        Raises CommandRejected if no session has begun: there is nothing to hold.
        """
        if not self.begun:
            raise CommandRejected(f"{self.spec.name}: no session has begun; the arm holds by itself")
        state = self._state
        state.control_interface = ControlInterface.Velocity
        state.target_velocity = state.target_acceleration = self._still
        self._plan()
        state.control_interface = ControlInterface.Position
        self._keep()
        self._target = self.q
        if now is not None:
            self._t_mono = now
        return self._sent(self.gripper)

    @property
    def at_rest(self) -> bool:
        """True when the commanded state does not move."""
        return not self.begun or not (np.abs(self.dq) > 1e-6).any()

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

    def _finite(self, what: str, values: Array) -> Array:
        n = self.spec.n_joints
        try:
            array = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise CommandShape(f"{what}: {values!r} is not an array of {n} numbers") from error
        if array.shape != (n,):
            raise CommandShape(
                f"{what}: shape {array.shape}, expected ({n},) for {self.spec.name}; arm holding"
            )
        if not math.isfinite(array.sum()) and not np.isfinite(array).all():
            joint = self.spec.joint_names[int(np.argmin(np.isfinite(array)))]
            raise CommandNotFinite(f"{what}: {joint} is not finite; refused, arm holding")
        return array

    def _check_first(self, target: Array, q_measured: Array, seq: int) -> None:
        measured = self._finite("q_measured", q_measured)
        away = np.abs(target - measured)
        limit = self.spec.first_command_tolerance
        if not (away <= limit).all():
            j = int(np.argmax(away))
            raise CommandJumps(
                f"{self.spec.joint_names[j]}: first target {target[j]:.3f} rad is {away[j]:.3f} rad from the "
                f"measured {measured[j]:.3f}, limit {limit}; seq {seq} refused, start where the arm is"
            )

    def _advance(self, target: Array) -> None:
        """Move the commanded state one tick towards `target`, which is finite."""
        spec, state = self.spec, self._state
        target = np.minimum(np.maximum(target, self._low), self._high)
        # Arrive with the speed at which the targets move, so that a stream is followed without lag;
        # never faster than a run-up from here allows, or Ruckig would step back to gain speed.
        away = target - self.q
        wish = (target - self._target) * spec.control_hz
        speed = self.dq * np.sign(away)
        runup = np.sqrt(np.maximum(speed, 0.0) ** 2 + 1.6 * spec.ddq_max * np.abs(away))
        arrive = np.where(
            wish * away > 0, np.minimum(np.abs(wish), np.minimum(runup, 0.95 * spec.dq_max)), 0.0
        )
        self._target = target
        state.target_position = target
        state.target_velocity = np.copysign(arrive, away)
        state.target_acceleration = self._still
        self._plan()
        if not self._can_brake():
            state.target_velocity = self._still  # ends at rest at the target, so it stays inside
            self._plan()
        self._keep()

    def _plan(self) -> None:
        state = self._state
        state.current_position, state.current_velocity, state.current_acceleration = self.q, self.dq, self.ddq
        result = self._otg.update(state, self._next)
        if result < 0:
            raise CommandRejected(
                f"{self.spec.name}: no motion within the limits was found ({result}); refused"
            )

    def _can_brake(self) -> bool:
        """True if the planned state comes to rest inside the limits, by a bound that never flatters."""
        q, dq = np.array(self._next.new_position), np.array(self._next.new_velocity)
        speed = np.abs(dq) + self._ramp
        way = speed * (self._turn + speed / (2 * self.spec.ddq_max))
        return bool(((self._low <= q - way) & (q + way <= self._high)).all())

    def _keep(self) -> None:
        planned = self._next
        self.q = np.array(planned.new_position)
        self.dq = np.array(planned.new_velocity)
        self.ddq = np.array(planned.new_acceleration)

    def _sent(self, opening: float) -> JointCommand:
        step = self._gripper_step
        wanted = min(max(opening, 0.0), 1.0)
        self.gripper += min(max(wanted - self.gripper, -step), step)
        return JointCommand(self.q.copy(), self.gripper, self._seq, self._t_mono)
