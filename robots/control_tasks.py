"""ControlTasks: work that other threads have the control thread do, between two ticks.

One thread alone touches an arm. Whoever wants something of it meanwhile (an image, a question to a simulator,
another scene) queues it here and waits for what it returns or raises.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from robots.errors import ArmMoving, RobotError

T = TypeVar("T")
CHECK_EVERY = 0.2  # [s] between checks whether the control thread still runs
SETTLE = 3.0  # [s] the longest deceleration that is waited for


class ControlTasks:
    """A queue of tasks for one control thread.

    Args:
        turn: the control thread's condition, notified of each new task and, by its owner, when the arm has
            come to rest; None = a condition of its own.
        threaded: whether there is a control thread from the start.

    Attributes:
        threaded: whether there is one; without it the caller's thread does the task itself.
        waiting: how many callers wait for the arm to come to rest.
    """

    def __init__(self, turn: threading.Condition | None = None, threaded: bool = False) -> None:
        self.threaded, self.waiting = threaded, 0
        self._turn = threading.Condition() if turn is None else turn
        self._tasks: list[_Task] = []
        self._thread: threading.Thread | None = None
        self._failure: str | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def between_ticks(
        self,
        work: Callable[[], T],
        timeout: float | None = None,
        needs: float = 0.0,
        rested: Callable[[], bool] | None = None,
    ) -> T:
        """`work()`, done by the control thread.

        Args:
            timeout: [s] to wait for it, None = without limit.
            needs: [s] that it takes, as far as is known: it waits for a tick with as much to spare.
            rested: waited for before it is queued, evaluated with the condition held; None = not at all.

        Raises:
            ArmMoving: `rested` is not true within `SETTLE`.
            TimeoutError: not done after `timeout`; it is still done later.
            RobotError: the control thread has failed.
            Exception: what `work` raises.
        """
        if not self.threaded or threading.current_thread() is self._thread:
            return work()
        task = _Task(work, needs)
        with self._turn:
            if rested is not None:
                self.waiting += 1
                at_rest = self._turn.wait_for(rested, SETTLE)
                self.waiting -= 1
                if not at_rest:
                    raise ArmMoving(f"the arm is not at rest after {SETTLE} s")
            self._tasks.append(task)
            self._turn.notify_all()
        limit = math.inf if timeout is None else time.monotonic() + timeout
        while not task.done.wait(max(min(CHECK_EVERY, limit - time.monotonic()), 0.0)):
            self.check_alive()
            if not self.threaded:  # it has just ended
                self.run_all()
            if time.monotonic() >= limit:
                raise TimeoutError(f"the control thread did not do it within {timeout} s")
        if task.error is not None:
            raise task.error
        result: T = task.result
        return result

    def run_next(self, left: float) -> bool:
        """By the control thread, with `left` [s] to spare: do the next task that fits; whether it did one."""
        with self._turn:
            if not self._tasks or self._tasks[0].needs > left:
                return False
            task = self._tasks.pop(0)
        task.run()
        return True

    def run_all(self) -> None:
        """By the control thread: do all tasks that are queued now."""
        if self._tasks:
            with self._turn:
                tasks, self._tasks = self._tasks, []
            for task in tasks:
                task.run()

    def begin(self, thread: threading.Thread) -> None:
        """`thread` is the control thread from now on."""
        self._thread, self.threaded = thread, True

    def end(self, failure: str | None = None) -> None:
        """The control thread has ended; `failure`: why it broke, which callers are then told."""
        self.threaded, self._failure = False, failure
        if failure is None:
            self.run_all()

    def check_alive(self) -> None:
        """Raises RobotError where the control thread has failed."""
        if self._failure is not None:
            raise RobotError(f"the control loop failed: {self._failure}")


class _Task:
    def __init__(self, work: Callable[[], Any], needs: float) -> None:
        self._work, self.needs = work, needs
        self.done = threading.Event()
        self.result: Any = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self._work()
        except Exception as error:  # raised again in the thread that asked
            self.error = error
        self.done.set()
