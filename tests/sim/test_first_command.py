"""Whatever moved or held the arm before, and however a client reaches it: its first command must be near it.

Every way to an arm, by every event that may come before a client's first command. The command is repeated,
since a refusal must not make the next one acceptable; then one that is near is accepted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robots.bridge import keys
from robots.bridge.client import BridgeClient
from robots.bridge.server import BridgeServer
from robots.drivers.base import Driver
from robots.drivers.ideal import IdealArm
from robots.drivers.lerobot import LeRobotDriver
from robots.errors import CommandJumps, CommandRejected, RobotError
from robots.executor import Executor
from robots.gello.server import GelloServer
from robots.robot import Robot
from robots.spec import ArmSpec
from robots.teleop.shared_robot import SharedArm
from robots.teleop.teleop_actions import Jog
from robots.types import Array, JointCommand
from sim.world.arm import SimulatedArm
from sim.world.driver import SimulatedDriver
from sim.world.scene import Scene
from sim.world.world import World
from tests.robots.test_drivers_lerobot import PlugIn
from tests.robots.test_gello import Client, Clock

EMPTY = Scene((), ())
PATIENCE = 20.0  # [s] for what takes milliseconds on an idle machine
AWAY = (0.16, -0.4, 1.2)  # [rad] by which a joint is off
NAN = float("nan")


class Line:
    """One way to an arm. `events` may come before a client's first command.

    Attributes:
        spec: of the arm.
    """

    spec: ArmSpec

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        raise NotImplementedError

    def measured(self) -> Array:
        """(n_joints,) of the arm itself, in [rad]."""
        raise NotImplementedError

    def ask(self, target: Array) -> str:
        """The client's next command; "" or the name of its refusal, of which the text says what to do."""
        raise NotImplementedError

    def events(self) -> dict[str, Callable[[], object]]:
        """Each leaves an arm that takes commands, and a client that has sent none in its session."""
        raise NotImplementedError

    def settle(self) -> None:
        """Wait until nothing moves any more."""

    def move(self) -> None:
        """Half a dozen commands away from where the arm is: a session in motion."""
        q = self.measured()
        for k in range(6):
            self.ask(q + 0.02 * k)


def refusal_of(send: Callable[[], object]) -> str:
    try:
        send()
    except RobotError as error:
        return f"{type(error).__name__}: {error}"
    return ""


class InProcess(Line):
    """`SimulatedArm`, with an `Executor` as the agent has it."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.world = World()
        stack.callback(self.world.close)
        self.world.load(EMPTY)
        self.arm: Any = SimulatedArm(self.world)
        self.spec = self.arm.spec
        self.robot: Robot = self.arm
        self.executor = Executor(self.robot)

    def measured(self) -> Array:
        return self.arm.q

    def ask(self, target: Array) -> str:
        return refusal_of(lambda: self.executor.send(target, 1.0))

    def events(self) -> dict[str, Callable[[], object]]:
        return {
            "a fresh start": lambda: None,
            "held": lambda: self.arm.hold(5),
            "held for long": lambda: self.arm.hold(60),
            "stopped and re-armed": lambda: [self.move(), self.arm.stop("a test"), self.arm.rearm()],
            "re-armed in motion": lambda: [self.move(), self.arm.rearm()],
            "re-armed and held": lambda: [self.move(), self.arm.rearm(), self.arm.hold(5)],
            "a command that is not finite": lambda: self.ask(self.spec.q_home * NAN),
            "another table": lambda: [
                self.move(),
                self.world.load(EMPTY),
                self.arm.hold(3),
                setattr(self, "executor", Executor(self.robot)),
            ],
            "stopped before anything": lambda: [self.arm.stop("a test"), self.arm.hold(2), self.arm.rearm()],
        }


class Shared(InProcess):
    """The same arm, shared by an agent and a person."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        super().__init__(stack, folder)
        self.robot = self.shared = SharedArm(self.arm)
        self.executor = Executor(self.shared)

    def events(self) -> dict[str, Callable[[], object]]:
        shared = self.shared

        def taken(ticks: int) -> None:
            self.move()
            shared.take("anna")
            for _ in range(ticks):
                shared.act("anna", Jog((0.6, -0.3, 0.2)))
                shared.tick()
            shared.hand_back("anna")
            shared.wait()

        def stopped() -> None:
            self.move()
            shared.stop("a test")
            shared.rearm()
            shared.hand_back("anna")
            shared.wait()

        def told(who: str) -> None:
            self.move()
            shared.interrupt(who)
            shared.wait()

        def paused() -> None:
            self.move()
            shared.pause("anna")
            shared.tick()
            shared.hand_back("anna")
            shared.wait()

        return {
            "a fresh start": lambda: None,
            "ticks before the agent": lambda: [shared.tick() for _ in range(5)],
            "taken and handed back": lambda: taken(12),
            "taken for a moment": lambda: taken(0),
            "taken twice": lambda: [taken(3), taken(4)],
            "paused": paused,
            "told something": lambda: told("anna"),
            "stopped and re-armed": stopped,
            "a command that is not finite": lambda: self.ask(self.spec.q_home * NAN),
        }


