"""The registry of drivers. A driver's module, with the vendor's library, is imported on first use."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from robots.drivers.base import Driver
from robots.errors import DriverError
from robots.spec import ArmSpec

DRIVERS = {
    "ideal": "robots.drivers.ideal:IdealArm",
    "dry_run": "robots.drivers.dry_run:DryRunDriver",
    "xarm": "robots.drivers.xarm:XArmDriver",
    "ur": "robots.drivers.ur:URDriver",
    "franka": "robots.drivers.franka:FrankaDriver",
    "lerobot": "robots.drivers.lerobot:LeRobotDriver",
}

HINTS = {"address": " (the controller's IP)"}


def make(
    name: str,
    spec: ArmSpec,
    settings: Mapping[str, Any] | None = None,
    more: Mapping[str, str] | None = None,
    dry: bool = False,
) -> Driver:
    """The driver `name` for `spec`, not yet connected.

    Args:
        name: a key of `DRIVERS` or `more`.
        spec: limits and kinematics of the arm.
        settings: keyword arguments of the driver's class.
        more: further drivers as "module:Class"; set by the program, never by a configuration.
        dry: wrap it in `dry_run`, which prints the commands and sends none; no arm is needed.

    Raises:
        DriverError: an unknown name; an unknown, missing or invalid setting; or a missing library.
    """
    known = DRIVERS | dict(more or {})
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise DriverError(f"no backend {name!r}{hint} There are: {', '.join(sorted(known))}")
    module, _, kind = known[name].partition(":")
    try:
        make_driver = getattr(import_module(module), kind)
    except (ImportError, AttributeError) as error:
        raise DriverError(f"backend {name!r} cannot be loaded: {error}; is its extra installed?") from error
    given = dict(settings or {})
    everything = inspect.signature(make_driver).parameters.items()
    parameters = {key: p for key, p in everything if key not in ("spec", "driver", "clock")}
    takes = list(parameters)
    for key in given:
        if key not in takes:
            raise DriverError(
                f"backend {name!r} has no setting {key!r}; it takes {', '.join(takes) or 'none'}"
            )
    missing = [key for key, p in parameters.items() if p.default is p.empty and key not in given]
    if missing:
        needed = " ".join(f"backend.{key}=...{HINTS.get(key, '')}" for key in missing)
        raise DriverError(f"backend={name} needs {needed}; it takes {', '.join(takes)}")
    try:
        driver: Driver = make_driver(spec, **given)
    except (TypeError, ValueError) as error:  # a constructor's error about a value
        given_text = " ".join(f"backend.{key}={value}" for key, value in given.items())
        raise DriverError(
            f"backend={name} {given_text}: {error}; it takes {', '.join(takes) or 'none'}"
        ) from error
    if dry:
        wrap = import_module("robots.drivers.dry_run").DryRunDriver
        driver = wrap(spec, driver, reach=False)
    return driver
