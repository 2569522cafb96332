"""Grippers run in a thread of their own, whose failure reaches the caller."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from robots.drivers.gripper_thread import GripperThread
from robots.drivers.robotiq import RobotiqHand
from robots.errors import DriverError
from tests.driver_contract import wait_for


class Slow:
    """Goes a tenth of its way a look."""

    def __init__(self) -> None:
        self.at, self.floor, self.aims, self.broken = 1.0, 0.0, [1.0], False

    def measure(self) -> float:
        if self.broken:
            raise RuntimeError("modbus: no answer")
        self.at = max(self.floor, self.at + max(-0.1, min(0.1, self.aims[-1] - self.at)))
        return self.at

    def move(self, opening: float) -> None:
        self.aims.append(opening)


class Blocking:
    """Comes back from `move` when it has arrived, at a block."""

    def __init__(self) -> None:
        self.at, self.aims = 1.0, list[float]()

    def measure(self) -> float:
        return self.at

    def move(self, opening: float) -> None:
        self.aims.append(opening)
        time.sleep(0.5)
        self.at = max(opening, 0.4)


@pytest.mark.timing
def test_an_opening_one_tick_ahead_of_the_fingers_still_closes_them() -> None:
    hand = Slow()
    gripper = GripperThread(hand, "test")

    def closed() -> bool:
        gripper.set_target(max(0.0, gripper.opening() - 0.0625))  # what a gate makes of "close"
        return gripper.opening() < 1e-9

    wait_for(closed, "closing")
    assert (np.diff(hand.aims) <= 0).all() and hand.aims[-1] == 0.0  # without turning back once
    gripper.halt()


@pytest.mark.timing
def test_a_noisy_opening_never_releases_the_object() -> None:
    hand, rng = Slow(), np.random.default_rng(0)
    hand.floor = 0.4  # a block between the fingers
    gripper = GripperThread(hand, "test")
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        gripper.set_target(max(0.0, gripper.opening() - 0.0625 + rng.uniform(-0.008, 0.008)))
        time.sleep(0.01)
    gripper.halt()
    assert hand.at == 0.4
    assert all(aim < 0.4 for aim in hand.aims[int(np.argmin(hand.aims)) :])


def test_a_blocking_gripper_is_not_opened_by_targets_from_before_it_closed() -> None:
    hand = Blocking()
    gripper = GripperThread(hand, "test")

    def closed() -> bool:
        gripper.set_target(max(0.0, gripper.opening() - 0.0625))
        time.sleep(0.15)  # slower than the thread: it meets targets from before the motion
        return hand.at == 0.4

    wait_for(closed, "a grasp")
    gripper.halt()
    assert len(hand.aims) > 1 and (np.diff(hand.aims) <= 0).all()


def test_it_comes_to_rest_at_its_target() -> None:
    hand = Slow()
    gripper = GripperThread(hand, "test")
    gripper.set_target(0.5)
    wait_for(lambda: abs(gripper.opening() - 0.5) < 0.021 and abs(hand.aims[-1] - 0.5) < 0.021, "half open")
    aims = len(hand.aims)
    time.sleep(0.3)
    assert len(hand.aims) == aims and abs(gripper.opening() - 0.5) < 0.021
    gripper.halt()


def test_a_failed_gripper_is_an_error_and_no_old_opening() -> None:
    hand = Slow()
    gripper = GripperThread(hand, "test")
    hand.broken = True

    def failed() -> bool:
        try:
            gripper.opening()
        except DriverError as error:
            return "modbus: no answer" in str(error)
        return False

    wait_for(failed, "the gripper's error")
    gripper.halt()


class Cap:
    """The socket of Robotiq's URCap."""

    def __init__(self) -> None:
        self.values = {"STA": 3, "FLT": 0, "POS": 0}
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            with client:
                while line := client.recv(64).decode():
                    verb, *words = line.split()
                    if verb == "GET":
                        client.sendall(f"{words[0]} {self.values.get(words[0], 0)}\n".encode())
                    else:
                        self.values |= dict(zip(words[::2], map(int, words[1::2]), strict=True))
                        client.sendall(b"ack")


@pytest.fixture
def cap() -> Iterator[Cap]:
    cap = Cap()
    yield cap
    cap.server.close()


def test_robotiq_maps_0_to_255_closed_onto_1_to_0(cap: Cap) -> None:
    hand = RobotiqHand("127.0.0.1", cap.port)
    assert hand.measure() == 1.0
    hand.move(0.0)
    assert cap.values["POS"] == 255 and cap.values["GTO"] == 1
    assert hand.measure() == 0.0
    hand.close()


def test_robotiq_is_never_activated_from_here_and_its_faults_are_errors(cap: Cap) -> None:
    cap.values["STA"] = 0
    with pytest.raises(DriverError, match="STA 0, not 3; activate it at the pendant"):
        RobotiqHand("127.0.0.1", cap.port)
    assert "ACT" not in cap.values
    cap.values |= {"STA": 3, "FLT": 9}
    hand = RobotiqHand("127.0.0.1", cap.port)
    with pytest.raises(DriverError, match="fault 9"):
        hand.measure()
    hand.close()
