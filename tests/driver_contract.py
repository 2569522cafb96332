"""The contract of every `Driver`: its tests inherit these classes and supply the arm behind the SDK."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import create_autospec

import numpy as np
import pytest

from robots.drivers import interpolate, vendor
from robots.drivers.base import Driver, Enabled
from robots.drivers.vendor import VendorDriver
from robots.errors import DriverError
from robots.motion.kinematics import fk
from robots.safety.capsules import Capsules
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec
from robots.types import JointCommand

PANDA = ArmSpec.load("panda")
PATIENCE = 0.6  # [s]


def shortened(n: int, name: str, **changes: Any) -> ArmSpec:
    """The panda's first `n` joints under another name, so that no test depends on another arm's file."""
    cut: dict[str, Any] = {
        field: getattr(PANDA, field)[:n]
        for field in ("joint_names q_min q_max dq_max ddq_max jerk_max tau_max q_home joint_origins".split())
    }
    base = PANDA.capsules.links == 0
    body = {  # of no real arm: nothing that it could meet
        "capsules": Capsules(*(getattr(PANDA.capsules, field)[base] for field in ("links", "ends", "radii"))),
        "finger_capsules": dataclasses.replace(
            PANDA.finger_capsules, links=np.full_like(PANDA.finger_capsules.links, n + 1)
        ),
        "workspace_min": np.full(3, -9.0), "workspace_max": np.full(3, 9.0), "table_z": -9.0,
    }  # fmt: skip
    return dataclasses.replace(PANDA, name=name, **{**cut, **body, **changes})


class Clock:
    """Monotonic time that passes when told to, for ages."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def faithful(cls: type, **behaviour: Callable[..., Any]) -> Any:
    """`create_autospec` of an instance that also checks arguments where Python cannot see a signature.

    pybind11 hides its signatures from `inspect`, so that autospec accepts any call; its doc strings hold
    them. `behaviour` maps names of methods to what they do.
    """
    mock = _autospec(cls)
    mock.reset_mock(return_value=True, side_effect=True)
    for name, act in behaviour.items():
        method = getattr(cls, name)  # AttributeError: the SDK has lost it
        try:
            inspect.signature(method)
            getattr(mock, name).side_effect = act
        except ValueError:
            getattr(mock, name).side_effect = _checked(name, method.__doc__, act)
    return mock


@functools.cache
def _autospec(cls: type) -> Any:
    """Made once: the xArm's class alone takes a third of a second."""
    return create_autospec(cls, instance=True)


def _checked(name: str, doc: str, act: Callable[..., Any]) -> Callable[..., Any]:
    signatures = [
        _signature(line) for line in doc.splitlines() if re.match(rf"\s*(\d+\. )?{name}\((?!\*args)", line)
    ]
    assert signatures, f"{name} has no signature in its doc string"

    def call(*args: Any, **kwargs: Any) -> Any:
        for signature in signatures[:-1]:
            try:
                signature.bind(None, *args, **kwargs)
                return act(*args, **kwargs)
            except TypeError:
                continue
        signatures[-1].bind(None, *args, **kwargs)
        return act(*args, **kwargs)

    return call


def _signature(line: str) -> inspect.Signature:
    """Of `name(self: T, a: list[float], b: float = 1) -> R`."""
    inside = line[line.index("(") + 1 : line.rindex(") ->")]
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(inside):
        depth += (letter in "([{<") - (letter in ")]}" or (letter == ">" and inside[i - 1] != "-"))
        if letter == "," and depth == 0:
            parts.append(inside[start:i])
            start = i + 1
    parts.append(inside[start:])
    return inspect.Signature([
        inspect.Parameter(
            part.split(":")[0].strip(),
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None if re.search(r"= [^>]", part) else inspect.Parameter.empty,
        )
        for part in parts
    ])  # fmt: skip


def wait_for(condition: Callable[[], bool], what: str, timeout: float = 15.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout} s"
        time.sleep(0.005)


