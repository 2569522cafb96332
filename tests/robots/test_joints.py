"""Joints that enter anywhere from outside are refused by name where they are no posture of the arm.

Every entrance is tried with every kind of wrong joints: other units, a turn too many, not finite, another
width, beyond each limit of each joint.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
import yaml

from palme.cli.commands.replay import replay_on
from palme.data.errors import ReplayError, TrainingDataError
from palme.policies.remote import RemoteFormat, RemotePolicy
from palme.training.datasets import recorded_motions
from robots import joints
from robots.bridge.client import BridgeClient
from robots.bridge.errors import BadFrame
from robots.bridge.requests import Requests
from robots.bridge.spec_frame import pack_spec, unpack_spec
from robots.drivers.dry_run import DryRunDriver
from robots.drivers.lerobot import LeRobotDriver
from robots.drivers.vendor import VendorDriver
from robots.errors import CommandOutside, CommandRejected, DriverError, RobotError, SpecError
from robots.gello.messages import joint_command, read, write
from robots.policy_servers.errors import ActionsRefused, FieldRefused
from robots.policy_servers.gr00t_forms import dot, nest, read_request, with_instruction
from robots.policy_servers.keys import keys_for
from robots.policy_servers.msgpack_numpy import decode, encode
from robots.policy_servers.session import Session
from robots.skills import Step
from robots.spec import CONFIG_DIR, ArmSpec
from robots.types import ActionChunk, JointCommand
from tests.policy_fakes import SPEC, STEP, Sweep, reader, request

HOME = SPEC.q_home
N = SPEC.n_joints


def at(j: int, value: float) -> np.ndarray:
    q = HOME.copy()
    q[j] = value
    return q


# Kind of wrong joints -> (joints, what the refusal says beside the joint or the shape).
UNITS = {"degrees": (np.degrees(HOME), "looks like degrees")}
UNITS |= {
    f"degrees at joint {j}": (at(j, np.degrees(0.6 * SPEC.q_max[j] + 0.4 * SPEC.q_min[j])), "degrees")
    for j in range(N)
    if abs(np.degrees(0.6 * SPEC.q_max[j] + 0.4 * SPEC.q_min[j])) > 10
}
TURNS = {"a turn up": (HOME + 2 * np.pi, "one turn"), "a turn down": (HOME - 2 * np.pi, "one turn")}
TURNS |= {
    f"joint {j} a turn {way}": (at(j, HOME[j] + sign * 2 * np.pi), "one turn")
    for j in range(N)
    for way, sign in (("up", 1), ("down", -1))
}
FAR = {
    f"joint {j} far {way}": (at(j, sign * 1e6), "outside")
    for j in range(N)
    for way, sign in (("up", 1), ("down", -1))
}
FINITE = {
    f"{bad} at joint {j}": (at(j, bad), "not finite") for j in range(N) for bad in (np.nan, np.inf, -np.inf)
}
WIDTH: dict[str, Any] = {
    "one short": (HOME[:-1], ""), "one long": (np.append(HOME, 0.0), ""), "none": (HOME[:0], ""),
}  # fmt: skip
BEYOND = {
    f"joint {j} beyond its {side} limit": (at(j, limit + sign * 0.1), "outside")
    for j in range(N)
    for side, limit, sign in (("upper", SPEC.q_max[j], 1), ("lower", SPEC.q_min[j], -1))
}
ALL = UNITS | TURNS | FAR | FINITE | WIDTH | BEYOND
NOT_NUMBERS: dict[str, Any] = {
    "text": ["0.1"] * N, "one text": "home", "booleans": np.zeros(N, bool), "none": None, "nones": [None] * N,
    "complex": HOME * 1j, "ragged": [[0.0], *HOME[1:].tolist()], "maps": {"q": 1.0}, "bytes": b"\x00" * 8 * N,
}  # fmt: skip

# -- every entrance ---------------------------------------------------------------------------------


class Hold(Sweep):
    """Holds the arm where it is."""

    def act(self, observation: Any, goal: Step) -> ActionChunk:
        return ActionChunk(np.tile(observation.robot.q, (2, 1)), np.ones(2), SPEC.control_hz)


def openpi_request(q: Any) -> None:
    Session(Hold(), reader()).answer(decode(encode(request(joints=q))))


def openpi_request_in_a_chunk(q: Any) -> None:
    session = Session(Hold(), reader(), horizon=1)
    session.answer(request())  # the rows of the chunk would be answered without a look at the joints
    session.answer(request(joints=q))


def gr00t(flat: dict[str, Any]) -> None:
    entries, _ = read_request(decode(encode(flat, npy=True)))
    Session(Hold(), reader("gr00t")).answer(with_instruction(entries, reader("gr00t").keys.prompt))


def gr00t_nested_request(q: Any) -> None:
    gr00t({"observation": nest(request(keys_for("gr00t"), joints=q))})


def gr00t_flat_request(q: Any) -> None:
    gr00t(dot(request(keys_for("gr00t"), joints=q), batch=False))


def answer_of_a_policy_server(q: Any) -> None:
    rows = np.column_stack([np.tile(HOME, (4, 1)), np.zeros(4)]).tolist()
    rows[2][:-1] = list(q)
    from tests.palme.test_remote_policy import seen

    policy = RemotePolicy(lambda flat: {"actions": rows}, RemoteFormat(keys_for("openpi")), SPEC)
    policy.act(seen(), Step.parse(STEP))


def chunk_of_a_served_policy(q: Any) -> None:
    class Wrong(Sweep):
        def act(self, observation: Any, goal: Step) -> ActionChunk:
            return ActionChunk(np.stack([np.asarray(q), np.asarray(q)]), np.ones(2), SPEC.control_hz)

    Session(Wrong(), reader()).answer(request())


def gello(q: Any) -> None:
    joint_command(SPEC, read(write([*np.asarray(q).tolist(), 0.0])))


class Arm(VendorDriver):
    """A vendor's arm whose joints are `q`; commands are kept in `written`."""

    vendor = "Any"

    def __init__(self, q: Any = HOME) -> None:
        super().__init__(SPEC, servo_hz=100.0)
        self.q, self.written, self.reported = np.asarray(q), list[np.ndarray](), (SPEC.q_min, SPEC.q_max)

    def _open(self) -> None:
        self._check_limits(*self.reported)

    def _measure(self) -> tuple[Any, Any, float]:
        return np.array(self.q), np.zeros(np.shape(self.q)), 0.0

    def _trouble(self) -> None:
        return None

    def _enable(self) -> None:
        pass

    def _write(self, q: np.ndarray, dq: np.ndarray) -> None:
        self.written.append(q)

    def _halt(self) -> None:
        pass

    def _release(self) -> None:
        pass


