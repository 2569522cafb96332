"""RehearsalOperator: the `Operator` protocol with an arm of lines; it picks, places and begins again."""

from __future__ import annotations

import threading
import time
from collections import deque
from html import escape
from types import TracebackType
from typing import Self

import numpy as np

from palme.operator.operator import Jog, Joint, Picture, Reply, Status, StepLine
from palme.operator.rehearsal.arm import DQ_MAX, NAMES, Q_MAX, Q_MIN, SPEED, TURN, LineArm, Vector
from palme.operator.rehearsal.drawing import BLOCK, BOWL, CAMERAS, draw

TICK, PICTURE_PERIOD = 0.01, 0.05  # [s]
JOG_AGE = 0.1  # [s] after which a jog counts for nothing
_STEPS = ("pick the red block", "place it in the blue bowl", "pick it again", "put it back on the table")
_SURE = (0.97, 0.94, 0.91, 0.88)
_HOME = np.array([0.40, -0.16, BLOCK])


class RehearsalOperator:
    """A context manager: while it is open, one thread moves the arm and one draws."""

    def __init__(self, instruction: str = "put the red block in the blue bowl, and back") -> None:
        self._lock = threading.RLock()
        self._arm, self._block, self._grasped = LineArm(), _HOME.copy(), False
        self._mode, self._holder = "autonomous", "policy"
        self._message, self._instruction = "the run began", instruction
        self._done: deque[StepLine] = deque(maxlen=6)
        self._at, self._way = 0, list[tuple[Vector, float]]()
        self._typed = ""
        self._wish: tuple[float, Jog | Vector] | None = None  # (when, jog or point over the table)
        self._pictures: dict[str, Picture] = {}
        self._heard = time.monotonic()
        self._ticks = self._late = 0
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=run, name="rehearsal", daemon=True) for run in (self._run, self._film)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(5)

    # -- what a console sees -----------------------------------------------------------------------

    def status(self) -> Status:
        with self._lock:
            arm, text = self._arm, self._typed or _STEPS[self._at]
            sure = None if self._typed else _SURE[self._at]
            joints = tuple(map(Joint, NAMES, arm.q, Q_MIN, Q_MAX, arm.dq, DQ_MAX))
            return Status(
                self._mode, self._holder, self._instruction, (*self._done, StepLine(text, "now", sure)),
                self._sentence(text), sure, joints, arm.gripper, tuple(CAMERAS), arm.held_by,
                time.monotonic() - self._heard, self._ticks, self._late, self._message, time.monotonic(),
            )  # fmt: skip

    def picture(self, camera: str) -> Picture | None:
        return self._pictures.get(camera)

    # -- what it may do ----------------------------------------------------------------------------

    def stop(self, who: str, reason: str) -> Reply:
        with self._lock:
            self._to("stopped", "", f"stopped: {reason}")
            return Reply(True, self._message)

    def rearm(self, who: str) -> Reply:
        with self._lock:
            if self._mode != "stopped":
                return Reply(False, "the arm is not stopped")
            if not self._arm.still:
                return Reply(False, "the arm still moves: rearm when it rests")
            self._to("paused", "", f"rearmed by {who}: paused")
            return Reply(True, self._message)

    def pause(self, who: str) -> Reply:
        with self._lock:
            if self._mode == "stopped":
                return Reply(False, "stopped: rearm first")
            if self._others(who):
                return Reply(False, f"{self._holder} holds the arm")
            self._to("paused", "", f"paused by {who}")
            return Reply(True, self._message)

    def take(self, who: str) -> Reply:
        with self._lock:
            if self._mode == "stopped":
                return Reply(False, "stopped: rearm first")
            if self._others(who):
                return Reply(False, f"{self._holder} holds the arm")
            self._to("correcting", who, f"{who} took the arm")
            return Reply(True, self._message)

    def jog(self, who: str, jog: Jog) -> Reply:
        return self._wishes(who, jog)

    def reach(self, who: str, camera: str, u: float, v: float) -> Reply:
        if camera not in CAMERAS:
            return Reply(False, f"no camera {camera!r}: there are {', '.join(CAMERAS)}")
        point = CAMERAS[camera].on_table(u, v)
        return Reply(False, "nothing to reach there") if point is None else self._wishes(who, point)

    def hand_back(self, who: str) -> Reply:
        with self._lock:
            if self._mode == "stopped":
                return Reply(False, "stopped: rearm first")
            if self._others(who):
                return Reply(False, f"{self._holder} holds the arm")
            if self._mode == "correcting":
                self._done.append(StepLine(self._typed or _STEPS[self._at], "corrected", None, f"by {who}"))
            self._to("autonomous", "policy", "handed back: planning anew")
            return Reply(True, self._message)

    def correct(self, who: str, text: str) -> Reply:
        with self._lock:
            self._done.append(StepLine(self._typed or _STEPS[self._at], "replaced", None, f"by {who}"))
            self._typed, self._way = text, []
            self._message = f"{who} said: {text}"
            return Reply(True, self._message)

    def disconnect(self, who: str) -> None:
        with self._lock:
            if self._holder == who:
                self._to("paused", "", f"{who} left: paused")

    # -- inside --------------------------------------------------------------------------------------

    def _others(self, who: str) -> bool:
        return self._holder not in ("", "policy", who)

    def _to(self, mode: str, holder: str, message: str) -> None:
        self._mode, self._holder, self._message = mode, holder, message
        self._wish, self._way = None, []

    def _wishes(self, who: str, wish: Jog | Vector) -> Reply:
        with self._lock:
            if self._holder != who:
                held = self._holder or "nobody"
                return Reply(False, f"{held} holds the arm: take over first" if held != who else "")
            self._wish = time.monotonic(), wish
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
                self._late, due = self._late + 1, now
            self._ended.wait(max(due - now, 0.0))

    def _film(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            self.draw()
            now = time.monotonic()
            due = max(due + PICTURE_PERIOD, now)
            self._ended.wait(due - now)

    def draw(self) -> None:
        """One picture of each camera."""
        for name, camera in CAMERAS.items():
            self._pictures[name] = Picture(draw(camera, self._arm, self._block), time.monotonic())

    def _tick(self) -> None:
        self._heard = time.monotonic()
        velocity, spin, gripper = np.zeros(3), 0.0, None
        if self._mode == "autonomous":
            velocity, gripper = self._follow()
        elif self._wish is not None and time.monotonic() - self._wish[0] <= JOG_AGE:
            wish = self._wish[1]
            if isinstance(wish, Jog):
                velocity, spin, gripper = SPEED * np.array(wish.linear), TURN * wish.angular[2], wish.gripper
            else:
                velocity = _toward(self._arm.xyz, np.array([wish[0], wish[1], self._arm.xyz[2]]))
        self._arm.tick(TICK, velocity, spin, gripper)
        near = np.linalg.norm(self._arm.xyz - self._block) < 0.035
        self._grasped = self._arm.gripper < 0.3 and (self._grasped or bool(near))
        if self._grasped:
            self._block = self._arm.xyz.copy()
        elif self._block[2] > BLOCK:
            self._block[2] = max(BLOCK, self._block[2] - 1.5 * TICK)

    def _follow(self) -> tuple[Vector, float | None]:
        """The present step's way: above, down, close or open, up."""
        if not self._way:
            picks = self._at % 2 == 0
            goal = self._block if picks else (BOWL if self._at == 1 else _HOME) + (0, 0, BLOCK + 0.01)
            opening = 0.0 if picks else 1.0
            above = np.array([goal[0], goal[1], 0.24])
            before = 1.0 - opening
            self._way = [(above, before), (goal.copy(), before), (goal.copy(), opening), (above, opening)]
        goal, opening = self._way[0]
        arm = self._arm
        if np.linalg.norm(goal - arm.xyz) < 0.006 and abs(arm.gripper - opening) < 0.02 and arm.still:
            self._way.pop(0)
            if not self._way:
                text = self._typed or _STEPS[self._at]
                self._done.append(StepLine(text, "done", _SURE[self._at], ""))
                self._at, self._typed = (self._at + 1) % len(_STEPS), ""
        return _toward(arm.xyz, goal), opening

    def _sentence(self, step: str) -> str:
        token = '<span class="token text-only"><span>{} <small>{}</small></span></span>'
        arm = token.format("arm", "rehearsal")
        return (
            f'<p class="sentence">state {arm} human : <span class="said">{escape(self._instruction)}</span> '
            f"robot : {escape(step)}</p>"
        )


def _toward(at: Vector, goal: Vector) -> Vector:
    """Velocity (3,) [m/s] that is there soon and does not overshoot."""
    gap = goal - at
    far = float(np.linalg.norm(gap))
    return np.zeros(3) if far < 0.004 else gap / far * min(SPEED, 4.0 * far)
