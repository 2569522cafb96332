"""CommandGate: commands of one arm on their way through lease, queue and safety gate to their tick.

No threads: the controller calls every method with its lock held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from robots.bridge.command_queue import CommandQueue, QueuedCommand
from robots.bridge.errors import CommandStale
from robots.bridge.lease import Lease
from robots.errors import CommandRejected, FollowingError
from robots.safety.gate import SafetyGate
from robots.types import CommandLike, JointCommand, RobotState

MOVED = "the arm was put elsewhere after the command arrived"


class CommandGate:
    """The commands of one arm between their arrival and their tick.

    Args:
        lease: decides whose commands are accepted.
        make_gate: makes a gate for the arm.
        realtime: whether ticks follow the wall clock; see `control`.
        counts: events by name, updated here.

    Attributes:
        gate: the present safety gate.
        pending: the command of the next tick, or None.
        queue: commands for later ticks.
    """

    def __init__(
        self, lease: Lease, make_gate: Callable[[], SafetyGate], realtime: bool, counts: Counter[str]
    ) -> None:
        self.lease, self.make_gate, self.gate = lease, make_gate, make_gate()
        self.pending: JointCommand | None = None
        self.queue = CommandQueue()
        self._realtime, self._counts = realtime, counts
        # Command, state and time of a `pending` that was acknowledged before the gate processed it.
        self._predicted: tuple[CommandLike, RobotState, float] | None = None

    @property
    def at_rest(self) -> bool:
        """Whether the last target sent is at rest and no command is pending."""
        return self.pending is None and not self.queue and self.gate.at_rest

    @property
    def timeout_active(self) -> bool:
        """Whether the timeout of the commander applies now."""
        return self._realtime or not self.gate.at_rest

    def filter(self, command: CommandLike, state: RobotState, arrived: float, now: float) -> JointCommand:
        """The command to send for one that the lease accepts.

        Args:
            command: the request.
            state: of the arm.
            arrived: [s] when the commander was alive.
            now: [s] on the server's clock.

        Raises:
            CommandRejected: from the gate. A FollowingError latches the lease as well.
        """
        try:
            sent = self.gate.filter(command, state.q, state.gripper, now)
        except FollowingError:
            self.latch(now)
            raise
        self.lease.accepted(command.seq, arrived)
        self._counts["command"] += 1
        return sent

    def predict(self, command: CommandLike, state: RobotState, now: float) -> JointCommand | None:
        """`filter` for a command that the gate predicts, to be acknowledged now and gated in its tick."""
        gripper = self.gate.predict(command, state.q, state.gripper, now)
        if gripper is None:
            return None
        self._predicted = command, state, now
        self.lease.accepted(command.seq, now)
        self._counts["command"] += 1
        return JointCommand(command.q_target, gripper, command.seq, now)  # type: ignore[arg-type]

    def run_predicted(self) -> None:
        """Run the gate on the predicted command."""
        if self._predicted is not None:
            (command, state, then), self._predicted = self._predicted, None
            self.pending = self.gate.filter(command, state.q, state.gripper, then)

    def filter_queued(
        self, queued: QueuedCommand, state: RobotState, now: float
    ) -> JointCommand | CommandRejected:
        """The command to send for one queued for this tick, or its refusal; all checks are made now."""
        try:
            self._check(queued, now)
            queued.check_age(now)
            return self.filter(queued.command, state, queued.arrived, now)
        except CommandRejected as error:
            return error

    def brake(self, state: RobotState, now: float) -> JointCommand | None:
        """The command of a tick without one; None where there is no posture to hold."""
        if not self.gate.holding:
            return None
        sent = self.gate.brake(now, state.q)
        self.latch(now)
        return sent

    def latch(self, now: float) -> None:
        """Latch the lease where the gate has stopped the arm by itself."""
        if self.gate.latched is not None and self.lease.latched is None:
            self.lease.latch(self.gate.latched)
            self._counts["following_error"] += 1
            self.refuse_queued(now)

    def halt(self, now: float) -> None:
        """Refuse further commands, also queued ones; the gate then brakes tick by tick."""
        self.run_predicted()
        self.gate.stop(self.lease.latched or "stopped")
        self.refuse_queued(now)

    def reset(self, now: float) -> None:
        """Discard the pending command, refuse the queued ones and replace the gate."""
        self.pending = self._predicted = None
        self.refuse_queued(now)
        self.gate = self.make_gate()

    def refuse_queued(self, now: float) -> None:
        """Refuse every queued command, with its reason."""
        for queued in self.queue.empty():
            error: CommandRejected = CommandStale(f"command seq {queued.command.seq}: {MOVED}")
            try:
                self._check(queued, now)
            except CommandRejected as refusal:
                error = refusal
            queued.answer(error)

    def _check(self, queued: QueuedCommand, now: float) -> None:
        self.lease.check(
            queued.key, queued.session, queued.token, queued.command.seq, queued.state_time, now,
            self.timeout_active,
        )  # fmt: skip
