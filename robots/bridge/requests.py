"""Requests: carries out each frame and makes its answer. No sockets, no threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from robots import joints
from robots.bridge import frames
from robots.bridge.control import Controller, Snapshot
from robots.bridge.errors import WrongVersion
from robots.bridge.keys import AllowedKey
from robots.bridge.spec_frame import pack_spec
from robots.errors import CommandOutside, CommandRejected, DriverError, RobotError
from robots.gripper import NETWORK
from robots.types import JointCommand

OPENING = (-NETWORK, 1.0 + NETWORK)  # of a requested opening; the gate clamps it to [0, 1]
MAX_AGE = 0.25  # [s] largest age of a state that is reported as current


class Requests:
    """Answers the requests to one arm.

    Args:
        control: of the arm.
        ports: of the state and picture sockets.
        refusal: counts an error and makes its frame; see `BridgeServer.refusal`.
        counts: event counts by name.
        later: sends an answer to a route, from any thread.
    """

    def __init__(
        self,
        control: Controller,
        ports: tuple[int, int],
        refusal: Callable[[int | None, RobotError], frames.Refused],
        counts: Callable[[], dict[str, int]],
        later: Callable[[bytes, msgspec.Struct], None],
    ) -> None:
        self._later = later
        self._control, self._ports, self._refusal, self._counts = control, ports, refusal, counts
        self._spec = pack_spec(control.spec)
        spec = control.spec
        self._bounds = list(
            zip((spec.q_min - joints.WILD).tolist(), (spec.q_max + joints.WILD).tolist(), strict=True)
        )

    def answer(self, key: AllowedKey, frame: Any, route: bytes) -> msgspec.Struct | None:
        """The answer to `frame` of `key`; None if there is none, or if `later` sends it.

        Raises:
            RobotError: the request is refused.
        """
        control = self._control
        match frame:
            case frames.Command():
                return self._command(key, frame, route)
            case frames.Beat():
                try:
                    control.beat(key, frame.session, frame.token, frame.n, frame.heard)
                except RobotError as error:
                    self._refusal(0, error)  # counted, and not answered
                return None
            case frames.Hello():
                return self._welcome(key, frame)
        control.lease.check_session(frame.session)
        match frame:
            case frames.Read():
                return self._fresh(frame.id)
            case frames.Acquire():
                return frames.Granted(frame.id, control.acquire(key, frame.session, frame.human, frame.token))
            case frames.Stop():
                control.stop(f"{frame.reason} (by {key.name})")
            case frames.Rearm():
                control.rearm(key, frame.session, frame.token)
            case frames.ClearFault():
                control.clear_fault(key, frame.session, frame.token)
            case frames.Release():
                control.release(key, frame.session, frame.token)
            case frames.Tell():
                counts = list(self._counts().items())[:200]
                return frames.Counts(frame.id, {name[:64]: n for name, n in counts})
        return frames.Done(frame.id)

    def state(self, id: int, snapshot: Snapshot) -> frames.State:
        """`snapshot` as a frame; id 0 in the stream."""
        state, control, lease = snapshot.state, self._control, self._control.lease
        return frames.State(
            id, lease.session, snapshot.tick, snapshot.t, control.now(),
            tuple(state.q.tolist()), tuple(state.dq.tolist()), float(state.gripper),
            control.commands.at_rest, (lease.latched or "")[:1000], lease.holder_name, snapshot.arm_time,
        )  # fmt: skip

    def _check(self, frame: frames.Command) -> None:
        """Refuse a target or an opening in another unit; what is not finite is left to the gate.

        Plain comparisons: this runs for every command.

        Raises:
            CommandOutside: far outside the arm's limits.
        """
        for value, (low, high) in zip(frame.q_target, self._bounds, strict=False):
            if not low <= value <= high and all(map(math.isfinite, frame.q_target)):
                if len(frame.q_target) == len(self._bounds):
                    spec, what = self._control.spec, f"target of command seq {frame.seq}"
                    text = joints.outside(spec, np.array(frame.q_target), what, joints.WILD)
                    raise CommandOutside(f"{text}; refused, arm holding")
                break
        if (frame.gripper < OPENING[0] or frame.gripper > OPENING[1]) and math.isfinite(frame.gripper):
            raise CommandOutside(
                f"gripper: command seq {frame.seq} asks for {frame.gripper:g}, not an opening in [0, 1]; "
                "refused, arm holding"
            )

    def _command(self, key: AllowedKey, frame: frames.Command, route: bytes) -> frames.Ack | None:
        self._check(frame)
        done = self._control.submit(
            key, frame.session, frame.token, frame, frame.heard, lambda sent: self._answer(route, frame, sent)
        )
        return None if done is None else _ack(frame, *done)

    def _answer(self, route: bytes, frame: frames.Command, sent: JointCommand | CommandRejected) -> None:
        if isinstance(sent, CommandRejected):
            self._later(route, self._refusal(frame.id, sent))
        else:
            self._later(route, _ack(frame, sent, 0.0))

    def _welcome(self, key: AllowedKey, frame: frames.Hello) -> frames.Welcome:
        if frame.version != frames.VERSION:
            raise WrongVersion(f"{key.name} speaks version {frame.version}, this server {frames.VERSION}")
        control = self._control
        return frames.Welcome(
            frame.id, frames.VERSION, control.lease.session, key.role, control.realtime, *self._ports,
            tuple(control.driver.camera_names), self._spec,
        )  # fmt: skip

    def _fresh(self, id: int) -> frames.State:
        """The current state. In lock-step it does not age between ticks; otherwise an old one is refused."""
        control, snapshot = self._control, self._control.snapshot
        age = control.now() - snapshot.t
        if control.realtime and not age <= MAX_AGE:
            raise DriverError(
                f"{control.spec.name}: the arm was last read {age:.2f} s ago; "
                f"{control.lease.latched or 'check its connection'}"
            )
        return self.state(id, snapshot)


def _ack(asked: frames.Command, sent: JointCommand, wait: float) -> frames.Ack:
    q = None if sent.q_target is asked.q_target else tuple(sent.q_target.tolist())
    return frames.Ack(asked.id, sent.seq, q, sent.gripper, sent.t_mono, wait)
