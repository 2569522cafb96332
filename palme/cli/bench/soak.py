"""`palme bench soak`: an arm commanded for a long time through a proxy that spoils frames both ways."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.settings.bench import SoakConfig
from robots.bridge import keys
from robots.bridge.client import BridgeClient
from robots.bridge.faults import FaultProxy
from robots.bridge.server import BridgeServer
from robots.drivers.ideal import IdealArm
from robots.errors import RobotError
from robots.spec import ArmSpec
from robots.types import Array, JointCommand

WAVE = 0.2  # [rad]
MARGIN = 0.01  # [rad] beyond the wave that braking may overshoot
TIMEOUT = 0.05  # [s] for an answer


def bench_soak(config: SoakConfig, bar: Bar) -> dict[str, Any]:
    """Figures by name. `unintended`: targets sent outside of what was asked for, or beyond a limit."""
    spec = replace(ArmSpec.load("panda"), control_hz=config.hz)
    arm = IdealArm(spec, keep=10_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server_key, me = keys.new(folder, "server"), keys.new(folder, "me")
        keys.allow(folder, keys.load_public(folder / "me.public.json"), "policy")
        with BridgeServer(arm, server_key, folder, "tcp://127.0.0.1:0") as server:
            proxy = FaultProxy(server.address, server_key, me, folder, 0.0, seed=config.seed)
            with proxy, BridgeClient(proxy.address, me, server_key.public, timeout=TIMEOUT) as client:
                return _soak(config, bar, arm, server, proxy, client)


def _soak(
    config: SoakConfig, bar: Bar, arm: IdealArm, server: BridgeServer,
    proxy: FaultProxy, client: BridgeClient,
) -> dict[str, Any]:  # fmt: skip
    home = client.observe(()).robot.q
    met: Counter[str] = Counter()
    unintended, sent, memory, rearmed, worst = 0, 0, [], 0, 0.0
    seq, seconds = 0, 60 * config.minutes
    tail: list[Array] = []
    client.rearm()
    proxy.rate = config.faults
    begin = checked = time.monotonic()
    with bar("soak", int(seconds)) as progress:
        while time.monotonic() - begin < seconds:
            seq += 1
            try:
                client.command(JointCommand(home + WAVE * np.sin(seq / config.hz), 1.0, seq, 0.0))
                met["acknowledged"] += 1
            except RobotError as error:
                met[type(error).__name__] += 1
                rearmed += _rearmed(client)
            if time.monotonic() - checked >= 1.0:
                progress.update(int(time.monotonic() - checked))
                checked += int(time.monotonic() - checked)
                tail, n, bad, most = _checked(arm, home, tail)
                sent, unintended, worst = sent + n, unintended + bad, max(worst, most)
                memory.append(_resident_mb())
        proxy.cut = True
        time.sleep(1.0)
        tail, n, bad, most = _checked(arm, home, tail)
        still = float(np.ptp(np.array(tail[-3:]), axis=0).max())
    early = memory[len(memory) // 5 :] or memory
    counts = server.counts()
    return {
        "minutes": config.minutes, "hz": config.hz, "faults": config.faults, "asked": seq,
        "targets_sent": sent + n, "unintended": unintended + bad,
        "largest_share_of_a_limit": max(worst, most),
        "motion_after_the_end_rad": still, "rearmed": rearmed, "client_met": dict(met),
        "proxy_did": dict(proxy.done), "server_counts": counts,
        "server_failed": sum(n for name, n in counts.items() if "ServerFailed" in name or "fault" in name),
        "memory_mb_first": early[0], "memory_mb_last": memory[-1],
    }  # fmt: skip


def _rearmed(client: BridgeClient) -> int:
    """What a person would do after looking: arm again where the arm was stopped."""
    try:
        if client.read().latched:
            client.rearm()
            return 1
    except RobotError:
        pass
    return 0


def _checked(arm: IdealArm, home: Array, tail: list[Array]) -> tuple[list[Array], int, int, float]:
    """(last targets, number of new ones, of wrong ones, largest share of a limit) since the last look."""
    new = []
    while arm.sent:
        new.append(arm.sent.popleft()[1].q_target)
    q = np.array([*tail, *new]).reshape(-1, arm.spec.n_joints)
    if len(q) < 3:
        return list(q), len(new), 0, 0.0
    spec = arm.spec
    speed = np.diff(q, axis=0) * spec.control_hz
    change = np.diff(speed, axis=0) * spec.control_hz
    share = max(float((np.abs(speed) / spec.dq_max).max()), float((np.abs(change) / spec.ddq_max).max()))
    away = ~((np.abs(q - home) <= WAVE + MARGIN).all(axis=1))
    fast = ~((np.abs(speed) <= spec.dq_max * (1 + 1e-9)).all(axis=1))
    hard = ~((np.abs(change) <= spec.ddq_max * (1 + 1e-6)).all(axis=1))
    return list(q[-3:]), len(new), int(away.sum() + fast.sum() + hard.sum()), share


def _resident_mb() -> float:
    """Memory of this process that is in use, in [MB]."""
    import os

    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _has_failed(figures: Figures) -> bool:
    return bool(figures["unintended"] or figures["server_failed"] or figures["motion_after_the_end_rad"])


BENCH = Bench(SoakConfig, bench_soak, _has_failed)
