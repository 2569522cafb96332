"""GELLO's client commands our arm, on this computer only and behind the arm's own safety gate.

GELLO's protocol (`gello/zmq_core/robot_node.py`) has no authentication and speaks pickle, which
`robots.gello.messages` reads without unpickling. Joint states are (n_joints + 1,): positions in [rad], then
the gripper in [0, 1], 1 = closed, in states as in commands.

The arm ticks by the clock at its own rate and goes to the newest command: how often a client sends (GELLO's
own does at 100 Hz) does not change how fast it moves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import numpy as np
import zmq

from robots.address import zmq_address
from robots.errors import ArmLatched, MessageRefused, RobotError
from robots.executor import Executor
from robots.gello.messages import GRIPPER, MAX_BYTES, Value, joint_command, read, write
from robots.policy_servers.address import require_loopback
from robots.policy_servers.errors import AddressRefused, ServerFull, error_text
from robots.robot import Rearmable, Robot
from robots.types import Array
from robots.zmq_context import Context

log = logging.getLogger(__name__)
SILENCE_S = 0.1
POLL_MS = 20
Reply = int | Array | dict[str, Array]


class _Command(NamedTuple):
    """A command of `client`: (n_joints,) in [rad], and the gripper opening in [0, 1]."""

    client: bytes
    q: Array
    opening: float


class GelloServer:
    """Answers GELLO's four methods for one robot.

    The first client that commands is the only one that may, until a stop and `rearm`. After `silence_s`
    without a command the robot is stopped and stays latched until `rearm`, which a person calls.

    A command that begins a session is answered by its tick, which may refuse it. A later one is answered at
    once and replaces the one before; after a tick that refused it, the next is answered by its tick again.

    Args:
        robot: used by this server alone while it runs. Commands pass its safety gate.
        address: host:port, loopback only.
        silence_s: longest time between two commands in [s], > 0 and finite.
        clock: monotonic clock in [s].

    Attributes:
        refused: requests answered with an error.

    Raises:
        AddressRefused: the address is not loopback, or `silence_s` is out of range.
    """

    def __init__(
        self,
        robot: Robot,
        address: str = "127.0.0.1:6001",
        silence_s: float = SILENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        why = "GELLO's protocol has no authentication and is made of pickles"
        self.host, self.port = require_loopback(address, why)
        if not 0 < silence_s < np.inf:
            raise AddressRefused(f"silence_s={silence_s}: must be a positive number of seconds")
        self.robot, self.silence_s = robot, silence_s
        self._rearmable = robot.capability(Rearmable)
        self.refused = 0
        self._executor = Executor(robot)
        self._clock, self._due = clock, clock()
        self._commander: bytes | None = None
        self._last_command: float | None = None
        self._newest: _Command | None = None  # of the session; None = none has begun
        self._first: deque[_Command] = deque()  # commands that wait for the tick that may begin a session
        self._rearm, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._methods: dict[str, Callable[[], Reply]] = {
            "num_dofs": lambda: robot.spec.n_joints + 1,
            "get_joint_state": self._joint_state,
            "get_observations": self._observations,
        }

    def start(self) -> GelloServer:
        """Bind, and serve from a thread. Raises AddressRefused where the address is in use."""
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
        """Block until `close`, in slices, so that Ctrl-C interrupts it."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.2)

    def rearm(self) -> None:
        """Accept commands again, from the first client that sends one; it must lie near the arm's posture.

        Raises:
            ArmLatched: the robot has no `rearm`.
        """
        if self._rearmable is None:
            raise ArmLatched(f"{self.robot.spec.name} has no rearm; restart it and this server")
        self._rearm.set()

    def close(self) -> None:
        """Stop the arm if it was commanded, and free the address. Idempotent."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> GelloServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _loop(self, context: Context, socket: zmq.Socket[bytes]) -> None:
        try:
            while not self._closed.is_set():
                if self._rearm.is_set():
                    self._rearm.clear()
                    self._rearm_robot()
                waiting = socket.poll(self._wait_ms())
                self._check_silence()  # before the message that waits: a late command is late
                if waiting:
                    self._serve(socket)
                self._tick(socket)
        except Exception:
            log.exception("the GELLO server failed")
        finally:
            if self._last_command is not None:
                self.robot.stop("the GELLO server has ended")
            context.destroy(0)

    def _serve(self, socket: zmq.Socket[bytes]) -> None:
        client, *frames = socket.recv_multipart()
        if len(frames) != 2 or frames[0]:
            self.refused += 1  # not from a REQ socket, so nothing waits for an answer
            return
        try:
            reply = self._handle(client, frames[1])
        except Exception as error:
            self._answer(socket, client, error)
            return
        if not isinstance(reply, _Command):
            self._answer(socket, client, reply)
        elif self._newest is None:
            self._first.append(reply)
        else:
            self._newest, self._last_command = reply, self._clock()
            self._answer(socket, client, None)

    def _answer(self, socket: zmq.Socket[bytes], client: bytes, reply: Reply | Exception | None) -> None:
        """Answer `client`; an exception becomes GELLO's error."""
        if isinstance(reply, Exception):
            self.refused += 1
            log.info("request failed: %s: %s", type(reply).__name__, reply)
            message = write({"error": error_text(reply)})
        else:
            message = write(reply)
        try:
            socket.send_multipart([client, b"", message])
        except zmq.ZMQError as error:
            log.info("answer not sent: %s", error)

    def _wait_ms(self) -> int:
        """[ms] to wait for a message, at most to the next tick."""
        if self._newest is None and not self._first:
            return POLL_MS
        return min(POLL_MS, max(0, int(1e3 * (self._due - self._clock()))))

    def _tick(self, socket: zmq.Socket[bytes]) -> None:
        """Send the newest command where a tick is due; a late tick is not made up for."""
        now, dt = self._clock(), self.robot.spec.dt
        if (self._newest is None and not self._first) or not now >= self._due:
            return
        self._due = self._due + dt if now < self._due + dt else now + dt
        if self._newest is not None:
            try:
                self._executor.send(self._newest.q, self._newest.opening)
            except RobotError as error:
                log.warning("%s: %s", type(error).__name__, error)
                self._newest = None  # the next command is answered by its tick, with the reason
            return
        first = self._first.popleft()
        try:
            self._check_commander(first.client)
            self._executor.send(first.q, first.opening)
        except Exception as error:  # whatever it is, a client waits for the answer
            self._answer(socket, first.client, error)
            return
        self._newest, self._commander, self._last_command = first, first.client, now
        self._answer(socket, first.client, None)
        while self._first:
            other = self._first.popleft()
            self._answer(socket, other.client, self._taken())

    def _handle(self, client: bytes, body: bytes) -> Reply | _Command:
        request = read(body)
        if not isinstance(request, dict):
            raise MessageRefused("request is not a dict with a method")
        method, args = request.get("method"), request.get("args") or {}
        if method == "command_joint_state" and isinstance(args, dict) and list(args) == ["joint_state"]:
            self._check_commander(client)
            return self._command(client, args["joint_state"])
        if isinstance(method, str) and method in self._methods and not args:
            return self._methods[method]()
        known = [*self._methods, "command_joint_state(joint_state)"]
        raise MessageRefused(
            f"no method {str(method)[:40]!r} with these arguments; there are {', '.join(known)}"
        )

    def _command(self, client: bytes, joint_state: Value) -> _Command:
        before = None if self._newest is None else self._newest.q
        return _Command(client, *joint_command(self.robot.spec, joint_state, before))

    def _check_commander(self, client: bytes) -> None:
        if self._commander not in (None, client):
            raise self._taken()

    @staticmethod
    def _taken() -> ServerFull:
        return ServerFull("another GELLO client commands this arm; stop and re-arm the arm to release it")

    def _joint_state(self) -> Array:
        robot = self.robot.observe(()).robot
        return np.array([*robot.q, GRIPPER.value(robot.gripper)])

    def _observations(self) -> dict[str, Array]:
        robot = self.robot.observe(()).robot
        return {
            "joint_positions": np.array([*robot.q, GRIPPER.value(robot.gripper)]),
            "joint_velocities": np.array([*robot.dq, 0.0]),
            "ee_pos_quat": np.array([*robot.base_from_ee[:3, 3], *_quat_xyzw(robot.base_from_ee[:3, :3])]),
            "gripper_position": np.array(GRIPPER.value(robot.gripper)),
        }

    def _check_silence(self) -> None:
        if self._last_command is None:
            return
        silent = self._clock() - self._last_command
        if not silent <= self.silence_s:
            self._last_command = self._newest = None  # stops once
            reason = f"GELLO was silent for {1e3 * silent:.0f} ms, limit {1e3 * self.silence_s:.0f}"
            log.warning("%s: stopped; type rearm to continue", reason)
            self.robot.stop(reason)

    def _rearm_robot(self) -> None:
        if self._last_command is not None:  # in the middle of a motion: an arm is re-armed at rest
            self.robot.stop("re-armed")
        self._commander = self._last_command = self._newest = None
        assert self._rearmable is not None
        try:
            self._rearmable.rearm()
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
