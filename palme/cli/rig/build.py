"""Names from the configuration become objects, each imported only when it is asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palme.cli.errors import UsageError, unknown
from palme.cli.rig.tabletop import LocalTable, Table
from robots.spec import ArmSpec
from robots.types import ActionChunk, Observation
from sim.world.arm import SimulatedArm
from sim.world.world import World

AWAY_Z = 0.25  # [m] height of the tool above everything that stands on the table
PRIVILEGED = ("oracle", "expert")
LEARNED = ("keypose", "chunk")


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
    planner: Any
    policy: Any
    retreat: Callable[[Observation], ActionChunk]
    warnings: tuple[str, ...] = ()

    def close(self) -> None:
        """Give the simulator back, or the lease."""
        (self.arm if self.world is None else self.world).close()


def build_rig(config: Mapping[str, Any], seed: int = 0) -> Rig:
    """Everything that `config` (groups robot, planner, policy, camera) names.

    Raises:
        UsageError: weights are missing, a part of the configuration does not fit the arm, or what a person is
            to have in the run (`console`, `teleop`) cannot be had.
    """
    from robots.errors import SpecError

    quiet()
    if config.get("console") or config.get("teleop"):
        from palme.cli.rig.operator_session import check_person

        check_person(config, config["teleop"])
    if config["robot"]["name"] == "bridge":
        return _remote_rig(config, seed)
    try:
        spec = ArmSpec.from_dict(config["robot"])
    except SpecError as error:
        raise UsageError(f"robot: {error}") from error
    world = World("fast", spec)
    arm = SimulatedArm(world, cameras_of(config["camera"]))
    planner, policy = _minds(config, arm, seed)
    named = [str(config[part]["name"]) for part in ("planner", "policy")]
    told = tuple(f"{n}: privileged, reads the simulator" for n in named if n in PRIVILEGED)
    table = LocalTable(world, arm)
    return Rig(world, arm, table, planner, policy, lambda seen: _away(spec, seen), told)


def _remote_rig(config: Mapping[str, Any], seed: int) -> Rig:
    """As `build_rig`, with the arm at the other end of the bridge. Scene or run arm it."""
    from palme.cli.rig.remote_arm import connect

    for part in ("planner", "policy"):
        if config[part]["name"] in PRIVILEGED:
            raise UsageError(f"{part}={config[part]['name']} reads the simulator, which is not here")
    arm, table = connect(config["bridge"])
    try:
        if (eye := config["detector"]["camera"]) not in arm.cameras:
            raise UsageError(
                f"robot=bridge: the arm has no camera {eye!r}, which planner and policy see by; it has "
                f"{list(arm.cameras)} (an arm in a dry run has none)"
            )
        arm.acquire()  # who may not command need not wait for the networks
        planner, policy = _minds(config, arm, seed)
    except BaseException:
        arm.close()
        raise
    spec = arm.spec
    return Rig(None, arm, table, planner, policy, lambda seen: _away(spec, seen))


def _minds(config: Mapping[str, Any], arm: Any, seed: int) -> tuple[Any, Any]:
    """Planner and policy. Raises UsageError where weights are missing."""
    detector = _LazyDetector(config)
    try:
        planner = _planner(config["planner"], arm, detector)
        return planner, _policy(config["policy"], arm, detector, seed)
    except FileNotFoundError as error:
        raise UsageError(str(error)) from error


def _away(spec: ArmSpec, observation: Observation) -> ActionChunk:
    """Open, straight up and home; home by the shortest way where straight up is out of reach."""
    import numpy as np

    from robots.errors import Unreachable
    from robots.motion.pick_place import rise
    from robots.motion.trajectory import joint_motion

    q = observation.robot.q
    try:
        return rise(spec, q, AWAY_Z, 1.0, home=True)
    except Unreachable:
        path = joint_motion(spec, q, spec.q_home)
        return ActionChunk(path, np.ones(len(path)), spec.control_hz)


class _LazyDetector:
    """The same detector for planner and policy, loaded once, when first asked for."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config, self._detector = config, None

    def __call__(self) -> Any:
        if self._detector is None:
            from palme.perception.detector import WEIGHTS, Detector

            config = self._config["detector"]
            self._detector = Detector.load(_weights(config, WEIGHTS), config["camera"])
        return self._detector


