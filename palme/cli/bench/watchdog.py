"""The silent commander of `palme bench bridge`: how soon the arm notices."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from palme.cli.bench.stall_monitor import StallMonitor
from palme.cli.settings.bench import BridgeBenchConfig
from robots.bridge import keys
from robots.bridge.client import BridgeClient
from robots.bridge.server import BridgeServer
from robots.drivers.ideal import IdealArm
from robots.errors import ArmLatched
from robots.realtime import raised_priority
from robots.spec import ArmSpec
from robots.types import JointCommand


def bench_silence(
    config: BridgeBenchConfig, folder: Path, server_key: keys.SecretKey, me: keys.SecretKey, bar: Any
) -> dict[str, Any]:
    """From the last good command to the first target that slows the arm down, and to the latch.

    `silence_begun_again`: tries before whose silence the machine itself stood still for as long, and which
    count for nothing. `..._while_machine_ran`: of the tries in which no processor stood still, as a virtual
    machine's may.
    """
    spec = replace(ArmSpec.load("panda"), control_hz=config.silence_hz)
    arm = IdealArm(spec, keep=200)
    spans: list[tuple[float, float]] = []  # of each try: last good command, first target that slows down
    latched, n, again = [], config.silence_tries, 0
    with BridgeServer(arm, server_key, folder, "tcp://127.0.0.1:0") as server, StallMonitor() as monitor:
        with (
            BridgeClient(server.address, me, server_key.public, timeout=2.0) as client,
            raised_priority(),
        ):
            seqs = itertools.count()
            with bar("silence", n) as progress:
                for k in range(n):
                    while not _falls_silent(client, arm, k, seqs):
                        again += 1
                    lease = server.control.lease
                    last = time.monotonic() - (server.control.now() - lease.last_valid)
                    while lease.latched is None and time.monotonic() < last + 2.0:
                        time.sleep(0.0005)
                    latched.append(time.monotonic() - last)
                    time.sleep(2 * spec.dt)  # where the same tick latches and slows down, it does so first
                    sent = list(arm.sent)
                    for (_, a), (_, b), (t, c) in zip(sent, sent[1:], sent[2:], strict=False):
                        if (
                            t > last
                            and abs((c.q_target - b.q_target)[0]) < abs((b.q_target - a.q_target)[0]) - 1e-9
                        ):
                            spans.append((last, t))
                            break
                    progress.update(1)
    ms = 1e3 * np.array([b - a for a, b in spans])
    ran = [1e3 * (b - a) for a, b in spans if monitor.ran(a, b)]
    known = monitor.stalls is not None
    return {
        "silence_tries": n, "silence_begun_again": again, "silence_unnoticed": n - len(spans),
        "silence_hz": config.silence_hz,
        "silence_to_deceleration_ms_p50": float(np.percentile(ms, 50)),
        "silence_to_deceleration_ms_max": float(ms.max()),
        "silence_tries_while_machine_ran": len(ran) if known else None,
        "silence_to_deceleration_ms_max_while_machine_ran": max(ran, default=0.0) if known else None,
        "silence_to_latch_ms_p50": float(1e3 * np.percentile(latched, 50)),
        "silence_to_latch_ms_max": float(1e3 * max(latched)),
    }  # fmt: skip


def _falls_silent(client: BridgeClient, arm: IdealArm, k: int, seqs: Iterator[int]) -> bool:
    """Move, and then say nothing more.

    False where this machine stood still for so long before that that the arm has latched already.
    """
    client.rearm()
    rng, dt, home = np.random.default_rng(k), arm.spec.dt, arm.spec.q_home
    q = client.observe(()).robot.q
    # [rad] a tick, about home: a wall that holds the arm leaves nothing to slow down
    way = (-0.3 if q[0] > home[0] else 0.3) * dt
    share = float(rng.random())
    steps = 5 + int(3 * share)
    arm.sent.clear()
    try:
        for step in range(steps + 1):
            client.heartbeat.beating = step < steps
            if step == steps:
                time.sleep(share * 0.2 * dt)
            client.command(JointCommand(q + way * step, 1.0, next(seqs), 0.0))
    except ArmLatched:
        return False
    return True
