"""BridgeClient: a `Robot` at the other end of a connection, used like one in this process.

Every call ends in time: with an answer, with the refusal's own exception, or with `LinkDead`, which says
for how long nothing was received. Nothing is cached: what `observe` returns was measured after the call.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import zmq

from robots.bridge import frames, sockets
from robots.bridge.connection import Connection, Make
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
from robots.types import Array, CameraFrame, JointCommand, Observation, RobotState

ENABLING = 5.0  # [s] that an arm may take to be enabled
SETTLE = 3.0  # [s] the longest deceleration that is waited for
DRIFT = 1e-4  # that two computers' clocks may go apart, a second
GREET_AGAIN = 0.5  # [s] after which a greeting counts as lost
LAST_TRY = 0.5  # [s] that it then waits for the lease to be given back
log = logging.getLogger(__name__)


class BridgeClient(Robot, Rearmable, HasCameras, Closable, Leased, Remote):
    """Connects, and looks; it commands after `rearm`.

    Args:
        address: of the server's commands, `tcp://HOST:PORT`.
        key: this client's own, which the server must have allowed.
        server_public: the server's key (Z85), so that no other can stand in for it.
        name: what a log should call this client.
        human: whether a person commands: `rearm` then takes the lease over from a policy.
        timeout: [s] any answer may take; pictures ten times as long.
        patience: [s] connecting may take.
        codec: reads JPEGs; None = pictures travel raw, exact to the bit.
        paced: whether `command` returns at the tick its target goes out, as `Robot` says; False = at once.

    Raises:
        LinkDead: no answer, or the server does not know the key (CURVE does not distinguish the two).
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
        # Of the last acknowledgement: when it came by our clock, was given by the server's, and its `wait_s`.
        self._last = 0.0, 0.0, 0.0
        self._quickest = 0.0, np.inf  # see `wait_s`
        self._name, self._codec, self._token = name, codec, 0
        self._host, _ = sockets.parse(address)
        self._link = Connection(address, key, server_public, timeout)
        self._ask = self._link.ask
        self._states = self._link.calling(zmq.SUB, frames.MAX_COMMAND)
        self._pictures = self._link.calling(zmq.DEALER, frames.MAX_PICTURE)
        self._pulse: Heartbeat | None = None
        try:
            self._link.commands.connect(address)
            self._connect_rest(self._hello())
        except BaseException:
            self.close()
            raise

    # -- Robot --------------------------------------------------------------------------------

    def observe(self, cameras: Sequence[str] | None = None) -> Observation:
        """State and pictures now. `cameras`: names to look through; None = all, () = state only.

        Raises NoSuchCamera, LinkDead, or what the arm or a camera reports.
        """
        names = self.cameras if cameras is None else tuple(cameras)
        for name in names:
            if name not in self.cameras:
                raise NoSuchCamera(f"no camera {name!r}; there are {list(self.cameras)}")
        images = {name: self.picture(name) for name in names}
        state = self.read()
        return Observation(images, self._robot_state(state), state.t_mono)

    def command(self, command: JointCommand) -> JointCommand:
        """Send one target through the gate on the other side and wait for its tick; returns what is sent.

        Raises CommandRejected (one of its named kinds), LinkDead, SessionLost.
        """
        q, frame = self.frame_of(command)
        ack = self._ask(frame, frames.Ack)
        self._last = self._link.arrived, ack.t_mono, ack.wait_s
        if self.paced and 0 < (wait := self.wait_s) <= 2 * self.spec.dt:
            time.sleep(wait)
        return self.sent_by(ack, q)

    @property
    def wait_s(self) -> float:
        """[s] from when the last acknowledgement came to its tick.

        One that was longer on its way than the quickest, which brought the two clocks closest, has used up
        some of it; their drift is allowed for.
        """
        (came, given, wait), (before, least) = self._last, self._quickest
        apart = came - given
        least = min(least + DRIFT * (came - before), apart)
        if apart - least > self.timeout:  # no answer is so late: a computer has slept, and its clock with it
            least = apart
        self._quickest = came, least
        return max(wait - (apart - least), 0.0)

    def stream(self, depth: int = 3) -> CommandStream:
        """Commands sent ahead of their ticks, `depth` under way at most: `with client.stream() as stream`."""
        return CommandStream(self, self._link, depth)

    def stop(self, reason: str) -> None:
        """Decelerate within limits and hold; latched until `rearm`. Returns when the arm is at rest."""
        self._ask(lambda i: frames.Stop(i, self.session, reason[:900]), frames.Done)
        limit = time.monotonic() + SETTLE
        while not self.read().at_rest:
            if not time.monotonic() < limit:
                raise LinkDead(f"the arm received the stop and is not at rest after {SETTLE} s")
            time.sleep(0.005)
        time.sleep(0.0 if not self.realtime else self.spec.dt)

    # -- the lease ----------------------------------------------------------------------------

    def rearm(self) -> None:
        """Have the arm listen to this client; the first target must lie near where it is.

        Asks for the lease where it is not held, or was taken over. An arm that must be enabled is so first,
        which may take `ENABLING`. Raises LeaseHeld, RoleNotAllowed, FaultStands, DriverError.
        """
        limit = time.monotonic() + SETTLE
        while True:
            try:
                if not self._token:
                    self.acquire()
                self._ask(lambda i: frames.Rearm(i, self.session, self._token), frames.Done, ENABLING)
                self.pulse.hear(self.read())  # no state came while it was enabled
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
        """Acquire the lease, or renew it: command numbers then start again. The arm is disarmed."""
        granted = self._ask(
            lambda i: frames.Acquire(i, self.session, self.human, self._token), frames.Granted
        )
        self._token = granted.token
        self.pulse.lease(self._token)

    def release(self, timeout: float | None = None) -> None:
        """Release the lease, so that another client may acquire it. `timeout`: [s], None = the usual one."""
        self._ask(lambda i: frames.Release(i, self.session, self._token), frames.Done, timeout)
        self._token = 0
        self.pulse.lease(0)

    def clear_fault(self) -> None:
        """Confirm that the cause of a fault is fixed; the arm stays latched until `rearm`."""
        self._ask(lambda i: frames.ClearFault(i, self.session, self._token), frames.Done)

    def reconnect(self) -> None:
        """After a restart of the server: adopt its session. The arm is disarmed, the lease is gone."""
        self._token = 0
        self._connect_rest(self._hello())

    def close(self) -> None:
        """Release the lease where the server answers, abort calls of other threads, and close. Idempotent."""
        if self._link.context.closed:
            return
        if self._token and self._pulse is not None:
            try:
                self.release(None if self.age() < LINK_TIMEOUT else min(self.timeout, LAST_TRY))
            except Exception:
                pass  # the watchdog sees to it
        self._link.abort()
        threads = [] if self._pulse is None else [self._pulse.end()]
        if self._link.left(sockets.ENDING):
            sockets.end(self._link.context, threads)
        else:
            log.error("a call did not end within %g s; the sockets stay open", sockets.ENDING)

    def give_up(self) -> bool:
        """End calls under way, and later ones, with LinkDead where nothing was received for `LINK_TIMEOUT`.

        For shutdown only; `close` comes after it. Returns whether it did.
        """
        if self.age() < LINK_TIMEOUT:
            return False
        self._link.abort()
        return True

    def __enter__(self) -> BridgeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- more than a Robot has ----------------------------------------------------------------

    def read(self) -> frames.State:
        """The state frame: what `observe(())` is made of, and who commands and why the arm is latched."""
        return self._ask(lambda i: frames.Read(i, self.session), frames.State)

    def counts(self) -> dict[str, int]:
        """What happened at the server since it began, by name."""
        return dict(self._ask(lambda i: frames.Tell(i, self.session), frames.Counts).counts)

    def picture(self, camera: str) -> CameraFrame:
        """One picture, taken after this call. From one thread at a time; commands may go on in another."""
        frame = self._link.exchange(
            self._pictures,
            lambda i: frames.Look(i, self.session, camera, self._codec is not None),
            frames.Picture,
            decode_picture,
            10 * self.timeout,
        )
        return from_frame(frame, self._codec)

    @property
    def pulse(self) -> Heartbeat:
        """The thread that listens to states and keeps the lease alive."""
        if self._pulse is None:
            raise LinkDead("not connected")
        return self._pulse

    def age(self) -> float:
        """[s] since anything was received from the server, by this computer's monotonic clock."""
        return self._link.age()

    def another(self, kind: int, port: int) -> Any:
        """One more socket to the same host, with the same keys; closed with this client."""
        socket = self._link.calling(kind, frames.MAX_COMMAND)
        socket.connect(f"tcp://{self._host}:{port}")
        return socket

    def exchange(self, socket: Any, make: Make, kind: type[Any], decode: Any, timeout: float) -> Any:
        """See `Connection.exchange`; `socket` is one of `another`. A wait ends where `read` has none."""
        return self._link.exchange(socket, make, kind, decode, timeout, self.read)

    def frame_of(self, command: JointCommand) -> tuple[Array, Make]:
        """What `command` asks of the joints, and its frame.

        Raises CommandShape, CommandNotFinite for what cannot travel.
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
        session, token, pulse = self.session, self._token, self.pulse
        return q, lambda id: frames.Command(id, session, token, seq, target, gripper, stamp, pulse.heard())

    def sent_by(self, ack: frames.Ack, asked: Array) -> JointCommand:
        """What the acknowledgement of the target `asked` says will be sent."""
        sent = asked if ack.q_target is None else _vector(ack.q_target, self._n)
        return JointCommand(sent, ack.gripper, ack.seq, ack.t_mono)

    # -- inside -------------------------------------------------------------------------------

    def _hello(self) -> frames.Welcome:
        """Asked again until it is answered: a greeting may be lost, and moves nothing twice."""
        limit = time.monotonic() + self.patience
        while True:
            left = limit - time.monotonic()
            try:
                return self._ask(
                    lambda i: frames.Hello(i, frames.VERSION, self._name),
                    frames.Welcome,
                    max(min(left, GREET_AGAIN), 1e-3),
                )
            except LinkDead:
                if left <= GREET_AGAIN:
                    raise self._link.dead(self.patience) from None

    def _connect_rest(self, welcome: frames.Welcome) -> None:
        self.session, self.realtime, self.role = welcome.session, welcome.realtime, welcome.role
        self.spec = unpack_spec(welcome.spec)
        self._quickest = 0.0, np.inf  # its clock restarted
        self._n = self.spec.n_joints
        self.cameras: tuple[str, ...] = welcome.cameras
        if self._pulse is None:
            self._states.setsockopt(zmq.SUBSCRIBE, b"")
            self._states.connect(f"tcp://{self._host}:{welcome.state_port}")
            self._pictures.connect(f"tcp://{self._host}:{welcome.picture_port}")
            self._pulse = Heartbeat(self._states, self._link)
        self._pulse.begin(self.session)
        if self._pulse.heard() < 0:
            self._pulse.hear(self.read())

    def _robot_state(self, state: frames.State) -> RobotState:
        n = self.spec.n_joints
        q, dq = _vector(state.q, n), _vector(state.dq, n)
        if not (np.isfinite(q).all() and np.isfinite(dq).all() and np.isfinite(state.gripper)):
            raise BadFrame("a state that is not finite")
        return RobotState(q, dq, state.gripper, fk(self.spec, q))


def _vector(numbers: tuple[float, ...], n: int) -> Array:
    if len(numbers) != n:
        raise BadFrame(f"{len(numbers)} numbers, expected {n}")
    return np.array(numbers)
