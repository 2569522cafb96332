"""Devices in a hand: what each says at a tick, and what it says when it is missing or pulled out."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import create_autospec

import numpy as np
import pytest

from robots.errors import DeviceError
from robots.motion.kinematics import fk
from robots.robot import Closable
from robots.spec import ArmSpec
from robots.teleop.arbitration import CORRECTING, PAUSED, STOPPED
from robots.teleop.devices.gamepad import Gamepad
from robots.teleop.devices.keyboard import BUTTONS, MOVES, Keyboard, _split
from robots.teleop.devices.leader import LeaderArm, same_joints
from robots.teleop.devices.registry import make
from robots.teleop.devices.spacemouse import SpaceMouse
from robots.teleop.teleop_actions import Jog, LeaderJoints, LeaderTool, Reading
from robots.types import RobotState
from tests.teleop_rig import Clock, GateArm, shared, ticks, worst_change

PANDA = ArmSpec.load("panda")
HERE = RobotState(PANDA.q_home, np.zeros(7), 1.0, fk(PANDA, PANDA.q_home))


class Held:
    """A device that says what the test tells it."""

    name = "held"

    def __init__(self) -> None:
        self.says: list[Reading] = []
        self.closed = False

    def connect(self) -> None:
        pass

    def read(self, follower: RobotState) -> Reading:
        said = self.says.pop(0) if self.says else Reading()
        if isinstance(said, Exception):
            raise said
        return said

    def close(self) -> None:
        self.closed = True


# -- the keyboard --------------------------------------------------------------------------------


@pytest.fixture
def terminal():
    import pty

    ours, theirs = pty.openpty()
    clock = Clock()
    keyboard = Keyboard(os.fdopen(theirs, "r"), clock)
    keyboard.connect()
    yield ours, keyboard, clock
    keyboard.close()
    os.close(ours)


def test_a_key_moves_for_100_ms_and_a_held_one_on_and_on(terminal) -> None:
    ours, keyboard, clock = terminal
    os.write(ours, b"w")
    assert keyboard.read(HERE).action == Jog((0.5, 0.0, 0.0))
    clock.now += 0.09
    said = keyboard.read(HERE)
    assert said.action is not None and said.age == pytest.approx(0.09)
    clock.now += 0.02
    assert keyboard.read(HERE).action is None
    for _ in range(10):  # key repeat
        clock.now += 0.033
        os.write(ours, b"w")
        assert keyboard.read(HERE).action == Jog((0.5, 0.0, 0.0))


def test_arrows_digits_gripper_keys_and_buttons_are_read(terminal) -> None:
    ours, keyboard, clock = terminal
    os.write(ours, b"9\x1b[D")
    assert keyboard.read(HERE).action == Jog((0.0, 1.0, 0.0))
    clock.now += 1
    os.write(ours, b"g")
    assert keyboard.read(HERE).action == Jog(gripper=0.0)
    for key, button in BUTTONS.items():
        os.write(ours, key.encode())
        assert keyboard.read(HERE).buttons == (button,)
    os.write(ours, b"c")
    assert keyboard.read(HERE).clutch is False


def test_a_sequence_cut_in_two_is_one_key() -> None:
    keys, rest = _split("w\x1b[")
    assert (keys, rest) == (["w"], "\x1b[")
    assert _split(rest + "A") == (["\x1b[A"], "")
    assert all(len(half) == 3 for half in MOVES.values())


def test_the_terminal_is_as_it_was_afterwards() -> None:
    import pty
    import termios

    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    keyboard = Keyboard(os.fdopen(theirs, "r"))
    keyboard.connect()
    assert termios.tcgetattr(theirs) != before
    keyboard.close()
    keyboard.close()
    assert termios.tcgetattr(theirs) == before


def test_without_a_terminal_the_browser_is_named() -> None:
    with open(os.devnull) as nothing, pytest.raises(DeviceError, match="console=true") as told:
        Keyboard(nothing).connect()
    assert "no terminal; run it in one" in str(told.value)  # and not the number of an errno


# -- gamepad and SpaceMouse ----------------------------------------------------------------------


@pytest.fixture
def pad(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame = pytest.importorskip("pygame", reason="pygame-ce is not installed: [teleop]")
    from pygame._sdl2 import controller

    fake = create_autospec(controller.Controller, instance=True)
    fake.axes, fake.buttons = {}, set()
    fake.get_axis.side_effect = lambda axis: fake.axes.get(axis, 0)
    fake.get_button.side_effect = lambda button: button in fake.buttons
    fake.attached.return_value = True
    monkeypatch.setattr(controller, "Controller", lambda index: fake)
    monkeypatch.setattr(controller, "get_count", lambda: 1)
    monkeypatch.setattr(controller, "is_controller", lambda index: True)
    device = Gamepad()
    device.connect()
    yield pygame, fake, device
    device.close()
    fake.quit.assert_called_once_with()


def test_sticks_move_and_springing_back_stops(pad) -> None:
    pygame, fake, device = pad
    assert device.read(HERE) == Reading(None)
    fake.axes[pygame.CONTROLLER_AXIS_LEFTY] = -32768  # pushed away
    fake.axes[pygame.CONTROLLER_AXIS_LEFTX] = 2500  # worn: not quite in the middle
    assert device.read(HERE).action == Jog((1.0, 0.0, 0.0))
    fake.axes.clear()
    assert device.read(HERE).action is None


def test_triggers_move_the_fingers_and_buttons_count_once_a_press(pad) -> None:
    pygame, fake, device = pad
    fake.axes[pygame.CONTROLLER_AXIS_TRIGGERRIGHT] = 32767
    assert device.read(HERE).action == Jog(gripper=0.0)
    fake.axes = {pygame.CONTROLLER_AXIS_TRIGGERLEFT: 32767}
    assert device.read(HERE).action == Jog(gripper=1.0)
    fake.buttons = {pygame.CONTROLLER_BUTTON_B, pygame.CONTROLLER_BUTTON_LEFTSHOULDER}
    assert device.read(HERE).buttons == ("stop",) and not device.read(HERE).clutch
    assert device.read(HERE).buttons == ()


def test_a_gamepad_that_is_pulled_out_says_so(pad) -> None:
    _, fake, device = pad
    fake.attached.return_value = False
    with pytest.raises(DeviceError, match="unplugged"):
        device.read(HERE)


def test_no_gamepad_is_a_plain_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pygame", reason="pygame-ce is not installed: [teleop]")
    from pygame._sdl2 import controller

    monkeypatch.setattr(controller, "get_count", lambda: 0)
    with pytest.raises(DeviceError, match="0 found"):
        Gamepad().connect()


@pytest.fixture
def mouse(monkeypatch: pytest.MonkeyPatch):
    module = pytest.importorskip("pyspacemouse", reason="pyspacemouse is not installed: [teleop]")
    from pyspacemouse.device import SpaceMouseDevice

    fake = create_autospec(SpaceMouseDevice, instance=True)
    state = module.SpaceMouseState(t=0.0, buttons=module.ButtonState([0, 0]))
    fake.read.side_effect = lambda: state
    monkeypatch.setattr(module, "open", create_autospec(module.open, return_value=fake))
    clock = Clock()
    device = SpaceMouse(clock)
    device.connect()
    return state, fake, device, clock


def test_the_cap_moves_the_tool_and_a_silent_one_nothing_after_100_ms(mouse) -> None:
    state, fake, device, clock = mouse
    state.t, state.x, state.yaw, state.y = 1.0, 0.7, -1.2, 0.03
    said = device.read(HERE)
    assert said.action == Jog((0.7, 0.0, 0.0), (0.0, 0.0, -1.0)) and said.age == 0.0
    clock.now += 0.15  # pulled out with the cap pushed: the library goes on with what it had
    assert device.read(HERE).age == pytest.approx(0.15)


def test_its_buttons_take_and_grip(mouse) -> None:
    state, fake, device, clock = mouse
    state.buttons[0] = 1
    assert device.read(HERE).buttons == ("toggle",)
    assert device.read(HERE).buttons == ()
    state.buttons[1] = 1
    assert device.read(HERE).action == Jog(gripper=0.0)
    device.close()
    fake.close.assert_called_once_with()


def test_all_that_waited_is_read_at_one_tick(mouse) -> None:
    state, fake, device, clock = mouse
    waiting = list(range(1, 11))

    def read():
        if waiting:
            state.t = float(waiting.pop(0))
            state.x = state.t / 10
        return state

    fake.read.side_effect = read
    assert device.read(HERE).action == Jog((1.0, 0.0, 0.0)) and not waiting


def test_a_spacemouse_that_is_pulled_out_says_so(mouse) -> None:
    _, fake, device, _ = mouse
    fake.read.side_effect = OSError("no such device")
    with pytest.raises(DeviceError, match="unplugged"):
        device.read(HERE)


def test_no_spacemouse_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("pyspacemouse", reason="pyspacemouse is not installed: [teleop]")
    refusing = create_autospec(module.open, side_effect=RuntimeError("No connected devices."))
    monkeypatch.setattr(module, "open", refusing)
    with pytest.raises(DeviceError, match="hidapi"):
        SpaceMouse().connect()


@pytest.mark.parametrize("name, module", [("gamepad", "pygame"), ("spacemouse", "pyspacemouse")])
def test_a_missing_library_names_its_extra(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DeviceError, match=r"palme-stack\[teleop\]"):
        make(name).connect()


def test_an_unknown_device_lists_those_there_are() -> None:
    with pytest.raises(DeviceError, match="keyboard.*leader"):
        make("joystick")


def test_no_device_library_opens_before_it_is_connected() -> None:
    code = (
        "import sys\nfrom robots.teleop.devices.registry import make\n"
        "[make(n) for n in ('keyboard', 'gamepad', 'spacemouse')]\n"
        "print([m for m in ('pygame', 'pyspacemouse', 'torch', 'pybullet') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- at the arm ----------------------------------------------------------------------------------


def test_a_device_takes_moves_and_hands_back_at_the_ticks() -> None:
    arm, below, clock = shared()
    device = Held()
    arm.devices.append(device)
    device.says = [
        Reading(buttons=("take",)),
        *[Reading(Jog((1.0, 0.0, 0.0)))] * 5,
        Reading(buttons=("hand_back",)),
    ]
    ticks(arm, clock, 6)
    assert (arm.takeover.mode, arm.takeover.holder) == (CORRECTING, "held")
    assert not below.gate.at_rest
    ticks(arm, clock, 8)
    assert arm.takeover.mode == "autonomous" and arm.interrupted and below.gate.at_rest
    device.says = [Reading(buttons=("stop",))]
    ticks(arm, clock, 1)
    assert arm.takeover.mode == STOPPED
    device.says = [
        Reading(buttons=("take",)),
        Reading(buttons=("rearm",)),
        Reading(buttons=("toggle",)),
    ]
    ticks(arm, clock, 1)
    assert "rearm" in arm.takeover.message
    ticks(arm, clock, 2)
    assert arm.takeover.holder == "held"


def test_a_device_pulled_out_in_the_middle_of_a_motion_pauses_the_arm() -> None:
    arm, below, clock = shared()
    device = Held()
    arm.devices.append(device)
    device.says = [
        Reading(buttons=("take",)),
        *[Reading(Jog((1.0, 0.0, 0.0)))] * 5,
        DeviceError("unplugged"),
    ]
    ticks(arm, clock, 14)
    assert arm.takeover.mode == PAUSED and below.gate.at_rest and not arm.devices
    assert "unplugged" in arm.takeover.message and worst_change(below) <= 1.0


def test_an_open_clutch_holds_the_arm_and_a_closed_one_goes_on_from_there() -> None:
    arm, below, clock = shared()
    device = Held()
    arm.devices.append(device)
    q = PANDA.q_home
    device.says = [
        Reading(buttons=("take",)),
        *[Reading(LeaderJoints(q + 0.02 * k)) for k in range(10)],
    ]
    ticks(arm, clock, 11)
    device.says = [Reading(LeaderJoints(q + 0.2 - 0.1 * k), clutch=False) for k in range(10)]
    ticks(arm, clock, 10)
    held = below.q.copy()
    assert (
        np.abs(held - q - 0.18) < 0.05
    ).all()  # where the clutch was opened, and not where the leader went
    device.says = [Reading(LeaderJoints(q - 0.7))] * 5
    ticks(arm, clock, 5)
    np.testing.assert_allclose(below.q, held, atol=1e-9)
    assert worst_change(below) <= 1.0


@pytest.mark.parametrize("name, by_joints", [("panda", True), ("ur5e", False), ("iiwa7", False)])
def test_any_arm_leads_any_other(name: str, by_joints: bool) -> None:
    leader_arm = GateArm(ArmSpec.load(name))
    leader = LeaderArm(leader_arm, PANDA)
    assert leader.by_joints is by_joints is same_joints(leader_arm.spec, PANDA)
    arm, below, clock = shared()
    arm.devices.append(leader)
    arm.take("leader")
    at, start = fk(leader_arm.spec, leader_arm.q), fk(PANDA, below.q)
    for k in range(60):
        leader_arm.q = leader_arm.spec.q_home + min(k / 20, 1.0) * 0.1
        ticks(arm, clock, 1)
    led = fk(leader_arm.spec, leader_arm.q)[:3, 3] - at[:3, 3]
    np.testing.assert_allclose(fk(PANDA, below.q)[:3, 3] - start[:3, 3], led, atol=0.01)
    assert worst_change(below) <= 1.0
    action = leader.read(HERE).action
    assert isinstance(action, LeaderJoints if by_joints else LeaderTool)


def test_a_leader_takes_its_buttons_and_its_clutch_from_keys_and_lets_go_of_both() -> None:
    keys = Held()
    keys.says = [Reading(buttons=("take",), clutch=False)]
    closed: list[bool] = []

    class Closes(GateArm, Closable):
        def close(self) -> None:
            closed.append(True)

    below = Closes()
    leader = LeaderArm(below, PANDA, keys)
    leader.connect()
    said = leader.read(HERE)
    assert said.buttons == ("take",) and not said.clutch
    leader.close()
    assert keys.closed and closed


def test_a_leader_that_falls_silent_says_so() -> None:
    from robots.errors import DriverError

    below = GateArm()
    leader = LeaderArm(below, PANDA)
    below.observe = lambda cameras: (_ for _ in ()).throw(DriverError("no answer"))  # type: ignore
    with pytest.raises(DeviceError, match="no answer"):
        leader.read(SimpleNamespace())  # type: ignore[arg-type]
