"""`palme serve policy=keypose protocol=openpi`: other stacks call our policy."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palme.cli.config import load
from palme.cli.errors import UsageError, reason
from palme.cli.rig.token_file import read_token
from palme.cli.settings.serve import ServePolicyConfig
from palme.cli.signals import until_asked
from palme.registry import Registry

if TYPE_CHECKING:
    from robots.policy_servers.gr00t import Gr00tServer
    from robots.policy_servers.observations import Calibration
    from robots.policy_servers.openpi import OpenpiServer

CALIBRATION = ("intrinsics", "base_from_camera")
SERVERS: Registry[Any] = Registry(
    "protocol",
    {
        "openpi": "robots.policy_servers.openpi:OpenpiServer",
        "gr00t": "robots.policy_servers.gr00t:Gr00tServer",
    },
)


def main(arguments: Sequence[str]) -> int:
    """Serves until Ctrl-C."""
    from robots.address import joined
    from robots.errors import RobotError

    config = load(ServePolicyConfig, arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    try:
        server = build_server(config).start()
    except RobotError as error:
        raise UsageError(str(error)) from error
    said = f"serving {config.policy.name} to {config.protocol} clients"
    return until_asked(server, f"{said} at {joined(server.host, server.port)}; Ctrl-C ends it")


def build_server(config: ServePolicyConfig) -> OpenpiServer | Gr00tServer:
    """The server, not yet bound.

    Raises:
        UsageError: unreadable weights, calibration or token.
        AddressRefused: an address that others could reach, and no token.
    """
    from palme.cli.rig.build import detector_of, quiet
    from palme.errors import StepFailed
    from palme.weight_files import WeightsError
    from robots.policy_servers.keys import PORTS, keys_for
    from robots.policy_servers.observations import ObservationReader
    from robots.policy_servers.session import Session, metadata

    quiet()
    spec, horizon = config.robot.local, config.horizon
    try:
        new_policy = config.policy.factory(spec, detector_of(config.detector))
    except (FileNotFoundError, WeightsError) as error:
        raise UsageError(str(error)) from error
    keys, calibration = keys_for(config.protocol, asdict(config.keys)), read_calibration(config.calibration)
    reader = ObservationReader(
        spec, config.detector.camera, keys, calibration, config.gripper_one == "closed"
    )
    return SERVERS[config.protocol](
        lambda: Session(new_policy(), reader, horizon),
        metadata(config.policy.name, reader, horizon),
        config.address or f"127.0.0.1:{PORTS[config.protocol]}",
        token=read_token(config.token_file),
        public_errors=(StepFailed, ValueError),  # ValueError: of the detector, at pictures of an odd size
        max_clients=config.max_guests,
    )


def read_calibration(path: Path | None) -> Calibration:
    """`intrinsics` and `base_from_camera` from a YAML file. Raises UsageError."""
    import numpy as np
    import yaml

    from robots.policy_servers.observations import Calibration

    if path is None:
        return Calibration()
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not (isinstance(raw, dict) and raw and set(raw) <= set(CALIBRATION)):
            raise ValueError(f"expected a mapping with {' and '.join(CALIBRATION)}")
        return Calibration(**{key: np.asarray(value, np.float64) for key, value in raw.items()})
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise UsageError(
            f"calibration={path}: {reason(error)}; name a YAML file with {' and '.join(CALIBRATION)}"
        ) from error
