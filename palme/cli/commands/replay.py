"""`palme replay PATH episode=N`: sends the commands of a recorded episode again.

Without `robot=`, in the world it was recorded in: on the machine that recorded it, the same commands give the
same final state to the last bit. Elsewhere the difference is printed. With `robot=`, on another arm: it must
stand near the first posture of the episode, and every command passes that arm's gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError
from palme.cli.exit_codes import exit_code
from palme.cli.settings.data import ReplayConfig
from palme.cli.signals import held, interruptible
from palme.data.errors import DataError, ReplayError
from robots.robot import Robot


def main(arguments: Sequence[str]) -> int:
    """Returns 0 if the final state is equal, or the whole episode was sent; else 1."""
    from palme.data.reader import Dataset

    paths = [word for word in arguments if not is_override(word)]
    words = [word for word in arguments if is_override(word)]
    config = load(ReplayConfig, words)
    if len(paths) != 1:
        raise UsageError("expected one PATH: palme replay PATH episode=0")
    try:
        episode = Dataset(paths[0]).episode(config.episode)
        print(f"episode {config.episode}: {episode.task!r}, {len(episode)} frames")
        if any(word.startswith("robot=") for word in words):
            return _elsewhere(episode, config)
        return _exactly(episode, config.dry_run)
    except DataError as error:
        raise UsageError(f"replay: {error}") from error


def _exactly(episode: Any, dry_run: bool) -> int:
    from palme.cli.rig.build import quiet

    side = episode.sidecar
    if side is None:
        raise ReplayError("the episode has no record of its exact commands; name an arm: robot=panda")
    if dry_run:
        print(f"dry run: {len(side.commands)} orders would be sent in the recorded world; none was")
        return 0
    quiet()
    final, surprise = replay_exactly(side)
    if surprise:
        print(f"differs: {surprise}")
        return 1
    if len(final) != len(side.run.final):
        print(f"differs: the final state has {len(final)} numbers, the recording {len(side.run.final)}")
        return 1
    different = np.flatnonzero(~(np.array(final) == np.array(side.run.final)))
    if different.size:
        print(f"differs: {different.size} of {len(final)} numbers of the final state, first {different[0]}")
        return 1
    print(f"final state: {len(final)} numbers, equal to the last bit")
    return 0


def replay_exactly(side: Any) -> tuple[list[float], str]:
    """Rebuild the simulation and send every order. Returns the final state and the first difference."""
    from palme.cli.rig.scene_snapshot import Setting, final_state
    from robots.errors import CommandRejected
    from robots.types import JointCommand

    arm = Setting.from_json(side.run.world).build()
    surprise = ""
    try:
        for number, order in enumerate(side.commands):
            if order.kind == "stop":
                arm.stop("replay")
                continue
            if order.kind == "rearm":
                arm.rearm()
                continue
            try:
                arm.command(JointCommand(np.array(order.q_target), order.gripper, order.seq, order.t_mono))
                accepted = True
            except CommandRejected:
                accepted = False
            if accepted != order.accepted:
                surprise = (
                    f"order {number} is {'accepted' if accepted else 'refused'} now, unlike in the recording"
                )
                break
        return final_state(arm), surprise
    finally:
        arm.world.close()


def _elsewhere(episode: Any, config: ReplayConfig) -> int:
    from palme.cli.rig.build import quiet
    from palme.cli.rig.remote_arm import connect

    if config.robot.is_remote:
        arm, _ = connect(config.bridge)
        try:
            if config.dry_run:
                return _only_checked(arm, episode, config.approach)
            arm.rearm()
            return _sent(arm, episode, config.approach)
        finally:
            arm.close()
    from sim.world.arm import SimulatedArm
    from sim.world.scene import Scene
    from sim.world.world import World

    quiet()
    world = World("fast", config.robot.local)
    try:
        simulated = SimulatedArm(world)
        side = episode.sidecar
        text = "" if side is None else side.run.world
        world.load(_scene(text) if text else Scene((), ()))
        simulated.hold(5)
        if config.dry_run:
            return _only_checked(simulated, episode, config.approach)
        return _sent(simulated, episode, config.approach)
    finally:
        world.close()


def _scene(text: str) -> Any:
    from palme.cli.rig.scene_snapshot import Setting
    from sim.world.scene import Scene

    return Scene.from_yaml(Setting.from_json(text).scene)


def _only_checked(arm: Any, episode: Any, approach: bool) -> int:
    """What `replay_on` would refuse before it sends anything is refused; returns 0."""
    actions, _ = _checked(arm, episode)
    if not approach:
        _require_near(arm, actions[0, :-1])
    first = "an approach, then " if approach else ""
    print(f"dry run: {first}{len(actions)} commands would be sent to {arm.spec.name}; none was")
    return 0


def _sent(arm: Any, episode: Any, approach: bool) -> int:
    from robots.errors import RobotError

    with held("stopping the arm"):
        try:
            with interruptible():
                n, furthest = replay_on(arm, episode, approach)
        except RobotError as error:
            arm.stop("the replay was interrupted")
            print(f"interrupted: {type(error).__name__}: {error}; the arm holds")
            return exit_code(False)
        except KeyboardInterrupt as interrupt:
            why = str(interrupt) or "stopped by Ctrl-C"
            arm.stop(why)
            print(f"{why}; the arm holds")
            return exit_code(False, stopped=True)
    print(f"{n} commands sent; measured joints at most {furthest:.4f} rad from the recorded ones")
    return 0


def replay_on(arm: Robot, episode: Any, approach: bool = False) -> tuple[int, float]:
    """Send the recorded commands through `arm`'s gate.

    Returns:
        How many commands, and the largest distance of a measured joint from the recorded one in [rad].

    Raises:
        ReplayError: other joints, another rate, a recorded joint or opening out of its limits, or the arm is
            not near the first pose. Nothing has moved.
        CommandRejected: from the gate; the arm holds.
    """
    from robots.executor import Executor

    spec = arm.spec
    actions, states = _checked(arm, episode)
    executor = Executor(arm)
    if approach:
        from robots.motion.trajectory import joint_motion

        for target in joint_motion(spec, arm.observe(()).robot.q, actions[0, :-1]):
            executor.send(target, actions[0, -1])
    _require_near(arm, actions[0, :-1])
    furthest = 0.0
    for action, state in zip(actions, states, strict=True):
        furthest = max(furthest, float(np.abs(arm.observe(()).robot.q - state[:-1]).max()))
        executor.send(action[:-1], float(action[-1]))
    return len(actions), furthest


def _checked(arm: Robot, episode: Any) -> tuple[np.ndarray, np.ndarray]:
    """Actions and states, each (T, n_joints + 1), of an episode that `arm` can take. Raises ReplayError."""
    from palme.data.joint_limits import rows_within

    spec, numbers, dataset = arm.spec, episode.numbers, episode.dataset
    if missing := [key for key in ("action", "observation.state") if key not in numbers]:
        raise ReplayError(f"the episode has no {' and no '.join(missing)}; it has {sorted(numbers)}")
    names = [str(name).removesuffix(".pos") for name in dataset.features["action"].get("names") or ()]
    if names != [*spec.joint_names, "gripper"]:
        raise ReplayError(f"{spec.name} has joints {list(spec.joint_names)}, the episode {names[:-1]}")
    if not abs(dataset.fps - spec.control_hz) < 1e-6:
        raise ReplayError(f"{spec.name} runs at {spec.control_hz} Hz, the episode at {dataset.fps} Hz")
    return (
        rows_within(spec, "action", numbers["action"], ReplayError),
        rows_within(spec, "observation.state", numbers["observation.state"], ReplayError),
    )


def _require_near(arm: Robot, begin: np.ndarray) -> None:
    """Raises ReplayError where the arm is not at the first posture, (n_joints,) in [rad]."""
    spec, q = arm.spec, arm.observe(()).robot.q
    away = np.abs(q - begin)
    if not (away <= spec.first_command_tolerance).all():
        worst = int(np.nanargmax(away))
        raise ReplayError(
            f"{spec.joint_names[worst]} is at {q[worst]:.3f} rad, the episode begins at "
            f"{begin[worst]:.3f}, limit {spec.first_command_tolerance:g} rad apart; move it there, or "
            "set approach=true"
        )
