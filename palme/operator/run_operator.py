"""RunOperator: the desk of one run, in front of a shared arm and the loop that ticks it.

It also tells the agent what a person did and said (`palme.supervision.Supervisor`). Every method may be
called from any thread and returns at once: what takes time is done by the control loop.
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
from robots.teleop.reach import over, point_at
from robots.teleop.shared_robot import POLICY, SharedArm
from robots.types import Array

SOON = 0.25  # [s] that a rearm is waited for; the message tells what came of it later
LONGEST = 300  # characters of a sentence


class RunOperator:
    """See the module.

    Args:
        shared: the arm.
        loop: ticks it, and takes its pictures.
        story: listens to the agent's events; None = there is no agent.
    """

    def __init__(self, shared: SharedArm, loop: ControlLoop, run_status: RunStatus | None = None) -> None:
        self.shared, self.loop, self.run_status = shared, loop, run_status
        self._lock = threading.Lock()
        self._said: tuple[str, str, Meaning] | None = None  # who, words, meaning: until the agent asks
        self._aim: tuple[tuple[str, str, float, float], Array, float] | None = None
        spec = shared.spec
        limits = zip(spec.joint_names, spec.q_min, spec.q_max, spec.dq_max, strict=True)
        self._limits = [(n, float(a), float(b), float(c)) for n, a, b, c in limits]

    # -- what is seen -------------------------------------------------------------------------

    def status(self) -> Status:
        """See `Operator`."""
        shared, state, pace = self.shared, self.shared.state, self.loop.pace
        takeover, story = shared.takeover, self.run_status
        joints = tuple(
            Joint(name, float(q), low, high, float(dq), top)
            for (name, low, high, top), q, dq in zip(self._limits, state.q, state.dq, strict=True)
        )
        return Status(
            mode=takeover.mode,
            holder=POLICY if takeover.mode == AUTONOMOUS else takeover.holder,
            instruction="" if story is None else story.instruction,
            steps=() if story is None else story.lines,
            sentence="" if story is None else story.sentence(),
            sure=None if story is None else story.sure,
            joints=joints,
            gripper=float(state.gripper),
            cameras=self.loop.cameras,
            held_by=shared.held_by,
            age=shared.age,
            loop_ticks=pace.ticks,
            loop_late=pace.late,
            message=takeover.message,
            t_mono=time.monotonic(),
        )

    def picture(self, camera: str) -> Picture | None:
        """See `Operator`."""
        found = self.loop.frame(camera)
        return None if found is None else Picture(found[0].rgb, found[1])

    # -- what is done -------------------------------------------------------------------------

    def stop(self, who: str, reason: str) -> Reply:
        """See `Operator`."""
        self.shared.halt(who, reason or f"by {who}")
        return Reply(True, self.shared.takeover.message)

    def rearm(self, who: str) -> Reply:
        """See `Operator`."""
        try:
            self.shared.rearm(who, SOON)
        except TimeoutError:
            return Reply(True, "asked to rearm: see the message")
        except RobotError as error:
            return Reply(False, str(error))
        return Reply(True, self.shared.takeover.message)

    def pause(self, who: str) -> Reply:
        """See `Operator`."""
        return self._told(lambda: self.shared.pause(who))

    def take(self, who: str) -> Reply:
        """See `Operator`."""
        return self._told(lambda: self.shared.take(who))

    def hand_back(self, who: str) -> Reply:
        """See `Operator`."""
        return self._told(lambda: self.shared.hand_back(who))

    def disconnect(self, who: str) -> None:
        """See `Operator`."""
        self.shared.left(who)

    def jog(self, who: str, jog: Jog) -> Reply:
        """See `Operator`."""
        opening = jog.gripper
        try:
            teleop_actions.shares(jog.linear)
            teleop_actions.shares(jog.angular)
        except (ValueError, TypeError) as error:
            return Reply(False, f"jog: {error}")
        if opening is not None and not (isinstance(opening, int | float) and math.isfinite(opening)):
            return Reply(False, f"jog: gripper {opening!r} is no opening in [0, 1]")
        linear, angular = tuple(map(float, jog.linear)), tuple(map(float, jog.angular))
        return self._act(who, teleop_actions.Jog(linear, angular, opening))  # type: ignore[arg-type]

    def reach(self, who: str, camera: str, u: float, v: float) -> Reply:
        """See `Operator`. The point is looked up once a press: the picture may move with the arm."""
        if not self._holds(who):
            return self._not_yours(who)
        key, now = (who, camera, float(u), float(v)), time.monotonic()
        with self._lock:
            aim = self._aim
        if aim is None or aim[0] != key or now - aim[2] > 3 * teleop_actions.STALE:
            found = self.loop.frame(camera)
            if found is None:
                return Reply(False, f"no picture of {camera!r} yet")
            try:
                point = point_at(found[0], u, v)
                goal = over(self.shared.spec, point, self.shared.limits.hover)
            except TakeoverRefused as error:
                return Reply(False, str(error))
        else:
            goal = aim[1]
        with self._lock:
            self._aim = (key, goal, now)
        return self._act(who, teleop_actions.Reach(goal))

    def correct(self, who: str, text: str) -> Reply:
        """See `Operator`, and `palme.operator.verbal_corrections` for what is made of the words."""
        if self.run_status is None:
            return Reply(False, "nobody plans here: there is no instruction to correct")
        holder = self.shared.takeover.holder
        if holder and holder != who:
            return Reply(False, f"{holder} holds the arm, and speaks for it")
        if len(text) > LONGEST:
            return Reply(False, f"{len(text)} characters; say it in {LONGEST}")
        with self._lock:
            pending = self._said
            instruction = self.run_status.instruction if pending is None else pending[2].instruction
            present: Step | None = self.run_status.present
            try:
                meaning = understand(text, instruction, present, self.run_status.seen)
            except AmbiguousCorrectionError as question:
                return Reply(False, str(question))
            self._said = (who, " ".join(text.split()), meaning)
        self.shared.interrupt(who)
        later = "" if self.shared.takeover.mode == AUTONOMOUS else "; when the arm is handed back"
        return Reply(True, meaning.message + later)

    # -- for the agent ------------------------------------------------------------------------

    @property
    def interrupted(self) -> bool:
        """See `Supervisor`."""
        return self.shared.interrupted

    def wait(self) -> Correction:
        """See `Supervisor`."""
        happened = self.shared.wait()
        with self._lock:
            said, self._said = self._said, None
        if said is None:
            return Correction(happened.who, happened.why, happened.seconds, happened.commands)
        who, words, meaning = said
        changed = self.run_status is None or meaning.instruction != self.run_status.instruction
        return Correction(
            who, happened.why, happened.seconds, happened.commands, words, meaning.step,
            meaning.instruction if changed else None,
        )  # fmt: skip

    def ask(self, message: str) -> None:
        """See `Supervisor`."""
        try:
            self.shared.pause(POLICY)
        except TakeoverRefused:
            pass  # somebody holds it, or it is stopped: it waits as it is
        self.shared.report(message)

    # -- inside -------------------------------------------------------------------------------

    def _told(self, act: Callable[[], None]) -> Reply:
        try:
            act()
        except TakeoverRefused as refusal:
            return Reply(False, str(refusal))
        return Reply(True, self.shared.takeover.message)

    def _act(self, who: str, action: teleop_actions.TeleopAction) -> Reply:
        return Reply(True) if self.shared.act(who, action) else self._not_yours(who)

    def _holds(self, who: str) -> bool:
        takeover = self.shared.takeover
        return takeover.mode == CORRECTING and takeover.holder == who

    def _not_yours(self, who: str) -> Reply:
        holder = self.shared.takeover.holder
        return Reply(False, f"{holder} holds the arm" if holder else "take the arm first")