class Gello(InProcess):
    """GELLO's own wire, by a clock that the test moves."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        super().__init__(stack, folder)
        self.arm.hold(5)  # as `palme serve guest=gello` does
        self.clock = Clock()
        self.server = stack.enter_context(GelloServer(self.arm, "127.0.0.1:0", 0.1, self.clock))
        self.stack = stack
        self.client = self.another()

    def another(self) -> Client:
        client = Client(self.server)
        self.stack.callback(client.close)
        return client

    def ask(self, target: Array) -> str:
        self.clock.now += self.spec.dt
        answer = self.client.ask("command_joint_state", joint_state=np.array([*target, 0.0]))
        return "" if answer is None else str(answer["error"])

    def events(self) -> dict[str, Callable[[], object]]:
        def rearm() -> None:
            self.server.rearm()
            self.client.ask("num_dofs")
            until(lambda: self.arm.gate.latched is None and not self.arm.gate.begun)
            self.clock.now += self.spec.dt

        def silent() -> None:
            self.move()
            self.clock.now += 1.0
            self.client.ask("num_dofs")

        def second() -> None:
            self.move()
            self.client = self.another()
            assert "another GELLO" in self.ask(self.measured())
            silent()
            rearm()

        return {
            "a fresh start": lambda: None,
            "observed first": lambda: [self.client.ask("get_observations") for _ in range(5)],
            "silence and re-armed": lambda: [silent(), rearm()],
            "re-armed in motion": lambda: [self.move(), rearm()],
            "re-armed twice": lambda: [self.move(), rearm(), rearm()],
            "a second client": second,
            "a client anew": lambda: [silent(), rearm(), setattr(self, "client", self.another())],
            "a command that is not finite": lambda: self.ask(self.spec.q_home * NAN),
        }


class Bridged(Line):
    """The bridge in real time, an arm that obeys at once behind it."""

    realtime = True

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        keys.new(folder, "server")
        for name, role in (("robo", "policy"), ("other", "policy"), ("anna", "human")):
            keys.new(folder, name)
            keys.allow(folder, keys.load_public(folder / f"{name}.public.json"), role)  # type: ignore[arg-type]
        self.folder, self.stack = folder, stack
        driver = self.driver()
        self.spec = driver.spec
        key = keys.load_secret(folder, "server")
        self.server = BridgeServer(driver, key, folder, "tcp://127.0.0.1:0", self.realtime)
        lease = self.server.control.lease
        lease._silence = lease._stale = PATIENCE
        stack.enter_context(self.server)
        self.client = self.another("robo")
        self.seq = 0

    def stand(self) -> None:
        """Come to rest; a tick without a command brakes."""
        until(lambda: self.client.read().at_rest)

    def driver(self) -> Driver:
        return IdealArm(replace(ArmSpec.load("panda"), control_hz=100.0))

    def another(self, name: str, human: bool = False) -> BridgeClient:
        public = keys.load_secret(self.folder, "server").public
        client = BridgeClient(
            self.server.address, keys.load_secret(self.folder, name), public, timeout=PATIENCE, human=human
        )
        self.stack.callback(client.close)
        return client

    def measured(self) -> Array:
        return self.client.observe(()).robot.q

    def ask(self, target: Array) -> str:
        self.seq += 1
        return refusal_of(lambda: self.client.command(JointCommand(target, 1.0, self.seq, 0.0)))

    def settle(self) -> None:
        """A driver's path ends some ticks after the last target."""
        last = [self.measured() + 1.0]

        def still() -> bool:
            time.sleep(0.03)
            before, last[0] = last[0], self.measured()
            return bool(np.abs(last[0] - before).max() < 1e-9)

        until(still)

    def events(self) -> dict[str, Callable[[], object]]:
        client = self.client

        def armed(*before: Callable[[], object]) -> None:
            for step in before:
                step()
            self.client.rearm()

        def other(name: str, human: bool) -> None:
            client.rearm()
            self.move()
            if not human:
                client.release()
            self.client = self.another(name, human)
            self.client.rearm()

        def back() -> None:
            other("anna", True)
            self.move()
            self.client.release()
            self.client = client
            client.rearm()

        return {
            "a fresh start": armed,
            "armed for a while": lambda: [armed(), time.sleep(0.1)],
            "stopped and re-armed": lambda: armed(client.rearm, self.move, lambda: client.stop("a test")),
            "re-armed in motion": lambda: armed(client.rearm, self.move, self.stand),
            "acquired anew": lambda: armed(client.rearm, self.move, client.acquire),
            "released": lambda: armed(client.rearm, self.move, client.release),
            "another client": lambda: other("other", False),
            "a person took over": lambda: other("anna", True),
            "a person gave it back": back,
            "a command that is not finite": lambda: [armed(), self.ask(self.spec.q_home * NAN)],
            "held by the server": lambda: [
                armed(), self.server.control.exclusive(lambda: self.server.control.hold(5)),
            ],
            "put elsewhere": lambda: [
                armed(), self.move(), self.realtime and self.stand(),
                self.server.control.exclusive(self.server.control.restart),
            ],
        }  # fmt: skip


