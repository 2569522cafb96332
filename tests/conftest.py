"""A test that fails while the machine stands still says nothing: it is run again, and that is told.

Many promises here are about milliseconds. Where this process itself got no time for longer than the shortest
of those limits allows, neither end of a wire could keep it, and nobody can tell whose fault a failure is.
"""

from __future__ import annotations

import threading
import time

import pytest

NAP = 0.005  # [s]
LONGEST = 0.050  # [s] by which a nap may be late: half of the silence that stops an arm
TRIES = 3  # more, after the first


class Standstill(threading.Thread):
    """Sleeps and sees how late it wakes. `worst`: [s] the latest since it was last set to 0."""

    def __init__(self) -> None:
        super().__init__(name="standstill", daemon=True)
        self.worst = 0.0

    def run(self) -> None:
        last = time.monotonic()
        while True:
            time.sleep(NAP)
            now = time.monotonic()
            self.worst, last = max(self.worst, now - last - NAP), now


watch = Standstill()


def stood_still() -> bool:
    """Whether the machine did, since the present test began."""
    return watch.worst > LONGEST


def pytest_sessionstart() -> None:
    if not watch.is_alive():
        watch.start()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.flaky(reruns=TRIES, reruns_delay=1, condition=stood_still))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    watch.worst = 0.0
