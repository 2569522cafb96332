"""Context: pyzmq's, but one that nobody closed and nobody holds any more ends instead of waiting for ever.

pyzmq's refers to its sockets weakly. Where both become garbage at once, in a cycle or in the traceback of an
error, those references are gone by the time the context is finalized: it closes nothing, and then waits for
its sockets to be closed, in whichever thread happened to collect the garbage. Held strongly, they are closed.
"""

from __future__ import annotations

from typing import Any

import zmq


class Context(zmq.Context):
    """Its sockets live until they or it are closed, or it is garbage; none lingers over what is unsent."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._sockets: set[zmq.Socket] = set()  # type: ignore[assignment]
        self.setsockopt(zmq.LINGER, 0)  # of each socket that it makes