def vendor_arm_at(q: Any) -> None:
    Arm(q).connect()


def target_of_a_vendor_arm(q: Any) -> None:
    arm = Arm()
    arm.connect()
    try:
        arm.send(JointCommand(q, 1.0, 0, 0.0))
    finally:
        assert all(np.allclose(q, HOME) for q in arm.written)
        arm.close()


def target_of_a_dry_run(q: Any) -> None:
    arm = DryRunDriver(SPEC, echo=None)
    arm.connect()
    arm.send(JointCommand(q, 1.0, 0, 0.0))


def lerobot_arm_at(q: Any) -> None:
    if len(q) != N:
        raise DriverError("(shape) its dict names each joint")
    LeRobotDriver(SPEC, robot=PlugIn(np.degrees(q)), degrees=True, gripper="").connect()


class PlugIn:
    """A robot in LeRobot's format with the joints of `SPEC`, whose `.pos` are `pos`."""

    def __init__(self, pos: Any, **entries: Any) -> None:
        names = [f"{name}.pos" for name in SPEC.joint_names]
        self.entries = dict(zip(names, np.asarray(pos).tolist(), strict=True)) | entries
        self.observation_features = self.action_features = dict.fromkeys([*names, *entries], float)
        self.is_connected = self.is_calibrated = True

    def connect(self, calibrate: bool = True) -> None: ...

    def get_observation(self) -> dict[str, Any]:
        return dict(self.entries)

    def send_action(self, action: dict[str, float]) -> dict[str, float]:
        return action

    def disconnect(self) -> None: ...


def recording(actions: np.ndarray, states: np.ndarray) -> Any:
    names = [f"{name}.pos" for name in (*SPEC.joint_names, "gripper")]
    dataset = SimpleNamespace(features={"action": {"names": names}}, fps=SPEC.control_hz)
    return SimpleNamespace(dataset=dataset, numbers={"action": actions, "observation.state": states})


class Still:
    """An arm that must not be commanded."""

    spec = SPEC

    def observe(self, cameras: Any = None) -> Any:
        raise AssertionError("the recording is checked before the arm is read")


def recorded(column: str) -> Callable[[Any], None]:
    def entrance(q: Any) -> None:
        rows = {key: np.tile([*HOME, 1.0], (3, 1)) for key in ("action", "observation.state")}
        if len(q) != N:
            rows[column] = np.tile([*q, 1.0], (3, 1))
        else:
            rows[column][1, :-1] = q
        replay_on(Still(), recording(rows["action"], rows["observation.state"]))  # type: ignore[arg-type]

    return entrance


