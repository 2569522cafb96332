"""GELLO's client drives our arm: an opt-in shim, for this machine alone, behind the arm's own gate.

GELLO's protocol (`gello/zmq_core/robot_node.py`) authenticates nobody and speaks pickle; it is read as
`gello_bytes` explains. Joint states are (n_joints + 1,): positions in [rad], then the gripper with 1 =
closed, in states as in commands.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
import zmq

from robots.errors import ArmLatched, CommandShape, RobotError
from robots.executor import Executor
from robots.policy_servers.address import loopback, zmq_address
from robots.policy_servers.errors import AddressRefused, MessageRefused, ServerFull, told
from robots.policy_servers.gello_bytes import MAX_BYTES, read, write
from robots.types import Array, Robot
from robots.zmq_context import Context

log = logging.getLogger(__name__)
SILENCE_S = 0.1
POLL_MS = 20


class GelloServer:
    """Answers GELLO's four methods for one robot. Commands go through `Robot.command`, so through its gate.

    One guest commands: the first that does, until a stop and `rearm`. Silent for `silence_s` after a command,
    the robot is stopped and stays latched until `rearm`, which is for a person to call.

    Args:
        robot: what to drive; only this server uses it meanwhile.
        address: host:port, loopback always.
        silence_s: longest wait between commands once they have begun, in [s], > 0.
    """

    def __init__(self, robot: Robot, address: str = "127.0.0.1:6001", silence_s: float = SILENCE_S) -> None:
        why = "GELLO's protocol asks nobody who they are and is made of pickles"
        self.host, self.port = loopback(address, why)
        if not 0 < silence_s < np.inf:
            raise AddressRefused(f"silence_s={silence_s}: must be a positive number of seconds")
        self.robot, self.silence_s = robot, silence_s
        self.refused = 0  # requests answered with an error
        self._executor = Executor(robot)
        self._holder: bytes | None = None
        self._last_command: float | None = None
        self._rearm, self._over = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._methods: dict[str, Callable[..., Any]] = {
            "num_dofs": lambda: robot.spec.n_joints + 1,
            "get_joint_state": self._joint_state,
            "get_observations": self._observations,
        }

    def start(self) -> GelloServer:
        """Bind, and serve from a thread. Raises AddressRefused where the address is taken."""
        context = Context()
        socket = context.socket(zmq.ROUTER)
        for option, value in (
            (zmq.LINGER, 0), (zmq.MAXMSGSIZE, MAX_BYTES), (zmq.RCVHWM, 8), (zmq.SNDTIMEO, 100),
            (zmq.IPV6, int(":" in self.host)),
        ):  # fmt: skip
            socket.setsockopt(option, value)
        try:
            socket.bind(zmq_address(self.host, self.port))
        except zmq.ZMQError as error:
            context.destroy(0)
            raise AddressRefused(f"cannot serve at {self.host}:{self.port}: {error.strerror}") from error
        self.port = int(socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])
        self._thread = threading.Thread(target=self._loop, args=(context, socket), name="gello", daemon=True)
        self._thread.start()
        return self

    def wait(self) -> None:
        """Until `close`, in slices, so that Ctrl-C is heard."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.2)

    def rearm(self) -> None:
        """Take commands again, from whoever commands first. The first must lie near where the arm is.

        Raises ArmLatched where the robot cannot be re-armed from here.
        """
        if not hasattr(self.robot, "rearm"):
            raise ArmLatched(f"{self.robot.spec.name} has no rearm; start it and this shim again")
        self._rearm.set()

    def close(self) -> None:
        """Stop the arm where one has been commanded, and let go of the address. Twice does no harm."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> GelloServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _loop(self, context: zmq.Context, socket: zmq.Socket) -> None:
        try:
            while not self._over.is_set():
                if self._rearm.is_set():
                    self._rearm.clear()
                    self._begin_anew()
                waiting = socket.poll(POLL_MS)
                self._mind_silence()  # before what has come: late is late
                if waiting:
                    self._serve(socket)
        except Exception:
            log.exception("the GELLO shim broke off")
        finally:
            if self._last_command is not None:
                self.robot.stop("the GELLO shim has ended")
            context.destroy(0)

    def _serve(self, socket: zmq.Socket) -> None:
        who, *frames = socket.recv_multipart()
        if len(frames) != 2 or frames[0]:
            self.refused += 1  # no REQ sends that, and none waits for an answer
            return
        try:
            reply = write(self._handle(who, frames[1]))
        except Exception as error:
            self.refused += 1
            log.info("a request failed: %s: %s", type(error).__name__, error)
            reply = write({"error": told(error)})
        try:
            socket.send_multipart([who, b"", reply])
        except zmq.ZMQError as error:
            log.info("an answer could not be sent: %s", error)

    def _handle(self, who: bytes, body: bytes) -> Any:
        request = read(body)
        if not isinstance(request, dict):
            raise MessageRefused("request is not a dict with a method")
        method, args = request.get("method"), request.get("args") or {}
        if method == "command_joint_state" and isinstance(args, dict) and list(args) == ["joint_state"]:
            return self._command(who, args["joint_state"])
        if isinstance(method, str) and method in self._methods and not args:
            return self._methods[method]()
        known = [*self._methods, "command_joint_state(joint_state)"]
        raise MessageRefused(
            f"no method {str(method)[:40]!r} with these arguments; there are {', '.join(known)}"
        )

    def _command(self, who: bytes, joint_state: Any) -> None:
        if self._holder not in (None, who):
            raise ServerFull("another GELLO commands this arm; it is freed by a stop and a re-arm")
        n = self.robot.spec.n_joints
        state = np.asarray(joint_state)
        if not (state.shape == (n + 1,) and state.dtype.kind in "fiu"):
            raise CommandShape(f"joint_state: {state.dtype} {state.shape}, expected ({n + 1},) numbers")
        self._executor.send(state[:n].astype(np.float64), 1.0 - float(state[n]))
        self._holder, self._last_command = who, time.monotonic()

    def _joint_state(self) -> Array:
        robot = self.robot.observe(()).robot
        return np.array([*robot.q, 1.0 - robot.gripper])

    def _observations(self) -> dict[str, Array]:
        robot = self.robot.observe(()).robot
        return {
            "joint_positions": np.array([*robot.q, 1.0 - robot.gripper]),
            "joint_velocities": np.array([*robot.dq, 0.0]),
            "ee_pos_quat": np.array([*robot.base_from_ee[:3, 3], *_quat_xyzw(robot.base_from_ee[:3, :3])]),
            "gripper_position": np.array(1.0 - robot.gripper),
        }

    def _mind_silence(self) -> None:
        if self._last_command is None:
            return
        silent = time.monotonic() - self._last_command
        if not silent <= self.silence_s:
            self._last_command = None  # once
            reason = f"GELLO was silent for {1e3 * silent:.0f} ms, limit {1e3 * self.silence_s:.0f}"
            log.warning("%s: stopped; re-arm to go on", reason)
            self.robot.stop(reason)

    def _begin_anew(self) -> None:
        if self._last_command is not None:  # in the middle of a motion: an arm is re-armed at rest
            self.robot.stop("re-armed")
        self._holder = self._last_command = None
        try:
            self.robot.rearm()  # type: ignore[attr-defined]
        except RobotError as error:
            log.warning("not re-armed: %s", error)


def _quat_xyzw(r: Array) -> Array:
    """Unit quaternion (4,) of a rotation (3, 3), w >= 0: the eigenvector of Bar-Itzhack (2000)."""
    k = np.array([
        [r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[2, 0] + r[0, 2], r[2, 1] - r[1, 2]],
        [0.0, r[1, 1] - r[0, 0] - r[2, 2], r[2, 1] + r[1, 2], r[0, 2] - r[2, 0]],
        [0.0, 0.0, r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
        [0.0, 0.0, 0.0, np.trace(r)],
    ])  # fmt: skip
    quat = np.linalg.eigh(k, UPLO="U")[1][:, -1]
    return quat if quat[3] >= 0 else -quat
