"""A server works until Ctrl-C or SIGTERM, and is closed whatever happened."""

from __future__ import annotations

import signal
from typing import Any


def until_asked(server: Any, what: str) -> int:
    """Serve until Ctrl-C or SIGTERM, then close the server, whatever happened. Returns 0."""

    def end(*_: Any) -> None:
        raise KeyboardInterrupt

    print(what, flush=True)
    before = signal.signal(signal.SIGTERM, end)
    try:
        server.wait()
    except KeyboardInterrupt:
        print("ended")
    finally:
        server.close()
        signal.signal(signal.SIGTERM, before)
    return 0
