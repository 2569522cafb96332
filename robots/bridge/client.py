"""BridgeClient: a `Robot` on another computer, used like a local one.

Every call ends in time: with an answer, with the exception of the refusal, or with `LinkDead`, which says how
long ago anything was received. Nothing is cached: `observe` returns what was measured after the call.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import zmq

from robots import joints
from robots.bridge import frames, sockets
from robots.bridge.connection import Connection, FrameFactory
from robots.bridge.errors import BadFrame, NoSuchCamera
from robots.bridge.heartbeat import Heartbeat
from robots.bridge.keys import SecretKey
from robots.bridge.pictures import Codec, from_frame
from robots.bridge.spec_frame import unpack_spec
from robots.bridge.stream import CommandStream
from robots.bridge.wire import decode_picture
from robots.errors import ArmMoving, CommandNotFinite, CommandShape, LeaseMissing, LinkDead
from robots.motion.kinematics import fk
from robots.robot import LINK_TIMEOUT, Closable, HasCameras, Leased, Rearmable, Remote, Robot
from robots.text import escaped
from robots.types import Array, CameraFrame, JointCommand, Observation, RobotState

ENABLING = 5.0  # [s] timeout of enabling an arm
SETTLE = 3.0  # [s] longest deceleration
CLOCK_DRIFT = 1e-4  # largest relative rate of two computers' clocks
HELLO_RETRY = 0.5  # [s] after which `hello` is sent again
RELEASE_TIMEOUT = 0.5  # [s] for the release in `close` when the server does not answer
log = logging.getLogger(__name__)


class BridgeClient(Robot, Rearmable, HasCameras, Closable, Leased, Remote):
    """Connects to a server and reads its arm; commands are accepted after `rearm`.

    Args:
        address: of the server's command socket, `tcp://HOST:PORT`, IPv6 in brackets.
        key: of this client; the server's allow-list must contain it.
        server_public: the server's public key (Z85), which authenticates the server.
        name: of this client in logs.
        human: whether an operator commands: `rearm` then takes the lease over from a policy.
        timeout: [s] for any answer; ten times as long for pictures.
        patience: [s] for connecting.
        codec: decodes JPEG pictures; None = pictures travel raw and exact.
        paced: whether `command` returns at the tick that sends its target (see `Robot`); False = at once.

    Raises:
        LinkDead: no answer, or the server does not accept the key (CURVE does not distinguish the two).
    """

    def __init__(
        self,
        address: str,
        key: SecretKey,
        server_public: str,
        name: str = "palme",
        human: bool = False,
        timeout: float = 0.5,
        patience: float = 2.0,
        codec: Codec | None = None,
        paced: bool = True,
    ) -> None:
        self.timeout, self.patience, self.human, self.paced = timeout, patience, human, paced
        # Of the last acknowledgement: its arrival on our clock, its time on the server's clock, its `wait_s`.
        self._last = 0.0, 0.0, 0.0
        self._clock_offset = 0.0, np.inf  # see `wait_s`
        self._name, self._codec, self._token = name, codec, 0
        self._host, port = sockets.parse(address)
        self._connection = Connection(address, key, server_public, timeout)
        self._ask = self._connection.ask
        self._states = self._connection.client_socket(zmq.SUB, frames.MAX_COMMAND)
        self._pictures = self._connection.client_socket(zmq.DEALER, frames.MAX_PICTURE)
        self._heartbeat: Heartbeat | None = None
        try:
            sockets.connect(self._connection.commands, self._host, port)
            self._connect_rest(self._hello())
        except BaseException:
            self.close()
            raise

    # -- Robot --------------------------------------------------------------------------------

    def observe(self, cameras: Sequence[str] | None = None) -> Observation:
        """State and pictures, measured after this call.

        Args:
            cameras: names of the cameras; None = all, () = state only.

        Raises:
            NoSuchCamera: a name is not one of `cameras`.
            LinkDead: no answer in time.
            RobotError: reported by the arm or a camera.
        """
        names = self.cameras if cameras is None else tuple(cameras)
        for name in names:
            if name not in self.cameras:
                raise NoSuchCamera(f"no camera {name!r}; there are {list(self.cameras)}")
        images = {name: self.picture(name) for name in names}
        state = self.read()
        return Observation(images, self._robot_state(state), state.t_mono)

    def command(self, command: JointCommand) -> JointCommand:
        """Send one target through the server's gate and wait for its tick. Returns the command really sent.

        Raises:
            CommandRejected: one of its named kinds.
            LinkDead: no answer in time.
            SessionLost: the server restarted.
        """
        q, frame = self.frame_of(command)
        ack = self._ask(frame, frames.Ack)
        self._last = self._connection.arrived, ack.t_mono, ack.wait_s
        if self.paced and 0 < (wait := self.wait_s) <= 2 * self.spec.dt:
            time.sleep(wait)
        return self.sent_from(ack, q)

    @property
    def wait_s(self) -> float:
        """[s] from the arrival of the last acknowledgement to its tick.

        The acknowledgement with the shortest delay gives the best estimate of the offset between the two
        clocks. The extra delay of the last one, with an allowance for clock drift, is subtracted.
        """
        (came, given, wait), (before, least) = self._last, self._clock_offset
        apart = came - given
        least = min(least + CLOCK_DRIFT * (came - before), apart)
        if apart - least > self.timeout:  # more than the timeout: a clock stopped in suspend
            least = apart
        self._clock_offset = came, least
        return max(wait - (apart - least), 0.0)

    def stream(self, depth: int = 3) -> CommandStream:
        """Commands sent ahead of their ticks, at most `depth` pending: `with client.stream() as stream`."""
        return CommandStream(self, self._connection, depth)

    def stop(self, reason: str) -> None:
        """Decelerate within the limits and hold; latched until `rearm`. Returns when the arm is at rest."""
        self._ask(lambda i: frames.Stop(i, self.session, escaped(reason)[:900]), frames.Done)
        limit = time.monotonic() + SETTLE
        while not self.read().at_rest:
            if not time.monotonic() < limit:
                raise LinkDead(f"the arm received the stop but is not at rest after {SETTLE} s")
            time.sleep(0.005)
        time.sleep(0.0 if not self.realtime else self.spec.dt)

    # -- the lease ----------------------------------------------------------------------------

    def rearm(self) -> None:
        """Accept commands of this client; the first target must be near the measured joints.

        Acquires the lease if this client does not hold it. An arm that must be enabled is enabled first,
        which may take `ENABLING` [s].

        Raises:
            LeaseHeld: another client holds the lease.
            RoleNotAllowed: the key's role does not permit it.
            FaultStands: a fault has not been cleared.
            DriverError: the arm cannot be enabled.
        """
        limit = time.monotonic() + SETTLE
        while True:
            try:
                if not self._token:
                    self.acquire()
                self._ask(lambda i: frames.Rearm(i, self.session, self._token), frames.Done, ENABLING)
                self.heartbeat.receive(self.read())  # no state arrived while the arm was being enabled
                return
            except LeaseMissing:
                if self.read().holder or not time.monotonic() < limit:
                    raise
                self._token = 0  # another client took over and released it
            except ArmMoving:
                if not time.monotonic() < limit:
                    raise
                time.sleep(0.01)

    def acquire(self) -> None:
        """Acquire or renew the lease: sequence numbers restart and the arm is disarmed."""
        granted = self._ask(
            lambda i: frames.Acquire(i, self.session, self.human, self._token), frames.Granted
        )
        self._token = granted.token
        self.heartbeat.set_lease(self._token)

    def release(self, timeout: float | None = None) -> None:
        """Release the lease, so that another client may acquire it. `timeout`: [s], None = the default."""
        self.heartbeat.set_lease(0)  # first: a heartbeat behind the release would be one of no lease
        try:
            self._ask(lambda i: frames.Release(i, self.session, self._token), frames.Done, timeout)
        except BaseException:
            self.heartbeat.set_lease(self._token)
            raise
        self._token = 0

    def clear_fault(self) -> None:
        """Confirm that the cause of a fault is fixed; the arm stays latched until `rearm`."""
        self._ask(lambda i: frames.ClearFault(i, self.session, self._token), frames.Done)

    def reconnect(self) -> None:
        """After a server restart: join its new session. The arm is disarmed and the lease is lost."""
        self._token = 0
        self._connect_rest(self._hello())

    def close(self) -> None:
        """Release the lease if the server answers, abort calls of other threads, and close. Idempotent."""
        if self._connection.context.closed:
            return
        if self._token and self._heartbeat is not None:
            try:
                self.release(None if self.age() < LINK_TIMEOUT else min(self.timeout, RELEASE_TIMEOUT))
            except Exception:
                pass  # the server's watchdog stops the arm
        self._connection.abort()
        threads = [] if self._heartbeat is None else [self._heartbeat.stop()]
        if self._connection.wait_unused(sockets.CLOSE_TIMEOUT):
            sockets.end(self._connection.context, threads)
        else:
            log.error("a call did not end within %g s; the sockets stay open", sockets.CLOSE_TIMEOUT)

    def abort_if_lost(self) -> bool:
        """Abort pending and later calls with LinkDead if nothing was received for `LINK_TIMEOUT`.

        For shutdown only, before `close`. Returns whether it did.
        """
        if self.age() < LINK_TIMEOUT:
            return False
        self._connection.abort()
        return True

    def __enter__(self) -> BridgeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- more than a Robot has ----------------------------------------------------------------

    def read(self) -> frames.State:
        """The state frame: measured state, holder of the lease, and why the arm is latched."""
        return self._ask(lambda i: frames.Read(i, self.session), frames.State)

    def counts(self) -> dict[str, int]:
        """Event counts of the server since its start, by name."""
        return dict(self._ask(lambda i: frames.Tell(i, self.session), frames.Counts).counts)

    def picture(self, camera: str) -> CameraFrame:
        """One picture, captured after this call. Only one thread may call it; another may send commands."""
        frame = self._connection.exchange(
            self._pictures,
            lambda i: frames.Look(i, self.session, camera, self._codec is not None),
            frames.Picture,
            decode_picture,
            10 * self.timeout,
        )
        return from_frame(frame, self._codec)

    @property
    def heartbeat(self) -> Heartbeat:
        """The thread that receives states and keeps the lease."""
        if self._heartbeat is None:
            raise LinkDead("not connected")
        return self._heartbeat

    def age(self) -> float:
        """[s] since anything was received from the server, by this computer's monotonic clock."""
        return self._connection.age()

    def extra_socket(self, kind: int, port: int) -> Any:
        """One more socket to the same host with the same keys; closed with this client."""
        socket = self._connection.client_socket(kind, frames.MAX_COMMAND)
        sockets.connect(socket, self._host, port)
        return socket

    def exchange(self, socket: Any, make: FrameFactory, kind: type[Any], decode: Any, timeout: float) -> Any:
        """See `Connection.exchange`. `socket` is from `extra_socket`; the wait ends if `read` fails."""
        return self._connection.exchange(socket, make, kind, decode, timeout, self.read)

    def frame_of(self, command: JointCommand) -> tuple[Array, FrameFactory]:
        """The target of `command` (n_joints,) in [rad], and a function that makes its frame.

        Raises:
            CommandShape: the target is not an array of `n_joints` numbers.
            CommandNotFinite: the gripper opening is not a number.
        """
        try:
            q = np.array(command.q_target, np.float64)
            target = tuple(q.tolist())
            seq, stamp = int(command.seq), float(command.t_mono)
        except (TypeError, ValueError):
            raise CommandShape(
                f"command seq {command.seq}: {command.q_target!r} is not made of {self.spec.n_joints} numbers"
            ) from None
        if q.ndim != 1:
            raise CommandShape(
                f"command seq {seq}: shape {q.shape}, expected ({self.spec.n_joints},) for {self.spec.name}"
            )
        try:
            gripper = float(command.gripper)
        except (TypeError, ValueError):
            raise CommandNotFinite(
                f"command seq {seq}: gripper {command.gripper!r} is not a number"
            ) from None
        session, token, heartbeat = self.session, self._token, self.heartbeat
        return q, lambda id: frames.Command(
            id, session, token, seq, target, gripper, stamp, heartbeat.state_time()
        )

    def sent_from(self, ack: frames.Ack, asked: Array) -> JointCommand:
        """The command that will be sent according to `ack` for the target `asked`."""
        sent = asked
        if ack.q_target is not None:
            sent = _vector(ack.q_target, self._n)
            if text := joints.outside(self.spec, sent, f"acknowledged target of command seq {ack.seq}"):
                raise BadFrame(text)
        return JointCommand(sent, ack.gripper, ack.seq, ack.t_mono)

    # -- inside -------------------------------------------------------------------------------

    def _hello(self) -> frames.Welcome:
        """The server's `Welcome`. Repeated until answered: a repeated `hello` has no effect."""
        limit = time.monotonic() + self.patience
        while True:
            left = limit - time.monotonic()
            try:
                return self._ask(
                    lambda i: frames.Hello(i, frames.VERSION, self._name),
                    frames.Welcome,
                    max(min(left, HELLO_RETRY), 1e-3),
                )
            except LinkDead:
                if left <= HELLO_RETRY:
                    raise self._connection.dead(self.patience) from None

    def _connect_rest(self, welcome: frames.Welcome) -> None:
        self.session, self.realtime, self.role = welcome.session, welcome.realtime, welcome.role
        self.spec = unpack_spec(welcome.spec)
        self._clock_offset = 0.0, np.inf  # its clock restarted
        self._n = self.spec.n_joints
        self.cameras: tuple[str, ...] = welcome.cameras
        if self._heartbeat is None:
            self._states.setsockopt(zmq.SUBSCRIBE, b"")
            sockets.connect(self._states, self._host, welcome.state_port)
            sockets.connect(self._pictures, self._host, welcome.picture_port)
            self._heartbeat = Heartbeat(self._states, self._connection)
        self._heartbeat.begin(self.session)
        if self._heartbeat.state_time() < 0:
            self._heartbeat.receive(self.read())

    def _robot_state(self, state: frames.State) -> RobotState:
        n = self.spec.n_joints
        q, dq = _vector(state.q, n), _vector(state.dq, n)
        if not (np.isfinite(q).all() and np.isfinite(dq).all() and np.isfinite(state.gripper)):
            raise BadFrame("a state that is not finite")
        if text := joints.outside(self.spec, q, "state", joints.WILD):
            raise BadFrame(text)
        if not 0.0 <= state.gripper <= 1.0:
            raise BadFrame(f"a state whose gripper is {state.gripper:g}, not an opening in [0, 1]")
        return RobotState(q, dq, state.gripper, fk(self.spec, q))


def _vector(numbers: tuple[float, ...], n: int) -> Array:
    if len(numbers) != n:
        raise BadFrame(f"{len(numbers)} numbers, expected {n}")
    return np.array(numbers)
