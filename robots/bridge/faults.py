"""FaultProxy: relays frames between client and server and damages some. Only for tests and soaks.

It needs the secret keys of both ends, because CURVE would close the connection at the first flipped bit. It
emulates a faulty relay, faulty memory or an attacker inside CURVE.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

import zmq

from robots.bridge import sockets
from robots.bridge.frames import MAX_COMMAND
from robots.bridge.keys import AllowList, SecretKey

KINDS = ("drop", "delay", "duplicate", "reorder", "flip")
TICK = 2  # [ms] between checks for due frames


class FaultProxy:
    """Relays commands both ways; starts at once.

    Args:
        server: address of the server.
        server_key, client_key: secret keys of the two ends.
        folder: of the allow-list of the clients.
        rate: probability in [0, 1] that a frame is damaged; may be changed at any time.
        kinds: of damage; one is drawn for each damaged frame.
        delay: [s] longest delay.
        seed: of the draws.

    Attributes:
        done: number of damaged frames of each kind.
        cut: True = no frame passes.
    """

    def __init__(
        self,
        server: str,
        server_key: SecretKey,
        client_key: SecretKey,
        folder: Path,
        rate: float = 0.05,
        kinds: tuple[str, ...] = KINDS,
        delay: float = 0.05,
        seed: int = 0,
    ) -> None:
        self.rate, self.kinds, self.delay = rate, kinds, delay
        self.cut = False
        self.done: Counter[str] = Counter()
        self._draw = Random(seed)
        self._held: dict[int, tuple[bytes, bytes]] = {}  # by direction: a frame that the next one overtakes
        self._later: list[tuple[float, int, int, bytes, bytes]] = []
        self._count = 0
        self._route = b""
        self._running = True
        self._context = sockets.context()
        self._auth = sockets.Authenticator(self._context, AllowList(folder))
        self._front = sockets.server_socket(self._context, zmq.ROUTER, server_key, MAX_COMMAND)
        port = sockets.bind(self._front, "127.0.0.1", 0, False)
        self._back = sockets.client_socket(
            self._context, zmq.DEALER, client_key, server_key.public, MAX_COMMAND
        )
        self._back.connect(server)
        self.address = f"tcp://127.0.0.1:{port}"
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and close the sockets."""
        self._running = False
        self._auth.stop()
        sockets.end(self._context, [self._thread])

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._front, zmq.POLLIN)
        poller.register(self._back, zmq.POLLIN)
        while self._running:
            ready = dict(poller.poll(TICK))
            if self._front in ready:
                self._route, frame = self._front.recv_multipart()
                self._damage(0, self._route, frame)
            if self._back in ready:
                self._damage(1, self._route, self._back.recv())
            while self._later and self._later[0][0] <= time.monotonic():
                _, _, way, route, frame = heapq.heappop(self._later)
                self._pass(way, route, frame)

    def _damage(self, way: int, route: bytes, frame: bytes) -> None:
        kind = self._draw.choice(self.kinds) if self._draw.random() < self.rate else ""
        if self.cut:
            kind = "drop"
        held = self._held.pop(way, None)
        if kind:
            self.done[kind] += 1
        if kind == "delay":
            self._count += 1
            due = time.monotonic() + self._draw.uniform(0, self.delay)
            heapq.heappush(self._later, (due, self._count, way, route, frame))
        elif kind == "reorder":
            self._held[way] = (route, frame)
        elif kind != "drop":
            if kind == "flip":
                damaged = bytearray(frame)
                damaged[self._draw.randrange(len(damaged))] ^= 1 << self._draw.randrange(8)
                frame = bytes(damaged)
            for _ in range(2 if kind == "duplicate" else 1):
                self._pass(way, route, frame)
        if held is not None:
            self._pass(way, *held)

    def _pass(self, way: int, route: bytes, frame: bytes) -> None:
        try:
            if way == 0:
                self._back.send(frame, zmq.NOBLOCK)
            elif route:
                self._front.send_multipart([route, frame], zmq.NOBLOCK)
        except zmq.ZMQError:
            self.done["lost"] += 1
