"""`python -m palme.operator`: the console with an arm of lines behind it; nothing real moves."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any

from palme.operator.errors import ConsoleError
from palme.operator.rehearsal.operator import RehearsalOperator
from palme.operator.server import serve

USAGE = """\
python -m palme.operator: try the console on an arm of lines; nothing real moves. Ctrl-C ends it.

It takes:
  port=0                  # 0 = any free one
  host=127.0.0.1          # the address that it listens on
  beyond_loopback=false   # true = a host that other computers reach is meant
  token=                  # the secret in the address, 16 to 128 letters, digits, - or _; none = one is drawn
"""
KEYS = ("port", "host", "beyond_loopback", "token")
SWITCH = {"true": True, "false": False}


def main(arguments: Sequence[str] = ()) -> int:
    """Until Ctrl-C. Returns 0, or 2 for what was not understood or cannot be listened at."""
    if any(word in ("-h", "--help", "help") for word in arguments):
        print(USAGE, end="")
        return 0
    try:
        given = settings(arguments)
        with RehearsalOperator() as desk, serve(desk, **given):
            threading.Event().wait()
    except ConsoleError as error:
        print(f"palme.operator: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print()
    return 0


def settings(arguments: Sequence[str]) -> dict[str, Any]:
    """What `serve` is given; a number alone is the port. Raises ConsoleError for what is not understood."""
    found: dict[str, Any] = {}
    for word in arguments:
        key, equals, value = (f"port={word}" if word.isdigit() else word).partition("=")
        if not equals or key not in KEYS:
            known = ", ".join(f"{name}=" for name in KEYS)
            raise ConsoleError(f"{word!r} is none of {known}; --help tells more")
        if key == "port":
            if not (value.isascii() and value.isdigit() and len(value) < 10):
                raise ConsoleError(f"port={value}: expected a number from 0 to 65535; 0 = any free one")
            found[key] = int(value)
        elif key == "beyond_loopback":
            if value not in SWITCH:
                raise ConsoleError(f"beyond_loopback={value}: expected true or false")
            found[key] = SWITCH[value]
        else:
            found[key] = value
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
