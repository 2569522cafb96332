"""Images captured beside the control thread, so that no tick waits for one.

A simulated arm's are rendered in another process (`sim.rendering.async_renderer`); a remote arm's are fetched
by a thread of their own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Protocol

from robots.errors import DriverError, RobotError
from robots.spec import ArmSpec
from robots.types import CameraFrame

LONGEST = 5.0  # [s] that an image is waited for
AGAIN = 0.1  # [s] until a camera that failed is asked again
LAST = 0.5  # [s] that `close` waits for a request under way


class Pictures(Protocol):
    """A source of images. Every method but `follow` may be called from any thread."""

    def follow(self) -> None:
        """By the control thread, after each tick. Never waits."""
        ...

    def newest(self, camera: str) -> tuple[CameraFrame, float]:
        """The newest image, and the time it shows, [s] monotonic. Never waits."""
        ...

    def fresh(self, camera: str) -> CameraFrame:
        """An image of the last tick or later; waits for it. Raises DriverError where none comes."""
        ...

    def close(self) -> None:
        """End the thread or process behind it. Idempotent."""
        ...


class Photographed(Protocol):
    """An arm whose cameras any thread may read while another commands it, as across the bridge."""

    spec: ArmSpec

    def picture(self, camera: str) -> CameraFrame:
        """An image captured after this call. Raises RobotError where there is none."""
        ...


class FetchedPictures:
    """Fetches images in a thread, from each camera at most once a tick.

    Args:
        arm: nobody else calls its `picture` meanwhile. One that is still under way after our `close` ends
            with the arm's own, as that of a bridge client does.
        cameras: whose.

    Raises:
        DriverError: a camera gives no image.
    """

    def __init__(self, arm: Photographed, cameras: Sequence[str]) -> None:
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
        """The newest image, and when it was requested, [s] monotonic: it is no older."""
        return self._frames[camera]

    def fresh(self, camera: str) -> CameraFrame:
        """An image requested after this call; waits for it. Raises DriverError where none comes."""
        begin = time.monotonic()
        with self._new:
            while (found := self._frames.get(camera)) is None or found[1] < begin:
                left = begin + LONGEST - time.monotonic()
                if not left > 0 or not self._thread.is_alive():
                    why = self._failure.get(camera, "it does not answer")
                    raise DriverError(f"camera {camera}: no image within {LONGEST:g} s ({why})")
                self._new.wait(min(left, AGAIN))
        return found[0]

    def close(self) -> None:
        """Request no more; a request still under way ends with the arm. Idempotent."""
        self._ended.set()
        self._thread.join(LAST)

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
                with self._new:
                    self._frames[camera] = (frame, asked)
                    self._new.notify_all()
            least = AGAIN if failed else self._arm.spec.dt
            self._ended.wait(max(0.0, least - (time.monotonic() - begin)))
