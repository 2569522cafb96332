"""Which driver a name means. Its module, and the vendor's library, is imported when it is asked for."""

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

MEANT = {"address": " (the controller's IP)"}


def make(
    name: str,
    spec: ArmSpec,
    settings: Mapping[str, Any] | None = None,
    more: Mapping[str, str] | None = None,
    dry: bool = False,
) -> Driver:
    """The driver `name` for `spec`, not yet connected.

    Args:
        settings: keyword arguments of the driver's class.
        more: names besides `DRIVERS`, as "module:Class"; of the program, never of a configuration.
        dry: wrap it in `dry_run`, which says what would be sent and sends nothing; the arm is not needed.

    Raises:
        DriverError: unknown name, or unknown, missing or unfit setting (with those there are), or its
            library is not installed.
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
    all_of_it = inspect.signature(make_driver).parameters.items()
    parameters = {key: p for key, p in all_of_it if key not in ("spec", "driver", "clock")}
    takes = list(parameters)
    for key in given:
        if key not in takes:
            raise DriverError(
                f"backend {name!r} has no setting {key!r}; it takes {', '.join(takes) or 'none'}"
            )
    missing = [key for key, p in parameters.items() if p.default is p.empty and key not in given]
    if missing:
        needed = " ".join(f"backend.{key}=...{MEANT.get(key, '')}" for key in missing)
        raise DriverError(f"backend={name} needs {needed}; it takes {', '.join(takes)}")
    try:
        driver: Driver = make_driver(spec, **given)
    except (TypeError, ValueError) as error:  # what a constructor says of a value of another kind
        told = " ".join(f"backend.{key}={value}" for key, value in given.items())
        raise DriverError(f"backend={name} {told}: {error}; it takes {', '.join(takes) or 'none'}") from error
    if dry:
        wrap = import_module("robots.drivers.dry_run").DryRunDriver
        driver = wrap(spec, driver, reach=False)
    return driver
