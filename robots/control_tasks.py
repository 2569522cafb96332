"""ControlTasks: functions of other threads that the control thread runs between two ticks.

Only the control thread uses an arm. Another thread that needs the arm (an image, a simulator query, a new
scene) queues a function here and waits for its result or its exception.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from robots.errors import ArmMoving, RobotError

T = TypeVar("T")
CHECK_EVERY = 0.2  # [s] between checks that the control thread runs
SETTLE = 3.0  # [s] longest deceleration


class ControlTasks:
    """A queue of tasks for one control thread.

    Args:
        wakeup: condition of the control thread, notified of each new task and, by its owner, when the arm has
            come to rest; None = a new condition.
        threaded: whether a control thread exists from the start.

    Attributes:
        threaded: whether a control thread exists; without one the caller's thread runs the task.
        waiting: number of callers that wait for the arm to come to rest.
    """

    def __init__(self, wakeup: threading.Condition | None = None, threaded: bool = False) -> None:
        self.threaded, self.waiting = threaded, 0
        self._wakeup = threading.Condition() if wakeup is None else wakeup
        self._tasks: list[_Task] = []
        self._thread: threading.Thread | None = None
        self._failure: str | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def between_ticks(
        self,
        work: Callable[[], T],
        timeout: float | None = None,
        duration: float = 0.0,
        at_rest: Callable[[], bool] | None = None,
    ) -> T:
        """The result of `work()`, run by the control thread.

        Args:
            timeout: [s] to wait for the result; None = no limit.
            duration: [s] expected; the task waits for a tick with this much time left.
            at_rest: true before the task is queued, evaluated with the condition held; None = no wait.

        Raises:
            ArmMoving: `at_rest` is not true within `SETTLE`.
            TimeoutError: no result within `timeout`; the task still runs later.
            RobotError: the control thread has failed.
            Exception: what `work` raises.
        """
        if not self.threaded or threading.current_thread() is self._thread:
            return work()
        task = _Task(work, duration)
        with self._wakeup:
            if at_rest is not None:
                self.waiting += 1
                rested = self._wakeup.wait_for(at_rest, SETTLE)
                self.waiting -= 1
                if not rested:
                    raise ArmMoving(f"the arm is not at rest after {SETTLE} s")
            self._tasks.append(task)
            self._wakeup.notify_all()
        limit = math.inf if timeout is None else time.monotonic() + timeout
        while not task.done.wait(max(min(CHECK_EVERY, limit - time.monotonic()), 0.0)):
            self.check_alive()
            if not self.threaded:  # it has just ended
                self.run_all()
            if time.monotonic() >= limit:
                raise TimeoutError(f"the control thread did not finish the task within {timeout} s")
        if task.error is not None:
            raise task.error
        result: T = task.result
        return result

    def run_next(self, left: float) -> bool:
        """By the control thread: run the next task if it fits into `left` [s]. Returns whether it ran one."""
        with self._wakeup:
            if not self._tasks or self._tasks[0].duration > left:
                return False
            task = self._tasks.pop(0)
        task.run()
        return True

    def run_all(self) -> None:
        """By the control thread: run all tasks queued now."""
        if self._tasks:
            with self._wakeup:
                tasks, self._tasks = self._tasks, []
            for task in tasks:
                task.run()

    def begin(self, thread: threading.Thread) -> None:
        """Set the control thread."""
        self._thread, self.threaded = thread, True

    def end(self, failure: str | None = None) -> None:
        """The control thread has ended. `failure`: its error, which waiting and later callers raise."""
        self.threaded, self._failure = False, failure
        if failure is None:
            self.run_all()

    def check_alive(self) -> None:
        """Raise RobotError if the control thread has failed."""
        if self._failure is not None:
            raise RobotError(f"the control loop failed: {self._failure}")


class _Task:
    def __init__(self, work: Callable[[], Any], duration: float) -> None:
        self._work, self.duration = work, duration
        self.done = threading.Event()
        self.result: Any = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self._work()
        except Exception as error:  # raised again in the calling thread
            self.error = error
        self.done.set()