class DriverContract:
    """Inherit, override `make`, and these run against it."""

    def make(self) -> Driver:
        """A driver that is not connected, its arm at rest at `spec.q_home` with the gripper open."""
        raise NotImplementedError

    def set_points(self) -> list[np.ndarray]:
        """What has reached the arm so far, (n_joints,) in [rad] each, by the vendor's own conventions."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def patience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """These tests are servers on a busy machine and may stall; test_interpolate.py keeps the 100 ms."""
        monkeypatch.setattr(interpolate, "SILENCE", PATIENCE)

    @pytest.fixture
    def driver(self) -> Any:
        driver = self.make()
        yield driver
        try:
            driver.close()
        except DriverError:
            pass  # an arm whose link is dead says so once more

    def test_nothing_moves_on_connect(self, driver: Driver) -> None:
        driver.connect()
        driver.read()
        time.sleep(0.05)
        assert self.set_points() == []

    def test_closing_is_idempotent(self, driver: Driver) -> None:
        driver.close()
        driver.connect()
        driver.close()
        driver.close()
        with pytest.raises(DriverError, match="connect"):
            driver.read()

    def test_connecting_again_after_closing_works(self, driver: Driver) -> None:
        driver.connect()
        driver.close()
        driver.connect()
        assert np.isfinite(driver.read().q).all()

    def test_state_is_the_arm_s_in_our_units(self, driver: Driver) -> None:
        driver.connect()
        state, spec = driver.read(), driver.spec
        np.testing.assert_allclose(state.q, spec.q_home, atol=1e-6)
        np.testing.assert_allclose(state.dq, 0.0, atol=1e-6)
        np.testing.assert_allclose(state.base_from_ee, fk(spec, state.q), atol=1e-9)
        assert state.gripper == pytest.approx(1.0, abs=0.01)

    def test_what_no_gate_makes_is_not_sent(self, driver: Driver) -> None:
        driver.connect()
        q = np.array(driver.spec.q_home)
        bad, low, high = q.copy(), q.copy(), q.copy()
        bad[1], low[1], high[1] = np.nan, driver.spec.q_min[1] - 0.01, driver.spec.q_max[1] + 0.01
        for target, opening in ((bad, 1.0), (low, 1.0), (high, 1.0), (q[:-1], 1.0), (q, np.nan), (q, 1.5)):
            with pytest.raises(DriverError):
                driver.send(JointCommand(target, opening, 0, 0.0))
        assert self.set_points() == []

    def test_what_arrives_is_what_was_commanded(self, driver: Driver) -> None:
        driver.connect()
        goal = self.follow(driver, 0.06)
        wait_for(lambda: self.arrived(driver, goal), "arrival at the commanded posture")

    # -- how to drive one -----------------------------------------------------------------------

    def arrived(self, driver: Driver, goal: np.ndarray) -> bool:
        """Whether the newest set-point is `goal`, still told as a server at rest tells it."""
        driver.send(JointCommand(goal, 1.0, 10_000, 0.0))
        time.sleep(driver.spec.dt)
        return bool(np.abs(self.set_points()[-1] - goal).max() < 1e-6)

    def follow(self, driver: Driver, far: float, ticks: int = 6) -> np.ndarray:
        """Tick by tick, as a server does, towards each joint `far` [rad] further; returns the last target."""
        gate = SafetyGate(driver.spec)
        q = driver.read().q
        gate.start(q, 1.0)
        for k in range(ticks):
            sent = gate.filter(JointCommand(q + far, 1.0, k, 0.0), gate.q)
            driver.send(sent)
            time.sleep(driver.spec.dt)
        return sent.q_target


class VendorContract(DriverContract):
    """For drivers of real arms; `arm` is whatever stands behind the SDK."""

    clock: Clock
    extra: str
    silence_says = r"\d+ ms old"

    def make(self, spec: ArmSpec | None = None) -> VendorDriver:
        raise NotImplementedError

    def fall_silent(self) -> None:
        """The SDK gives no new state from now on, and a second passes."""
        raise NotImplementedError

    def stop_itself(self) -> str:
        """A protective stop; returns a pattern of its code and text."""
        raise NotImplementedError

    def clear(self) -> None:
        """A human cleared it at the arm."""
        raise NotImplementedError

    def stand_at(self, q: np.ndarray) -> None:
        """The arm is found at `q` (n_joints,) in [rad]."""
        raise NotImplementedError

    def cleared_by_driver(self) -> bool:
        """Whether the driver called anything that clears a fault."""
        raise NotImplementedError

    def stopped_by_driver(self) -> bool:
        """Whether the vendor's own stop was called."""
        raise NotImplementedError

    def test_a_silent_arm_is_an_error_that_names_the_age(self, driver: VendorDriver) -> None:
        driver.connect()
        driver.read()
        self.fall_silent()
        with pytest.raises(DriverError, match=self.silence_says) as error:
            driver.read()
        age = re.search(r"(\d+) ms", str(error.value))
        assert age is not None and 900 <= int(age[1]) <= 1100

    def test_a_protective_stop_surfaces_and_nothing_clears_it(self, driver: VendorDriver) -> None:
        driver.connect()
        self.follow(driver, 0.05, 3)
        says = self.stop_itself()
        here = np.array(driver.spec.q_home)
        with pytest.raises(DriverError, match=says):
            driver.read()
        with pytest.raises(DriverError, match=says):
            driver.send(JointCommand(here, 1.0, 1000, 0.0))
        self.clear()
        with pytest.raises(DriverError, match=says):  # not by itself, either
            driver.read()
        assert not self.cleared_by_driver()
        count = len(self.set_points())
        time.sleep(0.05)
        assert len(self.set_points()) <= count + 1  # nothing more is written
        driver.close()
        driver.connect()
        driver.read()

    @pytest.mark.timing
    def test_silence_of_the_server_brings_the_arm_to_rest(self, driver: VendorDriver) -> None:
        driver.connect()
        self.follow(driver, 1.2, 6)  # and not a word more

        def at_rest() -> bool:
            return len(self.set_points()) > 20 and np.ptp(self.set_points()[-10:], axis=0).max() < 1e-9

        spoken = time.monotonic()
        wait_for(at_rest, "rest")
        wait_for(lambda: time.monotonic() > spoken + PATIENCE, "silence")
        held = self.set_points()[-1]
        assert 0.05 < held[0] - driver.spec.q_home[0] < 1.0  # it did not go on to the goal
        with pytest.raises(DriverError, match="middle of a motion"):
            driver.send(JointCommand(held, 1.0, 100, 0.0))
        with pytest.raises(DriverError, match="begin where the arm is"):
            driver.send(JointCommand(held - 0.2, 1.0, 101, 0.0))
        driver.send(JointCommand(held, 1.0, 102, 0.0))

    def test_first_target_far_from_the_arm_is_refused(self, driver: VendorDriver) -> None:
        driver.connect()
        far = driver.spec.q_home + 0.2
        with pytest.raises(DriverError, match="begin where the arm is"):
            driver.send(JointCommand(far, 1.0, 0, 0.0))
        for q in self.set_points():  # it holds, at most
            np.testing.assert_allclose(q, driver.spec.q_home, atol=1e-6)

    def test_an_arm_outside_the_spec_s_limits_is_refused(self, driver: VendorDriver) -> None:
        q = np.array(driver.spec.q_home)
        q[1] = driver.spec.q_max[1] + 0.1
        self.stand_at(q)
        with pytest.raises(DriverError, match=rf"{driver.spec.joint_names[1]}: measured .* another zero"):
            driver.connect()
        with pytest.raises(DriverError, match="not connected"):
            driver.read()

    @pytest.mark.parametrize("unit", ["degrees", "one turn up", "one turn down"])
    def test_an_arm_in_another_unit_is_refused_and_told_so(self, driver: VendorDriver, unit: str) -> None:
        q = np.array(driver.spec.q_home)
        self.stand_at(np.degrees(q) if unit == "degrees" else q + 2 * np.pi * (1 if "up" in unit else -1))
        with pytest.raises(DriverError, match=f"looks like {unit.rsplit(' ', 1)[0]}"):
            driver.connect()
        assert self.set_points() == []

    def test_a_driven_arm_that_is_measured_far_outside_its_limits_is_an_error(
        self, driver: VendorDriver
    ) -> None:
        driver.connect()
        driver.enable()
        q = np.array(driver.spec.q_home)
        for j in range(driver.spec.n_joints):
            for limit, sign in ((driver.spec.q_min, -1), (driver.spec.q_max, 1)):
                q[j] = limit[j] + sign * 0.03  # a soft controller's overshoot
                self.stand_at(q)
                assert driver.read().q[j] == pytest.approx(q[j])
                q[j] = limit[j] + sign * 0.08
                self.stand_at(q)
                with pytest.raises(DriverError, match=rf"{driver.spec.joint_names[j]}: measured .*outside"):
                    driver.read()
            q[j] = driver.spec.q_home[j]
        self.stand_at(q)
        driver.read()

    def test_a_state_that_is_not_finite_is_an_error(self, driver: VendorDriver) -> None:
        driver.connect()
        self.stand_at(driver.spec.q_home * np.nan)
        with pytest.raises(DriverError, match=f"not {driver.spec.n_joints} finite joints"):
            driver.read()

    def test_an_arm_guided_out_of_its_limits_by_hand_is_not_driven(self, driver: VendorDriver) -> None:
        driver.connect()
        q = np.array(driver.spec.q_home)
        q[1] = driver.spec.q_max[1] + 0.1
        self.stand_at(q)
        for asked in (lambda: driver.send(JointCommand(driver.spec.q_home, 1.0, 0, 0.0)), driver.enable):
            with pytest.raises(DriverError, match=rf"{driver.spec.joint_names[1]}: measured .* by hand"):
                asked()
        assert self.set_points() == [] and not driver.enabled

    def test_enabled_ahead_it_holds_and_the_first_target_finds_it_ready(self, driver: VendorDriver) -> None:
        driver.connect()
        assert isinstance(driver, Enabled) and not driver.enabled
        driver.enable()
        driver.enable()
        wait_for(lambda: len(self.set_points()) > 3, "set-points")
        for q in self.set_points():
            np.testing.assert_allclose(q, driver.spec.q_home, atol=1e-6)
        assert driver.enabled
        self.follow(driver, 0.05, 3)

    def test_after_a_stop_it_is_enabled_anew(self, driver: VendorDriver) -> None:
        driver.connect()
        for _ in range(2):
            goal = self.follow(driver, 0.02, 4)
            wait_for(lambda goal=goal: self.arrived(driver, goal), "arrival at the commanded posture")
            self.stand_at(goal)
            driver.stop()
            assert not driver.enabled
            time.sleep(0.05)
            driver.enable()
            assert driver.enabled

    def test_stop_is_the_vendor_s_own_and_ends_the_set_points(self, driver: VendorDriver) -> None:
        driver.connect()
        self.follow(driver, 0.3, 4)
        driver.stop()
        assert self.stopped_by_driver()
        count = len(self.set_points())
        time.sleep(0.05)
        assert len(self.set_points()) == count

    def test_a_missing_sdk_is_named_with_its_extra(
        self, driver: VendorDriver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def missing(name: str) -> Any:
            raise ModuleNotFoundError(f"No module named {name!r}")

        monkeypatch.setattr(vendor.importlib, "import_module", missing)
        with pytest.raises(DriverError, match=rf"pip install 'palme-stack\[{self.extra}\]'"):
            driver.connect()

    def test_a_description_names_what_would_be_sent(self, driver: VendorDriver) -> None:
        command = JointCommand(np.array(driver.spec.q_home), 0.5, 0, 0.0)
        assert self.words in driver.describe(command)

    words = ""
