"""`palme serve planner=palme policy=keypose protocol=vla-eval`: a benchmark of others plays our agent."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palme.cli.config import load
from palme.cli.errors import UsageError
from palme.cli.settings.serve import ServeAgentConfig
from palme.cli.signals import until_asked

if TYPE_CHECKING:
    from palme.agent import Agent
    from robots.policy_servers.vla_eval import VlaEvalServer
    from robots.robot import Robot

MAX_PIXELS = 2160 * 3840


def main(arguments: Sequence[str]) -> int:
    """Serves until Ctrl-C."""
    from robots.address import joined
    from robots.errors import RobotError

    config = load(ServeAgentConfig, arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    try:
        server = build_server(config).start()
    except RobotError as error:
        raise UsageError(str(error)) from error
    said = f"serving {config.planner.name} with {config.policy.name} to {config.protocol}"
    return until_asked(server, f"{said} at {joined(server.host, server.port)}; Ctrl-C ends it")


def build_server(config: ServeAgentConfig) -> VlaEvalServer:
    """The server, not yet bound; each episode has an agent of its own around the same networks.

    Raises:
        UsageError: unreadable weights.
        AddressRefused: an address that others could reach.
    """
    from palme.agent import Agent
    from palme.cli.rig.build import away_from, detector_of, quiet
    from palme.cli.rig.planners import Parts
    from palme.cli.rig.served_episode import AgentEpisode
    from palme.weight_files import WeightsError
    from robots.errors import RobotError
    from robots.executor import Executor
    from robots.policy_servers.vla_eval import VlaEvalServer

    quiet()
    spec, camera, detector = config.robot.local, config.detector.camera, detector_of(config.detector)
    try:
        planner = config.planner.build(Parts(SimpleNamespace(spec=spec), detector))
        new_policy = config.policy.factory(spec, detector)
    except (FileNotFoundError, WeightsError) as error:
        raise UsageError(str(error)) from error
    retreat = away_from(spec)

    def new_agent(arm: Robot) -> Agent:
        return Agent(
            arm, planner, new_policy(), Executor(arm),
            limits=config.limits, refusals=(RobotError,), retreat=retreat,
        )  # fmt: skip

    return VlaEvalServer(
        lambda: AgentEpisode(new_agent, spec, camera),
        spec,
        camera,
        hello(spec.n_joints, camera),
        decoded,
        config.address,
    )


def hello(n_joints: int, camera: str) -> dict[str, Any]:
    """What the server says of itself: how our benchmark is to be set, and what it sends and needs."""
    joints = {"name": "joints", "dims": n_joints, "format": "absolute_rad"}
    gripper = {"name": "gripper", "dims": 1, "format": "continuous_open_01", "range": [0.0, 1.0]}
    state = {"name": "state", "dims": n_joints + 1, "format": "joints_rad_gripper_open_01"}
    return {
        "observation_params": {"camera": camera, "depth": True, "until": "model"},
        "action_spec": {"joints": joints, "gripper": gripper},
        "observation_spec": {
            "state": state,
            "image": {"name": "image", "dims": 0, "format": "rgb_hwc_uint8"},
            "depth": {"name": "depth", "dims": 0, "format": "depth_hw_m"},
            "language": {"name": "language", "dims": 0, "format": "language"},
        },
    }


def decoded(data: bytes) -> NDArray[np.uint8]:
    """A PNG or a JPEG as (H, W, 3). Raises ValueError."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            if not picture.width * picture.height <= MAX_PIXELS:
                raise ValueError(f"{picture.size} px; at most {MAX_PIXELS} pixels are read")
            if picture.mode != "RGB":
                raise ValueError(f"mode {picture.mode}, expected RGB")
            return np.array(picture)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"not a PNG or JPEG: {error}") from error
