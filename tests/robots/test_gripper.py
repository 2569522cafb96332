"""One gripper convention inside, each protocol's numbers at its edge; no other number is taken for one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from palme.cli.commands.replay import replay_on
from palme.data.errors import ReplayError
from palme.policies.remote import RemoteFormat, RemotePolicy
from robots.drivers.franka import _FrankaHand
from robots.drivers.gripper_thread import GripperThread
from robots.drivers.lerobot import LeRobotDriver
from robots.drivers.robotiq import RobotiqHand
from robots.drivers.xarm import _XArmHand
from robots.errors import CommandRejected, DriverError
from robots.gello.messages import joint_command
from robots.gripper import GripperScale, one_is
from robots.policy_servers.errors import ActionsRefused, FieldRefused
from robots.policy_servers.keys import keys_for
from robots.policy_servers.session import Session
from robots.skills import Step
from robots.types import ActionChunk
from tests.palme.test_remote_policy import seen
from tests.policy_fakes import SPEC, STEP, Sweep, reader, request
from tests.robots.test_joints import PlugIn, Still, recording

OPENINGS = np.linspace(0.0, 1.0, 21)
WIDTH = SPEC.gripper_width

# -- how each protocol's number becomes an opening -----------------------------------------------------


def served(protocol: str, closed: bool) -> Callable[[float], float]:
    def opening(value: float) -> float:
        keys = keys_for(protocol)
        flat = request(keys, gripper=np.array([value], np.float64))
        return reader(protocol, closed=closed).state(flat).gripper

    return opening


def answered(closed: bool) -> Callable[[float], float]:
    def opening(value: float) -> float:
        rows = np.array([[*SPEC.q_home, value]])
        form = RemoteFormat(keys_for("openpi"), one_is_closed=closed)
        policy = RemotePolicy(lambda flat: {"actions": rows}, form, SPEC)
        return float(policy.act(seen(), Step.parse(STEP)).gripper[0])

    return opening


def gello(value: float) -> float:
    return joint_command(SPEC, [*SPEC.q_home.tolist(), value])[1]


def robotiq(value: float) -> float:
    hand = RobotiqHand.__new__(RobotiqHand)
    hand._get = lambda name: 0 if name == "FLT" else round(value)  # type: ignore[method-assign]
    return hand.measure()


def xarm(value: float) -> float:
    return _XArmHand(SimpleNamespace(get_gripper_position=lambda: (0, value))).measure()


def franka(value: float) -> float:
    report = SimpleNamespace(max_width=WIDTH, width=value)
    return _FrankaHand(SimpleNamespace(read_once=lambda: report), SPEC).measure()


def lerobot(low: float, high: float) -> Callable[[float], float]:
    def opening(value: float) -> float:
        robot = PlugIn(np.degrees(SPEC.q_home), **{"gripper.pos": value})
        driver = LeRobotDriver(SPEC, robot=robot, gripper_range=(low, high))
        driver.connect()
        return driver.read().gripper

    return opening


def recorded(value: float) -> float:
    """The opening that the arm is commanded: it stops the replay with it."""

    class Arm(Still):
        def observe(self, cameras: Any = None) -> Any:
            return SimpleNamespace(robot=SimpleNamespace(q=SPEC.q_home))

        def command(self, command: Any) -> Any:
            raise StopIteration(command.gripper)

    rows = np.tile([*SPEC.q_home, value], (2, 1))
    try:
        replay_on(Arm(), recording(rows, rows))  # type: ignore[arg-type]
    except StopIteration as stop:
        return float(stop.value)
    raise AssertionError


# Protocol: its function, the numbers of closed and open, the class of the refusal, and its step.
PROTOCOLS: dict[str, tuple[Callable[[float], float], float, float, type[Exception], float]] = {
    "openpi request, 1 closed": (served("openpi", True), 1.0, 0.0, FieldRefused, 0.0),
    "openpi request, 1 open": (served("openpi", False), 0.0, 1.0, FieldRefused, 0.0),
    "GR00T request, 1 closed": (served("gr00t", True), 1.0, 0.0, FieldRefused, 0.0),
    "GR00T request, 1 open": (served("gr00t", False), 0.0, 1.0, FieldRefused, 0.0),
    "policy server's answer, 1 closed": (answered(True), 1.0, 0.0, ActionsRefused, 0.0),
    "policy server's answer, 1 open": (answered(False), 0.0, 1.0, ActionsRefused, 0.0),
    "GELLO": (gello, 1.0, 0.0, CommandRejected, 0.0),
    "Robotiq": (robotiq, 255.0, 0.0, DriverError, 1.0),
    "xArm": (xarm, 0.0, 850.0, DriverError, 0.0),
    "Franka": (franka, 0.0, WIDTH, DriverError, 0.0),
    "LeRobot": (lerobot(0.0, 100.0), 0.0, 100.0, DriverError, 0.0),
    "LeRobot, turned around": (lerobot(50.0, -20.0), 50.0, -20.0, DriverError, 0.0),
    "recorded data": (recorded, 0.0, 1.0, ReplayError, 0.0),
}
FOREIGN = (-1e9, -255.0, -100.0, -10.0, 2e3, 5e3, 1e6, 1e300)  # of no protocol here


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_number_of_a_protocol_is_the_opening_it_stands_for(protocol: str) -> None:
    opening_of, closed, opened, _, step = PROTOCOLS[protocol]
    for opening in OPENINGS:
        value = closed + opening * (opened - closed)
        assert opening_of(value) == pytest.approx(opening, abs=1e-6 + 0.5 * step / abs(opened - closed)), (
            value
        )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_number_of_another_protocol_is_refused_by_name_and_not_clipped(protocol: str) -> None:
    opening_of, closed, opened, refusal, step = PROTOCOLS[protocol]
    stroke = opened - closed
    wrong = [*FOREIGN, closed - 0.5 * stroke, opened + 0.5 * stroke, closed - 2 * stroke, opened + 9 * stroke]
    if not step:  # a whole number cannot be these
        wrong += [np.nan, np.inf, -np.inf]
    refused = 0
    for value in wrong:
        if -0.3 <= (value - closed) / stroke <= 1.3:
            continue
        with pytest.raises(refusal, match="(?i)gripper|width|out of range|column 7"):
            opening_of(value)
        refused += 1
    assert refused >= len(wrong) - 4


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_sensor_s_overshoot_is_the_end_of_the_range(protocol: str) -> None:
    opening_of, closed, opened, _, step = PROTOCOLS[protocol]
    if step:
        return  # whole numbers from 0 to 255 overshoot nothing
    for share in (0.005, 0.02, 0.045):
        assert opening_of(closed - share * (opened - closed)) == 0.0
        assert opening_of(opened + share * (opened - closed)) == 1.0


# -- and back --------------------------------------------------------------------------------------------


def test_each_protocol_is_sent_its_own_numbers() -> None:
    sent: dict[str, Any] = {}
    arm = SimpleNamespace(set_gripper_position=lambda pos, wait: sent.update(xarm=pos) or 0)
    xarm_hand = _XArmHand(arm)
    robotiq_hand = RobotiqHand.__new__(RobotiqHand)
    robotiq_hand._set = lambda words: sent.update(robotiq=words)  # type: ignore[method-assign]
    lerobot_driver = LeRobotDriver(SPEC, robot=PlugIn(np.degrees(SPEC.q_home), **{"gripper.pos": 0.0}))
    for opening in OPENINGS:
        xarm_hand.move(opening)
        robotiq_hand.move(opening)
        assert sent["xarm"] == pytest.approx(850 * opening)
        pos, number, go = sent["robotiq"].split(maxsplit=2)
        assert (pos, go) == ("POS", "GTO 1") and abs(int(number) - 255 * (1 - opening)) <= 0.5 + 1e-9
        action = lerobot_driver._action(SPEC.q_home, opening)
        assert action["gripper.pos"] == pytest.approx(100 * opening)
        policy = RemotePolicy(lambda flat: {}, RemoteFormat(keys_for("openpi")), SPEC)
        flat = policy.describe(seen(gripper=float(opening)), Step.parse(STEP))
        assert flat["observation/gripper_position"] == pytest.approx(1 - opening, abs=1e-6)


@pytest.mark.parametrize("closed", [True, False])
def test_a_served_policy_s_opening_is_answered_in_the_client_s_convention(closed: bool) -> None:
    for opening in OPENINGS:

        class Hand(Sweep):
            def act(self, observation: Any, goal: Step) -> ActionChunk:
                return ActionChunk(np.tile(SPEC.q_home, (8, 1)), np.full(8, opening), SPEC.control_hz)  # noqa: B023

        answer = Session(Hand(), reader(closed=closed)).answer(request())
        assert np.allclose(answer.actions[:, -1], 1 - opening if closed else opening)
    for wrong in (-0.5, 1.5, 255.0, np.nan):

        class Wrong(Sweep):
            def act(self, observation: Any, goal: Step) -> ActionChunk:
                return ActionChunk(np.tile(SPEC.q_home, (8, 1)), np.full(8, wrong), SPEC.control_hz)  # noqa: B023

        with pytest.raises(ActionsRefused, match="gripper"):
            Session(Wrong(), reader()).answer(request())


def test_a_scale_is_its_own_inverse_and_takes_numbers_only() -> None:
    for scale in (GripperScale(255.0, 0.0), GripperScale(0.0, 850.0), one_is(True), one_is(False)):
        for opening in OPENINGS:
            assert scale.opening(scale.value(opening), "x", ValueError) == pytest.approx(opening, abs=1e-12)
        for wrong in (None, "0.5", True, [0.5], 1j, np.array([0.5]), {}, b"1", np.nan):
            with pytest.raises(ValueError, match="x: .*the gripper is"):
                scale.opening(wrong, "x", ValueError)
        for wrong in (-0.01, 1.01, np.nan, 255.0):
            with pytest.raises(ValueError, match="not in"):
                scale.value(wrong)
    for ends in ((0.0, 0.0), (np.nan, 1.0), (0.0, np.inf)):
        with pytest.raises(ValueError, match="different finite"):
            GripperScale(*ends)


@pytest.mark.parametrize("measured", [-0.1, 1.2, 255.0, np.nan])
def test_a_gripper_that_measures_no_opening_is_a_named_error(measured: float) -> None:
    with pytest.raises(DriverError, match="arm: gripper: measured opening"):
        GripperThread(SimpleNamespace(measure=lambda: measured, move=None), "arm")  # type: ignore[arg-type]


@pytest.mark.parametrize("ends", [(0.0, 0.0), (np.nan, 1.0), (0.0,), (0.0, 1.0, 2.0), "ab", None])
def test_lerobot_s_gripper_range_needs_two_numbers(ends: Any) -> None:
    with pytest.raises(DriverError, match="gripper_range"):
        LeRobotDriver(SPEC, robot=PlugIn(np.degrees(SPEC.q_home)), gripper_range=ends)


@pytest.mark.parametrize(
    "entries",
    [{"gripper.pos": None}, {"gripper.pos": "50"}, {"gripper.pos": True}, {"gripper.pos": [1, 2]}],
)  # fmt: skip
def test_a_lerobot_observation_that_is_no_number_is_named(entries: dict[str, Any]) -> None:
    driver = LeRobotDriver(SPEC, robot=PlugIn(np.degrees(SPEC.q_home), **entries))
    with pytest.raises(DriverError, match=r"gripper\.pos"):
        driver.connect()
        driver.read()


def test_a_lerobot_answer_without_a_joint_or_in_minus_100_to_100_is_named() -> None:
    robot = PlugIn(np.degrees(SPEC.q_home))
    del robot.entries["panda_joint3.pos"]
    with pytest.raises(DriverError, match=r"lacks panda_joint3\.pos"):
        LeRobotDriver(SPEC, robot=robot, gripper="").connect()
    robot = PlugIn(np.degrees(SPEC.q_home))
    robot.config = SimpleNamespace(use_degrees=False)  # type: ignore[attr-defined]
    with pytest.raises(DriverError, match="use_degrees=True"):
        LeRobotDriver(SPEC, robot=robot, gripper="").connect()
    LeRobotDriver(SPEC, robot=PlugIn(SPEC.q_home), gripper="", degrees=False).connect()
    with pytest.raises(DriverError, match="looks like degrees"):
        LeRobotDriver(SPEC, robot=PlugIn(np.degrees(SPEC.q_home)), gripper="", degrees=False).connect()
