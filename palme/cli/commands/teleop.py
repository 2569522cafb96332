"""`palme teleop`: a person moves an arm, simulated or across the bridge. Nothing plans."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError, beginning
from palme.cli.exit_codes import exit_code
from palme.cli.rig.operator_session import OperatorSession, beside, check_operator, device_named
from palme.cli.settings.run import SessionConfig, TeleopConfig
from palme.cli.signals import held, interruptible
from robots.errors import RobotError
from robots.realtime import raised_priority
from robots.teleop.arbitration import PAUSED, STOPPED

if TYPE_CHECKING:
    from palme.cli.rig.recording import Recording
    from robots.robot import Robot
    from robots.teleop.teleop_actions import Teleoperator
    from sim.world.arm import SimulatedArm
    from sim.world.scene import Scene

LINE = 0.2  # [s] between status lines
SETTLE_TICKS = 5


def main(arguments: Sequence[str]) -> int:
    """Returns 0 after a signal, its regular end; see `palme.cli.exit_codes`."""
    if words := [word for word in arguments if not is_override(word)]:
        raise UsageError(f"{words[0]!r}: expected key=value; to carry out a sentence use palme run")
    config = load(TeleopConfig, arguments)
    name = config.device or (None if config.console else "keyboard")
    check_operator(config, None)  # the device is checked once the arm is there, which takes a moment only
    ended = Ended()
    with _alone_at(config) as (arm, scene):
        device = _leader(config, arm) if name == "leader" else device_named(name)
        with person_at(arm, config, device, scene, ended) as assisted:
            if name in ("keyboard", "leader"):
                from robots.teleop.devices.keyboard import HELP

                print(HELP, flush=True)
            _watch(assisted, lambda: ended.fault)
            print(f"\n{assisted.told()}")
    return exit_code(True, recorded=not ended.fault)


@dataclass
class Ended:
    """How a session ended.

    Attributes:
        recording: of the session, None without record=.
    """

    recording: Recording | None = None

    @property
    def fault(self) -> str:
        """Why the session is not recorded, "" if it is, or need not be."""
        return "" if self.recording is None else self.recording.fault


@contextmanager
def _alone_at(config: TeleopConfig) -> Iterator[tuple[Any, Scene | None]]:
    """The arm, and what stands before a simulated one; closed in the end."""
    if config.robot.is_remote:
        from palme.cli.rig.remote_arm import connect

        client, _ = connect(replace(config.bridge, human=True, table=False))
        try:
            yield client, None
        finally:
            client.close()
        return
    with beginning():
        arm, scene = simulated(config)
    try:
        yield arm, scene
    finally:
        arm.world.close()


@contextmanager
def person_at(
    arm: Any,
    config: SessionConfig,
    device: Teleoperator | None,
    scene: Scene | None = None,
    ended: Ended | None = None,
) -> Iterator[OperatorSession]:
    """A person alone at `arm`, until the end of the context; then a recording is saved, and one line printed.

    Signals are held in the context; `_watch` is where they end a session.

    Args:
        device: in the person's hand, None = the console alone.
        scene: what stands before a simulated arm, `SETTLE_TICKS` after it was loaded; None across the bridge.
        ended: gets the recording.
    """
    with held("saving the episode"):
        yield from _person_at(arm, config, device, scene, ended or Ended())


def _person_at(
    arm: Any, config: SessionConfig, device: Teleoperator | None, scene: Scene | None, ended: Ended
) -> Iterator[OperatorSession]:
    ours = scene is not None
    mode, message = PAUSED, "take the arm"
    if not ours:
        mode, message = STOPPED, "not armed yet: rearm takes the lease"
    robot, recording = arm, None
    pictures = beside(arm, ours)
    try:
        if config.record:
            from palme.cli.rig.recording import Recording

            begun = Recording(config.record, arm, config.robot, config.codec)
            with beginning():
                robot = begun.begin(arm, config.task, scene, SETTLE_TICKS, config.seed, pictures)
            recording = ended.recording = begun
        with OperatorSession(
            robot, config, device, tuple(arm.cameras), False, mode, message, pictures=pictures
        ) as assisted:
            if recording is not None:
                robot.is_intervention = assisted.by_hand
            with raised_priority():  # printing must not delay the control loop
                yield assisted
    finally:
        pictures.close()
        if recording is not None:
            print("record: saving")
            print(recording.save(None))
            recording.close()


def _watch(assisted: OperatorSession, fault: Callable[[], str] = str) -> None:
    """Print the arm's state until a signal, or until `fault()` says why nothing is recorded; stop it."""
    try:
        with interruptible():
            _show(assisted, fault)
    except KeyboardInterrupt:
        pass
    finally:
        try:
            assisted.shared.stop("teleop ends")
        except RobotError as error:
            print(f"\n{type(error).__name__}: {error}", file=sys.stderr)


def _show(assisted: OperatorSession, fault: Callable[[], str]) -> None:
    shared, line, alive = assisted.shared, "", sys.stdout.isatty()
    while not fault():  # a demonstration that is not recorded would be for nothing
        shared.tasks.check_alive()
        takeover, state = shared.takeover, shared.state
        x, y, z = state.base_from_ee[:3, 3]
        limit = f" · limited by {shared.limited_by}" if shared.limited_by else ""
        now = f"{takeover.mode}: {takeover.message}{limit}"
        where = f"tool {x:+.3f} {y:+.3f} {z:+.3f} m, gripper {100 * state.gripper:3.0f} %"
        if alive:
            print(f"\r\033[K{where} · {now}"[:200], end="", flush=True)
        elif now != line:
            print(now, flush=True)
        line = now
        time.sleep(LINE)


def simulated(config: SessionConfig) -> tuple[SimulatedArm, Scene]:
    """The simulated arm at its table, objects at rest, and the scene."""
    from palme.cli.rig.build import cameras_of, quiet
    from palme.cli.rig.scene_from_text import scene_for

    quiet()
    from sim.world.arm import SimulatedArm
    from sim.world.world import World

    world = World("fast", config.robot.local)
    arm = SimulatedArm(world, cameras_of(config.camera))
    scene = scene_for("", config.seed, config.distractors, config.scene)
    world.load(scene)
    arm.hold(SETTLE_TICKS)
    return arm, scene


def _leader(config: TeleopConfig, follower: Robot) -> Teleoperator:
    """The leader arm, served like any other and only read; buttons come from the keyboard."""
    from palme.cli.rig.remote_arm import connect
    from robots.teleop.devices.keyboard import Keyboard
    from robots.teleop.devices.leader import LeaderArm

    leader = config.leader
    served = replace(
        config.bridge, address=leader.address, key=leader.key, server=leader.server, human=False, table=False
    )
    client, _ = connect(served, "device=leader")
    keys = Keyboard() if sys.stdin.isatty() else None
    return LeaderArm(client, follower.spec, keys)
