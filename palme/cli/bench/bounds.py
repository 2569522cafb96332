"""What a bench may be told: counts of at least 1, lengths and rates above 0, shares of at most 1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from palme.cli.errors import UsageError

ABOVE_0 = ("lr", "correction_weight", "camera_hz")
# (least, most) where "at least 1" is no good, as BENCH.SETTING or the same for every bench.
BOUNDS: dict[str, tuple[float, float]] = {
    "seed": (0, math.inf),
    "distractors": (0, math.inf),
    "console_port": (0, 65535),  # 0 = any free one
    "faults": (0.0, 1.0),
    "recorded_share": (0.0, 1.0),
    "gate.rates": (1.0, 10_000.0),
    "bridge.hz": (20.0, 1000.0),  # what a server takes: robots/bridge/server.py, robots/serve.py
    "bridge.silence_hz": (20.0, 1000.0),
    "soak.hz": (20.0, 1000.0),
    "bridge.ack_seconds": (0.1, math.inf),  # two ticks of the slowest
    "bridge.seconds": (0.1, math.inf),
    "bridge.depth": (1, 32),  # robots/bridge/command_queue.py
    "soak.minutes": (0.05, math.inf),  # memory is looked at once a second
    "clock.minutes": (0.01, math.inf),
    "clock.encoding": (0, math.inf),  # 0 = not measured
    "console.seconds": (1.0, math.inf),
    "record.kills": (0, math.inf),  # 0 = not measured
    "record.seconds": (0.0, math.inf),
}


def check(bench: str, config: Mapping[str, Any]) -> None:
    """Raises UsageError for the first number of `config` with which `bench` could measure nothing."""
    for key, value in config.items():
        if key in ("arms", "out"):
            continue  # [] = all of them
        if value == []:
            raise UsageError(f"{key}=[]: name at least one")
        bounds = BOUNDS.get(f"{bench}.{key}", BOUNDS.get(key))
        for one in value if isinstance(value, list) else [value]:
            number = isinstance(one, (int, float)) and not isinstance(one, bool)
            if number or bounds is not None:
                wrong = _wrong(one if number else math.nan, key in ABOVE_0, bounds or (1, math.inf))
                if wrong:
                    raise UsageError(f"{key}={value}: expected {wrong}")


def _wrong(value: float, above_0: bool, bounds: tuple[float, float]) -> str:
    """What is expected instead of `value`; "" where it will do."""
    least, most = bounds
    if not math.isfinite(value):
        return "finite numbers"
    if above_0:
        return "" if value > 0 else "more than 0"
    if least <= value <= most:
        return ""
    return f"at least {least:g}" if most == math.inf else f"{least:g} to {most:g}"
