"""Table: sets scenes and reads ground truth, of the simulation in this process or behind the bridge."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from sim.world.arm import SimulatedArm
from sim.world.scene import Scene
from sim.world.state import ObjectSpec, SceneState
from sim.world.world import World

if TYPE_CHECKING:
    from palme.cli.rig.tabletop_frames import Ask, Hold, Load, Truth
    from sim.judging.snapshot import Snapshot


class Table(Protocol):
    """For evaluation; planner and policy never see it."""

    @property
    def time(self) -> float:
        """[s] arm time since `load`."""
        ...

    def load(self, scene: Scene, ticks: int) -> None:
        """Load the scene with the arm at home; simulate `ticks` at rest, so that objects settle."""
        ...

    def hold(self, ticks: int) -> None:
        """Simulate `ticks` at rest."""
        ...

    def truth(self) -> SceneState:
        """Ground truth: what rests in or on what."""
        ...

    def snapshot(self) -> Snapshot:
        """Ground truth: where everything is."""
        ...


class LocalTable:
    """The world in this process."""

    def __init__(self, world: World, arm: SimulatedArm) -> None:
        self._world, self._arm = world, arm

    @property
    def time(self) -> float:
        """See `Table.time`."""
        return self._arm.time

    def load(self, scene: Scene, ticks: int) -> None:
        """See `Table.load`."""
        self._world.load(scene)
        self._arm.hold(ticks)

    def hold(self, ticks: int) -> None:
        """See `Table.hold`."""
        self._arm.hold(ticks)

    def truth(self) -> SceneState:
        """See `Table.truth`."""
        from sim.world.scene_state import judge

        return judge(self._world)

    def snapshot(self) -> Snapshot:
        """See `Table.snapshot`."""
        from sim.judging.snapshot import snapshot

        return snapshot(self._world)


class RemoteTable:
    """The privileged endpoint of `palme serve backend=sim table=true`, beside the bridge that `client` uses.

    Args:
        client: a connected `robots.bridge.client.BridgeClient`; `load` takes the lease anew and arms.
        port: of the endpoint.
    """

    TIMEOUT = 60.0  # [s] a scene of twelve objects takes a second; a busy machine more

    def __init__(self, client: object, port: int) -> None:
        import zmq

        from robots.bridge.client import BridgeClient

        assert isinstance(client, BridgeClient)
        self._client, self._ids = client, itertools.count(1)
        self._scene: Scene | None = None
        self._socket = client.extra_socket(zmq.DEALER, port)

    @property
    def time(self) -> float:
        """See `Table.time`."""
        return float(self._client.read().arm_time)

    def load(self, scene: Scene, ticks: int) -> None:
        """See `Table.load`."""
        from palme.cli.rig.tabletop_frames import Load

        self._client.acquire()
        self._scene = scene
        self._ask(lambda i: Load(i, self._client.session, scene.to_yaml(), ticks))
        self._client.rearm()

    def hold(self, ticks: int) -> None:
        """See `Table.hold`."""
        from palme.cli.rig.tabletop_frames import Hold

        self._ask(lambda i: Hold(i, self._client.session, ticks))

    def truth(self) -> SceneState:
        """See `Table.truth`."""
        from palme.cli.rig.tabletop_frames import Ask

        holder = self._ask(lambda i: Ask(i, self._client.session)).holder
        return SceneState(self._specs(), tuple(holder))

    def snapshot(self) -> Snapshot:
        """See `Table.snapshot`."""
        from palme.cli.rig.tabletop_frames import Ask
        from sim.judging.snapshot import Snapshot

        truth = self._ask(lambda i: Ask(i, self._client.session))
        poses = np.array(truth.poses, float).reshape(-1, 7)
        return Snapshot(self._specs(), poses[:, :3], poses[:, 3:], truth.held)

    def _specs(self) -> tuple[ObjectSpec, ...]:
        assert self._scene is not None, "load a scene first"
        return tuple(o.spec for o in self._scene.objects)

    def _ask(self, make: Callable[[int], Ask | Hold | Load]) -> Truth:
        from palme.cli.rig.tabletop_frames import Truth, decode_truth

        answer: Truth = self._client.exchange(self._socket, make, Truth, decode_truth, self.TIMEOUT)
        return answer
