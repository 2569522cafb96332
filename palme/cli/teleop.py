"""`palme teleop`: a person alone at an arm, simulated or at the other end of the bridge. Nobody plans."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from palme.cli.assisted import Assisted, device_named
from palme.cli.config import is_override, load
from palme.cli.errors import UsageError
from robots.teleop.mode import PAUSED, STOPPED

LINE = 0.2  # [s] between lines of where the arm is


def main(arguments: Sequence[str]) -> int:
    """Returns 0 after Ctrl-C or SIGTERM."""
    if words := [word for word in arguments if not is_override(word)]:
        raise UsageError(f"{words[0]!r}: every setting is key=value; to have a sentence done: palme run")
    config = load("teleop", arguments)
    name = config["device"] or (None if config["console"] else "keyboard")
    arm, cameras, close = _arm(config)
    remote = config["robot"]["name"] == "bridge"
    mode, message = (STOPPED, "not armed yet: rearm takes the lease") if remote else (PAUSED, "take the arm")
    try:
        device = _leader(config, arm) if name == "leader" else device_named(name)
        with Assisted(arm, config, device, cameras, agent=False, mode=mode, message=message) as assisted:
            if name in ("keyboard", "leader"):
                from robots.teleop.devices.keyboard import HELP

                print(HELP, flush=True)
            _watch(assisted)
            print(f"\n{assisted.told()}")
    finally:
        close()
    return 0


def _watch(assisted: Assisted) -> None:
    """Tell where the arm is until Ctrl-C or SIGTERM; then stop it."""
    from robots.errors import RobotError

    shared, line, alive = assisted.shared, "", sys.stdout.isatty()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while True:
            shared.jobs.check_alive()
            takeover, state = shared.takeover, shared.state
            x, y, z = state.base_from_ee[:3, 3]
            held = f" · held back by {shared.held_by}" if shared.held_by else ""
            now = f"{takeover.mode}: {takeover.message}{held}"
            where = f"tool {x:+.3f} {y:+.3f} {z:+.3f} m, fingers {100 * state.gripper:3.0f} %"
            if alive:
                print(f"\r\033[K{where} · {now}"[:200], end="", flush=True)
            elif now != line:
                print(now, flush=True)
            line = now
            time.sleep(LINE)
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
        try:
            shared.stop("teleop ends")
        except RobotError as error:
            print(f"\n{type(error).__name__}: {error}", file=sys.stderr)


def _arm(config: dict[str, Any]) -> tuple[Any, tuple[str, ...], Any]:
    """The arm, its cameras, and what closes it."""
    if config["robot"]["name"] == "bridge":
        from palme.cli.remote_arm import connect

        client, _ = connect({**config["bridge"], "human": True, "table": False})
        return client, tuple(client.cameras), client.close
    from palme.cli.build import cameras_of, quiet
    from palme.cli.stage import scene_for
    from robots.errors import SpecError
    from robots.spec import ArmSpec

    quiet()
    from sim.arm import SimulatedArm
    from sim.world import World

    try:
        spec = ArmSpec.from_dict(config["robot"])
    except SpecError as error:
        raise UsageError(f"robot: {error}") from error
    if spec.name != "panda":
        raise UsageError(f"robot={spec.name}: only the Panda is simulated; reach another with robot=bridge")
    world = World("fast")
    arm = SimulatedArm(world, spec, cameras_of(config["camera"]))
    world.load(scene_for("", config["seed"], config["distractors"], config["scene"]))
    arm.hold(5)
    return arm, tuple(arm.cameras), world.close


def _leader(config: dict[str, Any], follower: Any) -> Any:
    """The leader arm, which is served like any other and only looked at; buttons come from the keyboard."""
    from palme.cli.remote_arm import connect
    from robots.teleop.devices.keyboard import Keyboard
    from robots.teleop.devices.leader import LeaderArm

    leader = config["leader"]
    client, _ = connect({**config["bridge"], **leader, "human": False, "table": False})
    keys = Keyboard() if sys.stdin.isatty() else None
    return LeaderArm(client, follower.spec, keys)
