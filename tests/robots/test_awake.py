"""Processors stay awake while an arm is moved by the clock, where that is allowed, and no longer."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from robots import awake as module
from robots.awake import DEVICE, awake
from robots.teleop.loop import ControlLoop
from robots.teleop.shared_robot import SharedArm
from tests.bridge_rig import bench, move, until
from tests.teleop_rig import GateArm


def asked_for() -> int:
    """[us] that any process asks for now, the least of all."""
    return struct.unpack("i", Path(DEVICE).read_bytes()[:4])[0]


def held() -> int:
    """How often this process holds the device."""
    folder = Path("/proc/self/fd")
    return sum(os.path.realpath(link) == os.path.realpath(module.DEVICE) for link in folder.iterdir())


@pytest.fixture
def device(tmp_path, monkeypatch) -> Path:
    """A file that stands for it."""
    path = tmp_path / "cpu_dma_latency"
    path.write_bytes(b"")
    monkeypatch.setattr(module, "DEVICE", str(path))
    return path


@pytest.mark.skipif(not os.access(DEVICE, os.W_OK), reason="this system does not let us ask")
def test_the_system_hears_it() -> None:
    with awake() as allowed:
        assert allowed and asked_for() == 0


def test_it_is_asked_for_within_the_context_alone(device) -> None:
    with awake() as allowed:
        assert allowed and held() == 1 and device.read_bytes() == bytes(4)
    assert held() == 0


def test_where_it_is_not_allowed_nothing_else_changes(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "DEVICE", str(tmp_path / "none"))
    with awake() as allowed:
        assert not allowed
    with ControlLoop(SharedArm(GateArm())) as loop:
        until(lambda: loop.pace.ticks > 2)
        assert not loop.awake


def test_a_control_loop_asks_until_it_ends_a_server_by_the_clock_while_armed(device, tmp_path) -> None:
    with ControlLoop(SharedArm(GateArm())) as loop:
        until(lambda: loop.pace.ticks > 2)
        assert loop.awake and held() == 1
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
