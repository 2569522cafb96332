"""ControlTasks: work that others want done in the control thread, between two ticks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from robots.bridge.errors import CommandTooSoon
from robots.errors import ArmMoving

T = TypeVar("T")
SETTLE = 3.0  # [s] the longest deceleration that is waited for


class ControlTasks:
    """Of one controller.

    Args:
        turn: its condition; the controller notifies it when the arm has come to rest, `ask` of a job.

    Attributes:
        waiting: how many wait for the arm to come to rest.
    """

    def __init__(self, turn: threading.Condition) -> None:
        self.waiting = 0
        self._turn = turn
        self._todo: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._todo)

    def ask(self, job: Callable[[], T], rested: Callable[[], bool], timeout: float) -> T:
        """Have `job` done once `rested`, and wait for what it returns or raises.

        Raises:
            ArmMoving: the arm did not come to rest.
            CommandTooSoon: the control thread did not get to it in `timeout` [s].
        """
        done = threading.Event()
        out: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                out.append(job())
            except Exception as error:
                errors.append(error)
            done.set()

        with self._turn:
            self.waiting += 1
            at_rest = self._turn.wait_for(rested, SETTLE)
            self.waiting -= 1
            if not at_rest:
                raise ArmMoving(f"the arm is not at rest after {SETTLE} s")
            self._todo.append(work)
            self._turn.notify_all()
        if not done.wait(timeout):
            raise CommandTooSoon(f"the control thread did not get to it in {timeout} s")
        if errors:
            raise errors[0]
        return out[0]

    def take(self) -> list[Callable[[], None]]:
        """All there are, for the control thread to do; it holds the condition."""
        todo, self._todo = self._todo, []
        return todo
