"""An operator that records its calls, and access to a console's sockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from palme.operator.operator import Jog, Joint, Picture, Reply, Status, StepStatus
from palme.operator.server import Console

STATUS = Status(
    mode="autonomous", holder="policy", instruction="put the red block in the blue bowl",
    steps=(StepStatus("pick the red block", "now", 0.9),), sentence="<p>human : put it there</p>",
    probability=0.9, joints=(Joint("elbow", np.float64(0.1), -1.0, 1.0, 0.0, 2.0),), gripper=1.0,
    cameras=("front", "side"), limited_by="", state_age=0.01, ticks=100, missed_ticks=0, message="started",
    t_mono=1.0,
)  # fmt: skip


class FakeOperator:
    """`calls`: (name, arguments, when). `status` and `pictures` are what the test puts there."""

    def __init__(self) -> None:
        self.called = threading.Condition()
        self.reset()

    def reset(self) -> None:
        self.now = STATUS
        self.pictures: dict[str, Picture] = {}
        self.calls: list[tuple[str, tuple[Any, ...], float]] = []
        self.answer = Reply(True)

    def status(self) -> Status:
        return self.now

    def picture(self, camera: str) -> Picture | None:
        return self.pictures.get(camera)

    def stop(self, who: str, reason: str) -> Reply:
        return self._note("stop", who, reason)

    def rearm(self, who: str) -> Reply:
        return self._note("rearm", who)

    def pause(self, who: str) -> Reply:
        return self._note("pause", who)

    def take(self, who: str) -> Reply:
        if self.now.holder not in ("", "policy", who):
            return Reply(False, f"{self.now.holder} has control")
        self.now = replace(self.now, holder=who, mode="correcting")
        return self._note("take", who)

    def jog(self, who: str, jog: Jog) -> Reply:
        return self._note("jog", who, jog)

    def reach(self, who: str, camera: str, u: float, v: float) -> Reply:
        return self._note("reach", who, camera, u, v)

    def hand_back(self, who: str) -> Reply:
        return self._note("hand_back", who)

    def correct(self, who: str, text: str) -> Reply:
        return self._note("correct", who, text)

    def start(self, who: str) -> Reply:
        return self._note("start", who)

    def wait_for_start(self, who: str) -> Reply:
        return self._note("wait_for_start", who)

    def connect(self, who: str) -> None:
        self._note("connect", who)

    def disconnect(self, who: str) -> None:
        if self.now.holder == who:
            self.now = replace(self.now, holder="", mode="paused")
        self._note("disconnect", who)

    def _note(self, name: str, *arguments: Any) -> Reply:
        with self.called:
            self.calls.append((name, arguments, time.monotonic()))
            self.called.notify_all()
        return self.answer

    def times(self, name: str, who: str | None = None) -> list[float]:
        with self.called:
            return [t for n, arguments, t in self.calls if n == name and who in (None, arguments[0])]

    def wait(self, name: str, who: str | None = None, seconds: float = 5.0) -> float:
        """Wait for a call; returns the time of the first."""
        with self.called:
            found = self.called.wait_for(
                lambda: [t for n, arguments, t in self.calls if n == name and who in (None, arguments[0])],
                seconds,
            )
        assert found, f"{name} was not called within {seconds} s, but {[n for n, _, _ in self.calls]}"
        return found[0]


class Page:
    """A page's sockets, without a browser."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    def send(self, do: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"do": do, **fields}))

    def receive(self, kind: str, seconds: float = 5.0) -> Any:
        """The next message of a kind, skipping others; a status is confirmed."""
        end = time.monotonic() + seconds
        while True:
            message = json.loads(self.socket.recv(timeout=max(end - time.monotonic(), 0.001)))
            if "status" in message:
                self.send("seen", n=message["n"])
            if kind in message:
                return message

    def picture(self, seconds: float = 5.0) -> dict[str, Any]:
        """The next image's header, with its bytes as `jpeg`."""
        data = self.socket.recv(timeout=seconds)
        length = int.from_bytes(data[:2], "little")
        return json.loads(data[2 : 2 + length]) | {"jpeg": data[2 + length :]}


@contextmanager
def opened(console: Console, path: str = "/control", **other: str | None) -> Iterator[Page]:
    """A socket as our own page opens it; `token`, `origin` and `host` override its defaults."""
    from websockets.sync.client import connect

    host = f"{other.get('host', '127.0.0.1')}:{console.port}"
    token = other.get("token", console.token)
    line = socket.create_connection(("127.0.0.1", console.port), 5)
    query = "" if token is None else f"?token={token}"
    with connect(
        f"ws://{host}{path}{query}", sock=line, origin=other.get("origin", f"http://{host}"),
        compression=None, close_timeout=1, max_size=2**24, proxy=None,
    ) as connection:  # fmt: skip
        yield Page(connection)


def eventually(true: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Wait until `true` returns a true value, and return it."""
    end = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)
    return answer


def grey(value: int, t_mono: float, h: int = 48, w: int = 64) -> Picture:
    return Picture(np.full((h, w, 3), value, np.uint8), t_mono)
