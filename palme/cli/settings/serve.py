"""Settings of `palme serve policy=...`, `palme serve planner=...` and `palme serve guest=gello`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from palme.agent import AgentLimits
from palme.cli.errors import UsageError
from palme.cli.rig.planners import PlannerConfig
from palme.cli.rig.policies import LearnedConfig
from palme.cli.settings.fields import Count, Range, Seed
from palme.cli.settings.groups import DetectorConfig, RobotConfig


@dataclass(frozen=True, kw_only=True)
class ClientKeys:
    """Names of the entries in a client's request; null = the protocol's own, see docs/interoperability.md."""

    image: str | None
    depth: str | None
    intrinsics: str | None
    base_from_camera: str | None
    joints: str | None
    joint_speed: str | None
    gripper: str | None
    prompt: str | None


@dataclass(frozen=True, kw_only=True)
class ServePolicyConfig:
    """`palme serve policy=... protocol=...`.

    Attributes:
        protocol: a websocket, or ZeroMQ.
        address: host:port; null = 127.0.0.1 and the protocol's own port, 8000 or 5555.
        token_file: a file with the secret that clients must send; required beyond the loopback.
        horizon: rows of an answer; clients must execute all of them.
        gripper_one: what 1 means to the client's gripper; closed in DROID.
        calibration: YAML file with intrinsics and base_from_camera, for requests without them.
        max_guests: clients at the same time.
        keys: names of the entries in a request; null = the protocol's own, see docs/interoperability.md.
    """

    FILE: ClassVar[str] = "serve_policy"
    robot: RobotConfig
    policy: LearnedConfig
    detector: DetectorConfig
    protocol: Literal["openpi", "gr00t"]
    address: str | None
    token_file: Path | None
    horizon: Annotated[int, Range(1, 256)]
    gripper_one: Literal["closed", "open"]
    calibration: Path | None
    max_guests: Count
    keys: ClientKeys


@dataclass(frozen=True, kw_only=True)
class ServeAgentConfig:
    """`palme serve planner=... policy=... protocol=vla-eval`.

    Attributes:
        protocol: a websocket.
        address: on the loopback only: vla-eval's protocol authenticates nobody.
        limits: when the agent gives up (configs/limits/).
    """

    FILE: ClassVar[str] = "serve_agent"
    robot: RobotConfig
    planner: PlannerConfig
    policy: LearnedConfig
    detector: DetectorConfig
    limits: AgentLimits
    protocol: Literal["vla-eval"]
    address: str

    def __post_init__(self) -> None:
        if self.planner.privileged:
            raise UsageError(f"planner={self.planner.name} reads the simulator, which a server does not have")


@dataclass(frozen=True, kw_only=True)
class ServeGelloConfig:
    """`palme serve guest=gello backend=sim`.

    Attributes:
        guest: the protocol.
        backend: what moves the arm.
        address: on the loopback only: GELLO's protocol authenticates nobody.
        silence_ms: [ms] without a command after which the arm stops until `rearm`.
        sentence: names what stands on the simulated table.
        seed: of the scene.
    """

    FILE: ClassVar[str] = "serve_gello"
    robot: RobotConfig
    guest: Literal["gello"]
    backend: Literal["sim"]
    address: str
    silence_ms: Annotated[float, Range(10.0, 60_000.0)]
    sentence: str
    seed: Seed
