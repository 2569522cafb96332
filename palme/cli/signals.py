"""Treats SIGTERM as KeyboardInterrupt, and closes servers."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt in the context; only the main thread receives signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def until_asked(server: Any, what: str) -> int:
    """Serve until Ctrl-C (see `stoppable`), then close the server, also after an error. Returns 0."""
    print(what, flush=True)
    try:
        server.wait()
    except KeyboardInterrupt:
        print("stopped")
    finally:
        server.close()
    return 0
