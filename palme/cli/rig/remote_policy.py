"""`policy=remote`: joins the policy that asks a server with the wire that reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from palme.cli.commands.serve_policy import one_is_closed, read_token
from palme.cli.errors import UsageError, unknown
from robots.spec import ArmSpec


def remote_policy(config: Mapping[str, Any], spec: ArmSpec) -> Any:
    """The policy of configs/policy/remote.yaml. Connects at its first step. Raises UsageError."""
    from palme.policies.remote import ACTIONS, RemoteFormat, RemotePolicy
    from robots.errors import RobotError
    from robots.policy_servers.clients import Gr00tClient, OpenpiClient
    from robots.policy_servers.errors import PolicyServerRefused
    from robots.policy_servers.keys import PORTS, PROTOCOLS, keys_for

    protocol = str(config["protocol"])
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    if config["actions"] not in ACTIONS:
        raise unknown("actions", str(config["actions"]), ACTIONS)
    if config["depth"] and config["image_size"]:
        raise UsageError("policy.image_size: depth and calibration are of the picture as seen; depth=false")
    for name in ("timeout_s", "connect_timeout_s", "horizon", "control_hz", "step_ticks"):
        if not 0 < config[name] < 1e5:
            raise UsageError(f"policy.{name}={config[name]}: must be a positive number")
    names = {key: name for key, name in config["keys"].items() if key != "actions"}
    address = config["address"] or f"127.0.0.1:{PORTS[protocol]}"
    token, timeout_s = read_token(config["token_file"]), float(config["timeout_s"])
    client: Any
    try:
        keys = keys_for(protocol, names)
        if protocol == "openpi":
            client = OpenpiClient(address, timeout_s, float(config["connect_timeout_s"]), token)
        else:
            groups = config["keys"]["actions"] or ("joint_position", "gripper_position")
            client = Gr00tClient(address, timeout_s, token, tuple(map(str, groups)))
    except RobotError as error:
        raise UsageError(f"policy: {error}") from error
    shape = RemoteFormat(
        keys=keys,
        camera=config["camera"],
        wrist_camera=config["wrist_camera"],
        image_size=tuple(config["image_size"]) if config["image_size"] else None,
        depth=config["depth"],
        actions=config["actions"],
        horizon=int(config["horizon"]),
        rows_hz=float(config["control_hz"]),
        one_is_closed=one_is_closed(config["gripper_one"]),
        step_ticks=int(config["step_ticks"]),
    )
    return RemotePolicy(
        client.infer, shape, spec.n_joints, spec.control_hz, client.reset, (PolicyServerRefused,)
    )
