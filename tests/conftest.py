"""A test that fails while the machine stands still says nothing: it is run again, and that is told.

Many promises here are about milliseconds. Where this process itself got no time for longer than the shortest
of those limits allows, neither end of a wire could keep it, and nobody can tell whose fault a failure is.

No try lasts for ever. pytest-timeout watches only the first one, and cannot break off a thread that waits in
C: each try has a limit of its own here, at which the process says where all its threads are, and ends.
"""

from __future__ import annotations

import faulthandler
import os
import threading
import time

import pytest

NAP = 0.005  # [s]
LONGEST = 0.050  # [s] by which a nap may be late: half of the silence that stops an arm
TRIES = 3  # more, after the first
GRACE = 30.0  # [s] that a try has after pytest-timeout's limit: what that could not break off

stderr = pytest.StashKey[int]()


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


def stood_still(error: BaseException | None = None) -> bool:
    """Whether the machine did, since the present test began; what hung for minutes did so by itself."""
    return watch.worst > LONGEST and "pytest-timeout" not in str(error)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[stderr] = os.dup(2)  # before what tests print is caught


def pytest_sessionstart() -> None:
    if not watch.is_alive():
        watch.start()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.flaky(reruns=TRIES, reruns_delay=1, condition=stood_still))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    watch.worst = 0.0
    limit = float(item.config.getini("timeout")) + GRACE
    faulthandler.dump_traceback_later(limit, exit=True, file=item.config.stash[stderr])


def pytest_sessionfinish() -> None:
    faulthandler.cancel_dump_traceback_later()
