"""What a signal never breaks off: a command with its row of a recording, and an event with all who listen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from palme.agent import Agent
from palme.cli.signals import held, interruptible
from palme.events import Event
from robots.executor import Executor
from robots.robot import Robot, RobotWrapper
from robots.types import JointCommand


class Uninterrupted(RobotWrapper):
    """A robot whose commands a signal does not break off: half a row would cost the whole episode.

    Args:
        robot: what is wrapped.
        check: called after each command; raises where the run must not go on.
    """

    def __init__(self, robot: Robot, check: Callable[[], None] = lambda: None) -> None:
        super().__init__(robot)
        self._check = check

    def command(self, command: JointCommand) -> JointCommand:
        """Delegates to the wrapped robot; a signal that came meanwhile raises `Stopped` after it."""
        with held():
            sent = self.robot.command(command)
        self._check()
        return sent

    def stop(self, reason: str) -> None:
        """Delegates to the wrapped robot."""
        with held("stopping the arm"):
            self.robot.stop(reason)


def careful_agent(
    robot: Robot,
    planner: Any,
    policy: Any,
    listeners: Sequence[Callable[[Event], None]],
    check: Callable[[], None] = lambda: None,
    **options: Any,
) -> Agent:
    """An `Agent` for a command that runs `held`: a signal ends its run between two commands.

    Args:
        robot: what the agent commands.
        planner, policy, listeners: see `Agent`.
        check: see `Uninterrupted`.
        options: further arguments of `Agent`.
    """
    arm = Uninterrupted(robot, check)
    options |= {"interruptible": interruptible, "held": held}
    return Agent(arm, planner, policy, Executor(arm), listeners, **options)