class LockStep(Bridged):
    """The bridge in lock-step, the simulator behind it."""

    realtime = False

    def stand(self) -> None:
        self.client.stop("time stands still between two commands")

    def settle(self) -> None:
        pass

    def driver(self) -> Driver:
        return SimulatedDriver(ArmSpec.load("panda"), EMPTY, ())


class LeRobots(Bridged):
    """The bridge in real time, a driver for LeRobot's robots behind it."""

    def driver(self) -> Driver:
        spec = replace(ArmSpec.load("panda"), control_hz=50.0, joint_names=tuple(f"j{k}" for k in range(7)))
        robot = _Follower(spec)
        return LeRobotDriver(spec, robot=robot, joints=robot.names, servo_hz=100.0)


class _Follower(PlugIn):
    """LeRobot's robot with seven joints, at once where it is sent."""

    def __init__(self, spec: ArmSpec) -> None:
        self.names = [f"m{k}" for k in range(spec.n_joints)]
        self.entries = {f"{name}.pos": float for name in [*self.names, "gripper"]}
        self.q = {f"{n}.pos": float(x) for n, x in zip(self.names, np.degrees(spec.q_home), strict=True)}
        self.q["gripper.pos"] = 100.0
        self.is_connected, self.calibrated = False, True

    @property
    def observation_features(self) -> dict[str, Any]:  # type: ignore[override]
        return dict(self.entries)

    @property
    def action_features(self) -> dict[str, Any]:  # type: ignore[override]
        return dict(self.entries)

    def get_observation(self) -> dict[str, Any]:
        return dict(self.q)

    def send_action(self, action: dict[str, float]) -> dict[str, float]:
        self.q = dict(action)
        return dict(action)


def until(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.005)


SOLO = ("a fresh start", "stopped and re-armed", "a command that is not finite")
BRIDGE = (
    *SOLO, "armed for a while", "re-armed in motion", "acquired anew", "released", "another client",
    "a person took over", "a person gave it back", "held by the server", "put elsewhere",
)  # fmt: skip
LINES: dict[str, tuple[type[Line], tuple[str, ...]]] = {
    "in process": (InProcess, (
        *SOLO, "held", "held for long", "re-armed in motion", "re-armed and held", "another table",
        "stopped before anything",
    )),
    "shared": (Shared, (
        *SOLO, "ticks before the agent", "taken and handed back", "taken for a moment", "taken twice",
        "paused", "told something",
    )),
    "gello": (Gello, (
        "a fresh start", "a command that is not finite", "observed first", "silence and re-armed",
        "re-armed in motion", "re-armed twice", "a second client", "a client anew",
    )),
    "bridge": (Bridged, BRIDGE), "lock-step": (LockStep, BRIDGE), "lerobot": (LeRobots, BRIDGE),
}  # fmt: skip


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize(
    ("line", "event"), [(name, event) for name, (_, events) in LINES.items() for event in events]
)
def test_the_first_command_of_a_client_must_be_near_the_measured_arm(
    line: str, event: str, stack: ExitStack, tmp_path: Path
) -> None:
    kind, events = LINES[line]
    way = kind(stack, tmp_path)
    assert set(way.events()) == set(events)
    way.events()[event]()
    way.settle()
    here = way.measured()
    for k, away in enumerate(AWAY):
        for _ in range(2):
            far = here.copy()
            joint = k % way.spec.n_joints
            side = 1.0 if here[joint] + away < way.spec.q_max[joint] else -1.0
            far[joint] += side * away
            assert CommandJumps.__name__ in way.ask(far)
        np.testing.assert_allclose(way.measured(), here, atol=4e-3)
    near = here + 0.05 * np.sign(way.spec.q_home - here + 1e-12)
    assert way.ask(near) == ""
    assert issubclass(CommandJumps, CommandRejected)
