"""ControlLoop: ticks a shared arm by the wall clock and captures images in the remaining time of a tick.

With an image source (`Pictures`) the loop only notifies it of each tick. Otherwise a capture starts only if
it is expected to end before the next tick (`CaptureTimes`), so that images do not delay ticks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from robots.errors import RobotError
from robots.realtime import CONTROL_PRIORITY, no_cpu_sleep, raise_priority, sleep_until
from robots.teleop.shared_robot import SharedArm
from robots.types import CameraFrame

CLOSE_TIMEOUT, CHECK_EVERY = 5.0, 0.1  # [s] that `close` waits for the present tick, and between checks
LATE = 0.005  # [s] of delay from which a tick counts as missed


class TickTimer:
    """Ticks `dt` [s] apart on a monotonic clock.

    Attributes:
        due: [s] time of the next tick.
        ticks, missed: number of ticks, and of those delayed by more than `LATE`.
        delay, worst_delay: [s] delay of the present tick, and the largest one.
    """

    def __init__(self, dt: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._dt, self._clock = dt, clock
        self.due = clock() + dt
        self.ticks = self.missed = 0
        self.delay = self.worst_delay = 0.0

    def begin_tick(self) -> None:
        """Record that a tick begins now."""
        now = self._clock()
        self.delay = delay = now - self.due
        self.ticks += 1
        self.missed += delay > LATE
        self.worst_delay = max(self.worst_delay, delay)
        # two ticks in quick succession would be a jump
        self.due = (now if delay > self._dt / 2 else self.due) + self._dt

    @property
    def remaining(self) -> float:
        """[s] until the next tick."""
        return self.due - self._clock()


class ControlLoop:
    """The control thread of one shared arm.

    Args:
        shared: only this thread uses its arm while the loop runs.
        cameras: names of the cameras whose newest image is kept, unless `shared.pictures` keeps them.

    Attributes:
        timer: of the ticks.
        realtime_priority: whether its thread has real-time priority.
        cpu_sleep_disabled: whether deep CPU sleep states are disabled while it runs.
    """

    def __init__(self, shared: SharedArm, cameras: Sequence[str] = ()) -> None:
        self.shared, self.cameras = shared, tuple(cameras)
        self.timer = TickTimer(shared.spec.dt)
        self._frames: dict[str, tuple[CameraFrame, float]] = {}
        self._next_camera = 0
        self._running = False
        self.realtime_priority = self.cpu_sleep_disabled = False
        self._thread: threading.Thread | None = None

    def frame(self, camera: str) -> tuple[CameraFrame, float] | None:
        """The newest image of `camera` and its monotonic time in [s]; None if there is none yet."""
        if self.shared.pictures is not None:
            return self.shared.pictures.newest(camera)
        return self._frames.get(camera)

    def start(self) -> ControlLoop:
        """Start the control thread."""
        self._running = True
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self.shared.tasks.begin(self._thread)
        self.timer = TickTimer(self.shared.spec.dt)
        self._thread.start()
        return self

    def close(self, while_waiting: Callable[[], object] | None = None) -> None:
        """End after the present tick. Idempotent.

        Args:
            while_waiting: called repeatedly during the present tick, for example to abort a blocked call.
        """
        self._running = False
        if self._thread is not None and self._thread is not threading.current_thread():
            limit = time.monotonic() + CLOSE_TIMEOUT
            while self._thread.is_alive() and time.monotonic() < limit:
                if while_waiting is not None:
                    while_waiting()
                self._thread.join(CHECK_EVERY)
        self._thread = None

    def __enter__(self) -> ControlLoop:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        failure: str | None = None
        self.realtime_priority = raise_priority(CONTROL_PRIORITY)
        try:
            with no_cpu_sleep() as self.cpu_sleep_disabled:
                self._tick_until_closed()
        except Exception as error:  # a bug: waiting callers must raise, and the arm must hold
            failure = f"{type(error).__name__}: {error}"
            try:
                self.shared.robot.stop(failure)
            except RobotError:
                pass
        self.shared.loop_ended(failure)

    def _tick_until_closed(self) -> None:
        while self._running:
            sleep_until(self.timer.due)
            self.timer.begin_tick()
            self.shared.tick()
            if self.shared.pictures is not None:
                self.shared.pictures.follow()
            while self.shared.tasks.run_next(self.timer.remaining):
                pass
            if self.shared.pictures is None:
                self._capture_images()

    def _capture_images(self) -> None:
        """Capture as many images as fit before the next tick, from each camera in turn."""
        for _ in self.cameras:
            camera = self.cameras[self._next_camera % len(self.cameras)]
            duration = self.shared.captures.expected(camera)
            if duration > self.shared.spec.dt:  # never fits, or was delayed once
                self.shared.captures.skipped(camera)
            elif duration > self.timer.remaining:
                return
            else:
                self._capture(camera)
            self._next_camera += 1

    def _capture(self, camera: str) -> None:
        begin = time.monotonic()
        try:
            self._frames[camera] = (self.shared.picture(camera), begin)
        except RobotError as error:
            self.shared.report(f"camera {camera}: {error}")
            self.shared.captures.failed(camera)
