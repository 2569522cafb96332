"""Connection: the client side of the protocol: requests and answers, with several commands pending at once.

All threads share one socket under a lock: calls, heartbeats, and commands of a stream. An answer to a
streamed command that another call receives is kept for the stream.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import zmq

from robots.bridge import frames, sockets
from robots.bridge.errors import BadFrame, WrongSession, named
from robots.bridge.keys import SecretKey
from robots.bridge.wire import decode_answer, encode
from robots.errors import LinkDead, SessionLost

F = TypeVar("F", bound=msgspec.Struct)
FrameFactory = Callable[[int], msgspec.Struct]  # makes a frame with the given id
LOOK = 2.0  # [s] between `alive` checks of a long wait
YIELD_TIME = 1e-4  # [s] that a stream yields the lock to a waiting call
SLICE = 0.1  # [s] between checks whether a call is aborted


class Connection:
    """Sockets to one server, not yet connected.

    Args:
        address: of the command socket.
        key: of this client.
        server_public: the server's public key (Z85).
        timeout: [s] default for an answer.

    Attributes:
        commands: the command socket.
        context: of all sockets of the client.
        arrived: [s] monotonic time of the last answer.
    """

    def __init__(self, address: str, key: SecretKey, server_public: str, timeout: float) -> None:
        self.address, self.timeout, self.arrived = address, timeout, time.monotonic()
        self.context = sockets.context()
        self._key, self._server_public = key, server_public
        self.commands = self.client_socket(zmq.DEALER, frames.MAX_COMMAND)
        self._send = sockets.sending(self.commands)
        self._lock = threading.Lock()
        self._waiting: list[None] = []  # one entry for each call that waits for the lock
        self._ids = itertools.count(1)
        self._limits: dict[Any, float] = {}  # [s] current timeout of each socket
        self._pending_answers: dict[int, Any] = {}  # by id of a launched command; None = no answer yet
        self._inside: list[None] = []  # one entry for each call that uses a socket
        self._aborted = False

    def client_socket(self, kind: int, limit: int) -> Any:
        """One more socket with the same keys. `limit`: [bytes] of the largest message accepted."""
        return sockets.client_socket(self.context, kind, self._key, self._server_public, limit)

    def ask(self, make: FrameFactory, kind: type[F], timeout: float | None = None) -> F:
        """`exchange` on the command socket."""
        if not self._lock.acquire(blocking=False):
            self._waiting.append(None)
            self._lock.acquire()
            self._waiting.pop()
        try:
            wait = self.timeout if timeout is None else timeout
            return self.exchange(self.commands, make, kind, decode_answer, wait)
        finally:
            self._lock.release()

    def notify(self, frame: msgspec.Struct, patience: float) -> None:
        """Send a frame that has no answer. Raises zmq.Again if the socket is in use for `patience` [s]."""
        self._waiting.append(None)
        free = self._lock.acquire(timeout=patience)
        self._waiting.pop()
        if not free:
            raise zmq.Again
        try:
            self.commands.send(encode(frame), zmq.NOBLOCK)
        finally:
            self._lock.release()

    def launch(self, make: FrameFactory) -> int:
        """Send a command whose `frames.Ack` is fetched later. Returns its id. Raises LinkDead."""
        self._yield_to_callers()
        with self._lock:
            number = next(self._ids)
            with self._in_use():
                self._put(self.commands, encode(make(number)), self.timeout)
            self._pending_answers[number] = None
            return number

    def fetch(self, number: int) -> frames.Ack:
        """The acknowledgement of the command launched as `number`. Raises as `exchange`."""
        self._yield_to_callers()
        with self._lock:
            try:
                answer = self._pending_answers[number]
                if answer is not None:
                    return self._checked(answer)
                with self._in_use():
                    self._listen(self.commands, self.timeout)
                    return self._receive(self.commands, number, frames.Ack, decode_answer, self.timeout)
            finally:
                del self._pending_answers[number]

    def discard(self, number: int) -> None:
        """Ignore the acknowledgement of `number`."""
        self._pending_answers.pop(number, None)

    def exchange(
        self,
        socket: Any,
        make: FrameFactory,
        kind: type[F],
        decode: Any,
        timeout: float,
        alive: Callable[[], object] | None = None,
    ) -> F:
        """Send a request on one of this client's sockets and wait for the answer with its id and `kind`.

        Args:
            timeout: [s] to wait.
            alive: called every `LOOK` [s] of a long wait; its exception ends the wait.

        Raises:
            LinkDead: no answer within `timeout`.
            RobotError: the refusal of the server.
        """
        number = next(self._ids)
        data = encode(make(number))
        self._inside.append(None)  # as `_in_use`, whose call costs 1 % of a round trip
        try:
            self._put(socket, data, timeout)
            return self._receive(socket, number, kind, decode, timeout, alive)
        finally:
            self._inside.pop()

    def abort(self) -> None:
        """Make pending and later calls raise `LinkDead`. For shutdown only."""
        self._aborted = True

    def wait_unused(self, patience: float) -> bool:
        """After `abort`: wait at most `patience` [s] until no call uses a socket. Returns whether that is so.

        Closing a socket that another thread uses aborts the process.
        """
        limit = time.monotonic() + patience
        while self._inside:  # later calls raise before they use one
            if not time.monotonic() < limit:
                return False
            time.sleep(1e-3)
        return True

    def dead(self, timeout: float) -> LinkDead:
        """The error of a request without an answer in `timeout` [s]."""
        age = self.age()
        why = (
            "Is it running, is its key the right one, and is ours allowed there?"
            if age >= 0.9 * timeout
            else "It is running, so it is busy or does not serve this request."
        )
        return LinkDead(
            f"{self.address}: no answer in {timeout:.2f} s; nothing received from the server for "
            f"{age:.2f} s. {why}"
        )

    def age(self) -> float:
        """[s] since anything was received from the server, on this computer's monotonic clock."""
        return time.monotonic() - self.arrived

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """Marks a socket as in use: see `wait_unused`."""
        self._inside.append(None)
        try:
            yield
        finally:
            self._inside.pop()

    def _put(self, socket: Any, data: bytes, timeout: float) -> None:
        """Send on `socket` within `timeout` [s]. Raises as `exchange`."""
        send = self._send if socket is self.commands else socket.send
        limit, left = time.monotonic() + timeout, timeout
        while left > 0:
            self._listen(socket, left)
            try:
                send(data)
                return
            except zmq.Again:
                left = limit - time.monotonic()
        raise self.dead(timeout)

    def _receive(
        self,
        socket: Any,
        number: int,
        kind: type[F],
        decode: Any,
        timeout: float,
        alive: Callable[[], object] | None = None,
    ) -> F:
        """The answer to `number` on `socket` within `timeout` [s]. Raises as `exchange`."""
        begin = looked = time.monotonic()
        last = False
        while True:
            try:
                answer = decode(socket.recv())
            except (zmq.Again, BadFrame):  # none yet, or damaged
                answer = None
            id = getattr(answer, "id", None)
            if type(answer) is kind and id == number:  # the common case of `_checked`
                self.arrived = time.monotonic()
                return answer
            if isinstance(answer, frames.Refused) and id in (number, 0):
                return self._checked(answer)
            if id in self._pending_answers:  # an answer to a streamed command
                self._pending_answers[id] = answer
            if last:
                raise self.dead(timeout)
            now = time.monotonic()
            last = now - begin >= timeout  # receive once more: the thread may have been preempted
            self._listen(socket, timeout - (now - begin))
            if alive is not None and now - looked >= LOOK:
                looked = now
                alive()

    def _checked(self, answer: Any) -> Any:
        """`answer`; raises the error if it is a refusal."""
        if isinstance(answer, frames.Refused):
            error = named(answer.name, answer.message)
            raise SessionLost(str(error)) if isinstance(error, WrongSession) else error
        self.arrived = time.monotonic()
        return answer

    def _listen(self, socket: Any, left: float) -> None:
        """Set the timeout of `socket` to `left` [s], at most `SLICE`. Raises LinkDead once aborted.

        Uses the socket's own timeout, set only when it changes: a poll costs 10 % of a round trip.
        """
        if self._aborted:
            raise LinkDead(f"{self.address}: the client is closed; connect a new one")
        seconds = left if left < SLICE else SLICE
        if self._limits.get(socket) != seconds:
            self._limits[socket] = seconds
            for option in (zmq.SNDTIMEO, zmq.RCVTIMEO):
                socket.setsockopt(option, max(int(1e3 * seconds), 1))

    def _yield_to_callers(self) -> None:
        """Let a waiting call take the lock first, such as a stop from another thread."""
        if self._waiting:
            time.sleep(YIELD_TIME)
