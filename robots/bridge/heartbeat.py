"""Heartbeat: a client thread that receives states, so the connection has an age, and keeps the lease.

A heartbeat says that the commanding process is alive and has no new command. It moves nothing: a tick without
a command decelerates. It only prevents the latch, so that a policy may compute between two chunks.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import zmq

from robots.bridge import frames
from robots.bridge.connection import Connection
from robots.bridge.errors import BadFrame
from robots.bridge.wire import decode_answer
from robots.realtime import raise_priority

BEAT = 0.025  # [s]; four fit into the silence that latches


class Heartbeat:
    """Starts at once.

    Args:
        states: the connected SUB socket; belongs to this thread from now on.
        link: says the beats. Where commands keep it busy they are signs of life enough.
    """

    def __init__(self, states: zmq.Socket, link: Connection) -> None:
        self.arrived = time.monotonic()  # [s] when a state was last received
        self.beating = True  # False for a test of silence
        self._states, self._link = states, link
        self._session, self._token, self._n = "", 0, 0
        self._state: frames.State | None = None
        self._running = True
        self._thread = threading.Thread(target=self._run, name="bridge-pulse", daemon=True)
        self._thread.start()

    def begin(self, session: str) -> None:
        """A new session: earlier states are discarded."""
        self._session, self._token, self._state = session, 0, None

    def lease(self, token: int) -> None:
        """Beat for this lease from now on; 0 = for none."""
        self._token = token

    def hear(self, state: frames.State) -> None:
        """A state has come."""
        if state.session == self._session:
            self._state, self.arrived = state, time.monotonic()
            self._link.arrived = self.arrived

    def heard(self) -> float:
        """[s] on the server's clock when it sent the newest state received here; -1 if there is none."""
        return -1.0 if self._state is None else self._state.now

    def newest(self) -> tuple[Any, float]:
        """The newest streamed state (or None) and its age in [s] since it arrived here."""
        return self._state, time.monotonic() - self.arrived

    def end(self) -> threading.Thread:
        """Tell the thread to end; returns it, for its socket may be closed only after it."""
        self._running = False
        return self._thread

    def _run(self) -> None:
        raise_priority()
        due = 0.0
        while self._running:
            try:
                wait = int(1e3 * BEAT)
                while self._states.poll(wait):
                    wait = 0  # all there are: a beat may have waited for the link, and they must not pile up
                    self.hear(decode_answer(self._states.recv()))
            except (BadFrame, AttributeError):
                pass
            except zmq.ZMQError:
                return
            now = time.monotonic()
            if self.beating and self._token and now >= due:
                self._n += 1
                try:
                    self._link.say(frames.Beat(self._session, self._token, self._n, self.heard()), BEAT)
                    due = now + BEAT
                except zmq.ZMQError:
                    pass  # the link is down: the server's watchdog is what counts then
