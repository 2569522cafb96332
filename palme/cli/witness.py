"""A witness: whether this machine itself stands still, seen by a process that has nothing else to do.

    python -m palme.cli.witness CPU

It naps on one processor, with a priority above all others, until its input ends; then it prints the
intervals of the monotonic clock, in [s], at which it got no time: what nobody on that processor could have
done anything about. Where the system gives no such priority it prints `null`.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time

NAP = 0.002  # [s]
STALL = 0.002  # [s] by which a nap is late before it counts
PRIORITY = 40  # above the control loop's


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
