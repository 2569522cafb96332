"""CommandStream: sends commands ahead of their ticks, so that a late frame costs no tick.

`BridgeClient.command` waits for each acknowledgement: one slow round trip, and a fast arm ticks without a
command. A stream keeps several commands pending. The server queues the early ones in order and acknowledges
each in its tick, so the stream runs at the rate of the arm, `depth` ticks ahead:

    with client.stream(depth=3) as stream:
        for command in commands:
            stream.send(command)

A refusal therefore arrives late, when up to `depth` more commands are pending; each of them is checked.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Protocol

from robots.bridge import frames
from robots.bridge.command_queue import CAPACITY, MAX_AGE
from robots.bridge.connection import Connection, FrameFactory
from robots.errors import RobotError
from robots.spec import ArmSpec
from robots.types import Array, JointCommand


class Sender(Protocol):
    """What a stream needs of its client."""

    spec: ArmSpec
    realtime: bool

    def command(self, command: JointCommand) -> JointCommand:
        """See `Robot`."""
        ...

    def frame_of(self, command: JointCommand) -> tuple[Array, FrameFactory]:
        """The target of `command`, and its frame. Raises CommandShape, CommandNotFinite."""
        ...

    def sent_from(self, ack: frames.Ack, asked: Array) -> JointCommand:
        """The command that will be sent according to `ack` for the target `asked`."""
        ...


class CommandStream:
    """A stream for one thread; other calls of the same client may continue in any thread.

    Args:
        client: sends the commands.
        connection: of the client.
        depth: largest number of pending commands, 1 to `CAPACITY` of the server's queue. Slow arms use fewer,
            since none is queued longer than 100 ms; at 25 Hz and below `send` is `client.command`.

    Attributes:
        depth: the one in use.

    Raises:
        ValueError: `depth` is out of range.
    """

    def __init__(self, client: Sender, connection: Connection, depth: int = 3) -> None:
        if not 1 <= depth <= CAPACITY:
            raise ValueError(
                f"depth {depth!r} is not in 1 to {CAPACITY}: the server would refuse more as too soon"
            )
        self._client, self._connection = client, connection
        # The server may have one more than `depth`: the command of its next tick.
        most = int(0.75 * MAX_AGE / client.spec.dt) - 1
        self.depth = min(depth, max(most, 0)) if client.realtime else depth
        self._pending_commands: deque[tuple[int, int, Array]] = deque()  # id, seq, target; oldest first

    def send(self, command: JointCommand) -> JointCommand | None:
        """Send `command`; if `depth` are already pending, collect the oldest first.

        Returns:
            The command really sent for the one collected, or None.

        Raises:
            RobotError: CommandRejected, LinkDead or SessionLost for the one collected, naming its seq;
                `command` was not sent.
        """
        if not self.depth:
            return self._client.command(command)
        q, frame = self._client.frame_of(command)
        done = self.collect() if len(self._pending_commands) >= self.depth else None
        try:
            self._pending_commands.append((self._connection.launch(frame), int(command.seq), q))
        except RobotError as error:
            raise _with_seq(command.seq, error) from None
        return done

    def collect(self) -> JointCommand | None:
        """Wait for the oldest acknowledgement; raises as `send`. None if no command is pending."""
        if not self._pending_commands:
            return None
        number, seq, q = self._pending_commands.popleft()
        try:
            return self._client.sent_from(self._connection.fetch(number), q)
        except RobotError as error:
            raise _with_seq(seq, error) from None

    def __len__(self) -> int:
        return len(self._pending_commands)

    def __enter__(self) -> CommandStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Collect the remaining acknowledgements; after an error they are discarded."""
        try:
            while self._pending_commands and kind is None:
                self.collect()
        finally:
            while self._pending_commands:
                self._connection.discard(self._pending_commands.popleft()[0])


def _with_seq(seq: int, error: RobotError) -> RobotError:
    said = str(error)
    return error if re.search(rf"seq {seq}\b", said) else type(error)(f"command seq {seq}: {said}")
