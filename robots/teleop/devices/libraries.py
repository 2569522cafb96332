"""A device's library: optional, and named with the way to get it where it is missing."""

from __future__ import annotations

import importlib
from typing import Any

from robots.errors import DeviceError


def library(module: str, package: str, device: str, more: str = "") -> Any:
    """The imported `module`. Raises DeviceError with the remedy."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DeviceError(
            f"device={device} needs {package}: pip install 'palme-stack[teleop]'{more} ({error})"
        ) from error
