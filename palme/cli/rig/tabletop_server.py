"""The table's endpoint of `palme serve backend=sim table=true`: takes scenes, gives ground truth.

Opt-in, and on the loopback whatever address the arm is served at: it teleports objects and knows answers.
It serves only the client that commands the arm.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import zmq

from palme.cli.rig import tabletop_frames as frames
from robots.address import is_ipv6, zmq_address
from robots.bridge import sockets
from robots.bridge.errors import BadFrame, ServerFailed
from robots.bridge.server import BridgeServer
from robots.bridge.wire import encode
from robots.errors import LeaseMissing, RobotError
from sim.judging.snapshot import Snapshot, snapshot
from sim.world.driver import SimulatedDriver
from sim.world.scene import Scene, SceneFileError

LISTEN = 50  # [ms]
TABLE = f"its table (the port of address= plus {frames.PORT})"
log = logging.getLogger(__name__)


class TableServer:
    """Beside `server`, with its keys; ends with it.

    Args:
        port: 0 = any free one.

    Attributes:
        port, address: those it is bound to.
    """

    def __init__(self, server: BridgeServer, port: int) -> None:
        if not isinstance(server.driver, SimulatedDriver):
            raise BadFrame("table=true: only the simulator has a table that can be asked")
        self._server, self._driver = server, server.driver
        self._socket = sockets.server_socket(server.context, zmq.ROUTER, server.key, frames.MAX_SCENE)
        self._socket.setsockopt(zmq.RCVTIMEO, LISTEN)
        loopback = "::1" if is_ipv6(server.host) else "127.0.0.1"
        self.port = sockets.bind(self._socket, loopback, port, False, TABLE)
        self.address = zmq_address(loopback, self.port)
        server.add_thread("bridge-table", self._run)

    def _run(self) -> None:
        while self._server.running:
            try:
                route, *parts = self._socket.recv_multipart(copy=False)
            except zmq.Again:
                continue
            try:
                self._socket.send_multipart([route.bytes, encode(self._handle(parts))], zmq.NOBLOCK)
            except zmq.ZMQError as error:
                log.error("table: %s", error)

    def _handle(self, parts: list[zmq.Frame]) -> Any:
        server, frame = self._server, None
        try:
            if len(parts) != 1:
                raise BadFrame(f"{len(parts)} parts; a message is one frame")
            key = server.identify(parts[0])
            frame = frames.decode_question(parts[0].bytes)
            lease = server.control.lease
            lease.check_session(frame.session)
            if lease.holder is None or lease.holder.key.public != key.public:
                raise LeaseMissing(
                    f"{key.name} does not command this arm; only its commander may ask the table"
                )
            return self._do(frame)
        except SceneFileError as error:
            return server.refusal(getattr(frame, "id", None), BadFrame(str(error)))
        except RobotError as error:
            return server.refusal(getattr(frame, "id", None), error)
        except Exception as error:
            log.exception("the table could not answer")
            return server.refusal(
                getattr(frame, "id", None), ServerFailed(f"{type(error).__name__}: {error}")
            )

    def _do(self, frame: Any) -> frames.Truth:
        control, driver = self._server.control, self._driver
        if isinstance(frame, frames.Load):
            scene = Scene.from_yaml(frame.yaml)

            def load() -> None:
                driver.load(scene)
                control.restart()
                control.hold(frame.ticks)

            control.exclusive(load)
        elif isinstance(frame, frames.Hold):
            control.exclusive(lambda: control.hold(frame.ticks))
        now: Snapshot = driver.look(snapshot)
        poses = np.hstack((now.positions, now.quats_xyzw)).tolist()
        return frames.Truth(frame.id, now.state.holder, tuple(map(tuple, poses)), now.held, driver.time)
