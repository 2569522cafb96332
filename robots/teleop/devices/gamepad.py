"""A gamepad, through pygame-ce's game controller: SDL knows where the sticks are on a thousand of them.

Left stick: away and near, left and right. Right stick: up and down, turn. Triggers: open (left), close
(right). A: take, X: hand back, Y: pause, B: STOP, start: rearm, left shoulder held: clutch open.
"""

from __future__ import annotations

import os
from typing import Any

from robots.errors import DeviceError
from robots.teleop.devices.libraries import library
from robots.teleop.teleop_actions import Jog, Reading
from robots.types import RobotState

DEAD = 0.12  # of a stick's way that counts as let go: worn ones rest at 0.08
FULL = 32767.0
PULLED = 0.5


class Gamepad:
    """See the module. Sticks spring back by themselves: that is its hold to move."""

    def __init__(self, index: int = 0, name: str = "gamepad") -> None:
        self.name, self.index = name, index
        self._pad: Any = None
        self._pygame: Any = None
        self._down: set[str] = set()

    def connect(self) -> None:
        """Raises DeviceError where the library or the gamepad is missing."""
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # no window is opened
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        os.environ.setdefault("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")
        self._pygame = library("pygame", "pygame-ce", "gamepad")
        controller = library("pygame._sdl2.controller", "pygame-ce", "gamepad")
        self._pygame.display.init()
        controller.init()
        found = controller.get_count()
        if not self.index < found:
            raise DeviceError(
                f"device=gamepad: {found} found, number {self.index} asked for; plug it in, and see that "
                "your user may read /dev/input/event*"
            )
        if not controller.is_controller(self.index):
            raise DeviceError("device=gamepad: SDL does not know where the sticks of this one are")
        self._pad = controller.Controller(self.index)

    def read(self, follower: RobotState) -> Reading:
        """See `Teleoperator`."""
        if self._pad is None:
            raise DeviceError("the gamepad is not connected")
        self._pygame.event.pump()
        if not self._pad.attached():
            raise DeviceError("the gamepad was unplugged")
        g = self._pygame
        linear = (
            -self._stick(g.CONTROLLER_AXIS_LEFTY),
            -self._stick(g.CONTROLLER_AXIS_LEFTX),
            -self._stick(g.CONTROLLER_AXIS_RIGHTY),
        )
        angular = (0.0, 0.0, -self._stick(g.CONTROLLER_AXIS_RIGHTX))
        gripper = None
        if self._pad.get_axis(g.CONTROLLER_AXIS_TRIGGERRIGHT) > PULLED * FULL:
            gripper = 0.0
        elif self._pad.get_axis(g.CONTROLLER_AXIS_TRIGGERLEFT) > PULLED * FULL:
            gripper = 1.0
        named = {
            "take": g.CONTROLLER_BUTTON_A,
            "stop": g.CONTROLLER_BUTTON_B,
            "hand_back": g.CONTROLLER_BUTTON_X,
            "pause": g.CONTROLLER_BUTTON_Y,
            "rearm": g.CONTROLLER_BUTTON_START,
        }
        down = {name for name, button in named.items() if self._pad.get_button(button)}
        pressed, self._down = tuple(sorted(down - self._down)), down
        jog = Jog(linear, angular, gripper)
        action = None if jog == Jog() else jog
        return Reading(action, 0.0, pressed, not self._pad.get_button(g.CONTROLLER_BUTTON_LEFTSHOULDER))

    def close(self) -> None:
        """Let go of it."""
        if self._pad is not None:
            self._pad.quit()
            self._pad = None

    def _stick(self, axis: int) -> float:
        """In [-1, 1], 0 near the middle."""
        value = max(-1.0, min(1.0, self._pad.get_axis(axis) / FULL))
        if abs(value) < DEAD:
            return 0.0
        return (abs(value) - DEAD) / (1 - DEAD) * (1.0 if value > 0 else -1.0)
