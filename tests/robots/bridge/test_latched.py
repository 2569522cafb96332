"""What stopped an arm is said until `rearm`, whatever is requested in between; a following error too."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest

from robots.bridge.control import Controller
from robots.bridge.errors import FaultStands
from robots.bridge.keys import AllowedKey
from robots.bridge.lease import SILENCE
from robots.drivers.ideal import IdealArm
from robots.errors import ArmLatched, CommandRejected, FollowingError, RobotError
from robots.safety.gate import SafetyGate
from robots.types import JointCommand, RobotState
from tests.bridge_rig import Bench, bench, path, spec_at, until

ROBO, ANNA = AllowedKey("robo", "a" * 40, "policy"), AllowedKey("anna", "c" * 40, "human")


class MovedArm(IdealArm):
    """Obeys at once, but is measured `off` [rad] away, or where it was when `stuck` was set."""

    def __init__(self, *given, **more) -> None:
        super().__init__(*given, **more)
        self.off: float = 0.0
        self.stuck: np.ndarray | None = None

    def read(self) -> RobotState:
        state = super().read()
        q = state.q if self.stuck is None else self.stuck
        return RobotState(q + self.off, state.dq, state.gripper, state.base_from_ee)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A controller in real time that the test ticks, and requests to it as a client makes them."""

    def __init__(self) -> None:
        self.spec = spec_at(100.0)
        self.arm, self.clock = MovedArm(self.spec), Clock()
        self.control = Controller(self.arm, lambda: SafetyGate(self.spec), True, self.clock)
        self.lease = self.control.lease
        self.session, self.token, self.key, self.seq = self.lease.session, 0, ROBO, 0
        self.token = self.control.acquire(ROBO, self.session, False, 0)
        self.rearm()

    def rearm(self) -> None:
        self.control.rearm(self.key, self.session, self.token)

    def tick(self, n: int = 1) -> None:
        for _ in range(n):
            self.clock.now += self.spec.dt
            self.control.tick()

    def command(self, q: np.ndarray) -> None:
        self.seq += 1
        now = self.control.now()
        command = JointCommand(tuple(q.tolist()), 1.0, self.seq, 0.0)  # type: ignore[arg-type]
        self.control.submit(self.key, self.session, self.token, command, now, lambda sent: None)

    def drive(self, n: int = 10, step: float = 0.002) -> None:
        q = self.control.snapshot.state.q
        for k in range(n):
            self.command(q + step * k)
            self.tick()

    def beat(self, n: int) -> None:
        self.control.beat(self.key, self.session, self.token, n, self.control.now())


def silent(desk: Desk) -> str:
    desk.tick(round(2 * SILENCE * 100))
    return "silent"


def stopped(desk: Desk) -> str:
    desk.control.stop("a hand at the button (by anna)")
    return "a hand at the button"


def broken(desk: Desk) -> str:
    desk.arm.fails = "cable pulled"
    desk.tick()
    desk.arm.fails = None
    desk.tick()
    return "fault: DriverError: cable pulled"


def broken_while_silent(desk: Desk) -> str:
    silent(desk)
    return broken(desk)


def broken_before_anything(desk: Desk) -> str:
    desk.control.release(desk.key, desk.session, desk.token)
    desk.token = desk.control.acquire(desk.key, desk.session, False, 0)
    return broken(desk)


def displaced(desk: Desk) -> str:
    desk.arm.off = 0.6
    desk.tick(3)
    return "FollowingError"


CAUSES: tuple[Callable[[Desk], str], ...] = (
    silent, stopped, broken, broken_while_silent, broken_before_anything, displaced,
)  # fmt: skip


def acquire(desk: Desk) -> None:
    desk.token = desk.control.acquire(desk.key, desk.session, False, desk.token)


def release(desk: Desk) -> None:
    desk.control.release(desk.key, desk.session, desk.token)
    desk.token = desk.control.acquire(desk.key, desk.session, False, 0)


def take_over(desk: Desk) -> None:
    desk.key, desk.token = ANNA, desk.control.acquire(ANNA, desk.session, True, 0)


