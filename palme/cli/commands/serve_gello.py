"""`palme serve guest=gello`: a GELLO leader commands the simulated arm, on this computer only."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from palme.cli.config import load
from palme.cli.errors import UsageError
from palme.cli.settings.serve import ServeGelloConfig
from palme.cli.signals import until_asked

if TYPE_CHECKING:
    from robots.gello.server import GelloServer
    from robots.robot import Robot
    from sim.world.arm import SimulatedArm
    from sim.world.world import World


def main(arguments: Sequence[str]) -> int:
    """Serves until Ctrl-C."""
    config = load(ServeGelloConfig, arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    server = _gello_server()  # before the simulator starts
    world, arm = _simulated(config)
    try:
        return serve(server, arm, config.address, config.silence_ms / 1e3)
    finally:
        world.close()


def serve(make: type[GelloServer], robot: Robot, address: str, silence_s: float) -> int:
    """Serve `robot` until Ctrl-C; a line "rearm" on standard input re-arms it after a stop.

    Raises:
        UsageError: the address is not loopback or in use, or `silence_s` [s] is not positive.
    """
    from robots.policy_servers.errors import AddressRefused

    try:
        server = make(robot, address, silence_s).start()
    except AddressRefused as error:
        raise UsageError(str(error)) from error
    threading.Thread(target=_listen, args=(server,), daemon=True).start()
    at = f"{server.host}:{server.port}"
    return until_asked(server, f"serving {robot.spec.name} to GELLO at {at}; `rearm` re-arms, Ctrl-C ends it")


def _gello_server() -> type[GelloServer]:
    """The server's class. Raises UsageError where its distribution, `palme-gello`, is not installed."""
    try:
        from robots.gello.server import GelloServer
    except ModuleNotFoundError as error:
        raise UsageError(
            "guest=gello is not installed: it reads pickled messages and is not part of the base install; "
            "in a checkout of palme: pip install ./robots/gello"
        ) from error
    return GelloServer


def _listen(server: GelloServer) -> None:
    from robots.errors import RobotError

    for line in sys.stdin:
        if line.strip() == "rearm":
            try:
                server.rearm()
                print("re-armed; the next command must be near the measured joints")
            except RobotError as error:
                print(error)


def _simulated(config: ServeGelloConfig) -> tuple[World, SimulatedArm]:
    from palme.cli.rig.build import quiet
    from palme.cli.rig.scene_from_text import scene_for

    quiet()
    from sim.world.arm import SimulatedArm
    from sim.world.world import World

    world = World("fast", config.robot.local)
    arm = SimulatedArm(world, ())
    world.load(scene_for(config.sentence, config.seed, 5))
    arm.hold(5)
    return world, arm
