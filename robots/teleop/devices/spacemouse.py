"""A SpaceMouse, through pyspacemouse: push, pull and twist its cap to move and turn the tool.

It speaks a hundred times a second while the cap is out of its middle; one that falls silent counts for
nothing after 100 ms, so that a cable pulled in the middle of a motion stops it. Left button: take, and hand
back; right button: open, and close.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from robots.errors import DeviceError
from robots.teleop.devices.libraries import library
from robots.teleop.teleop_actions import Jog, Reading
from robots.types import RobotState

DEAD = 0.08  # of the cap's way that counts as let go
REPORTS = 64  # read at one tick at most; it sends about ten between two


class SpaceMouse:
    """See the module. Axes are the base's: x away from the arm, y left, z up (REP 103)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, name: str = "spacemouse") -> None:
        self.name = name
        self._clock = clock
        self._device: Any = None
        self._changed: tuple[float, float] = (-1.0, 0.0)  # the device's own stamp, and when we saw it change
        self._down = (False, False)

    def connect(self) -> None:
        """Raises DeviceError where library, hidapi or device is missing."""
        hid = "; and the C library: apt install libhidapi-hidraw0"
        module = library("pyspacemouse", "pyspacemouse", "spacemouse", hid)
        try:
            self._device = module.open(axis_convention=module.AxisConvention.ROS)
        except Exception as error:  # RuntimeError, OSError and AttributeError alike, by what is missing
            raise DeviceError(
                f"device=spacemouse: {error} Plug it in, see that your user may read /dev/hidraw*{hid}"
            ) from error

    def read(self, follower: RobotState) -> Reading:
        """See `Teleoperator`."""
        if self._device is None:
            raise DeviceError("the SpaceMouse is not connected")
        try:
            state = self._device.read()
            for _ in range(REPORTS):
                before = state.t
                state = self._device.read()
                if state.t == before:
                    break
        except Exception as error:  # easyhid raises its own and OSError
            raise DeviceError(f"the SpaceMouse was unplugged: {error}") from error
        now = self._clock()
        if state.t != self._changed[0]:
            self._changed = (state.t, now)
        buttons, gripper = self._buttons(state, follower)
        jog = Jog(
            (_live(state.x), _live(state.y), _live(state.z)),
            (_live(state.roll), _live(state.pitch), _live(state.yaw)),
            gripper,
        )
        return Reading(None if jog == Jog() else jog, now - self._changed[1], buttons)

    def close(self) -> None:
        """Let go of it."""
        if self._device is not None:
            self._device.close()
            self._device = None

    def _buttons(self, state: Any, follower: RobotState) -> tuple[tuple[str, ...], float | None]:
        left, right = (bool(b) for b in [*state.buttons, 0, 0][:2])
        was, self._down = self._down, (left, right)
        said = ("toggle",) if left and not was[0] else ()
        gripper = None
        if right and not was[1]:
            gripper = 0.0 if follower.gripper > 0.5 else 1.0
        return said, gripper


def _live(value: float) -> float:
    """In [-1, 1], 0 near the middle."""
    return 0.0 if abs(value) < DEAD else max(-1.0, min(1.0, float(value)))