REQUESTS: dict[str, Callable[[Desk], object]] = {
    "acquire": acquire,
    "acquire twice": lambda desk: [acquire(desk), acquire(desk)],
    "release": release,
    "a person takes over": take_over,
    "a command": lambda desk: desk.command(desk.spec.q_home),
    "a beat": lambda desk: desk.beat(10_000),
    "a beat of another session": lambda desk: desk.control.beat(desk.key, "x", desk.token, 1, 0.0),
    "stop": lambda desk: desk.control.stop("another reason"),
    "release without the lease": lambda desk: desk.control.release(desk.key, desk.session, 1),
    "re-arm by a stranger": lambda desk: desk.control.rearm(ANNA, desk.session, 1),
    "a while": lambda desk: desk.tick(100),
}


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("cause", CAUSES)
def test_what_stopped_the_arm_is_said_until_it_is_rearmed(
    cause: Callable[[Desk], str], request_: str
) -> None:
    desk = Desk()
    desk.drive()
    text = cause(desk)
    latched = desk.lease.latched
    assert latched is not None and text in latched
    with suppress(RobotError):
        REQUESTS[request_](desk)
    assert desk.lease.latched == latched
    desk.arm.off = 0.0
    desk.tick(50)
    if desk.lease.faults:
        with pytest.raises(FaultStands, match="cable pulled"):
            desk.rearm()
        assert desk.lease.latched == latched
        desk.control.clear_fault(desk.key, desk.session, desk.token)
        assert desk.lease.latched is not None and latched in desk.lease.latched  # and that it was cleared
    desk.rearm()
    assert desk.lease.latched is None
    desk.drive(3)


def test_a_lease_without_a_fault_says_who_has_it() -> None:
    desk = Desk()
    desk.drive()
    take_over(desk)
    assert desk.lease.latched is not None and "anna has taken over" in desk.lease.latched
    release(desk)
    assert "anna has the lease" in desk.lease.latched


@pytest.mark.parametrize("realtime", [True, False])
@pytest.mark.parametrize("fault", ["stuck", "moved"])
def test_a_client_gets_the_following_error_by_name_and_everybody_sees_it(
    tmp_path, realtime: bool, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.bridge_rig.IdealArm", MovedArm)
    with bench(tmp_path, realtime=realtime) as made:
        assert isinstance(made.arm, MovedArm)
        client, viewer = made.armed(), made.client("viewer", "viewer")
        q = client.observe(()).robot.q
        for k in range(10):
            client.command(JointCommand(q + 0.002 * k, 1.0, k, 0.0))
        if fault == "stuck":
            made.arm.stuck = made.arm.read().q
        else:
            made.arm.off = 0.5
        with pytest.raises((FollowingError, ArmLatched), match="following error"):
            for k in range(10, 400):
                client.command(JointCommand(q + 0.01 * k * (np.arange(7) == 0), 1.0, k, 0.0))
        assert "FollowingError" in viewer.read().latched
        sent = path(made.arm)
        assert np.abs(sent[-1][0] - q[0]) < 0.7
        _requests_change_nothing(made, client, viewer)
        made.arm.stuck, made.arm.off = None, 0.0
        until(lambda: client.read().at_rest)
        client.rearm()
        assert viewer.read().latched == ""
        client.command(JointCommand(client.observe(()).robot.q, 1.0, 0, 0.0))


def _requests_change_nothing(made: Bench, client, viewer) -> None:
    said = viewer.read().latched
    client.acquire()
    assert viewer.read().latched == said
    client.release()
    client.acquire()
    assert viewer.read().latched == said
    with pytest.raises(CommandRejected, match="FollowingError"):
        client.command(JointCommand(made.arm.read().q, 1.0, 500, 0.0))


def test_an_arm_that_is_moved_while_its_commander_only_beats_is_latched() -> None:
    desk = Desk()
    desk.drive()
    for n in range(60):
        desk.beat(n + 1)
        desk.arm.off += 0.005
        desk.tick()
    assert desk.lease.latched is not None and "FollowingError" in desk.lease.latched
    assert desk.control.counts["following_error"] == 1
    with pytest.raises(ArmLatched, match="FollowingError"):
        desk.command(desk.spec.q_home)
