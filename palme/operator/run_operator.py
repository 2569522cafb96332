"""RunOperator: the `Operator` of one run, in front of a shared arm and its control loop.

It also reports a person's interventions to the agent (`palme.supervision.Supervisor`). Every method may be
called from any thread and returns at once; the control loop does what takes time.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from palme.operator.operator import MAX_LINES, Jog, Joint, Picture, Reply, Status
from palme.operator.run_phase import ENDED, WAITING, RunEnd, RunPhase
from palme.operator.run_status import RunStatus
from palme.operator.typed_lines import REFUSED, TAKEN, TypedLines
from palme.operator.verbal_corrections import AmbiguousCorrectionError, understand
from palme.supervision import Correction
from robots.errors import RobotError, TakeoverRefused
from robots.teleop import teleop_actions
from robots.teleop.arbitration import AUTONOMOUS, CORRECTING, PAUSED, STOPPED
from robots.teleop.loop import ControlLoop
from robots.teleop.reach import point_above, point_at
from robots.teleop.shared_robot import POLICY, SharedArm
from robots.text import text_problem
from robots.types import Array

REARM_WAIT = 0.25  # [s] for the result of a rearm; the status shows a later one
MAX_TEXT = 300  # characters of a correction
NOT_BEGUN = "the run has not begun; press Start"

_STOP = re.compile(
    r"(?:please |now )*(?:stop|halt|freeze|abort|emergency stop)(?: (?:it|now|please|moving|everything|there"
    r"|the (?:arm|robot)))*[ .!]*",
    re.IGNORECASE,
)
_PAUSE = re.compile(
    r"(?:please |now )*(?:wait|pause|hold on|hold it|hold still|hold|one moment)"
    r"(?: (?:a (?:moment|second|bit)|now|please|there))*[ .!]*",
    re.IGNORECASE,
)


class RunOperator:
    """See the module.

    Attributes:
        shared: the arm.
        loop: its control loop, which also captures images.
        run_status: the plan; None = there is no agent.
        lines: all that was typed.
        phase: whether the run waits to be begun, runs, or has ended.
    """

    def __init__(
        self,
        shared: SharedArm,
        loop: ControlLoop,
        run_status: RunStatus | None = None,
        lines: TypedLines | None = None,
        phase: RunPhase | None = None,
    ) -> None:
        """Operate `shared`; `run_status` and `lines` must be among the agent's listeners."""
        self.shared, self.loop, self.run_status = shared, loop, run_status
        self.lines, self.phase = lines or TypedLines(), phase or RunPhase()
        self._lock = threading.Lock()
        self._aim: tuple[tuple[str, str, float, float], Array, float] | None = None
        self._last: tuple[Status, dict[str, Picture]] | None = None  # of a run that has ended
        self._question, self._answer = "", ""  # open, and what was typed to it
        spec = shared.spec
        limits = zip(spec.joint_names, spec.q_min, spec.q_max, spec.dq_max, strict=True)
        self._limits = [(n, float(a), float(b), float(c)) for n, a, b, c in limits]

    # -- status ---------------------------------------------------------------------------

    def status(self) -> Status:
        """See `Operator`; after the end of the run as it was then."""
        now = self._last[0] if self._last is not None else self._status()
        return replace(
            now, phase=self.phase.phase, begins_in=self.phase.begins_in, end=self.phase.end,
            lines=self.lines.lines[-MAX_LINES:],
        )  # fmt: skip

    def _status(self) -> Status:
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
        """See `Operator`; after the end of the run the last one."""
        if self._last is not None:
            return self._last[1].get(camera)
        found = self.loop.frame(camera)
        return None if found is None else Picture(found[0].rgb, found[1])

    def finish(self, end: RunEnd) -> None:
        """The run has ended and nothing acts any more. Called again, it changes what is said of the end.

        The control loop must have ended; its pictures must be open still, at the first call.
        """
        if self._last is None:
            status = self._status()
            shown = {name: self.picture(name) for name in status.cameras}
            last = {k: Picture(p.rgb.copy(), p.t_mono) for k, p in shown.items() if p is not None}
            self._last = status, last
        self.phase.finish(end)

    # -- actions --------------------------------------------------------------------------

    def start(self, who: str) -> Reply:
        """See `Operator`."""
        if self.phase.phase == WAITING and self.shared.takeover.mode == STOPPED:
            return Reply(False, "the arm is stopped; rearm it first")
        if self.phase.phase == WAITING and self.shared.takeover.mode == PAUSED:  # after a stop and a rearm
            self.shared.hand_back(who)
        if self.phase.begin(who):
            self.shared.report(f"begun by {who}")
            return Reply(True, self.shared.takeover.message)
        return Reply(False, self._why_not() or "the run has begun already")

    def wait_for_start(self, who: str) -> Reply:
        """See `Operator`."""
        if self.phase.phase != WAITING:
            return Reply(False, self._why_not() or "the run has begun already")
        self.phase.hold()
        return Reply(True, "the run waits for Start")

    def stop(self, who: str, reason: str) -> Reply:
        """See `Operator`."""
        if self.phase.phase == ENDED:
            return Reply(False, self._why_not())
        self.phase.hold()
        self.shared.halt(who, reason or f"by {who}")
        return Reply(True, self.shared.takeover.message)

    def rearm(self, who: str) -> Reply:
        """See `Operator`."""
        if self.phase.phase == ENDED:
            return Reply(False, self._why_not())
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

    def connect(self, who: str) -> None:
        """See `Operator`."""
        self.phase.opened(who)

    def disconnect(self, who: str) -> None:
        """See `Operator`."""
        self.phase.left(who)
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
            return Reply(False, self._why_not()) if self._why_not() else self._no_control(who)
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
        words = " ".join(text.split())
        if not words:
            return Reply(
                False, "the text is empty; type a step, such as 'put the red block in the blue bowl'"
            )
        if problem := text_problem(text):
            return Reply(False, problem)
        if len(words) > MAX_TEXT:
            why = f"{len(words)} characters, limit {MAX_TEXT}; shorten the text"
            return self._refused(who, words[:MAX_TEXT] + "…", why)
        if why := self._why_not():
            return self._refused(who, words, why)
        if _STOP.fullmatch(words):
            self.lines.settle(who, words, TAKEN, "the arm is stopped")
            return self.stop(who, f"“{words}” typed by {who}")
        if _PAUSE.fullmatch(words):
            paused = self.pause(who)
            self.lines.settle(who, words, *((TAKEN, "paused") if paused.done else (REFUSED, paused.message)))
            return paused
        if self._question:
            self.lines.settle(who, words, TAKEN, f"the answer to: {self._question}")
            self._answer = words
            return Reply(True, "answered")
        if self.run_status is None:
            return self._refused(who, words, "there is no planner, so no instruction to correct")
        holder = self.shared.takeover.holder
        if holder and holder != who:
            return self._refused(who, words, f"{holder} has control; only its corrections are accepted")
        instruction = self.run_status.instruction
        try:
            meaning = understand(words, instruction, self.run_status.present, self.run_status.seen)
        except AmbiguousCorrectionError as question:
            return self._refused(who, words, str(question))
        changed = None if meaning.instruction == instruction else meaning.instruction
        if not self.lines.add(who, words, meaning.step, changed):
            return Reply(False, self._why_not() or "the run ends")
        self.shared.interrupt(who)
        later = "" if self.shared.takeover.mode == AUTONOMOUS else " (after hand-back)"
        return Reply(True, meaning.message + later)

    # -- Supervisor, for the agent --------------------------------------------------------

    @property
    def interrupted(self) -> bool:
        """See `Supervisor`."""
        return self.shared.interrupted

    def wait(self) -> Correction:
        """See `Supervisor`. A line that arrives meanwhile interrupts again, and is read by the next call."""
        what = self.shared.wait()
        line = self.lines.read()
        if line is None:
            return Correction(what.who, what.why, what.seconds, what.commands)
        return Correction(
            what.who or line.who, what.why or "told", what.seconds, what.commands, line.words, line.who,
            line.step, line.instruction,
        )  # fmt: skip

    def ask(self, message: str) -> None:
        """See `Supervisor`."""
        try:
            self.shared.pause(POLICY)
        except TakeoverRefused:
            pass  # a person has control, or the arm is stopped: it waits already
        self.shared.report(message)

    def ask_for_answer(self, question: str) -> None:
        """Show `question`; the next text that is typed is the answer to it. "" = no question is open."""
        self._question, self._answer = question, ""
        if question:
            self.shared.report(question)

    @property
    def answer(self) -> str:
        """What was typed to the open question; "" = nothing yet."""
        return self._answer

    # -- internal -------------------------------------------------------------------------

    def _why_not(self) -> str:
        """Why nobody may act now; "" if one may."""
        end = self.phase.end
        if self.phase.phase == ENDED:
            return "the run has ended" + ("" if end is None else f" at {end.clock}: {end.title}")
        return NOT_BEGUN if self.phase.phase == WAITING else ""

    def _refused(self, who: str, words: str, why: str) -> Reply:
        self.lines.settle(who, words, REFUSED, why)
        return Reply(False, why)

    def _try(self, act: Callable[[], None]) -> Reply:
        if why := self._why_not():
            return Reply(False, why)
        try:
            act()
        except TakeoverRefused as refusal:
            return Reply(False, str(refusal))
        return Reply(True, self.shared.takeover.message)

    def _act(self, who: str, action: teleop_actions.TeleopAction) -> Reply:
        if why := self._why_not():
            return Reply(False, why)
        return Reply(True) if self.shared.act(who, action) else self._no_control(who)

    def _has_control(self, who: str) -> bool:
        takeover = self.shared.takeover
        return takeover.mode == CORRECTING and takeover.holder == who

    def _no_control(self, who: str) -> Reply:
        holder = self.shared.takeover.holder
        return Reply(False, f"{holder} has control" if holder else "take control first")
