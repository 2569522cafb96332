"""ServoLoop: the thread that sends set-points at the arm's servo rate, independent of the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from robots.drivers.interpolate import ServoPath
from robots.errors import DriverError
from robots.spec import ArmSpec
from robots.types import Array


class ServoLoop:
    """Samples a `ServoPath` at `hz` and writes the set-points.

    Args:
        spec: of the arm.
        hz: set-points a second.
        write: sends one set-point, (n_joints,) in [rad] and (n_joints,) in [rad/s]; raises on failure.
        abandon: the arm's own stop, called once when `write` has failed.

    Attributes:
        error: the failure that ended the loop, or None.
    """

    def __init__(
        self,
        spec: ArmSpec,
        hz: float,
        write: Callable[[Array, Array], None],
        abandon: Callable[[], None],
    ) -> None:
        self.spec = spec
        self.error: DriverError | None = None
        self._path = ServoPath(spec, hz)
        self._period = 1.0 / hz
        self._write, self._abandon = write, abandon
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{spec.name} servo", daemon=True)

    def start(self, q: Array) -> None:
        """Start writing, at `q` (n_joints,) in [rad], measured at rest."""
        self._path.begin(q, time.monotonic())
        self._thread.start()

    def put(self, q_target: Array) -> None:
        """Set the newest target (n_joints,) in [rad]. Raises DriverError: `error`, or as `ServoPath.put`."""
        if self.error is not None:
            raise self.error
        with self._lock:
            self._path.put(q_target, time.monotonic())

    @property
    def at_rest(self) -> bool:
        """Whether the path has ended."""
        with self._lock:
            return self._path.at_rest

    def settle(self, timeout: float) -> bool:
        """Wait up to `timeout` [s] until the path is at rest. Returns whether it is."""
        deadline = time.monotonic() + timeout
        while self.error is None and self._thread.is_alive() and not self.at_rest:
            if time.monotonic() > deadline:
                return False
            time.sleep(self._period)
        return True

    def halt(self) -> None:
        """End the thread; the arm keeps its last set-point."""
        self._ended.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while not self._ended.is_set():
                with self._lock:
                    q, dq = self._path.sample(time.monotonic())
                self._write(q, dq)
                due += self._period
                late = time.monotonic() - due
                if late < 0:
                    time.sleep(-late)
                elif late > 5 * self._period:  # after a stall: no burst to make up for it
                    due = time.monotonic()
        except DriverError as error:
            self._fail(error)
        except Exception as error:  # SDKs raise any kind; a thread's exception is lost
            self._fail(DriverError(f"{self.spec.name}: set-point refused: {type(error).__name__}: {error}"))

    def _fail(self, error: DriverError) -> None:
        self.error = error
        try:
            self._abandon()
        except Exception as second:  # report both failures
            self.error = DriverError(f"{error}; and the arm's own stop failed: {second}")
