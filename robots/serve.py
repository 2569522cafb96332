"""Serve one arm over the bridge: `python -m robots.serve robot=panda backend=ideal`, or `palme serve ...`.

Only the base install is needed. Settings are `key=value`; `backend.KEY=VALUE` goes to the driver.
"""

from __future__ import annotations

import difflib
import gc
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from robots.bridge import keys
from robots.bridge.pictures import Codec
from robots.bridge.server import BridgeServer
from robots.drivers.registry import make
from robots.errors import RobotError
from robots.spec import ArmSpec

TOLD_EVERY = 60.0  # [s] between lines about what was refused


class BadSetting(RobotError):
    """A `key=value` that is not understood."""


@dataclass
class Settings:
    """What can be set. Those of the driver stand in `backend_settings`.

    Attributes:
        robot: of configs/robot/.
        backend: of robots/drivers/registry.py; "sim" where the simulator is installed.
        address: of the commands; states and pictures take the next two ports.
        keys: folder; "" = `robots.bridge.keys.default_folder()`.
        key: the server's own, in it.
        realtime: ticks by the clock; False = one command, one tick (simulation only).
        beyond_loopback: bind to an address that other computers reach.
        dry_run: say what would be sent, and send nothing.
        control_hz: in place of the arm's own; 0 = the arm's own.
    """

    robot: str = "panda"
    backend: str = "dry_run"  # moves nothing
    address: str = "tcp://127.0.0.1:5560"
    keys: str = ""
    key: str = "server"
    realtime: bool = True
    beyond_loopback: bool = False
    dry_run: bool = False
    control_hz: float = 0.0
    backend_settings: dict[str, Any] = field(default_factory=dict)


def parse(words: Sequence[str], settings: Settings | None = None) -> Settings:
    """Raises BadSetting, naming the nearest key or the kind of value."""
    out = settings or Settings()
    known = {f.name: type(getattr(out, f.name)) for f in fields(out) if f.name != "backend_settings"}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise BadSetting(f"{word!r}: expected key=value")
        if key.startswith("backend."):
            out.backend_settings[key.removeprefix("backend.")] = _plain(value)
            continue
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise BadSetting(f"unknown key {key!r}{hint} There are: {', '.join(known)}, backend.KEY")
        found = _plain(value) if known[key] is not str else value
        if known[key] is float and isinstance(found, int) and not isinstance(found, bool):
            found = float(found)
        if not isinstance(found, known[key]):
            raise BadSetting(f"{key}={value!r}: expected {known[key].__name__}")
        setattr(out, key, found)
    return out


def build(
    settings: Settings, more: Mapping[str, str] | None = None, codec: Codec | None = None
) -> BridgeServer:
    """The server that `settings` describe, not yet started. Raises RobotError of a named kind."""
    folder = Path(settings.keys) if settings.keys else keys.default_folder()
    key = keys.load_secret(folder, settings.key)
    spec = ArmSpec.load(settings.robot)
    if settings.control_hz:
        spec = replace(spec, control_hz=settings.control_hz)
    if not settings.realtime and settings.backend not in ("sim", "ideal"):
        raise BadSetting(f"realtime=false: {settings.backend} is moved by the clock; only a simulation waits")
    driver = make(settings.backend, spec, settings.backend_settings, more, settings.dry_run)
    return BridgeServer(
        driver, key, folder, settings.address, settings.realtime, settings.beyond_loopback, codec
    )


def serve(server: BridgeServer, settings: Settings, also: Callable[[], object] | None = None) -> None:
    """Start, say so in one line, and serve until SIGINT or SIGTERM; then brake and say what happened."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    sys.setswitchinterval(0.0005)  # [s] a thread may keep the others from a tick
    with server:
        if also is not None:
            also()
        gc.collect()
        gc.freeze()  # what start-up made stays: looking through it again and again would cost ticks
        mode = "by the clock" if settings.realtime else "one tick a command"
        allowed = len(server.allowed.keys())
        print(
            f"serving {server.driver.spec.name} ({settings.backend}, {mode}) at {server.address}; "
            f"{allowed} keys allowed, disarmed, session {server.session}",
            flush=True,
        )
        told: dict[str, int] = {}
        while not ended.wait(TOLD_EVERY):
            told = _tell(server, told)
        _tell(server, {})


def main(words: Sequence[str], more: Mapping[str, str] | None = None) -> int:
    """Returns 0 after a signal, 1 where the arm cannot be served, 2 where a setting is not understood."""
    try:
        settings = parse(words)
        serve(build(settings, more), settings)
    except BadSetting as error:
        print(f"serve: {error}", file=sys.stderr)
        return 2
    except RobotError as error:
        print(f"serve: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _tell(server: BridgeServer, told: dict[str, int]) -> dict[str, int]:
    counts = server.counts()
    if counts != told:
        print("  " + ", ".join(f"{name} {n}" for name, n in sorted(counts.items())), flush=True)
    return counts


def _plain(value: str) -> Any:
    """true, false, a number, [a,b,...], or the text itself."""
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if value.startswith("[") and value.endswith("]"):
        return [_plain(part.strip()) for part in value[1:-1].split(",") if part.strip()]
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            pass
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
