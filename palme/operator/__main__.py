"""`python -m palme.operator`: the console with a drawn rehearsal arm; no robot moves."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from palme.operator.errors import ConsoleError
from palme.operator.rehearsal.operator import RehearsalOperator
from palme.operator.server import serve
from robots.output import PATIENCE, safe_output

USAGE = """\
python -m palme.operator: try the console with a drawn rehearsal arm; no robot moves. Ctrl-C ends it.

Settings:
  port=0                  # 0 = any free port
  host=127.0.0.1          # address to listen on
  beyond_loopback=false   # true = allow a host that other computers can reach
  token=                  # secret in the address: 16 to 128 letters, digits, - or _; empty = random
"""
KEYS = ("port", "host", "beyond_loopback", "token")
SWITCH = {"true": True, "false": False}


def main(arguments: Sequence[str] = ()) -> int:
    """Run until Ctrl-C. Returns 0, or 2 after a wrong setting or an address that cannot be used."""
    if any(word in ("-h", "--help", "help") for word in arguments):
        print(USAGE, end="")
        return 0
    try:
        given = settings(arguments)
        with safe_output(PATIENCE), RehearsalOperator() as operator, serve(operator, **asdict(given)):
            threading.Event().wait()
    except ConsoleError as error:
        print(f"palme.operator: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print()
    return 0


@dataclass(frozen=True)
class Settings:
    """Arguments of `serve`, see there."""

    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None
    beyond_loopback: bool = False


def settings(arguments: Sequence[str]) -> Settings:
    """Parse `key=value` arguments; a number alone is the port. Raises ConsoleError for any other."""
    found = Settings()
    for word in arguments:
        key, equals, value = (f"port={word}" if word.isdigit() else word).partition("=")
        if not equals or key not in KEYS:
            known = ", ".join(f"{name}=" for name in KEYS)
            raise ConsoleError(f"unknown setting {word!r}; known are {known}; see --help")
        if key == "port":
            if not (value.isascii() and value.isdigit() and len(value) < 10):
                raise ConsoleError(f"port={value}: expected a number from 0 to 65535; 0 = any free port")
            found = replace(found, port=int(value))
        elif key == "beyond_loopback":
            if value not in SWITCH:
                raise ConsoleError(f"beyond_loopback={value}: expected true or false")
            found = replace(found, beyond_loopback=SWITCH[value])
        elif key == "host":
            found = replace(found, host=value)
        else:
            found = replace(found, token=value)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
