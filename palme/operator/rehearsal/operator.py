"""RehearsalOperator: an `Operator` with a drawn arm that picks, places and starts over."""

from __future__ import annotations

import threading
import time
from collections import deque
from html import escape
from types import TracebackType
from typing import Self

import numpy as np

from palme.operator.operator import MAX_LINES, Jog, Joint, Picture, Reply, Status, StepStatus
from palme.operator.rehearsal.arm import DQ_MAX, NAMES, Q_MAX, Q_MIN, SPEED, TURN, LineArm, Vector
from palme.operator.rehearsal.drawing import BLOCK, BOWL, CAMERAS, draw
from palme.operator.run_phase import RUNNING, RunPhase, run_end
from palme.operator.typed_lines import REFUSED, TAKEN, TypedLines

TICK, PICTURE_PERIOD = 0.01, 0.05  # [s]
ACTION_TIMEOUT = 0.1  # [s] after which a motion that is not repeated ends
_STEPS = ("pick the red block", "place it in the blue bowl", "pick it again", "put it back on the table")
_PROBABILITIES = (0.97, 0.94, 0.91, 0.88)
_HOME = np.array([0.40, -0.16, BLOCK])


class RehearsalOperator:
    """A context manager: one thread moves the arm, another draws it."""

    def __init__(self, instruction: str = "put the red block in the blue bowl, and back") -> None:
        """Start in autonomous mode."""
        self._lock = threading.RLock()
        self._arm, self._block, self._grasped = LineArm(), _HOME.copy(), False
        self._mode, self._holder = "autonomous", "policy"
        self._message, self._instruction = "run started", instruction
        self._done: deque[StepStatus] = deque(maxlen=6)
        self._at, self._path = 0, list[tuple[Vector, float]]()
        self._typed_step = ""
        self.lines, self.phase = TypedLines(instruction), RunPhase()
        self._action: tuple[float, Jog | Vector] | None = None  # (time, jog or point over the table)
        self._pictures: dict[str, Picture] = {}
        self._ticked_at = time.monotonic()
        self._ticks = self._missed = 0
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=run, name="rehearsal", daemon=True)
            for run in (self._run, self._draw_images)
        ]

    def __enter__(self) -> Self:
        """Start the threads."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the threads."""
        self.phase.finish(run_end("stopped", "Stopped", "the rehearsal was ended"))
        self.lines.close("the rehearsal was ended")
        self._ended.set()
        for thread in self._threads:
            thread.join(5)

    # -- status ---------------------------------------------------------------------------

    def status(self) -> Status:
        """See `Operator`."""
        with self._lock:
            arm, now, text = self._arm, time.monotonic(), self._typed_step or _STEPS[self._at]
            probability = None if self._typed_step else _PROBABILITIES[self._at]
            return Status(
                mode=self._mode,
                holder=self._holder,
                instruction=self._instruction,
                steps=(*self._done, StepStatus(text, "now", probability)),
                sentence=self._sentence(text),
                probability=probability,
                joints=tuple(map(Joint, NAMES, arm.q, Q_MIN, Q_MAX, arm.dq, DQ_MAX)),
                gripper=arm.gripper,
                cameras=tuple(CAMERAS),
                limited_by=arm.limited_by,
                state_age=now - self._ticked_at,
                ticks=self._ticks,
                missed_ticks=self._missed,
                message=self._message,
                t_mono=now,
                phase=self.phase.phase,
                begins_in=self.phase.begins_in,
                end=self.phase.end,
                lines=self.lines.lines[-MAX_LINES:],
            )

    def picture(self, camera: str) -> Picture | None:
        """See `Operator`."""
        return self._pictures.get(camera)

    # -- actions --------------------------------------------------------------------------

    def start(self, who: str) -> Reply:
        """See `Operator`."""
        return Reply(self.phase.begin(who), "begun" if self.phase.begun_by else "the run has begun already")

    def wait_for_start(self, who: str) -> Reply:
        """See `Operator`."""
        self.phase.hold()
        return Reply(True, "the run waits for Start")

    def stop(self, who: str, reason: str) -> Reply:
        """See `Operator`."""
        with self._lock:
            self._set("stopped", "", f"stopped: {reason}")
            return Reply(True, self._message)

    def rearm(self, who: str) -> Reply:
        """See `Operator`."""
        with self._lock:
            if self._mode != "stopped":
                return Reply(False, "the arm is not stopped")
            if not self._arm.still:
                return Reply(False, "the arm is moving; rearm it at rest")
            self._set("paused", "", f"rearmed by {who}: paused")
            return Reply(True, self._message)

    def pause(self, who: str) -> Reply:
        """See `Operator`."""
        with self._lock:
            if refusal := self._refusal(who):
                return refusal
            self._set("paused", "", f"paused by {who}")
            return Reply(True, self._message)

    def take(self, who: str) -> Reply:
        """See `Operator`."""
        with self._lock:
            if refusal := self._refusal(who):
                return refusal
            self._set("correcting", who, f"{who} took control")
            return Reply(True, self._message)

    def jog(self, who: str, jog: Jog) -> Reply:
        """See `Operator`."""
        return self._act(who, jog)

    def reach(self, who: str, camera: str, u: float, v: float) -> Reply:
        """See `Operator`."""
        if camera not in CAMERAS:
            return Reply(False, f"unknown camera {camera!r}; choose one of {', '.join(CAMERAS)}")
        point = CAMERAS[camera].on_table(u, v)
        return Reply(False, "the point is not on the table") if point is None else self._act(who, point)

    def hand_back(self, who: str) -> Reply:
        """See `Operator`."""
        with self._lock:
            if refusal := self._refusal(who):
                return refusal
            if self._mode == "correcting":
                self._done.append(
                    StepStatus(self._typed_step or _STEPS[self._at], "corrected", None, f"by {who}")
                )
            self._set("autonomous", "policy", f"handed back by {who}: replanning")
            return Reply(True, self._message)

    def correct(self, who: str, text: str) -> Reply:
        """See `Operator`."""
        with self._lock:
            if refusal := self._refusal(who):
                self.lines.settle(who, text, REFUSED, refusal.message)
                return refusal
            self._done.append(StepStatus(self._typed_step or _STEPS[self._at], "replaced", None, f"by {who}"))
            self.lines.settle(who, text, TAKEN, f"step: {text}")
            self._typed_step, self._path = text, []
            self._message = f"{who} typed: {text}"
            return Reply(True, self._message)

    def connect(self, who: str) -> None:
        """See `Operator`."""
        self.phase.opened(who)

    def disconnect(self, who: str) -> None:
        """See `Operator`."""
        self.phase.left(who)
        with self._lock:
            if self._holder == who:
                self._set("paused", "", f"{who} disconnected: paused")

    # -- internal -------------------------------------------------------------------------

    def _refusal(self, who: str) -> Reply | None:
        if self.phase.phase != RUNNING:
            return Reply(False, f"the run is {self.phase.phase}")
        if self._mode == "stopped":
            return Reply(False, "the arm is stopped; rearm it first")
        if self._holder not in ("", "policy", who):
            return Reply(False, f"{self._holder} has control")
        return None

    def _set(self, mode: str, holder: str, message: str) -> None:
        self._mode, self._holder, self._message = mode, holder, message
        self._action, self._path = None, []

    def _act(self, who: str, action: Jog | Vector) -> Reply:
        with self._lock:
            if self._holder != who:
                held = self._holder or "nobody"
                return Reply(False, f"{held} has control; take over first")
            self._action = time.monotonic(), action
            return Reply(True)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            with self._lock:
                self._tick()
            due += TICK
            now = time.monotonic()
            self._ticks += 1
            if now > due + 0.03:
                self._missed, due = self._missed + 1, now
            self._ended.wait(max(due - now, 0.0))

    def _draw_images(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            self.draw()
            now = time.monotonic()
            due = max(due + PICTURE_PERIOD, now)
            self._ended.wait(due - now)

    def draw(self) -> None:
        """Draw one image of each camera."""
        for name, camera in CAMERAS.items():
            self._pictures[name] = Picture(draw(camera, self._arm, self._block), time.monotonic())

    def _tick(self) -> None:
        self._ticked_at = time.monotonic()
        velocity, spin, gripper = np.zeros(3), 0.0, None
        if self._mode == "autonomous" and self.phase.phase == RUNNING:
            velocity, gripper = self._follow()
        elif self._action is not None and time.monotonic() - self._action[0] <= ACTION_TIMEOUT:
            action = self._action[1]
            if isinstance(action, Jog):
                velocity, spin, gripper = (
                    SPEED * np.array(action.linear),
                    TURN * action.angular[2],
                    action.gripper,
                )
            else:
                velocity = _toward(self._arm.xyz, np.array([action[0], action[1], self._arm.xyz[2]]))
        self._arm.tick(TICK, velocity, spin, gripper)
        near = np.linalg.norm(self._arm.xyz - self._block) < 0.035
        self._grasped = self._arm.gripper < 0.3 and (self._grasped or bool(near))
        if self._grasped:
            self._block = self._arm.xyz.copy()
        elif self._block[2] > BLOCK:
            self._block[2] = max(BLOCK, self._block[2] - 1.5 * TICK)

    def _follow(self) -> tuple[Vector, float | None]:
        """The present step's path: above, down, close or open, up. Returns velocity in [m/s] and opening."""
        if not self._path:
            picks = self._at % 2 == 0
            goal = self._block if picks else (BOWL if self._at == 1 else _HOME) + (0, 0, BLOCK + 0.01)
            opening = 0.0 if picks else 1.0
            above = np.array([goal[0], goal[1], 0.24])
            before = 1.0 - opening
            self._path = [(above, before), (goal.copy(), before), (goal.copy(), opening), (above, opening)]
        goal, opening = self._path[0]
        arm = self._arm
        if np.linalg.norm(goal - arm.xyz) < 0.006 and abs(arm.gripper - opening) < 0.02 and arm.still:
            self._path.pop(0)
            if not self._path:
                text = self._typed_step or _STEPS[self._at]
                self._done.append(StepStatus(text, "done", _PROBABILITIES[self._at], ""))
                self._at, self._typed_step = (self._at + 1) % len(_STEPS), ""
        return _toward(arm.xyz, goal), opening

    def _sentence(self, step: str) -> str:
        token = '<span class="token text-only"><span>{} <small>{}</small></span></span>'
        arm = token.format("arm", "rehearsal")
        return (
            f'<p class="sentence">state {arm} human : <span class="said">{escape(self._instruction)}</span> '
            f"robot : {escape(step)}</p>"
        )


def _toward(at: Vector, goal: Vector) -> Vector:
    """(3,) velocity in [m/s] toward `goal` that does not overshoot."""
    gap = goal - at
    far = float(np.linalg.norm(gap))
    return np.zeros(3) if far < 0.004 else gap / far * min(SPEED, 4.0 * far)
