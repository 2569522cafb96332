"""What others want done by the thread that alone touches the arm: a picture, a question to a simulator."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from robots.errors import RobotError

T = TypeVar("T")
LOOK = 0.2  # [s] between looks whether the thread still lives


class ControlTasks:
    """A queue between threads; without a thread that ticks, whoever asks does it himself.

    Attributes:
        threaded: whether a thread ticks and does the jobs.
    """

    def __init__(self) -> None:
        self.threaded = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._jobs: list[_ControlTask] = []
        self._broke: str | None = None

    def alone(self, job: Callable[[], T], timeout: float | None = None, needs: float = 0.0) -> T:
        """`job()` between two ticks.

        Args:
            needs: [s] that it takes as far as is known: it waits for a tick with as much to spare.

        Raises what the job raises; TimeoutError after `timeout` [s], when it is still done later.
        """
        if not self.threaded or threading.current_thread() is self._thread:
            return job()
        todo = _ControlTask(job, needs)
        with self._lock:
            self._jobs.append(todo)
        limit = None if timeout is None else time.monotonic() + timeout
        while not todo.done.wait(LOOK if limit is None else min(LOOK, max(limit - time.monotonic(), 0.0))):
            self.check_alive()
            if not self.threaded:  # it has just ended
                self.run_all()
            if limit is not None and time.monotonic() >= limit:
                raise TimeoutError("the control loop has not got to it yet")
        if todo.error is not None:
            raise todo.error
        return todo.result

    def run_next(self, left: float = math.inf) -> bool:
        """By the thread that ticks, with `left` [s] to spare: do one. Returns whether one was done."""
        with self._lock:
            if not self._jobs or self._jobs[0].needs > left:
                return False
            job = self._jobs.pop(0)
        job.run()
        return True

    def run_all(self) -> None:
        while self.run_next():
            pass

    def begin(self, thread: threading.Thread) -> None:
        """`thread` ticks from now on."""
        self._thread, self.threaded = thread, True

    def end(self, broke: str | None = None) -> None:
        """Nobody ticks any more; `broke` = why, and whoever asks from now on is told."""
        self.threaded, self._broke = False, broke
        if broke is None:
            self.run_all()

    def check_alive(self) -> None:
        """Raises RobotError where the thread that ticks has broken."""
        if self._broke is not None:
            raise RobotError(f"the control loop broke: {self._broke}")


class _ControlTask:
    def __init__(self, work: Callable[[], Any], needs: float) -> None:
        self._work, self.needs = work, needs
        self.done = threading.Event()
        self.result: Any = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self._work()
        except Exception as error:  # told to whoever asked
            self.error = error
        self.done.set()
