"""`palme serve policy=keypose protocol=openpi`: other stacks call our policy."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from palme.cli.config import load
from palme.cli.errors import UsageError, reason, unknown
from palme.cli.signals import until_asked

TOKEN_BYTES = (16, 1024)
CALIBRATION = ("intrinsics", "base_from_camera")


def main(arguments: Sequence[str]) -> int:
    """Serves until Ctrl-C."""
    from robots.errors import RobotError

    config = load("serve_policy", arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    try:
        server = build_server(config).start()
    except RobotError as error:
        raise UsageError(str(error)) from error
    said = f"serving {config['policy']['name']} to {config['protocol']} clients"
    return until_asked(server, f"{said} at {server.host}:{server.port}; Ctrl-C ends it")


def build_server(config: dict[str, Any]) -> Any:
    """The server that `config` names, not yet bound.

    Raises:
        UsageError: an unknown protocol or policy, unreadable weights, calibration or token.
        AddressRefused: an address that others could reach, and no token.
    """
    from palme.cli.rig.build import LEARNED, _LazyDetector, learned_policies, quiet
    from palme.errors import StepFailed
    from robots.policy_servers.keys import PORTS, PROTOCOLS, keys_for
    from robots.policy_servers.observations import ObservationReader
    from robots.policy_servers.session import Session, metadata
    from robots.spec import ArmSpec

    protocol, policy = config["protocol"], config["policy"]
    if protocol not in PROTOCOLS:
        raise unknown("protocol", str(protocol), PROTOCOLS)
    if policy["name"] not in LEARNED:
        raise unknown("policy to serve", policy["name"], LEARNED)
    if not 1 <= config["horizon"] <= 256:
        raise UsageError(f"horizon={config['horizon']}: rows of an answer, 1 to 256")
    if not config["max_guests"] >= 1:
        raise UsageError(f"max_guests={config['max_guests']}: expected at least 1")
    quiet()
    spec, detector = ArmSpec.from_dict(config["robot"]), _LazyDetector(config)
    try:
        new_policy = learned_policies(policy, spec, detector)
    except FileNotFoundError as error:
        raise UsageError(str(error)) from error
    keys, calibration = keys_for(protocol, config["keys"]), read_calibration(config["calibration"])
    reader = ObservationReader(
        spec, config["detector"]["camera"], keys, calibration, one_is_closed(config["gripper_one"])
    )
    sent = metadata(policy["name"], reader, config["horizon"])
    if protocol == "openpi":
        from robots.policy_servers.openpi import OpenpiServer as Server
    else:
        from robots.policy_servers.gr00t import Gr00tServer as Server  # type: ignore[assignment]
    return Server(
        lambda: Session(new_policy(), reader, config["horizon"]),
        sent,
        config["address"] or f"127.0.0.1:{PORTS[protocol]}",
        token=read_token(config["token_file"]),
        public_errors=(StepFailed, ValueError),  # ValueError: of the detector, at pictures of an odd size
        max_clients=config["max_guests"],
    )


def one_is_closed(word: str) -> bool:
    """What 1 of a gripper means. Raises UsageError."""
    if word not in ("closed", "open"):
        raise unknown("gripper_one", str(word), ("closed", "open"))
    return word == "closed"


def read_token(path: str | None) -> str | None:
    """The secret in a file: `TOKEN_BYTES` of printable ASCII. Raises UsageError."""
    if path is None:
        return None
    low, high = TOKEN_BYTES
    try:
        token = Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"token_file={path}: {reason(error)}; name a text file with {low} to {high} characters"
        ) from error
    if not (low <= len(token) <= high and token.isprintable() and " " not in token):
        raise UsageError(f"token_file={path}: expected {low} to {high} printable characters without spaces")
    return token


def read_calibration(path: str | None) -> Any:
    """`intrinsics` and `base_from_camera` from a YAML file. Raises UsageError."""
    import numpy as np
    import yaml

    from robots.policy_servers.observations import Calibration

    if path is None:
        return Calibration()
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        if not (isinstance(raw, dict) and raw and set(raw) <= set(CALIBRATION)):
            raise ValueError(f"expected a mapping with {' and '.join(CALIBRATION)}")
        return Calibration(**{key: np.asarray(value, np.float64) for key, value in raw.items()})
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise UsageError(
            f"calibration={path}: {reason(error)}; name a YAML file with {' and '.join(CALIBRATION)}"
        ) from error
