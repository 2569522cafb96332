"""Executor: sends action chunks to a robot, one target a control tick."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from robots.errors import CommandRejected, CommandShape, NotAutonomous
from robots.robot import Robot
from robots.safety.chunk_verdict import ChunkVerdict, VerdictCounter
from robots.types import ActionChunk, Array, JointCommand


class Executor:
    """Numbers, timestamps and sends commands, and blends consecutive chunks.

    A command carries the receiver's last timestamp, so clocks of two computers are never compared.

    Args:
        robot: receives the commands.
        blend: number of ticks over which a new chunk is blended with the unsent rest of the previous one.

    Attributes:
        verdict: what the gate made of the last chunk that `run` sent, or began to send.
    """

    def __init__(self, robot: Robot, blend: int = 3) -> None:
        self.robot = robot
        self.blend = blend
        self._seq = -1
        self._t_mono = -np.inf
        self._rest = np.empty((0, robot.spec.n_joints))  # unsent targets of the last chunk
        self._ticks = 0  # commands sent by `run`
        self._last: tuple[Array, Array] | None = None  # the last two targets sent
        self.verdict = ChunkVerdict()

    def reset(self) -> None:
        """Discard the last chunk. Sequence numbers and timestamps continue."""
        self._rest, self._last = np.empty((0, self.robot.spec.n_joints)), None

    def run(
        self,
        chunk: ActionChunk,
        n: int | None = None,
        on_sent: Callable[[JointCommand], None] | None = None,
    ) -> list[JointCommand]:
        """Send the first `n` targets of `chunk` (None = all), blended with the previous chunk.

        Args:
            on_sent: called after each tick with the command really sent.

        Returns:
            The commands really sent, one a tick.

        Raises:
            CommandShape: the chunk does not fit the arm or its rate.
            CommandRejected: from the gate; earlier targets were sent, the arm holds.
        """
        counter = VerdictCounter(self.robot, self._ticks, self._last)
        self.verdict = counter.verdict()
        targets, gripper = self._checked(chunk)
        shared = min(self.blend, len(self._rest), len(targets))
        if shared:
            weight = (np.arange(1, shared + 1) / (shared + 1))[:, None]
            targets = targets.copy()
            targets[:shared] = weight * targets[:shared] + (1 - weight) * self._rest[:shared]
        stop = len(targets) if n is None else min(n, len(targets))
        self._rest = targets[stop:]
        sent = []
        try:
            for q_target, opening in zip(targets[:stop], gripper[:stop], strict=True):
                sent.append(self.send(q_target, float(opening)))
                counter.sent(q_target, sent[-1])
                if on_sent is not None:
                    on_sent(sent[-1])
        except NotAutonomous:  # a person has the arm: no verdict of the gate
            raise
        except CommandRejected as refusal:
            counter.refused(refusal)
            raise
        finally:
            self._ticks, self._last, self.verdict = (
                self._ticks + len(sent),
                counter.last_two,
                counter.verdict(),
            )
        return sent

    def send(self, q_target: Array, gripper: float) -> JointCommand:
        """Number, timestamp and send one target (n_joints,) in [rad]. Returns the command really sent."""
        self._seq += 1
        stamp = self._t_mono if np.isfinite(self._t_mono) else 0.0
        sent = self.robot.command(JointCommand(q_target, gripper, self._seq, stamp))
        self._seq, self._t_mono = max(self._seq, sent.seq), sent.t_mono
        return sent

    def _checked(self, chunk: ActionChunk) -> tuple[Array, Array]:
        spec = self.robot.spec
        targets, gripper = np.asarray(chunk.q_targets), np.asarray(chunk.gripper)
        if not (
            targets.ndim == 2 and targets.shape[1] == spec.n_joints and gripper.shape == targets.shape[:1]
        ):
            raise CommandShape(
                f"chunk: q_targets {targets.shape} and gripper {gripper.shape}, "
                f"expected (T, {spec.n_joints}) and (T,) for {spec.name}"
            )
        if not abs(chunk.control_hz - spec.control_hz) < 1e-6:
            raise CommandShape(
                f"chunk: made for {chunk.control_hz} Hz, {spec.name} runs at {spec.control_hz}; resample it"
            )
        return targets, gripper
