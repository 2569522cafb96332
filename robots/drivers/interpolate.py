"""ServoPath: interpolates gated targets at the control rate to set-points at an arm's servo rate."""

from __future__ import annotations

import numpy as np

from robots.errors import CommandRejected, DriverError
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec
from robots.types import Array, JointCommand

SILENCE = 0.1  # [s] without a target that end a session; the arm decelerates by then
JITTER = 0.015  # [s] a target may come late without deceleration; adds the same delay
SETTLED = 0.05  # [rad] largest offset of an arm at rest from its target: friction, gravity, soft controllers


class ServoPath:
    """A uniform cubic B-spline through time whose control points are the targets, one a control tick.

    Its position, velocity, acceleration and jerk are weighted means of the targets and of their first,
    second and third differences (the convex-hull property; de Boor, A Practical Guide to Splines, IX-XI).
    Bounds that the gate keeps at every tick therefore hold at every instant between the ticks, which
    piecewise Hermite interpolation does not guarantee. The cost is a delay of one tick, and that a corner is
    cut by at most a sixth of `ddq_max * dt**2`.

    Targets do not arrive on the tick. The newest one is used `JITTER` after the tick; without one the arm
    decelerates, and it catches up within the limits, since a `SafetyGate` makes the control points. After
    100 ms without a target the session ends; if that interrupted a motion, the next `put` is refused once, so
    that the server is informed, and a new session starts at rest.

    Not thread-safe; `ServoLoop` holds the lock. Times are in [s] on one monotonic clock.

    Args:
        spec: limits and control rate.
        servo_hz: set-points a second, at least `spec.control_hz`.

    Raises:
        DriverError: the control rate is too low to decelerate within 100 ms of silence, or above `servo_hz`.
    """

    def __init__(self, spec: ArmSpec, servo_hz: float) -> None:
        if not spec.dt + JITTER <= SILENCE:
            raise DriverError(
                f"{spec.name}: control_hz {spec.control_hz} is too low for a real arm, which must detect "
                f"{SILENCE * 1000:.0f} ms of silence; at least {1 / (SILENCE - JITTER):.0f} is needed"
            )
        if not servo_hz >= spec.control_hz:
            raise DriverError(f"{spec.name}: servo_hz {servo_hz} is below control_hz {spec.control_hz}")
        self.spec = spec
        self._longest = 2.0 / servo_hz  # [s] of path per sample at most: a stalled thread makes no jump
        self._reach = spec.ddq_max * spec.dt**2 + SETTLED
        self.begin(spec.q_home, 0.0)

    def begin(self, q: Array, now: float) -> None:
        """Reset to rest at `q` (n_joints,) in [rad], before any session. `now` in [s]."""
        self._gate = SafetyGate(self.spec)
        self._gate.start(q, 1.0)
        self._points = np.tile(self._gate.q, (4, 1))  # (4, n_joints)
        self._phase = 0.0  # of the present tick, in [0, 1)
        self._seq = 0
        self._last = self._arrival = now
        self._session = self._waiting = self._streams = False
        self._target = self._gate.q.copy()
        self._cut: str | None = None

    @property
    def at_rest(self) -> bool:
        """Whether the path has ended."""
        return self._gate.at_rest and not np.ptp(self._points, axis=0).any()

    @property
    def cut(self) -> str | None:
        """Why a motion was interrupted, until the next `put` raises it; None = it was not."""
        return self._cut

    def put(self, q_target: Array, now: float) -> None:
        """Set the newest target (n_joints,) in [rad]. `now` in [s].

        Raises:
            DriverError: silence interrupted the motion before this target, or the first target of a session
                is farther than one tick from the posture held.
        """
        self._check_silence(now)
        if self._cut is not None:
            reason, self._cut = self._cut, None
            raise DriverError(reason)
        if not self._session:
            self._check_first(q_target)
            self._session = True
            self._target = q_target.copy()
            if self.at_rest:
                self._phase = max(0.0, 1.0 - JITTER / self.spec.dt)
        self._streams = bool((np.abs(q_target - self._target) > 1e-9).any())
        self._target, self._arrival, self._waiting = q_target.copy(), now, True

    def sample(self, now: float) -> tuple[Array, Array]:
        """Set-point at `now` [s]: (n_joints,) in [rad] and (n_joints,) in [rad/s]."""
        self._check_silence(now)
        self._phase += min(max(now - self._last, 0.0), self._longest) / self.spec.dt
        self._last = now
        while self._phase >= 1.0:
            self._phase -= 1.0
            self._tick()
        u = self._phase
        v = 1.0 - u
        place = np.array([v**3, 3 * u**3 - 6 * u**2 + 4, 3 * v**3 - 6 * v**2 + 4, u**3]) / 6
        speed = np.array([v**2, 1 + 2 * u * v, u**2]) / 2
        return place @ self._points, speed @ np.diff(self._points, axis=0) * self.spec.control_hz

    def _tick(self) -> None:
        try:
            if not self._waiting:
                self._gate.brake()
            else:
                self._seq += 1
                self._gate.filter(JointCommand(self._target, 1.0, self._seq, 0.0), self._gate.q)
        except CommandRejected as refusal:  # not for a gated stream, but a gate with more checks may refuse
            self._gate.brake()
            self._cut = f"{self.spec.name}: the path to the target was refused: {refusal}"
        self._waiting = False
        self._points = np.vstack([self._points[1:], self._gate.q])

    def _check_silence(self, now: float) -> None:
        """End the session after `SILENCE`."""
        silent = now - self._arrival
        if not self._session or silent <= SILENCE:
            return
        self._session = self._waiting = False
        if self._streams or (np.abs(self._gate.q - self._target) > 1e-6).any():
            self._cut = (
                f"{self.spec.name}: no target for {silent * 1000:.0f} ms (limit {SILENCE * 1000:.0f}) in the "
                "middle of a motion; the arm decelerated and holds; begin a new session where it is"
            )

    def _check_first(self, q_target: Array) -> None:
        away = np.abs(q_target - self._gate.q)
        if not (away <= self._reach).all():
            j = int(np.argmax(away))
            raise DriverError(
                f"{self.spec.joint_names[j]}: first target {q_target[j]:.3f} rad is {away[j]:.3f} rad from "
                f"{self._gate.q[j]:.3f}, where the arm holds, limit {self._reach[j]:.3f}; "
                "begin where the arm is"
            )
