"""Heartbeat: a client thread that receives states (the age of the connection) and keeps the lease.

A heartbeat states that the commanding process is alive and has no new command. It causes no motion: a tick
without a command decelerates. It only prevents the latch, so that a policy may compute between two chunks.
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

BEAT = 0.025  # [s] period: four within the timeout that latches


class Heartbeat:
    """The heartbeat thread; starts at once.

    Args:
        states: the connected SUB socket; only this thread uses it.
        connection: sends the heartbeats. While commands keep it busy, the commands replace them.

    Attributes:
        arrived: [s] monotonic time of the last state received.
        beating: False = send no heartbeats, to test the timeout.
    """

    def __init__(self, states: zmq.Socket, connection: Connection) -> None:
        self.arrived = time.monotonic()
        self.beating = True
        self._states, self._connection = states, connection
        self._session, self._token, self._n = "", 0, 0
        self._lease = threading.Lock()  # held while a heartbeat leaves
        self._state: frames.State | None = None
        self._running = True
        self._thread = threading.Thread(target=self._run, name="bridge-heartbeat", daemon=True)
        self._thread.start()

    def begin(self, session: str) -> None:
        """Begin a session: earlier states are discarded."""
        self._session, self._token, self._state = session, 0, None

    def set_lease(self, token: int) -> None:
        """Send heartbeats for the lease `token`, 0 = for none: none for another leaves after this returns."""
        with self._lease:
            self._token = token

    def receive(self, state: frames.State) -> None:
        """Store a state of this session."""
        if state.session == self._session:
            self._state, self.arrived = state, time.monotonic()
            self._connection.arrived = self.arrived

    def state_time(self) -> float:
        """[s] time of the newest state received, on the server's clock; -1 if there is none."""
        return -1.0 if self._state is None else self._state.now

    def newest(self) -> tuple[Any, float]:
        """The newest streamed state (or None) and its age in [s] since arrival."""
        return self._state, time.monotonic() - self.arrived

    def stop(self) -> threading.Thread:
        """Request the thread to end; returns it. Its socket may be closed only after it has ended."""
        self._running = False
        return self._thread

    def _run(self) -> None:
        raise_priority()
        due = 0.0
        while self._running:
            try:
                wait = int(1e3 * BEAT)
                while self._states.poll(wait):
                    wait = 0  # receive all: they must not accumulate while a heartbeat waits
                    self.receive(decode_answer(self._states.recv()))
            except (BadFrame, AttributeError):
                pass
            except zmq.ZMQError:
                return
            now = time.monotonic()
            with self._lease:
                if self.beating and self._token and now >= due:
                    self._n += 1
                    try:
                        self._connection.notify(
                            frames.Beat(self._session, self._token, self._n, self.state_time()), BEAT
                        )
                        due = now + BEAT
                    except zmq.ZMQError:
                        pass  # the connection is down; the server's watchdog stops the arm
