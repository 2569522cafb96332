"""Image sources outside the control thread, so that no tick waits for an image.

Another process renders a simulated arm's images (`sim.rendering.async_renderer`); a thread fetches those of a
remote arm.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Protocol

from robots.errors import DriverError, RobotError
from robots.spec import ArmSpec
from robots.types import CameraFrame, dated

TIMEOUT = 5.0  # [s] to wait for an image
RETRY = 0.1  # [s] between attempts after a failure
CLOSE_TIMEOUT = 0.5  # [s] that `close` waits for a pending request


class Pictures(Protocol):
    """A source of images. Every method but `follow` may be called from any thread."""

    def follow(self) -> None:
        """Called by the control thread after each tick. Never blocks."""
        ...

    def newest(self, camera: str) -> tuple[CameraFrame, float]:
        """The newest image and its monotonic time in [s]. Never blocks."""
        ...

    def fresh(self, camera: str) -> CameraFrame:
        """Wait for an image of the last tick or later. Raises DriverError if there is none in time."""
        ...

    def close(self) -> None:
        """End the thread or process of the source. Idempotent."""
        ...


class CameraReader(Protocol):
    """An arm whose cameras one thread may read while another commands it, such as a bridge client."""

    spec: ArmSpec

    def picture(self, camera: str) -> CameraFrame:
        """An image captured after this call. Raises RobotError if there is none."""
        ...


class FetchedPictures:
    """Fetches images in a thread, from each camera at most once a tick.

    Args:
        arm: only this thread calls its `picture`. A request still pending after `close` must end when the arm
            is closed, as that of a bridge client does.
        cameras: names of the cameras.

    Raises:
        DriverError: a camera gives no image.
    """

    def __init__(self, arm: CameraReader, cameras: Sequence[str]) -> None:
        self.cameras = tuple(cameras)
        self._arm = arm
        self._failure: dict[str, str] = {}
        self._frames: dict[str, tuple[CameraFrame, float]] = {}
        self._new = threading.Condition()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._fetch, name="fetched", daemon=True)
        self._thread.start()
        try:
            for camera in self.cameras:
                self.fresh(camera)
        except BaseException:
            self.close()
            raise

    def follow(self) -> None:
        """Does nothing: images are captured where the arm is."""

    def newest(self, camera: str) -> tuple[CameraFrame, float]:
        """The newest image and the monotonic time in [s] of its request, which precedes the capture."""
        return self._frames[camera]

    def fresh(self, camera: str) -> CameraFrame:
        """Wait for an image requested after this call. Raises DriverError after `TIMEOUT`."""
        begin = time.monotonic()
        with self._new:
            while (found := self._frames.get(camera)) is None or found[1] < begin:
                left = begin + TIMEOUT - time.monotonic()
                if not left > 0 or not self._thread.is_alive():
                    why = self._failure.get(camera, "it does not answer")
                    raise DriverError(f"camera {camera}: no image within {TIMEOUT:g} s ({why})")
                self._new.wait(min(left, RETRY))
        return found[0]

    def close(self) -> None:
        """End the thread; a pending request ends with the arm. Idempotent."""
        self._ended.set()
        self._thread.join(CLOSE_TIMEOUT)

    def _fetch(self) -> None:
        while not self._ended.is_set():
            begin = time.monotonic()
            failed = False
            for camera in self.cameras:
                if self._ended.is_set():
                    return
                asked = time.monotonic()
                try:
                    frame = self._arm.picture(camera)
                except RobotError as error:
                    self._failure[camera] = f"{type(error).__name__}: {error}"
                    failed = True
                    continue
                last = self._frames.get(camera)
                frame = dated(frame, asked, None if last is None else last[0])
                with self._new:
                    self._frames[camera] = (frame, asked)
                    self._new.notify_all()
            least = RETRY if failed else self._arm.spec.dt
            self._ended.wait(max(0.0, least - (time.monotonic() - begin)))
