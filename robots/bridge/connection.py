"""Connection: a client's end of the wire. What is asked and its answer, one at a time or several under way.

One socket carries it all, used by whoever holds the lock: calls, beats of the pulse's thread, and commands
of a stream, whose answers come while something else may be waited for. They are kept for the stream then.
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
Make = Callable[[int], msgspec.Struct]  # a frame with the id it is given
LOOK = 2.0  # [s] of a long wait between looks at whether the server is there
AFTER_YOU = 1e-4  # [s] that a stream leaves the socket to a call that waits for it
SLICE = 0.1  # [s] that a call waits at a time, between checks whether it is aborted


class Connection:
    """Sockets to one server, not yet connected.

    Args:
        address: of its commands.
        timeout: [s] an answer may take where nothing else is said.

    Attributes:
        commands: the socket for it; `context`: of this and all others of the client.
        arrived: [s] on this computer's monotonic clock when an answer last came.
    """

    def __init__(self, address: str, key: SecretKey, server_public: str, timeout: float) -> None:
        self.address, self.timeout, self.arrived = address, timeout, time.monotonic()
        self.context = sockets.context()
        self._key, self._server_public = key, server_public
        self.commands = self.calling(zmq.DEALER, frames.MAX_COMMAND)
        self._send = sockets.sending(self.commands)
        self._lock = threading.Lock()
        self._waiting: list[None] = []  # one for each call that waits for the lock
        self._ids = itertools.count(1)
        self._limits: dict[Any, float] = {}  # [s] that each socket waits
        self._under_way: dict[int, Any] = {}  # id of a command that was launched: its answer, or None yet
        self._inside: list[None] = []  # one for each call that uses a socket
        self._aborted = False

    def calling(self, kind: int, limit: int) -> Any:
        """One more socket with the same keys. `limit`: [bytes] of the largest message it takes."""
        return sockets.calling(self.context, kind, self._key, self._server_public, limit)

    def ask(self, make: Make, kind: type[F], timeout: float | None = None) -> F:
        """`exchange` on the commands' socket."""
        if not self._lock.acquire(blocking=False):
            self._waiting.append(None)
            self._lock.acquire()
            self._waiting.pop()
        try:
            wait = self.timeout if timeout is None else timeout
            return self.exchange(self.commands, make, kind, decode_answer, wait)
        finally:
            self._lock.release()

    def say(self, frame: msgspec.Struct, patience: float) -> None:
        """One that is not answered. Raises zmq.Again where the socket is not free within `patience` [s]."""
        self._waiting.append(None)
        free = self._lock.acquire(timeout=patience)
        self._waiting.pop()
        if not free:
            raise zmq.Again
        try:
            self.commands.send(encode(frame), zmq.NOBLOCK)
        finally:
            self._lock.release()

    def launch(self, make: Make) -> int:
        """Send one whose `frames.Ack` is fetched later; returns its id. Raises LinkDead."""
        self._after_you()
        with self._lock:
            number = next(self._ids)
            with self._in_use():
                self._put(self.commands, encode(make(number)), self.timeout)
            self._under_way[number] = None
            return number

    def fetch(self, number: int) -> frames.Ack:
        """The acknowledgement of what was launched as `number`; raises as `exchange`."""
        self._after_you()
        with self._lock:
            try:
                answer = self._under_way[number]
                if answer is not None:
                    return self._good(answer)
                with self._in_use():
                    self._listen(self.commands, self.timeout)
                    return self._receive(self.commands, number, frames.Ack, decode_answer, self.timeout)
            finally:
                del self._under_way[number]

    def forget(self, number: int) -> None:
        """Nobody will fetch it."""
        self._under_way.pop(number, None)

    def exchange(
        self,
        socket: Any,
        make: Make,
        kind: type[F],
        decode: Any,
        timeout: float,
        alive: Callable[[], object] | None = None,
    ) -> F:
        """Ask on one of this client's sockets and wait for the answer of its number and `kind`.

        Raises LinkDead after `timeout` [s], or what the server refused with, or what `alive` raises, which is
        asked from time to time where that is long.
        """
        number = next(self._ids)
        data = encode(make(number))
        self._inside.append(None)  # as `_in_use`, which costs a hundredth of a round trip
        try:
            self._put(socket, data, timeout)
            return self._receive(socket, number, kind, decode, timeout, alive)
        finally:
            self._inside.pop()

    def abort(self) -> None:
        """Calls that wait, and later ones, raise `LinkDead`. For shutdown only."""
        self._aborted = True

    def left(self, patience: float) -> bool:
        """After `abort`: whether no call uses a socket any more; waits for it, `patience` [s] at most.

        A socket that is closed under a thread that uses it aborts the process.
        """
        limit = time.monotonic() + patience
        while self._inside:  # later calls raise before they use a socket
            if not time.monotonic() < limit:
                return False
            time.sleep(1e-3)
        return True

    def dead(self, timeout: float) -> LinkDead:
        """What is raised where no answer came in `timeout` [s]."""
        age = self.age()
        why = (
            "Is it running, is its key the right one, and is ours allowed there?"
            if age >= 0.9 * timeout
            else "It runs, so it is busy, or what was asked for is not served there."
        )
        return LinkDead(
            f"{self.address}: no answer in {timeout:.2f} s; nothing received from the server for "
            f"{age:.2f} s. {why}"
        )

    def age(self) -> float:
        """[s] since anything was received from the server, by this computer's monotonic clock."""
        return time.monotonic() - self.arrived

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """A socket is, meanwhile: see `left`."""
        self._inside.append(None)
        try:
            yield
        finally:
            self._inside.pop()

    def _put(self, socket: Any, data: bytes, timeout: float) -> None:
        """Send on `socket`, in use, within `timeout` [s]; raises as `exchange`."""
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
        """The answer to `number` on `socket`, in use and listening, within `timeout` [s]; as `exchange`."""
        begin = looked = time.monotonic()
        last = False
        while True:
            try:
                answer = decode(socket.recv())
            except (zmq.Again, BadFrame):  # none yet; or damaged: as good as lost
                answer = None
            id = getattr(answer, "id", None)
            if type(answer) is kind and id == number:  # as in `_good`: what most calls wait for
                self.arrived = time.monotonic()
                return answer
            if isinstance(answer, frames.Refused) and id in (number, 0):
                return self._good(answer)
            if id in self._under_way:  # a stream's, received by another call
                self._under_way[id] = answer
            if last:
                raise self.dead(timeout)
            now = time.monotonic()
            last = now - begin >= timeout  # once more, for what came while this thread waited for a processor
            self._listen(socket, timeout - (now - begin))
            if alive is not None and now - looked >= LOOK:
                looked = now
                alive()

    def _good(self, answer: Any) -> Any:
        """`answer`, if it is no refusal."""
        if isinstance(answer, frames.Refused):
            error = named(answer.name, answer.message)
            raise SessionLost(str(error)) if isinstance(error, WrongSession) else error
        self.arrived = time.monotonic()
        return answer

    def _listen(self, socket: Any, left: float) -> None:
        """Have the next call of `socket` wait `left` [s], or a `SLICE` of it; LinkDead once aborted.

        By the socket's own time limit, set only where it changes: a poll costs a tenth of a round trip.
        """
        if self._aborted:
            raise LinkDead(f"{self.address}: the client is closed; connect a new one")
        seconds = left if left < SLICE else SLICE
        if self._limits.get(socket) != seconds:
            self._limits[socket] = seconds
            for option in (zmq.SNDTIMEO, zmq.RCVTIMEO):
                socket.setsockopt(option, max(int(1e3 * seconds), 1))

    def _after_you(self) -> None:
        """A stream takes the lock again before others wake; a stop from another thread must get through."""
        if self._waiting:
            time.sleep(AFTER_YOU)
