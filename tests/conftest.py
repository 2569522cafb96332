"""Limits of a test run: a hard timeout for every test, and retries for timing tests on a stalled machine.

Tests marked `timing` measure wall-clock time; `make test` omits them, `make test-timing` runs them. While
this process itself gets no CPU time for longer than the shortest limit under test, a timing test proves
nothing: it is run again, and pytest reports the rerun. No other test is ever rerun.

pytest-timeout watches only the first attempt, and cannot interrupt a thread that waits in C. Each attempt
therefore has a second limit, at which faulthandler prints all stacks and ends the process.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import tempfile
import threading
import time

import pytest

NAP = 0.005  # [s]
MAX_STALL = 0.050  # [s] half of the silence that stops an arm
RERUNS = 3
GRACE = 30.0  # [s] beyond pytest-timeout's limit

stderr = pytest.StashKey[int]()


class StallMonitor(threading.Thread):
    """Measures how late this process wakes from short sleeps.

    Attributes:
        worst: largest delay in [s] since it was last set to 0.
    """

    def __init__(self) -> None:
        super().__init__(name="stall-monitor", daemon=True)
        self.worst = 0.0

    def run(self) -> None:
        last = time.monotonic()
        while True:
            time.sleep(NAP)
            now = time.monotonic()
            self.worst, last = max(self.worst, now - last - NAP), now


monitor = StallMonitor()


def stalled(error: BaseException | None = None) -> bool:
    """Whether the machine stalled during the present test; a test that hung for minutes is no stall."""
    return monitor.worst > MAX_STALL and "pytest-timeout" not in str(error)


def pytest_configure(config: pytest.Config) -> None:
    empty = tempfile.TemporaryDirectory(
        prefix="palme-cache-"
    )  # tests do without a model that a person has set up
    os.environ["PALME_CACHE"] = empty.name
    config.add_cleanup(empty.cleanup)
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # a background job: its children would not hear Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault("PALME_CACHE", "/nonexistent/palme")  # no test reads a model that a person brought
    config.stash[stderr] = os.dup(2)  # before pytest captures the output


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    timing = [item for item in items if item.get_closest_marker("timing")]
    for item in timing:
        item.add_marker(pytest.mark.flaky(reruns=RERUNS, reruns_delay=1, condition=stalled))
    if timing and not monitor.is_alive():
        monitor.start()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    monitor.worst = 0.0
    limit = float(item.config.getini("timeout")) + GRACE
    faulthandler.dump_traceback_later(limit, exit=True, file=item.config.stash[stderr])


def pytest_sessionfinish() -> None:
    faulthandler.cancel_dump_traceback_later()
