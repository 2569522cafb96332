"""`python -m palme.console [PORT]`: the console with an arm of lines behind it; nothing real moves."""

from __future__ import annotations

import sys
import threading

from palme.console.rehearsal.desk import RehearsalDesk
from palme.console.server import serve


def main(port: int = 0) -> None:
    """Until Ctrl-C."""
    with RehearsalDesk() as desk, serve(desk, port=port):
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
