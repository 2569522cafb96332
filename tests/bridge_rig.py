"""A server with an arm that obeys at once, its keys, and clients: what the bridge's tests stand on."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from robots.bridge import keys
from robots.bridge.client import BridgeClient
from robots.bridge.errors import CommandStale
from robots.bridge.keys import Role, SecretKey
from robots.bridge.lease import SILENCE, STALE
from robots.bridge.server import BridgeServer
from robots.drivers.ideal import IdealArm
from robots.errors import ArmLatched
from robots.spec import ArmSpec
from robots.types import JointCommand

ANYWHERE = "tcp://127.0.0.1:0"
PATIENCE = 20.0  # [s] a condition is waited for on a busy machine


def spec_at(hz: float) -> ArmSpec:
    """The Panda, ticked `hz` times a second."""
    return replace(ArmSpec.load("panda"), control_hz=hz)


def until(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait for `condition` to be true; returns its value."""
    limit = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < limit, f"waited {PATIENCE} s in vain: {what}"
        time.sleep(0.005)
    return value


def free_ports() -> int:
    """A port that is free with the three after it, below those that are given to who asks for any."""
    for _ in range(100):
        port = random.SystemRandom().randrange(20_000, 32_000)
        try:
            for k in range(4):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + k))
            return port
        except OSError:
            continue
    raise RuntimeError("no four free ports in a row")


class KeyRing:
    """A folder with a server's key and those of its clients, made when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = keys.new(folder, "server")

    def client(self, name: str = "robo", role: Role | None = "policy") -> SecretKey:
        """`role`: None = not on the allow-list."""
        if name in keys.secrets(self.folder):
            return keys.load_secret(self.folder, name)
        key = keys.new(self.folder, name)
        if role is not None:
            keys.allow(self.folder, keys.load_public(self.folder / f"{name}.public.json"), role)
        return key


class Bench:
    """One server and its arm. It waits for whoever is late, as a busy machine makes them, until `impatient`.

    Attributes:
        arm: where every target that was sent is found, in `arm.sent`.
        as_served: [s] silence and staleness that the server had of itself.
    """

    def __init__(self, folder: Path, hz: float = 100.0, realtime: bool = True, **more: Any) -> None:
        self.ring = KeyRing(folder)
        self.arm = IdealArm(spec_at(hz), **more)
        self.realtime = realtime
        self.server = self.serve()
        self._clients: list[BridgeClient] = []

    def serve(self, address: str = "") -> BridgeServer:
        """A server for this arm, started; "" = where one can be started again at the same address."""
        address = address or f"tcp://127.0.0.1:{free_ports()}"
        server = BridgeServer(self.arm, self.ring.server, self.ring.folder, address, self.realtime)
        lease = server.control.lease
        self.as_served = lease._silence, lease._stale
        lease._silence = lease._stale = PATIENCE
        return server.start()

    def impatient(self, silence: float = SILENCE, stale: float = STALE) -> None:
        """From now on the limits are the real ones, or these [s]."""
        lease = self.server.control.lease
        lease._silence, lease._stale = silence, stale

    def client(self, name: str = "robo", role: Role | None = "policy", **more: Any) -> BridgeClient:
        """Connected; closed with the bench."""
        key = self.ring.client(name, role)
        address = more.pop("address", self.server.address)
        client = BridgeClient(
            address, key, self.ring.server.public, **({"timeout": PATIENCE, "patience": PATIENCE} | more)
        )
        self._clients.append(client)
        return client

    def armed(self, name: str = "robo", **more: Any) -> BridgeClient:
        """Connected, with the lease, the arm listening."""
        client = self.client(name, **more)
        client.rearm()
        return client

    def close(self) -> None:
        for client in self._clients:
            client._connection.timeout = min(client._connection.timeout, 0.5)  # its server may be gone
            client.close()
        self.server.close()


@contextmanager
def bench(folder: Path, **more: Any) -> Iterator[Bench]:
    """A `Bench` that is closed in the end."""
    made = Bench(folder, **more)
    try:
        with mock.patch("robots.bridge.command_queue.MAX_AGE", PATIENCE):
            yield made
    finally:
        made.close()


def move(client: BridgeClient, ticks: int, step: float = 0.002, seq: int = 0) -> int:
    """Move all joints by `step` [rad] a tick from where the arm is; returns the next number."""
    q = client.observe(()).robot.q
    for k in range(ticks):
        client.command(JointCommand(q + step * k, 1.0, seq + k, 0.0))
    return seq + ticks


def move_at_last(client: BridgeClient, ticks: int) -> int:
    """`move`, begun anew where the machine stood still for so long that the server latched."""
    for seq in range(0, 100 * ticks, ticks):
        try:
            client.rearm()
            return move(client, ticks, seq=seq)
        except (ArmLatched, CommandStale):
            continue
    raise AssertionError("the arm was stopped each of a hundred times")


def path(arm: IdealArm) -> np.ndarray:
    """(T, n_joints) of every target that the arm was sent."""
    return np.array([command.q_target for _, command in list(arm.sent)]).reshape(-1, arm.spec.n_joints)


def assert_within_limits(arm: IdealArm) -> None:
    """No position, speed or acceleration limit was exceeded by what the arm was sent."""
    q, spec = path(arm), arm.spec
    speed = np.diff(q, axis=0) * spec.control_hz
    assert np.isfinite(q).all()
    assert ((spec.q_min <= q) & (q <= spec.q_max)).all()
    assert (np.abs(speed) <= spec.dq_max + 1e-9).all()
    assert (np.abs(np.diff(speed, axis=0)) * spec.control_hz <= spec.ddq_max + 1e-6).all()
