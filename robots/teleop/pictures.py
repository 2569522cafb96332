"""Pictures that come by themselves, so that no tick waits for one: a simulated arm's, drawn beside it."""

from __future__ import annotations

from typing import Protocol

from robots.types import CameraFrame


class Pictures(Protocol):
    """Any thread may ask, but for `follow`."""

    def follow(self) -> None:
        """By the thread that ticks, after each tick. Never waits."""
        ...

    def newest(self, camera: str) -> tuple[CameraFrame, float]:
        """The newest picture, and the instant that it shows, [s] monotonic. Never waits."""
        ...

    def fresh(self, camera: str) -> CameraFrame:
        """A picture of the last tick or later; waits for it. Raises DriverError where none comes."""
        ...

    def close(self) -> None:
        """End what makes them. Twice does no harm."""
        ...
