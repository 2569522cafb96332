"""CommandStream: commands sent ahead of their ticks, so that a late frame on the link costs no tick.

`BridgeClient.command` waits for each acknowledgement: one slow round trip, and a tick of a fast arm passes
without its command. A stream keeps a few under way. The server holds the early ones in order for their ticks
and acknowledges each in its own, so the stream goes at the arm's pace, `depth` ticks ahead of it:

    with client.stream(depth=3) as stream:
        for command in commands:
            stream.send(command)

A refusal therefore comes late, when up to `depth` more are under way; each of them is checked by itself.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Protocol

from robots.bridge import frames
from robots.bridge.command_queue import OLDEST, PLACES
from robots.bridge.connection import Connection, Make
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

    def frame_of(self, command: JointCommand) -> tuple[Array, Make]:
        """The target of `command`, and its frame. Raises CommandShape, CommandNotFinite."""
        ...

    def sent_by(self, ack: frames.Ack, asked: Array) -> JointCommand:
        """What the acknowledgement of the target `asked` says is sent."""
        ...


class CommandStream:
    """For one thread; calls, beats and pictures of the same client may go on beside it, in it or in others.

    Args:
        depth: commands under way at most, 1 to `PLACES`, the server's queue. Fewer for slow arms, since
            none is queued longer than 100 ms; at 25 Hz and below `send` is `client.command`.

    Attributes:
        depth: the one in use.

    Raises:
        ValueError: another depth.
    """

    def __init__(self, client: Sender, link: Connection, depth: int = 3) -> None:
        if not 1 <= depth <= PLACES:
            raise ValueError(f"depth {depth!r} is not in 1 to {PLACES}: more would be refused as too soon")
        self._client, self._link = client, link
        # One more than `depth` can be at the server: that which its next tick has already.
        most = int(0.75 * OLDEST / client.spec.dt) - 1
        self.depth = min(depth, max(most, 0)) if client.realtime else depth
        self._under_way: deque[tuple[int, int, Array]] = deque()  # id, seq and target, the oldest first

    def send(self, command: JointCommand) -> JointCommand | None:
        """Send `command`; where `depth` are under way already, collect the oldest first.

        Returns:
            What is really sent to the arm for the one collected, or None.

        Raises:
            CommandRejected, LinkDead, SessionLost: for the one collected, naming its seq; `command` was not
                sent.
        """
        if not self.depth:
            return self._client.command(command)
        q, frame = self._client.frame_of(command)
        done = self.collect() if len(self._under_way) >= self.depth else None
        try:
            self._under_way.append((self._link.launch(frame), int(command.seq), q))
        except RobotError as error:
            raise _with_seq(command.seq, error) from None
        return done

    def collect(self) -> JointCommand | None:
        """Wait for the oldest acknowledgement; raises as `send`. None where nothing is under way."""
        if not self._under_way:
            return None
        number, seq, q = self._under_way.popleft()
        try:
            return self._client.sent_by(self._link.fetch(number), q)
        except RobotError as error:
            raise _with_seq(seq, error) from None

    def __len__(self) -> int:
        return len(self._under_way)

    def __enter__(self) -> CommandStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Collect the rest; after an error what is under way is left to itself."""
        try:
            while self._under_way and kind is None:
                self.collect()
        finally:
            while self._under_way:
                self._link.forget(self._under_way.popleft()[0])


def _with_seq(seq: int, error: RobotError) -> RobotError:
    said = str(error)
    return error if re.search(rf"seq {seq}\b", said) else type(error)(f"command seq {seq}: {said}")