ENTRANCES: dict[str, tuple[Callable[[Any], None], type[Exception]]] = {
    "openpi request": (openpi_request, FieldRefused),
    "openpi request within a chunk": (openpi_request_in_a_chunk, FieldRefused),
    "GR00T request, nested": (gr00t_nested_request, FieldRefused),
    "GR00T request, flat": (gr00t_flat_request, FieldRefused),
    "answer of a policy server": (answer_of_a_policy_server, ActionsRefused),
    "chunk of a served policy": (chunk_of_a_served_policy, ActionsRefused),
    "GELLO": (gello, CommandRejected),
    "a vendor's arm": (vendor_arm_at, DriverError),
    "target of a vendor's arm": (target_of_a_vendor_arm, DriverError),
    "target of a dry run": (target_of_a_dry_run, DriverError),
    "LeRobot's arm": (lerobot_arm_at, DriverError),
    "recorded action": (recorded("action"), ReplayError),
    "recorded state": (recorded("observation.state"), ReplayError),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_wrong_joints_are_refused_by_name_wherever_they_enter(entrance: str) -> None:
    """About 70 kinds at each entrance."""
    enter, refusal = ENTRANCES[entrance]
    for kind, (q, says) in ALL.items():
        with pytest.raises(refusal) as caught:
            enter(q)
        text = str(caught.value)
        if kind in WIDTH:
            assert re.search(r"shape|inhomogeneous|read \[|numbers of one shape|expected", text), (kind, text)
            continue
        if says == "not finite":
            assert "finite" in text, (kind, text)
            continue
        wrong = (SPEC.q_min - 0.05 > q) | (q > SPEC.q_max + 0.05)
        assert any(name in text for name, off in zip(SPEC.joint_names, wrong, strict=True) if off), (
            kind,
            text,
        )
        assert says in text, (kind, text)
        assert f"of {SPEC.name}" in text and "[" in text, (kind, text)  # the limits


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_joints_on_their_limits_and_a_rounding_beyond_are_accepted(entrance: str) -> None:
    enter, _ = ENTRANCES[entrance]
    slack = 0.0 if entrance.startswith("target") else 0.9 * joints.OUTSIDE
    for j in range(N):
        for limit, sign in ((SPEC.q_min[j], -1), (SPEC.q_max[j], 1)):
            try:
                enter(at(j, limit + sign * slack))
            except AssertionError as reached:  # the arm of a recording: its joints were accepted
                assert "checked before" in str(reached)
            except DriverError as error:  # a first target far from where the arm is
                assert "begin where the arm is" in str(error)


@pytest.mark.parametrize("kind", NOT_NUMBERS)
def test_what_are_no_numbers_are_no_joints(kind: str) -> None:
    value = NOT_NUMBERS[kind]
    with pytest.raises(FieldRefused, match="q: .*(not numbers|numbers of one shape)"):
        joints.checked(SPEC, value, "q", FieldRefused)
    if kind not in ("complex", "maps"):
        with pytest.raises(RobotError, match="observation/joint_position"):
            Session(Sweep(), reader()).answer(request(joints=[] if value is None else value))
    with pytest.raises(CommandRejected):
        joint_command(SPEC, value)


@pytest.mark.parametrize("column", ["action", "observation.state"])
def test_recorded_joints_out_of_limits_teach_no_policy(column: str, monkeypatch: Any, tmp_path: Any) -> None:
    episodes: list[Any] = []
    dataset = SimpleNamespace(episodes=lambda: episodes, close=lambda: None)
    monkeypatch.setattr(recorded_motions, "Dataset", lambda root: dataset)
    monkeypatch.setattr(recorded_motions, "check_learnable", lambda *a: None)
    monkeypatch.setattr(recorded_motions, "moves_of", lambda *a: [])
    motion = SimpleNamespace(home=HOME, control_hz=SPEC.control_hz)

    def learn(q: Any) -> None:
        rows = {key: np.tile([*HOME, 1.0], (3, 1)) for key in ("action", "observation.state")}
        rows[column] = np.array([[*HOME, 1.0], [*q, 1.0]])
        episodes[:] = [SimpleNamespace(numbers=rows)]
        recorded_motions.load_recorded_motions([tmp_path], motion, "panda", "front", 1.0)

    with pytest.raises(TrainingDataError, match="no step in which"):  # its joints were accepted
        learn(HOME)
    for kind, (q, says) in (UNITS | TURNS | FAR | FINITE | BEYOND).items():
        with pytest.raises(TrainingDataError, match=f"episode 0: {column}, row 1.*{says}"):
            learn(q)
            raise AssertionError(kind)


# -- the bridge --------------------------------------------------------------------------------------


def bridge_requests() -> Any:
    made = Requests.__new__(Requests)
    made._control = SimpleNamespace(spec=SPEC)  # type: ignore[assignment]
    made._bounds = list(
        zip((SPEC.q_min - joints.WILD).tolist(), (SPEC.q_max + joints.WILD).tolist(), strict=True)
    )
    return made


def test_a_command_over_the_bridge_in_other_units_is_refused_and_a_small_excess_left_to_the_gate() -> None:
    from robots.bridge import frames

    asked = bridge_requests()

    def command(q: Any, gripper: float = 0.5) -> Any:
        return frames.Command(1, "s", 1, 7, tuple(map(float, q)), gripper, 0.0, 0.0)

    for kind, (q, says) in (UNITS | FAR).items():
        with pytest.raises(CommandOutside) as caught:
            asked._check(command(q))
        assert says in str(caught.value) and "seq 7" in str(caught.value), kind
    turned = 0
    for q, _ in TURNS.values():
        try:
            asked._check(command(q))
        except CommandOutside as refusal:
            assert "one turn" in str(refusal)
            turned += 1
    assert turned >= len(TURNS) - 2  # nearer than WILD to a limit the gate clamps it
    for q, _ in (BEYOND | WIDTH | FINITE).values():
        asked._check(command(q))  # the gate's: clamped, or CommandShape, or CommandNotFinite
    for gripper in (-1.0, 1.5, 2.0, 50.0, 100.0, 255.0, 850.0, 1e9):
        with pytest.raises(CommandOutside, match="gripper"):
            asked._check(command(HOME, gripper))


def test_a_state_over_the_bridge_in_other_units_is_not_taken_for_a_posture() -> None:
    client = BridgeClient.__new__(BridgeClient)
    client.spec = SPEC

    def state(q: Any, gripper: float = 1.0) -> Any:
        return SimpleNamespace(q=tuple(q), dq=(0.0,) * len(q), gripper=gripper)

    assert np.array_equal(client._robot_state(state(HOME)).q, HOME)
    for kind, (q, _) in (UNITS | FAR | FINITE | WIDTH).items():
        with pytest.raises(BadFrame):
            client._robot_state(state(q))
            raise AssertionError(kind)
    for gripper in (-0.1, 1.1, 255.0, np.nan):
        with pytest.raises(BadFrame):
            client._robot_state(state(HOME, gripper))


# -- descriptions ------------------------------------------------------------------------------------


def panda() -> dict[str, Any]:
    return yaml.safe_load((CONFIG_DIR / "panda.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("key", ["q_min", "q_max", "q_home", "dq_max"])
@pytest.mark.parametrize("robot", ArmSpec.available())
def test_a_description_in_degrees_is_refused_by_its_joint(robot: str, key: str) -> None:
    raw = yaml.safe_load((CONFIG_DIR / f"{robot}.yaml").read_text(encoding="utf-8"))
    raw[key] = np.degrees(raw[key]).tolist()
    with pytest.raises(SpecError) as caught:
        ArmSpec.from_dict(raw)
    assert any(name in str(caught.value) for name in raw["joint_names"]) and key in str(caught.value)
    assert "degrees" in str(caught.value)


def test_a_description_from_another_computer_is_checked_as_one_from_a_file() -> None:
    good = msgspec.msgpack.decode(pack_spec(SPEC))
    assert unpack_spec(pack_spec(SPEC)).name == SPEC.name

    def frame(array: Any) -> list[Any]:
        return ["<f8", list(np.shape(array)), np.asarray(array, "<f8").tobytes()]

    spoilt = {
        "q_max": np.degrees(SPEC.q_max), "q_min": SPEC.q_max, "q_home": HOME + 9, "dq_max": np.zeros(N),
        "ddq_max": -SPEC.ddq_max, "tau_max": SPEC.tau_max[:-1], "workspace_min": SPEC.workspace_max,
    }  # fmt: skip
    for key, array in spoilt.items():
        with pytest.raises(BadFrame, match=f"arm description.*{key}"):
            unpack_spec(msgspec.msgpack.encode(good | {key: frame(array)}))
    for key in ("control_hz", "first_command_tolerance", "table_margin"):
        for value in (0.0, -1.0, float("nan")):
            with pytest.raises(BadFrame, match=key):
                unpack_spec(msgspec.msgpack.encode(good | {key: value}))


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (np.degrees(SPEC.q_min), np.degrees(SPEC.q_max), "looks like degrees"),
        (SPEC.q_min + 0.1, SPEC.q_max, "panda_joint1: panda allows"),
        (SPEC.q_min, SPEC.q_max - 0.1, "panda_joint1: panda allows"),
        (SPEC.q_min * np.nan, SPEC.q_max, "no limits"), (SPEC.q_min, SPEC.q_max * np.inf, "no limits"),
        (SPEC.q_min[:-1], SPEC.q_max[:-1], "the arm has 6 joints"),
    ],
)  # fmt: skip
def test_an_arm_that_reports_other_limits_is_refused(low: Any, high: Any, says: str) -> None:
    arm = Arm()
    arm.reported = low, high
    with pytest.raises(DriverError, match=says):
        arm.connect()


@pytest.mark.parametrize("factor", [180 / np.pi, 0.5])
def test_a_simulated_arm_goes_no_further_than_its_urdf(factor: float, monkeypatch: Any) -> None:
    from sim.world import urdf

    assert urdf.urdf_of(SPEC, False)
    parsed = urdf.ET.parse(urdf._data(urdf.PANDA))
    for limit in parsed.iter("limit"):
        for side in ("lower", "upper"):
            limit.set(side, repr(float(limit.get(side)) * factor))
    monkeypatch.setattr(urdf.ET, "parse", lambda path: parsed)
    with pytest.raises(SpecError, match="panda_joint1.*(degrees|panda allows).*correct the one"):
        urdf.urdf_of(SPEC, False)


# -- what the text says ------------------------------------------------------------------------------


def test_a_small_overshoot_is_not_said_to_be_another_unit() -> None:
    for j in range(N):
        text = joints.outside(SPEC, at(j, SPEC.q_max[j] + 0.05))
        assert text.startswith(f"{SPEC.joint_names[j]}: measured") and "looks like" not in text


def test_an_arm_that_turns_further_than_once_is_compared_with_where_it_is() -> None:
    ur = ArmSpec.load("ur5e")
    for j in (0, 1, 3, 4, 5):
        for sign in (1, -1):
            q = ur.q_home.copy()
            q[j] -= np.sign(q[j] or 1) * 2 * np.pi if sign > 0 else 0
            turned = q.copy()
            turned[j] += 2 * np.pi
            assert "one turn" in joints.turned(ur, turned, q, "action") and ur.joint_names[
                j
            ] in joints.turned(ur, turned, q, "action")
    assert joints.turned(ur, ur.q_home + 3.0, ur.q_home, "action") == ""
    assert joints.turned(ur, ur.q_home * np.nan, ur.q_home, "action") != ""


def test_a_turn_between_two_targets_is_refused_where_the_limits_allow_it() -> None:
    ur = ArmSpec.load("ur5e")
    from tests.palme.test_remote_policy import seen

    for j in (0, 1, 3, 4, 5):
        for row in range(4):
            rows = np.tile([*ur.q_home, 0.0], (4, 1))
            q = ur.q_home.copy()
            rows[row, j] -= np.sign(ur.q_home[j] or 1.0) * 2 * np.pi
            observation = dataclasses.replace(seen(), robot=dataclasses.replace(seen().robot, q=q))
            policy = RemotePolicy(lambda flat: {"actions": rows}, RemoteFormat(keys_for("openpi")), ur)  # noqa: B023
            with pytest.raises(ActionsRefused, match=f"{ur.joint_names[j]}: .*row {row}, .*one turn"):
                policy.act(observation, Step.parse(STEP))
            if row:
                with pytest.raises(CommandOutside, match=f"{ur.joint_names[j]}: joint_state.*one turn"):
                    joint_command(ur, rows[row].tolist(), rows[row - 1, :-1])


def test_a_posture_inside_its_limits_is_returned_as_it_is() -> None:
    rng = np.random.default_rng(0)
    for spec in map(ArmSpec.load, ArmSpec.available()):
        rows = rng.uniform(spec.q_min, spec.q_max, (200, spec.n_joints))
        np.testing.assert_array_equal(joints.checked(spec, rows, "rows", ValueError, rows=True), rows)
        again = joints.checked(spec, rows[0].astype(np.float32), "row", ValueError)
        np.testing.assert_allclose(again, rows[0], atol=1e-6)
        assert not any(spec.outside(row) for row in rows)
        assert dataclasses.replace(spec, control_hz=50.0).control_hz == 50.0
