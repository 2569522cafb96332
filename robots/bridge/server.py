"""BridgeServer: serves one arm to clients with an allowed key.

Three sockets, so that nothing waits for an image: commands (ROUTER), states (PUB), pictures (ROUTER).
Four threads: control (ticks, the only user of the arm), commands, pictures, and the authenticator.
A queued command is answered in its tick, by the control thread: it queues the answer and sends an empty
in-process message to the command socket, whose thread then sends the answer. So that thread waits for one
socket only.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import zmq

from robots.address import zmq_address
from robots.bridge import frames, sockets
from robots.bridge.control import Controller, Snapshot
from robots.bridge.errors import BadFrame, Insecure, ServerFailed
from robots.bridge.keys import AllowedKey, AllowList, SecretKey
from robots.bridge.picture_thread import PictureThread
from robots.bridge.pictures import Codec
from robots.bridge.requests import Requests
from robots.bridge.wire import decode_request, encode
from robots.drivers.base import Driver
from robots.errors import RobotError, SpecError
from robots.realtime import CONTROL_PRIORITY, CpuSleepSwitch, raise_priority
from robots.safety.gate import SafetyGate

STATE_HZ = 100.0  # largest rate of streamed states
STATES, SEEN = "states (the port of address= plus 1)", "pictures (the port of address= plus 2)"
MIN_HZ = 20.0  # at a lower rate the timeout would be detected too late
LISTEN = 50  # [ms] between checks whether to end
WAKEUP = b"bell"  # route of the in-process wake-up messages
MORE = int(zmq.SNDMORE)  # a plain number: combining pyzmq's flags costs 5 % of a round trip
log = logging.getLogger(__name__)


class BridgeServer:
    """Serves `driver` at `address` until `close`.

    Args:
        driver: not yet connected.
        key: of the server.
        folder: of the allow-list; see `keys`.
        address: `tcp://HOST:PORT` of the commands, IPv6 in brackets; states and pictures use the next two
            ports. PORT 0 = any free ports.
        realtime: see `control`.
        beyond_loopback: permit an address that other computers reach.
        codec: encodes JPEGs; None = pictures travel raw.
        make_gate: None = `SafetyGate(driver.spec)`.

    Raises:
        Insecure: `address` is not on the loopback and `beyond_loopback` is False, or a port is not available.
        SpecError: the control rate is below `MIN_HZ` in real time.
        KeyProblem: others can write into the allow-list.
        DriverError: the arm cannot be reached.
    """

    def __init__(
        self,
        driver: Driver,
        key: SecretKey,
        folder: Path,
        address: str = "tcp://127.0.0.1:5560",
        realtime: bool = True,
        beyond_loopback: bool = False,
        codec: Codec | None = None,
        make_gate: Callable[[], SafetyGate] | None = None,
    ) -> None:
        spec = driver.spec
        if realtime and not spec.control_hz >= MIN_HZ:
            raise SpecError(
                f"{spec.name}: control_hz {spec.control_hz} must be at least {MIN_HZ} over the bridge"
            )
        host, port = sockets.parse(address)
        self.allowed, self.driver, self.key = AllowList(folder), driver, key
        self.allowed.check()
        self.context = sockets.context(io_threads=2)
        self._auth = sockets.Authenticator(self.context, self.allowed)
        try:
            self._commands = sockets.server_socket(self.context, zmq.ROUTER, key, frames.MAX_COMMAND)
            self._states = sockets.server_socket(self.context, zmq.PUB, key, frames.MAX_COMMAND)
            self._pictures = sockets.server_socket(self.context, zmq.ROUTER, key, frames.MAX_COMMAND)
            self._commands.setsockopt(zmq.AFFINITY, 1)  # its own I/O thread: another one encrypts pictures
            self._states.setsockopt(zmq.AFFINITY, 1)
            self._pictures.setsockopt(zmq.AFFINITY, 2)
            self._commands.setsockopt(zmq.RCVTIMEO, LISTEN)
            self._commands.setsockopt(zmq.SNDTIMEO, 0)  # a client that does not read loses its answers
            self._send = sockets.sending(self._commands)
            self._wakeup = sockets.wakeup_socket(self._commands, WAKEUP)
            self.port = sockets.bind(self._commands, host, port, beyond_loopback)
            self.state_port = sockets.bind(self._states, host, port and port + 1, beyond_loopback, STATES)
            self.picture_port = sockets.bind(self._pictures, host, port and port + 2, beyond_loopback, SEEN)
            self.host, self.address = host, zmq_address(host, self.port)
            driver.connect()
            self.control = Controller(driver, make_gate or (lambda: SafetyGate(spec)), realtime)
        except BaseException:
            self._auth.stop()
            self.context.destroy(linger=0)
            raise
        self.session = self.control.lease.session
        self.refusals: Counter[str] = Counter()
        ports = (self.state_port, self.picture_port)
        self._requests = Requests(self.control, ports, self.refusal, self.counts, self._later)
        self._due: deque[tuple[bytes, msgspec.Struct]] = deque()  # answers of other threads
        self._wakeup_lock = threading.Lock()
        self._state_every = max(1, round(spec.control_hz / STATE_HZ))
        self.running = True
        self.control.on_tick = self._ticked
        self._cpu_sleep = CpuSleepSwitch()
        self._camera = PictureThread(self, self._pictures, codec)
        self._threads = [
            threading.Thread(target=self._control, name="bridge-control", daemon=True),
            threading.Thread(target=self._listen, name="bridge-commands", daemon=True),
            threading.Thread(target=self._camera.run, name="bridge-pictures", daemon=True),
        ]

    def start(self) -> BridgeServer:
        """Start the threads. Returns itself."""
        for thread in self._threads:
            thread.start()
        return self

    def add_thread(self, name: str, run: Callable[[], None]) -> None:
        """Also run `run` on its own thread, until `running` is False."""
        self._threads.append(threading.Thread(target=run, name=name, daemon=True))
        if self._threads[0].is_alive():
            self._threads[-1].start()

    def close(self) -> None:
        """Brake to rest, release the arm, close every socket. Idempotent."""
        if not self.running:
            return
        if self._threads[0].is_alive():
            self.control.close()
        self.running = self._camera.running = False
        self._auth.stop()
        sockets.end(self.context, self._threads)
        self.driver.close()

    def __enter__(self) -> BridgeServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def counts(self) -> dict[str, int]:
        """Event counts since the start, by name; refusals as `refused:NAME`."""
        refused = {f"refused:{name}": n for name, n in dict(self.refusals).items()}
        return dict(self.control.counts) | refused

    # -- threads ------------------------------------------------------------------------------

    def _control(self) -> None:
        raise_priority(CONTROL_PRIORITY)
        try:
            self.control.run()
        finally:
            self._cpu_sleep.disable(False)

    def _listen(self) -> None:
        raise_priority()
        commands = self._commands
        while self.running:
            try:
                route, rest = commands.recv(), [commands.recv(copy=False)]
                while rest[-1].more:  # refused, and so not kept
                    rest[1:] = [commands.recv(copy=False)]
            except zmq.Again:
                continue
            except zmq.ZMQError as error:
                log.error("commands: %s", error)
                return
            while self._due:
                self._answer(*self._due.popleft())
            if route == WAKEUP:
                continue
            answer = self.handle(route, rest)
            if answer is not None:
                self._answer(route, answer)

    def _later(self, route: bytes, answer: msgspec.Struct) -> None:
        """Queue `answer` for the command thread; from any thread."""
        self._due.append((route, answer))
        try:
            with self._wakeup_lock:
                self._wakeup.send(b"", zmq.NOBLOCK)
        except zmq.ZMQError:
            pass  # a wake-up is already pending, or the server has ended

    def _answer(self, route: bytes, answer: msgspec.Struct) -> None:
        try:
            self._send(route, MORE)
            self._send(encode(answer))
        except zmq.ZMQError:
            self.refusals["answer_lost"] += 1

    def _ticked(self, snapshot: Snapshot) -> None:
        if self.control.realtime:  # a disarmed server saves power
            self._cpu_sleep.disable(self.control.lease.latched is None or not snapshot.at_rest)
        if snapshot.tick % self._state_every == 0:
            try:
                self._states.send(encode(self._requests.state(0, snapshot)), zmq.NOBLOCK)
            except zmq.ZMQError:
                self.control.counts["state_lost"] += 1

    # -- frames -------------------------------------------------------------------------------

    def handle(self, route: bytes, parts: list[zmq.Frame]) -> msgspec.Struct | None:
        """The answer to one message, or None. Invalid bytes affect only their sender."""
        frame: Any = None
        try:
            if len(parts) != 1:
                raise BadFrame("more than one part; a message is one frame")
            key = self.identify(parts[0])
            frame = decode_request(parts[0].bytes)
            return self._requests.answer(key, frame, route)
        except RobotError as error:
            return self.refusal(getattr(frame, "id", None), error)
        except Exception as error:
            log.exception("a frame could not be handled")
            return self.refusal(getattr(frame, "id", None), ServerFailed(f"{type(error).__name__}: {error}"))

    def identify(self, part: zmq.Frame) -> AllowedKey:
        """The sender of a frame. Raises Insecure without a key, or if it is not on the allow-list."""
        public = sockets.sender(part)
        key = self.allowed.find(public)
        if key is None:
            raise Insecure(f"key {public} is not on the allow-list (any more)")
        return key

    def refusal(self, id: int | None, error: RobotError) -> frames.Refused:
        """Count an error and make its frame; id 0 if the frame could not be decoded."""
        name = type(error).__name__
        self.refusals[name] += 1
        return frames.Refused(id or 0, name, str(error)[:1000])
