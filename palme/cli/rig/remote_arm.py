"""The arm at the other end of the bridge, as `robot=bridge bridge.address=...` names it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palme.cli.errors import UsageError, unknown
from palme.cli.rig.tabletop import RemoteTable

PICTURES = ("raw", "jpeg")
PATIENCE = 2.0  # [s] for a port of this computer to answer


def connect(config: Mapping[str, Any], asked: str = "robot=bridge") -> tuple[Any, RemoteTable | None]:
    """The connected client, and the table where one is served and asked for. Nothing is armed yet.

    Args:
        config: of configs/bridge/.
        asked: by what setting; errors begin with it.

    Raises:
        UsageError: a key is missing, nobody answers, or a setting is unknown.
    """
    from palme.cli.commands.serve_arm import Jpeg
    from robots.bridge import keys
    from robots.bridge.client import BridgeClient
    from robots.errors import RobotError

    if config["pictures"] not in PICTURES:
        raise unknown("form of pictures", config["pictures"], PICTURES)
    folder = Path(config["keys"]).expanduser() if config["keys"] else keys.default_folder()
    try:
        client = BridgeClient(
            config["address"],
            keys.load_secret(folder, config["key"]),
            keys.load_public(folder / f"{config['server']}.public.json", "the arm's computer").public,
            human=config["human"],
            timeout=float(config["timeout"]),
            codec=Jpeg() if config["pictures"] == "jpeg" else None,
        )
    except RobotError as error:
        raise UsageError(f"{asked}: {type(error).__name__}: {error}") from error
    if not config["table"]:
        return client, None
    try:
        return client, RemoteTable(client, _table_port(config["address"]))
    except BaseException:
        client.close()
        raise


def _table_port(address: str) -> int:
    """Where the table of the arm at `address` is served. Raises UsageError where none is."""
    from palme.cli.rig.tabletop_frames import PORT
    from robots.bridge import sockets

    host, port = sockets.parse(address)
    if not sockets.is_loopback(host):
        raise UsageError("bridge.table=true: a table is served on the loopback alone")
    try:
        socket.create_connection((host.strip("[]"), port + PORT), PATIENCE).close()
    except OSError as error:
        raise UsageError(
            f"bridge.table=true: no table is served at tcp://{host}:{port + PORT} "
            f"({error.strerror or error}); start the server with table=true"
        ) from error
    return port + PORT
