"""ControlLoop: ticks a shared arm by the wall clock, and captures images in the time left of a tick.

With a source of images of its own (`Pictures`) the loop only notifies it of each tick. Otherwise a capture is
begun only where it is expected, from the last ones, to be done before the next tick. So no image makes a tick
late, however many consoles show it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from robots.errors import RobotError
from robots.realtime import CONTROL_PRIORITY, no_cpu_sleep, raise_priority, sleep_until
from robots.teleop.shared_robot import MARGIN, SharedArm
from robots.types import CameraFrame

AGAIN = 0.93  # factor a tick of a capture time that did not fit: one of 0.2 s is tried again after 1 s
ENDING, LOOK = 5.0, 0.1  # [s] that `close` waits for the present tick, and between checks of it
LATE = 0.005  # [s] of delay from which a tick counts as missed


class Pace:
    """Ticks `dt` [s] apart on a monotonic clock.

    Attributes:
        due: [s] of the next tick; ticks, late: how many there were, and how many were `LATE` or more late.
        behind: [s] delay of the present tick; worst: the largest delay.
    """

    def __init__(self, dt: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._dt, self._clock = dt, clock
        self.due = clock() + dt
        self.ticks = self.late = 0
        self.behind = self.worst = 0.0

    def began(self) -> None:
        """A tick begins now."""
        now = self._clock()
        self.behind = behind = now - self.due
        self.ticks += 1
        self.late += behind > LATE
        self.worst = max(self.worst, behind)
        # never two ticks in quick succession: that would be a jump
        self.due = (now if behind > self._dt / 2 else self.due) + self._dt

    @property
    def left(self) -> float:
        """[s] until the next tick."""
        return self.due - self._clock()


class ControlLoop:
    """One thread.

    Args:
        shared: nothing but this thread touches its arm while the loop runs.
        cameras: names of the images to keep fresh.

    Attributes:
        realtime_priority: whether its thread has real-time priority.
        cpu_sleep_disabled: whether deep CPU sleep states are disabled while it runs.

    Images are not captured here where `SharedArm.pictures` provides them.
    """

    def __init__(self, shared: SharedArm, cameras: Sequence[str] = ()) -> None:
        self.shared, self.cameras = shared, tuple(cameras)
        self.pace = Pace(shared.spec.dt)
        self._frames: dict[str, tuple[CameraFrame, float]] = {}
        self._turn = 0
        self._running = False
        self.realtime_priority = self.cpu_sleep_disabled = False
        self._thread: threading.Thread | None = None

    def frame(self, camera: str) -> tuple[CameraFrame, float] | None:
        """The newest image of `camera` and when it was captured, [s] monotonic; None if there is none yet."""
        if self.shared.pictures is not None:
            return self.shared.pictures.newest(camera)
        return self._frames.get(camera)

    def start(self) -> ControlLoop:
        """Tick from now on."""
        self._running = True
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self.shared.tasks.begin(self._thread)
        self.pace = Pace(self.shared.spec.dt)
        self._thread.start()
        return self

    def close(self, meanwhile: Callable[[], object] | None = None) -> None:
        """No tick after the present one. Idempotent.

        `meanwhile`: called repeatedly while the present tick lasts, for example to end a call that hangs.
        """
        self._running = False
        if self._thread is not None and self._thread is not threading.current_thread():
            limit = time.monotonic() + ENDING
            while self._thread.is_alive() and time.monotonic() < limit:
                if meanwhile is not None:
                    meanwhile()
                self._thread.join(LOOK)
        self._thread = None

    def __enter__(self) -> ControlLoop:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        broke: str | None = None
        self.realtime_priority = raise_priority(CONTROL_PRIORITY)
        try:
            with no_cpu_sleep() as self.cpu_sleep_disabled:
                self._tick_on()
        except Exception as error:  # a bug: callers that wait for a tick must be told, and the arm hold
            broke = f"{type(error).__name__}: {error}"
            try:
                self.shared.robot.stop(broke)
            except RobotError:
                pass
        self.shared.loop_ended(broke)

    def _tick_on(self) -> None:
        while self._running:
            sleep_until(self.pace.due)
            self.pace.began()
            self.shared.tick()
            if self.shared.pictures is not None:
                self.shared.pictures.follow()
            while self.shared.tasks.run_next(self.pace.left):
                pass
            if self.shared.pictures is None:
                self._take_pictures()

    def _take_pictures(self) -> None:
        """As many images as fit before the next tick, in turn."""
        for _ in self.cameras:
            camera = self.cameras[self._turn % len(self.cameras)]
            takes = self.shared.took.get(camera, 0.0) + MARGIN
            if takes > self.shared.spec.dt:  # never fits, or was delayed once? Tried again, but rarely
                self.shared.took[camera] *= AGAIN
            elif takes > self.pace.left:
                return
            else:
                self._take(camera)
            self._turn += 1

    def _take(self, camera: str) -> None:
        begin = time.monotonic()
        try:
            self._frames[camera] = (self.shared.picture(camera), begin)
        except RobotError as error:
            self.shared.report(f"camera {camera}: {error}")
            self.shared.took[camera] = 4 * self.shared.spec.dt  # a camera that fails is tried rarely
