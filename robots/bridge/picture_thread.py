"""PictureThread: captures images on request, on its own socket and thread, so that no image delays a command.

A streaming client requests the next image when it has received one: a slow link gets fewer images, not older
ones.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Protocol

import msgspec
import zmq

from robots.bridge import frames
from robots.bridge.control import Controller
from robots.bridge.errors import BadFrame, NoSuchCamera, ServerFailed
from robots.bridge.keys import AllowedKey
from robots.bridge.pictures import Codec, to_frame
from robots.bridge.wire import decode_look, encode
from robots.drivers.base import Driver
from robots.errors import RobotError
from robots.realtime import raise_priority

LISTEN = 50  # [ms]
PRIORITY = (
    1  # above ordinary threads: a preempted one would keep the interpreter lock from the control thread
)
log = logging.getLogger(__name__)


class PictureServer(Protocol):
    """What the picture thread needs of its server."""

    control: Controller
    driver: Driver
    refusals: Counter[str]

    def identify(self, part: zmq.Frame) -> AllowedKey:
        """The sender of a frame. Raises Insecure if its key is not on the allow-list."""
        ...

    def refusal(self, id: int | None, error: RobotError) -> frames.Refused:
        """A counted refusal frame."""
        ...


class PictureThread:
    """Answers `Look` frames of one server. Only this thread calls the driver's `picture`."""

    def __init__(self, server: PictureServer, socket: zmq.Socket, codec: Codec | None) -> None:
        self._server, self._socket, self._codec = server, socket, codec
        self.running = True
        socket.setsockopt(zmq.RCVTIMEO, LISTEN)
        socket.setsockopt(zmq.SNDTIMEO, 0)

    def run(self) -> None:
        """Serve until `running` is False."""
        raise_priority(PRIORITY)
        while self.running:
            try:
                route, *parts = self._socket.recv_multipart(copy=False)
            except zmq.Again:
                continue
            except zmq.ZMQError as error:
                log.error("pictures: %s", error)
                return
            answer = self._handle(parts)
            try:
                self._socket.send_multipart([route.bytes, encode(answer)], copy=False)
            except zmq.ZMQError:
                self._server.refusals["picture_lost"] += 1

    def _handle(self, parts: list[zmq.Frame]) -> msgspec.Struct:
        server, frame = self._server, None
        try:
            if len(parts) != 1:
                raise BadFrame("more than one part; a message is one frame")
            server.identify(parts[0])
            frame = decode_look(parts[0].bytes)
            server.control.lease.check_session(frame.session)
            names = server.driver.camera_names
            if frame.camera not in names:
                raise NoSuchCamera(f"no camera {frame.camera!r}; there are {list(names)}")
            seen = server.driver.picture(frame.camera)
            server.control.counts["picture"] += 1
            return to_frame(frame.id, frame.camera, seen, self._codec if frame.jpeg else None)
        except RobotError as error:
            return server.refusal(getattr(frame, "id", None), error)
        except Exception as error:
            log.exception("a picture could not be taken")
            return server.refusal(
                getattr(frame, "id", None), ServerFailed(f"{type(error).__name__}: {error}")
            )
