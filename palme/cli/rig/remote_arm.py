"""The arm at the other end of the bridge, as `robot=bridge bridge.address=...` names it."""

from __future__ import annotations

import socket
from pathlib import Path

from palme.cli.errors import UsageError
from palme.cli.rig.jpeg import Jpeg
from palme.cli.rig.tabletop import RemoteTable
from palme.cli.settings.groups import BridgeConfig
from robots.address import zmq_address
from robots.bridge import keys, sockets
from robots.bridge.client import BridgeClient
from robots.errors import RobotError

PATIENCE = 2.0  # [s] for a port of this computer to answer


def connect(config: BridgeConfig, asked: str = "robot=bridge") -> tuple[BridgeClient, RemoteTable | None]:
    """The connected client, and the table where one is served and asked for. Nothing is armed yet.

    Args:
        asked: by what setting; errors begin with it.

    Raises:
        UsageError: a key is missing, or no server answers.
    """
    folder = Path(config.keys).expanduser() if config.keys else keys.default_folder()
    try:
        client = BridgeClient(
            config.address,
            keys.load_secret(folder, config.key),
            keys.load_public(folder / f"{config.server}.public.json", "the arm's computer").public,
            human=config.human,
            timeout=config.timeout,
            codec=Jpeg() if config.pictures == "jpeg" else None,
        )
    except RobotError as error:
        raise UsageError(f"{asked}: {type(error).__name__}: {error}") from error
    if not config.table:
        return client, None
    try:
        return client, RemoteTable(client, _table_port(config.address))
    except BaseException:
        client.close()
        raise


def _table_port(address: str) -> int:
    """Where the table of the arm at `address` is served. Raises UsageError where none is."""
    from palme.cli.rig.tabletop_frames import PORT

    host, port = sockets.parse(address)
    if not sockets.is_loopback(host):
        raise UsageError("bridge.table=true: a table is served on the loopback alone")
    try:
        socket.create_connection((host, port + PORT), PATIENCE).close()
    except OSError as error:
        raise UsageError(
            f"bridge.table=true: no table is served at {zmq_address(host, port + PORT)} "
            f"({error.strerror or error}); start the server with table=true"
        ) from error
    return port + PORT
