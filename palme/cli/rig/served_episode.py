"""An agent's run behind a policy server: the benchmark at the other end owns the arm and the time.

The agent runs in a thread of its own. Its commands are kept until it looks again; they are then the answer to
the last observation, with the cameras that it looks through, and the next observation is what it sees.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

import numpy as np

from palme.agent import Agent
from robots.errors import RobotError
from robots.policy_servers.errors import FieldMissing, FieldRefused
from robots.policy_servers.vla_eval import Turn
from robots.robot import HasCameras, Robot
from robots.spec import ArmSpec
from robots.types import Array, JointCommand, Observation


class EpisodeEnded(RobotError):
    """The benchmark ended the episode while the agent was at work."""


class AnsweringArm(Robot, HasCameras):
    """A `Robot` that is moved by whoever sends observations. One thread commands it, another one answers.

    Args:
        spec: of the arm.
        camera: the name of its only camera.
    """

    def __init__(self, spec: ArmSpec, camera: str) -> None:
        self.spec, self.cameras = spec, (camera,)
        self.seen: queue.SimpleQueue[Observation | None] = queue.SimpleQueue()  # None = the episode ended
        self.turns: queue.SimpleQueue[Turn] = queue.SimpleQueue()
        self.wanted: tuple[str, ...] = self.cameras  # in the next observation
        self._rows: list[Array] = []
        self._looked = self._ended = False

    def observe(self, cameras: Sequence[str] | None = None) -> Observation:
        """What the benchmark sees after the commands since the last call. Raises EpisodeEnded."""
        if self._looked and not self._ended:
            self.wanted = self.cameras if cameras is None else tuple(cameras)
            self.turns.put(Turn(self.rest(), False, {"cameras": list(self.wanted)}))
        self._looked = True
        seen = None if self._ended else self.seen.get()
        if seen is None:
            self._ended = True
            raise EpisodeEnded("the benchmark ended the episode")
        return seen

    def command(self, command: JointCommand) -> JointCommand:
        """Keeps the command: the gate is the benchmark's."""
        self._rows.append(np.append(command.q_target, command.gripper))
        return command

    def stop(self, reason: str) -> None:
        """Nothing: the benchmark holds its arm once it has no more rows."""

    def rest(self) -> Array:
        """(T, n_joints + 1) the commands that were not answered yet, which are then forgotten."""
        rows, self._rows = self._rows, []
        return np.array(rows).reshape(-1, self.spec.n_joints + 1)


class AgentEpisode:
    """One run of an agent, answered turn by turn; see `robots.policy_servers.vla_eval.ServedEpisode`.

    Args:
        new_agent: makes the agent around its arm.
        spec: of the arm.
        camera: the agent's name for its camera.
    """

    def __init__(self, new_agent: Callable[[Robot], Agent], spec: ArmSpec, camera: str) -> None:
        self._arm = AnsweringArm(spec, camera)
        self._agent = new_agent(self._arm)
        self._instruction = ""
        self._thread: threading.Thread | None = None
        self._done: Turn | None = None

    def answer(self, observation: Observation, instruction: str) -> Turn:
        """The next turn; after the last one the arm is held.

        Raises:
            FieldMissing: a picture that the last turn asked for; the run waits for it.
            FieldRefused: another instruction than the run began with.
        """
        if self._thread is None:
            self._instruction = instruction
            self._thread = threading.Thread(target=self._run, name="episode", daemon=True)
            self._thread.start()
        if instruction != self._instruction:
            raise FieldRefused(
                f"task_description: {instruction!r}, but the episode began with {self._instruction!r}; "
                "start another episode for another sentence"
            )
        if self._done is not None:
            held = np.append(observation.robot.q, observation.robot.gripper)
            return Turn(held[None], True, self._done.info)
        if missing := [name for name in self._arm.wanted if name not in observation.images]:
            raise FieldMissing(f"images: {', '.join(missing)} is missing, which the agent looks through now")
        self._arm.seen.put(observation)
        turn = self._arm.turns.get()
        self._done = turn if turn.done else None
        return turn

    def close(self) -> None:
        """End the run, wherever it is. Idempotent."""
        if self._thread is not None:
            self._arm.seen.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        cause, reason, done = "error", "the agent failed; see the server's log", False
        try:
            end = self._agent.run(self._instruction).finished
            cause, reason, done = end.cause, end.reason, end.done
        finally:  # the client waits for an answer, whatever happened
            said = {"instruction": self._instruction, "believed": done, "cause": cause, "reason": reason}
            self._arm.turns.put(Turn(self._arm.rest(), True, said))
