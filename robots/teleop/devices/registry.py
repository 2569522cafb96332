"""Devices by name; each is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

from robots.errors import DeviceError
from robots.teleop.teleop_actions import Teleoperator

DEVICES = {
    "keyboard": ("robots.teleop.devices.keyboard", "Keyboard"),
    "gamepad": ("robots.teleop.devices.gamepad", "Gamepad"),
    "spacemouse": ("robots.teleop.devices.spacemouse", "SpaceMouse"),
}


def make(name: str) -> Teleoperator:
    """A device, not connected yet. Raises DeviceError that lists those there are."""
    if name not in DEVICES:
        raise DeviceError(f"no device {name!r}; there are {[*DEVICES, 'leader']}")
    module, kind = DEVICES[name]
    device: Teleoperator = getattr(import_module(module), kind)()
    return device
