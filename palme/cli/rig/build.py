"""From names to objects: the arm with its table, the planner and the policy that a configuration names."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from palme.cli.errors import UsageError, unknown
from palme.cli.rig.baselines import OraclePlanner
from palme.cli.rig.planners import Parts
from palme.cli.rig.tabletop import LocalTable, Table
from palme.cli.settings.groups import CameraConfig, DetectorConfig, KnockConfig
from palme.cli.settings.run import RigConfig
from robots.errors import Unreachable
from robots.motion.pick_place import rise
from robots.motion.trajectory import joint_motion
from robots.spec import ArmSpec
from robots.types import ActionChunk, Observation
from sim.rendering.camera import CAMERAS, Camera
from sim.tasks import Task
from sim.world.arm import SimulatedArm
from sim.world.world import World

if TYPE_CHECKING:
    from palme.perception.detector import Detector
    from palme.planners.base import Planner
    from palme.policies.base import Policy

AWAY_Z = 0.25  # [m] height of the tool above everything that stands on the table


@dataclass
class Rig:
    """A world with an arm in it, and who plans and acts. One process, one rig; scenes come and go.

    Attributes:
        world: None where the arm is at the other end of a bridge.
        arm: a `Robot`: `SimulatedArm`, or a `BridgeClient`.
        table: None where nobody can set or ask it: a real one.
    """

    world: World | None
    arm: Any
    table: Table | None
    planner: Planner
    policy: Policy
    retreat: Callable[[Observation], ActionChunk]
    warnings: tuple[str, ...] = ()

    def set_goal(self, task: Task[Any] | None) -> None:
        """The goal of the next run, for a privileged planner; the others never see it."""
        if isinstance(self.planner, OraclePlanner):
            self.planner.task = task

    @property
    def simulation(self) -> World:
        """The world. Raises UsageError where the arm is at the other end of a bridge."""
        if self.world is None:
            raise UsageError(
                "robot=bridge: this needs the simulator in this process; name an arm, robot=panda"
            )
        return self.world

    def close(self) -> None:
        """Give the simulator back, or the lease."""
        (self.arm if self.world is None else self.world).close()


def build_rig(config: RigConfig, seed: int = 0, commands: bool = True) -> Rig:
    """Everything that `config` names.

    Args:
        config: the names.
        seed: of random policies.
        commands: false only reads a served arm and does not acquire it.

    Raises:
        UsageError: weights are missing, or a part of the configuration does not fit the arm.
    """
    quiet()
    if config.robot.is_remote:
        return _remote_rig(config, seed, commands)
    spec = config.robot.local
    world = World("fast", spec)
    arm = SimulatedArm(world, cameras_of(config.camera))
    planner, policy = _minds(config, arm, seed)
    warnings = tuple(
        f"{part.name}: privileged, reads the simulator"
        for part in (config.planner, config.policy)
        if part.privileged
    )
    return Rig(world, arm, LocalTable(world, arm), planner, policy, away_from(spec), warnings)


def _remote_rig(config: RigConfig, seed: int, commands: bool) -> Rig:
    """As `build_rig`, with the arm at the other end of the bridge. Scene or run arm it."""
    from palme.cli.rig.remote_arm import connect

    arm, table = connect(config.remote)
    try:
        if (camera := config.detector.camera) not in arm.cameras:
            raise UsageError(
                f"robot=bridge: the arm has no camera {camera!r}, which planner and policy need; it has "
                f"{list(arm.cameras)} (an arm in a dry run has none)"
            )
        if commands:
            arm.acquire()  # a client that may not command need not wait for the networks
        planner, policy = _minds(config, arm, seed)
    except BaseException:
        arm.close()
        raise
    return Rig(None, arm, table, planner, policy, away_from(arm.spec))


def _minds(config: RigConfig, arm: Any, seed: int) -> tuple[Planner, Policy]:
    """Raises UsageError where weights are missing, damaged or foreign."""
    parts = Parts(arm, detector_of(config.detector), seed)
    from palme.weight_files import WeightsError

    try:
        return _judged(config, config.planner.build(parts)), config.policy.build(parts)
    except (FileNotFoundError, WeightsError) as error:
        raise UsageError(str(error)) from error


def _judged(config: RigConfig, planner: Planner) -> Planner:
    """`planner` with the judge of outcomes that `config` names."""
    if config.judge == "planner":
        return planner
    from palme.models.clip.load import load_clip
    from palme.planners.clip.judged import JudgedByClip
    from palme.planners.clip.outcome import OutcomeJudge

    return JudgedByClip(planner, OutcomeJudge(load_clip()), config.detector.camera, config.judge == "both")


def detector_of(config: DetectorConfig) -> Callable[[], Detector]:
    """Loads the detector when first called; the same one for every caller."""

    @cache
    def load() -> Detector:
        from palme.perception.detector import WEIGHTS, Detector

        return Detector.load(config.weights or WEIGHTS, config.camera)

    return load


def away_from(spec: ArmSpec) -> Callable[[Observation], ActionChunk]:
    """Open, straight up and home; home by the shortest way where straight up is out of reach."""

    def retreat(observation: Observation) -> ActionChunk:
        q = observation.robot.q
        try:
            return rise(spec, q, AWAY_Z, 1.0, home=True)
        except Unreachable:
            path = joint_motion(spec, q, spec.q_home)
            return ActionChunk(path, np.ones(len(path)), spec.control_hz)

    return retreat


def cameras_of(config: CameraConfig) -> list[Camera]:
    """The cameras that `config` names, at their sizes, knocked where it says so. Raises UsageError."""
    chosen = []
    for name in config.names:
        if name not in CAMERAS:
            raise unknown("camera", name, CAMERAS)
        camera = replace(CAMERAS[name], size=config.size_of(name) or CAMERAS[name].size)
        chosen.append(_knocked(camera, config.knock))
    return chosen


def _knocked(camera: Camera, knock: KnockConfig | None) -> Camera:
    if knock is None or knock.camera != camera.name:
        return camera
    return camera.knocked(1e-3 * knock.shift_mm, math.radians(knock.turn_deg), knock.seed)


def quiet() -> None:
    """One thread a process (workers share the cores), no output from libraries, nothing downloaded."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if "pybullet" in sys.modules:
        return
    # PyBullet prints its build time from C at import; only redirecting the file descriptor suppresses it.
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import pybullet  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
