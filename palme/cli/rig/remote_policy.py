"""`policy=remote`: settings of a policy server in another process, and the connection to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from palme.cli.errors import UsageError
from palme.cli.rig.planners import Parts
from palme.cli.rig.policies import PolicyConfig
from palme.cli.rig.token_file import read_token
from palme.cli.settings.fields import Count, Positive, Range
from robots.spec import ArmSpec

if TYPE_CHECKING:
    from palme.policies.remote import RemotePolicy
    from robots.policy_servers.clients import Gr00tClient, OpenpiClient

Seconds = Annotated[float, Range(0.001, 3600.0)]


@dataclass(frozen=True, kw_only=True)
class RemoteKeys:
    """Names of the entries that the server expects; null = the protocol's own, see docs/interoperability.md.

    GR00T: names with a slash, such as video/front, are sent in its nested form; with a dot, such as
    video.front, in its flat form.

    Attributes:
        actions: GR00T: groups joined to a row; null = the names of joints and gripper.
    """

    image: str | None
    wrist_image: str | None
    depth: str | None
    intrinsics: str | None
    base_from_camera: str | None
    joints: str | None
    joint_speed: str | None
    gripper: str | None
    prompt: str | None
    actions: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class RemoteConfig(PolicyConfig):
    """A policy server of another stack, or ours, in another process.

    Attributes:
        protocol: openpi is a websocket, gr00t is ZeroMQ.
        address: host:port; null = 127.0.0.1 and the protocol's own port.
        token_file: a file with the secret that the server asks for.
        timeout_s: [s] limit for an answer; a later one ends the run.
        connect_timeout_s: [s] limit for the connection.
        horizon: rows of an answer that are executed before the server is asked again.
        control_hz: [Hz] rate that its rows are made for; resampled to the arm's own. DROID: 15.
        actions: joint_position is absolute, in [rad]; joint_velocity is DROID's, in units of 0.2 rad a row.
        gripper_one: what 1 means to the server's gripper: closed, as in DROID, or open.
        step_ticks: ticks after which the planner judges the step, for a server that never answers `done`.
        camera: whose pictures are sent.
        wrist_camera: null = none is sent.
        image_size: width and height in [px] with black bars, such as [224, 224]; null = as rendered.
        depth: true sends depth and calibration too, which our own server needs; not with image_size.
        keys: names of the entries that the server expects.
    """

    name: Literal["remote"] = "remote"
    protocol: Literal["openpi", "gr00t"]
    address: str | None
    token_file: Path | None
    timeout_s: Seconds
    connect_timeout_s: Seconds
    horizon: Count
    control_hz: Positive
    actions: Literal["joint_position", "joint_velocity"]
    gripper_one: Literal["closed", "open"]
    step_ticks: Count
    camera: str
    wrist_camera: str | None
    image_size: tuple[Count, Count] | None
    depth: bool
    keys: RemoteKeys

    def __post_init__(self) -> None:
        if self.depth and self.image_size:
            raise UsageError(
                "policy.image_size: depth and calibration need the whole picture; set depth=false"
            )

    def build(self, parts: Parts) -> RemotePolicy:
        """See `PolicyConfig.build`."""
        return remote_policy(self, parts.arm.spec)


def remote_policy(config: RemoteConfig, spec: ArmSpec) -> RemotePolicy:
    """The policy; it connects at its first step. Raises UsageError."""
    from palme.policies.remote import RemoteFormat, RemotePolicy
    from robots.errors import RobotError
    from robots.policy_servers.errors import PolicyServerRefused
    from robots.policy_servers.keys import dotted, keys_for

    names = {key: name for key, name in asdict(config.keys).items() if key != "actions"}
    try:
        keys = keys_for(config.protocol, names)
        client = _client(config, keys.actions, config.protocol == "gr00t" and dotted(names))
    except RobotError as error:
        raise UsageError(f"policy: {error}") from error
    form = RemoteFormat(
        keys=keys,
        camera=config.camera,
        wrist_camera=config.wrist_camera,
        image_size=config.image_size,
        depth=config.depth,
        actions=config.actions,
        horizon=config.horizon,
        rows_hz=config.control_hz,
        one_is_closed=config.gripper_one == "closed",
        step_ticks=config.step_ticks,
    )
    infer: Callable[[Mapping[str, Any]], Mapping[str, Any]] = client.infer
    return RemotePolicy(infer, form, spec, client.reset, (PolicyServerRefused,))


def _client(config: RemoteConfig, actions: tuple[str, ...], flat: bool) -> OpenpiClient | Gr00tClient:
    from robots.policy_servers.clients import Gr00tClient, OpenpiClient
    from robots.policy_servers.keys import PORTS

    address = config.address or f"127.0.0.1:{PORTS[config.protocol]}"
    token = read_token(config.token_file)
    if config.protocol == "openpi":
        return OpenpiClient(address, config.timeout_s, config.connect_timeout_s, token)
    return Gr00tClient(address, config.timeout_s, token, config.keys.actions or actions, flat)