def _planner(config: Mapping[str, Any], arm: Any, detector: _LazyDetector) -> Any:
    name = config["name"]
    if name == "oracle":
        from palme.cli.rig.baselines import OraclePlanner

        return OraclePlanner(arm)
    if name == "palme":
        from transformers.utils import logging

        from palme.planners.palme import WEIGHTS, PalmePlanner

        logging.disable_progress_bar()  # the weights load in a blink
        return PalmePlanner.load(detector(), _weights(config, WEIGHTS))
    if name == "readout":
        from palme.planners.readout import ReadoutPlanner

        return ReadoutPlanner(detector())
    raise unknown("planner", name, ("palme", "readout", "oracle"))


def _policy(config: Mapping[str, Any], arm: Any, detector: _LazyDetector, seed: int) -> Any:
    name = config["name"]
    if name in LEARNED:
        return learned_policies(config, arm.spec, detector)()
    if name == "remote":
        from palme.cli.rig.remote_policy import remote_policy

        return remote_policy(config, arm.spec)
    if name == "expert":
        from palme.cli.rig.baselines import ExpertPolicy

        return ExpertPolicy(arm)
    if name == "random":
        from palme.cli.rig.baselines import RandomPolicy

        return RandomPolicy(arm, seed)
    raise unknown("policy", name, (*LEARNED, "remote", "expert", "random"))


def learned_policies(
    config: Mapping[str, Any], spec: ArmSpec, detector: Callable[[], Any]
) -> Callable[[], Any]:
    """Makes policies of that name for one arm, each with a state of its own; networks are loaded once.

    Raises FileNotFoundError, naming the weights and the remedy, and UsageError for another name.
    """
    from robots.motion.arm_motion import ArmMotion

    seeing, motion, name = detector(), ArmMotion(spec), config["name"]
    if name == "keypose":
        from palme.policies.keypose import KeyposePolicy

        return lambda: KeyposePolicy(seeing, motion)
    if name == "chunk":
        from palme.policies.chunk import WEIGHTS, ChunkPolicy

        head = ChunkPolicy.load(seeing, motion, _weights(config, WEIGHTS)).head
        return lambda: ChunkPolicy(seeing, motion, head, config["corrected"])
    raise unknown("policy", name, LEARNED)


def _weights(config: Mapping[str, Any], shipped: Path) -> Path:
    """The path that the configuration names, or the shipped one."""
    return Path(config["weights"]) if config["weights"] else shipped


def cameras_of(config: Mapping[str, Any]) -> list[Any]:
    """The cameras that the group `camera` names, at their sizes. Raises UsageError."""
    from dataclasses import replace

    from sim.rendering.camera import CAMERAS

    chosen = []
    for name in config["names"]:
        if name not in CAMERAS:
            raise unknown("camera", name, CAMERAS)
        width, height = config.get(f"{name}_size") or CAMERAS[name].size
        chosen.append(replace(CAMERAS[name], size=(int(width), int(height))))
    return [_knocked(camera, config.get("knock")) for camera in chosen]


def _knocked(camera: Any, knock: Mapping[str, Any] | None) -> Any:
    """`camera` as the group `camera=knocked` has it."""
    import math

    if knock is None or knock["camera"] != camera.name:
        return camera
    return camera.knocked(1e-3 * knock["shift_mm"], math.radians(knock["turn_deg"]), knock["seed"])


def quiet() -> None:
    """One thread a process (workers share the cores), no chatter from libraries, nothing fetched."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if "pybullet" in sys.modules:
        return
    # PyBullet prints its build time from C when it is imported: there is no other way to keep it quiet.
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import pybullet  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
