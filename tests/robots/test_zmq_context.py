"""A context that nobody closed is no trap for whoever collects the garbage."""

from __future__ import annotations

import subprocess
import sys

import pytest
import zmq

from robots.bridge import sockets
from robots.zmq_context import Context

DROP = """
import gc, faulthandler
import zmq
from {module} import {name}

faulthandler.dump_traceback_later(5, exit=True)  # a thread that waits in C hears nothing else

class Owner:
    def __init__(self):
        self.context = {name}()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.connect("tcp://127.0.0.1:9")
        self.me = self

Owner()
gc.collect()
print("collected")
"""


@pytest.mark.parametrize(
    ("module", "name", "collected"),
    [
        ("robots.zmq_context", "Context", True),
        ("robots.bridge.sockets", "context", True),
        ("zmq", "Context", False),
    ],
)
def test_garbage_that_holds_a_context_is_collected(module: str, name: str, collected: bool) -> None:
    """The last is the trap itself: where it is gone from pyzmq, ours can go."""
    done = subprocess.run(
        [sys.executable, "-c", DROP.format(module=module, name=name)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ("collected" in done.stdout) is collected, done.stderr


def test_a_closed_socket_is_forgotten_and_the_rest_end_with_the_context() -> None:
    context = Context()
    with context.socket(zmq.DEALER):
        kept = context.socket(zmq.DEALER)
        assert len(context._sockets) == 2
    assert context._sockets == {kept}
    context.destroy(linger=0)
    assert kept.closed and context.closed
    assert isinstance(made := sockets.context(), Context)
    made.destroy()
