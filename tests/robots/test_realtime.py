"""Deadlines, CPU sleep states, thread priority: used where allowed; everything works without them."""

from __future__ import annotations

import os
import struct
import threading
import time
from pathlib import Path

import pytest

from robots import realtime
from robots.bridge import sockets
from robots.realtime import (
    CONTROL_PRIORITY,
    HELPER_PRIORITY,
    LATENCY_DEVICE,
    no_cpu_sleep,
    priority_allowed,
    raise_priority,
    sleep_until,
)
from robots.teleop.loop import ControlLoop
from robots.teleop.shared_robot import SharedArm
from tests.bridge_rig import bench, move, until
from tests.teleop_rig import GateArm

needs_scheduler = pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="no such scheduler here")


def test_a_sleep_never_ends_before_its_deadline() -> None:
    for k in range(40):
        deadline = time.monotonic() + 0.001 * (k % 7)
        sleep_until(deadline)
        assert time.monotonic() >= deadline


def test_a_deadline_that_has_passed_is_not_waited_for() -> None:
    begin = time.monotonic()
    sleep_until(begin - 10.0)
    assert time.monotonic() - begin < 5.0


# -- CPU sleep states -----------------------------------------------------------------------------------


def smallest_request() -> int:
    """[us] of wake-up latency: the smallest that any process requests now."""
    return struct.unpack("i", Path(LATENCY_DEVICE).read_bytes()[:4])[0]


def held() -> int:
    """How many files of the device this process holds open."""
    folder = Path("/proc/self/fd")
    return sum(
        os.path.realpath(link) == os.path.realpath(realtime.LATENCY_DEVICE) for link in folder.iterdir()
    )


@pytest.fixture
def device(tmp_path, monkeypatch) -> Path:
    """A file in place of the device."""
    path = tmp_path / "cpu_dma_latency"
    path.write_bytes(b"")
    monkeypatch.setattr(realtime, "LATENCY_DEVICE", str(path))
    return path


@pytest.mark.skipif(not os.access(LATENCY_DEVICE, os.W_OK), reason="this system does not allow the request")
def test_the_system_takes_the_request() -> None:
    with no_cpu_sleep() as allowed:
        assert allowed and smallest_request() == 0


def test_the_request_lasts_as_long_as_the_context(device) -> None:
    with no_cpu_sleep() as allowed:
        assert allowed and held() == 1 and device.read_bytes() == bytes(4)
    assert held() == 0


def test_without_access_to_the_device_everything_else_works(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(realtime, "LATENCY_DEVICE", str(tmp_path / "none"))
    with no_cpu_sleep() as allowed:
        assert not allowed
    with ControlLoop(SharedArm(GateArm())) as loop:
        until(lambda: loop.timer.ticks > 2)
        assert not loop.cpu_sleep_disabled


def test_a_control_loop_requests_it_until_it_ends_a_realtime_server_while_armed(device, tmp_path) -> None:
    with ControlLoop(SharedArm(GateArm())) as loop:
        until(lambda: loop.timer.ticks > 2)
        assert loop.cpu_sleep_disabled and held() == 1
    assert held() == 0
    with bench(tmp_path / "clock") as made:
        until(lambda: made.server.control.snapshot.tick > 5)
        assert held() == 0
        client = made.armed()
        until(lambda: held() == 1)
        move(client, 5)
        client.stop("enough")
        until(lambda: held() == 0)
        client.rearm()
        until(lambda: held() == 1)
    assert held() == 0
    with bench(tmp_path / "lock-step", realtime=False) as made:
        made.armed()
        assert held() == 0


# -- thread priority ------------------------------------------------------------------------------------


def priorities() -> dict[str, int]:
    """Of every thread of the bridge by its name; 0 = an ordinary thread."""
    named = {t.name: t.native_id for t in threading.enumerate() if t.name.startswith("bridge-")}
    return {name: os.sched_getparam(tid).sched_priority for name, tid in named.items() if tid is not None}


@needs_scheduler
@pytest.mark.skipif(not priority_allowed(), reason="real-time priority is not allowed here")
def test_control_comes_before_commands_and_pictures_and_only_the_bridge_is_raised(tmp_path) -> None:
    before = os.sched_getscheduler(0)
    with bench(tmp_path) as made:
        move(made.armed(), 3)
        until(lambda: priorities()["bridge-pictures"] > 0)
        found = priorities()
        assert found["bridge-control"] == CONTROL_PRIORITY > found["bridge-commands"] == HELPER_PRIORITY
        assert found["bridge-heartbeat"] == HELPER_PRIORITY > found["bridge-pictures"]
    assert os.sched_getscheduler(0) == before


@needs_scheduler
def test_without_permission_the_bridge_works_at_ordinary_priority(tmp_path, monkeypatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("rtprio 0")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    assert not raise_priority() and not priority_allowed()
    sockets.context().destroy()  # libzmq ends the process where it requests a priority and is refused
    with bench(tmp_path) as made:
        move(made.armed(), 3)
        own = os.sched_getparam(0).sched_priority  # 0, or what a vendor's library took for this thread
        assert set(priorities().values()) == {own}
