"""A ZeroMQ context that can be garbage-collected together with its open sockets.

pyzmq's context holds its sockets by weak references. When both become garbage at once, in a cycle or in an
exception's traceback, the references are gone before the context is finalized: it closes no socket and then
blocks for ever, in the thread that collects the garbage. With strong references it closes them.
"""

from __future__ import annotations

from typing import Any

import zmq


class Context(zmq.Context):
    """`zmq.Context` with strong references to its sockets; closing drops unsent messages (LINGER 0)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sockets: set[zmq.Socket[bytes]] = set()  # type: ignore[assignment]
        self.setsockopt(zmq.LINGER, 0)  # the default of each new socket
