"""StallMonitor: whether this machine itself stands still, seen by processes that have nothing else to do.

    python -m palme.cli.bench.stall_monitor CPU

Each naps on one processor, with a priority above all others, until its input ends; then it prints the
intervals of the monotonic clock, in [s], at which it got no time: what nobody on that processor could have
done anything about. Where the system gives no such priority it prints `null`.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

NAP = 0.002  # [s]
STALL = 0.002  # [s] by which a nap is late before it counts
PRIORITY = 40  # above the control loop's


class StallMonitor:
    """One for each processor, for a measurement in the context.

    Attributes:
        stalls: when the machine stood still, in [s] of `time.monotonic`; None = nobody knows, or not yet.
    """

    def __init__(self) -> None:
        self.stalls: list[tuple[float, float]] | None = None
        self._processes = [
            ours("palme.cli.bench.stall_monitor", str(cpu)) for cpu in sorted(os.sched_getaffinity(0))
        ]

    def __enter__(self) -> StallMonitor:
        return self

    def __exit__(self, *_: object) -> None:
        seen = [json.loads(process.communicate(timeout=20)[0]) for process in self._processes]
        if None not in seen:
            self.stalls = [(a, b) for one in seen for a, b in one]

    def ran(self, begin: float, end: float) -> bool:
        """Whether no processor stood still between two times, as far as anybody knows."""
        return not any(a < end and begin < b for a, b in self.stalls or ())


def stolen() -> float:
    """[s] for which the host of a virtual machine has kept its cores from it, since it was started."""
    stat = Path("/proc/stat")
    return int(stat.read_text().split()[8]) / os.sysconf("SC_CLK_TCK") if stat.exists() else 0.0


def ours(module: str, *arguments: str) -> subprocess.Popen[str]:
    """A process of this checkout, with pipes to and from it."""
    path = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def main(cpu: int) -> None:
    """Until standard input ends."""
    os.sched_setaffinity(0, {cpu})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        sys.stdin.read()
        print("null")
        return
    stalls, last = [], time.monotonic()
    while not select.select([sys.stdin], [], [], NAP)[0]:
        now = time.monotonic()
        if now - last > NAP + STALL:
            stalls.append((last + NAP, now))
        last = now
    print(json.dumps(stalls))


if __name__ == "__main__":
    main(int(sys.argv[1]))
