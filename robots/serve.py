"""Serves one arm over the bridge: `python -m robots.serve robot=panda backend=ideal`, or `palme serve ...`.

Needs the base install only. Settings are `key=value`; `backend.KEY=VALUE` goes to the driver; `--help` lists
them.
"""

from __future__ import annotations

import difflib
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from robots.bridge import keys, sockets
from robots.bridge.pictures import Codec
from robots.bridge.server import MIN_HZ, BridgeServer
from robots.drivers.registry import DRIVERS, make
from robots.errors import RobotError
from robots.output import PATIENCE, safe_output
from robots.spec import ArmSpec

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
REPORT_EVERY = 60.0  # [s] between lines of counts
MAX_HZ = 1000.0  # the highest rate measured: `palme bench bridge`


class BadSetting(RobotError):
    """A `key=value` is unknown, malformed or out of range."""


@dataclass
class Settings:
    """All settings of a server; `--help` prints these descriptions.

    Attributes:
        robot: the arm, one of configs/robot/.
        backend: the arm's driver; dry_run moves nothing.
        address: of the commands; states and images use the next two ports.
        keys: folder of keys; empty = $PALME_KEYS, or .palme/keys in the home directory.
        key: the server's own key, in that folder.
        realtime: true ticks in real time; false = one tick a command (simulation only).
        beyond_loopback: true binds to an address that other computers reach.
        dry_run: true prints the commands and sends none.
        control_hz: commands a second, 20 to 1000, in place of the arm's own; 0 = the arm's own.
        backend_settings: keyword arguments of the driver.
    """

    robot: str = "panda"
    backend: str = "dry_run"
    address: str = "tcp://127.0.0.1:5560"
    keys: str = ""
    key: str = "server"
    realtime: bool = True
    beyond_loopback: bool = False
    dry_run: bool = False
    control_hz: float = 0.0
    backend_settings: dict[str, Any] = field(default_factory=dict)


def parse(arguments: Sequence[str], settings: Settings | None = None) -> Settings:
    """`settings` (default: `Settings()`) with each `key=value` applied.

    Raises:
        BadSetting: an unknown key, with the closest one, or a value of another type.
    """
    out = settings or Settings()
    known = {f.name: type(getattr(out, f.name)) for f in fields(out) if f.name != "backend_settings"}
    for word in arguments:
        key, sign, value = word.partition("=")
        if not sign:
            raise BadSetting(f"{word!r}: expected key=value")
        if key.startswith("backend."):
            out.backend_settings[key.removeprefix("backend.")] = _plain(value)
            continue
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise BadSetting(f"unknown key {key!r}{hint} There are: {', '.join(known)}, backend.KEY")
        found = _plain(value) if known[key] is not str else value
        if known[key] is float and isinstance(found, int) and not isinstance(found, bool):
            found = float(found)
        if not isinstance(found, known[key]):
            raise BadSetting(f"{key}={value!r}: expected {known[key].__name__}")
        setattr(out, key, found)
    return out


def build(
    settings: Settings, drivers: Mapping[str, str] | None = None, codec: Codec | None = None
) -> BridgeServer:
    """The server that `settings` describe, not yet started.

    Args:
        drivers: further backends, see `robots.drivers.registry.make`.
        codec: compresses images; None = they are sent raw.

    Raises:
        BadSetting: a setting is invalid.
        RobotError: the port is not available.
    """
    folder = Path(settings.keys).expanduser() if settings.keys else keys.default_folder()
    try:
        sockets.check_reach(sockets.parse(settings.address)[0], settings.beyond_loopback)
        key = keys.load_secret(folder, settings.key)
        keys.AllowList(folder).check()
        spec = _at_rate(ArmSpec.load(settings.robot), settings)
        driver = make(settings.backend, spec, settings.backend_settings, drivers, settings.dry_run)
    except RobotError as error:  # nothing is connected yet, so the cause is a setting
        raise BadSetting(str(error)) from error
    return BridgeServer(
        driver, key, folder, settings.address, settings.realtime, settings.beyond_loopback, codec
    )


def serve(server: BridgeServer, settings: Settings, started: Callable[[], object] | None = None) -> None:
    """Start, print one line, and serve until a signal of `STOPS`; then brake and print the counts.

    Args:
        started: called once, after the start.

    Raises:
        RobotError: the arm cannot be reached.
    """
    ended = threading.Event()
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # under `nohup`
    for number in STOPS:
        if not (number == signal.SIGHUP and ignored):
            signal.signal(number, lambda *_: ended.set())
    sys.setswitchinterval(0.0005)  # [s] for which a thread may delay the control thread
    with server:
        if started is not None:
            started()
        gc.collect()
        gc.freeze()  # objects of the start live on: scanning them again would delay ticks
        mode = "in real time" if settings.realtime else "one tick a command"
        allowed = len(server.allowed.keys())
        print(
            f"serving {server.driver.spec.name} ({settings.backend}, {mode}) at {server.address}; "
            f"{allowed} keys allowed, disarmed, session {server.session}",
            flush=True,
        )
        for problem in server.allowed.broken():
            print(f"serve: not allowed: {problem}", file=sys.stderr, flush=True)
        printed: dict[str, int] = {}
        while not ended.wait(REPORT_EVERY):
            printed = _print_counts(server, printed)
        _print_counts(server, {})


def main(arguments: Sequence[str]) -> int:
    """Returns 0 after a signal, 1 if the arm cannot be served, 2 for an invalid setting."""
    with safe_output(PATIENCE):
        return _main(arguments)


def _main(arguments: Sequence[str]) -> int:
    if any(word in ("-h", "--help") for word in arguments):
        print("python -m robots.serve takes:", *listed(Settings(), DRIVERS), sep="\n")
        return 0
    try:
        settings = parse(arguments)
        serve(build(settings), settings)
    except BadSetting as error:
        print(f"serve: {error}", file=sys.stderr)
        return 2
    except RobotError as error:
        print(f"serve: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def listed(settings: Settings, backends: Iterable[str]) -> list[str]:
    """A help line for each setting: its default, and its description from the class's docstring."""
    texts: dict[str, str] = {}
    for kind in type(settings).__mro__:
        for line in (kind.__doc__ or "").splitlines():
            name, _, text = line.strip().partition(": ")
            texts.setdefault(name, text.rstrip("."))
    lines = []
    for name in (f.name for f in fields(settings) if f.name != "backend_settings"):
        value = getattr(settings, name)
        shown = f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        lines.append(f"  {shown:<28}  # {texts.get(name, '')}")
    return [
        *lines,
        f"  {'backend.KEY=VALUE':<28}  # a setting of the backend, such as backend.address=192.168.1.5",
        f"robots: {', '.join(ArmSpec.available())}",
        f"backends: {', '.join(backends)}",
    ]


def _at_rate(spec: ArmSpec, settings: Settings) -> ArmSpec:
    """`spec` at the rate of `settings`. Raises BadSetting."""
    if not settings.realtime and settings.backend not in ("sim", "ideal"):
        raise BadSetting(f"realtime=false: {settings.backend} runs in real time; only a simulation can wait")
    hz = settings.control_hz
    if hz == 0:
        return spec
    least = MIN_HZ if settings.realtime else 1.0
    if not least <= hz <= MAX_HZ:
        raise BadSetting(
            f"control_hz={hz:g}: expected {least:g} to {MAX_HZ:g}, or 0 for the {spec.control_hz:g} of "
            f"{spec.name}"
        )
    return replace(spec, control_hz=hz)


def _print_counts(server: BridgeServer, printed: dict[str, int]) -> dict[str, int]:
    counts = server.counts()
    if counts != printed:
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
