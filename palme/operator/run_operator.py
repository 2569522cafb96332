"""RunOperator: the `Operator` of one run, in front of a shared arm and its control loop.

It also reports a person's interventions to the agent (`palme.supervision.Supervisor`). Every method may be
called from any thread and returns at once; the control loop does what takes time.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from palme.operator.operator import Jog, Joint, Picture, Reply, Status
from palme.operator.run_status import RunStatus
from palme.operator.verbal_corrections import AmbiguousCorrectionError, Meaning, understand
from palme.supervision import Correction
from robots.errors import RobotError, TakeoverRefused
from robots.skills import Step
from robots.teleop import teleop_actions
from robots.teleop.arbitration import AUTONOMOUS, CORRECTING
from robots.teleop.loop import ControlLoop
from robots.teleop.reach import point_above, point_at
from robots.teleop.shared_robot import POLICY, SharedArm
from robots.types import Array

REARM_WAIT = 0.25  # [s] for the result of a rearm; the status shows a later one
MAX_TEXT = 300  # characters of a correction


class RunOperator:
    """See the module.

    Attributes:
        shared: the arm.
        loop: its control loop, which also captures images.
        run_status: the plan; None = there is no agent.
    """

    def __init__(self, shared: SharedArm, loop: ControlLoop, run_status: RunStatus | None = None) -> None:
        """Operate `shared`; `run_status` must be one of the agent's listeners."""
        self.shared, self.loop, self.run_status = shared, loop, run_status
        self._lock = threading.Lock()
        self._pending: tuple[str, str, Meaning] | None = None  # who, words, meaning: until the agent asks
        self._aim: tuple[tuple[str, str, float, float], Array, float] | None = None
        spec = shared.spec
        limits = zip(spec.joint_names, spec.q_min, spec.q_max, spec.dq_max, strict=True)
        self._limits = [(n, float(a), float(b), float(c)) for n, a, b, c in limits]

    # -- status ---------------------------------------------------------------------------

    def status(self) -> Status:
        """See `Operator`."""
        shared, state, timer = self.shared, self.shared.state, self.loop.timer
        takeover, run = shared.takeover, self.run_status
        joints = tuple(
            Joint(name, float(q), low, high, float(dq), top)
            for (name, low, high, top), q, dq in zip(self._limits, state.q, state.dq, strict=True)
        )
        return Status(
            mode=takeover.mode,
            holder=POLICY if takeover.mode == AUTONOMOUS else takeover.holder,
            instruction="" if run is None else run.instruction,
            steps=() if run is None else run.steps,
            sentence="" if run is None else run.sentence(),
            probability=None if run is None else run.probability,
            joints=joints,
            gripper=float(state.gripper),
            cameras=self.loop.cameras,
            limited_by=shared.limited_by,
            state_age=shared.age,
            ticks=timer.ticks,
            missed_ticks=timer.missed,
            message=takeover.message,
            t_mono=time.monotonic(),
        )

    def picture(self, camera: str) -> Picture | None:
        """See `Operator`."""
        found = self.loop.frame(camera)
        return None if found is None else Picture(found[0].rgb, found[1])

    # -- actions --------------------------------------------------------------------------

    def stop(self, who: str, reason: str) -> Reply:
        """See `Operator`."""
        self.shared.halt(who, reason or f"by {who}")
        return Reply(True, self.shared.takeover.message)

    def rearm(self, who: str) -> Reply:
        """See `Operator`."""
        try:
            self.shared.rearm(who, REARM_WAIT)
        except TimeoutError:
            return Reply(True, "rearm requested: see the status")
        except RobotError as error:
            return Reply(False, str(error))
        return Reply(True, self.shared.takeover.message)

    def pause(self, who: str) -> Reply:
        """See `Operator`."""
        return self._try(lambda: self.shared.pause(who))

    def take(self, who: str) -> Reply:
        """See `Operator`."""
        return self._try(lambda: self.shared.take(who))

    def hand_back(self, who: str) -> Reply:
        """See `Operator`."""
        return self._try(lambda: self.shared.hand_back(who))

    def disconnect(self, who: str) -> None:
        """See `Operator`."""
        self.shared.disconnected(who)

    def jog(self, who: str, jog: Jog) -> Reply:
        """See `Operator`."""
        opening = jog.gripper
        try:
            teleop_actions.speed_fractions(jog.linear)
            teleop_actions.speed_fractions(jog.angular)
        except (ValueError, TypeError) as error:
            return Reply(False, f"jog: {error}")
        if opening is not None and not (isinstance(opening, int | float) and math.isfinite(opening)):
            return Reply(False, f"jog: gripper {opening!r} outside [0, 1]")
        linear, angular = tuple(map(float, jog.linear)), tuple(map(float, jog.angular))
        return self._act(who, teleop_actions.Jog(linear, angular, opening))  # type: ignore[arg-type]

    def reach(self, who: str, camera: str, u: float, v: float) -> Reply:
        """See `Operator`. The point is computed once a press, since the camera may move with the arm."""
        if not self._has_control(who):
            return self._no_control(who)
        key, now = (who, camera, float(u), float(v)), time.monotonic()
        with self._lock:
            aim = self._aim
        if aim is None or aim[0] != key or now - aim[2] > 3 * teleop_actions.STALE:
            found = self.loop.frame(camera)
            if found is None:
                return Reply(False, f"no image of {camera!r} yet")
            try:
                point = point_at(found[0], u, v)
                goal = point_above(self.shared.spec, point, self.shared.limits.hover)
            except TakeoverRefused as error:
                return Reply(False, str(error))
        else:
            goal = aim[1]
        with self._lock:
            self._aim = (key, goal, now)
        return self._act(who, teleop_actions.Reach(goal))

    def correct(self, who: str, text: str) -> Reply:
        """See `Operator`; `palme.operator.verbal_corrections` interprets the text."""
        if self.run_status is None:
            return Reply(False, "there is no planner, so no instruction to correct")
        holder = self.shared.takeover.holder
        if holder and holder != who:
            return Reply(False, f"{holder} has control; only its corrections are accepted")
        if len(text) > MAX_TEXT:
            return Reply(False, f"{len(text)} characters, limit {MAX_TEXT}; shorten the text")
        with self._lock:
            pending = self._pending
            instruction = self.run_status.instruction if pending is None else pending[2].instruction
            present: Step | None = self.run_status.present
            try:
                meaning = understand(text, instruction, present, self.run_status.seen)
            except AmbiguousCorrectionError as question:
                return Reply(False, str(question))
            self._pending = (who, " ".join(text.split()), meaning)
        self.shared.interrupt(who)
        later = "" if self.shared.takeover.mode == AUTONOMOUS else " (after hand-back)"
        return Reply(True, meaning.message + later)

    # -- Supervisor, for the agent --------------------------------------------------------

    @property
    def interrupted(self) -> bool:
        """See `Supervisor`."""
        return self.shared.interrupted

    def wait(self) -> Correction:
        """See `Supervisor`."""
        what = self.shared.wait()
        with self._lock:
            pending, self._pending = self._pending, None
        if pending is None:
            return Correction(what.who, what.why, what.seconds, what.commands)
        who, words, meaning = pending
        changed = self.run_status is None or meaning.instruction != self.run_status.instruction
        return Correction(
            who, what.why, what.seconds, what.commands, words, meaning.step,
            meaning.instruction if changed else None,
        )  # fmt: skip

    def ask(self, message: str) -> None:
        """See `Supervisor`."""
        try:
            self.shared.pause(POLICY)
        except TakeoverRefused:
            pass  # a person has control, or the arm is stopped: it waits already
        self.shared.report(message)

    # -- internal -------------------------------------------------------------------------

    def _try(self, act: Callable[[], None]) -> Reply:
        try:
            act()
        except TakeoverRefused as refusal:
            return Reply(False, str(refusal))
        return Reply(True, self.shared.takeover.message)

    def _act(self, who: str, action: teleop_actions.TeleopAction) -> Reply:
        return Reply(True) if self.shared.act(who, action) else self._no_control(who)

    def _has_control(self, who: str) -> bool:
        takeover = self.shared.takeover
        return takeover.mode == CORRECTING and takeover.holder == who

    def _no_control(self, who: str) -> Reply:
        holder = self.shared.takeover.holder
        return Reply(False, f"{holder} has control" if holder else "take control first")
