"""`palme bench clock`: whether control keeps its time with everything on that a person wants beside it.

The simulated arm at its table by the clock, as `palme teleop console=true record=...` has it: two cameras
of 640 x 480 drawn, recorded and shown in a browser that jogs the arm without pause. The control loop is
what must not be late; pictures come as fast as the machine can draw them, and the figures say how fast.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.bench.browser import require_browser
from palme.cli.bench.stall_monitor import StallMonitor, ours, stolen
from palme.cli.settings.bench import ClockConfig

LATE = 0.005  # [s]
WARM = 2.0  # [s] between the browser's first key and the first cycle that counts


def bench_clock(config: ClockConfig, bar: Bar) -> dict[str, Any]:
    """Figures by name. `cycles_late_by_5_ms` must be 0.

    On a virtual machine nobody can promise that: its host may keep a processor from it. So one process for
    each processor tells when even a process with nothing to do was kept waiting; `late_while_machine_ran` are
    the cycles that were late without that.
    """
    from palme.cli.bench.record import encoding
    from palme.cli.commands.teleop import person_at, simulated
    from palme.data.reader import Dataset

    require_browser()
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Any] = {"minutes": config.minutes}
        if config.encoding:
            found |= encoding(Path(folder) / "encoded", config.encoding)
        root = Path(config.record or Path(folder) / "session")
        arm, scene = simulated(config)
        try:
            with person_at(arm, replace(config, record=str(root)), None, scene) as assisted:
                cycles = _Cycles(assisted)
                with _visitor(assisted.console.address), StallMonitor() as monitor:
                    time.sleep(WARM)
                    shown = _watch(assisted, cycles, 60 * config.minutes, bar)
                found |= cycles.figures(monitor) | shown
        finally:
            arm.world.close()
        dataset = Dataset(root)
        episode = dataset.episode(len(dataset.entries) - 1)
        assert episode.sidecar is not None  # a recorded session always has one
        cadence = episode.sidecar.timing
        dataset.close()
    return found | {
        "recorded_frames": len(episode), "recorded_late_by_5_ms": len(cadence.late_frames),
        "recorded_every_ms_mean": round(cadence.mean_ms, 3),
        "recorded_every_ms_max": round(cadence.max_ms, 2),
        "recorded_pictures_repeated": len(cadence.repeated),
        "recorded_oldest_picture_ms": round(cadence.oldest_picture_ms, 1),
    }  # fmt: skip


class _Cycles:
    """Listens to ticks: how late each began, and how long after it was due it was done, its row recorded."""

    def __init__(self, assisted: Any) -> None:
        self._timer = assisted.loop.timer
        self.counting = False
        self._began: list[float] = []
        self._behind: list[float] = []
        self._sent: list[float] = []
        self._moved = 0
        assisted.shared.on_tick.append(self)

    def __call__(self, tick: Any) -> None:
        if self.counting:
            self._began.append(tick.t)
            self._behind.append(self._timer.delay)
            self._sent.append(self._timer.delay + time.monotonic() - tick.t)
            self._moved += bool(tick.by)

    def figures(self, monitor: StallMonitor) -> dict[str, Any]:
        behind, sent = 1e3 * np.array(self._behind), 1e3 * np.array(self._sent)
        late = [(t - b, t) for t, b in zip(self._began, self._behind, strict=True) if b > LATE]
        known = monitor.stalls is not None
        spans = [(a, b) for a, b in monitor.stalls or () if self._began[0] <= a <= self._began[-1]]
        return {
            "cycles": len(behind), "cycles_moved_by_hand": self._moved,
            "cycles_late_by_5_ms": len(late),
            "late_while_machine_ran": sum(monitor.ran(*one) for one in late) if known else None,
            "machine_stalls_over_5_ms": sum(b - a > LATE for a, b in spans) if known else None,
            "machine_stall_ms_max": round(1e3 * max([b - a for a, b in spans], default=0.0), 1),
            "late_ms_p50": round(float(np.median(behind)), 3),
            "late_ms_p99": round(float(np.quantile(behind, 0.99)), 3),
            "late_ms_max": round(float(behind.max()), 3),
            "done_after_ms_p99": round(float(np.quantile(sent, 0.99)), 3),
            "done_after_ms_max": round(float(sent.max()), 3),
        }  # fmt: skip


def _watch(assisted: Any, cycles: _Cycles, seconds: float, bar: Bar) -> dict[str, Any]:
    """Let it go on for `seconds`; how many pictures the browser showed, and how old they were by then."""
    ages, clients, cameras = [], assisted.console.clients, len(assisted.loop.cameras)
    clients.ages.clear()
    begin = time.monotonic()
    cycles.counting, spent, gone = True, time.process_time(), stolen()
    with bar("by the clock", round(seconds)) as progress:
        while (left := begin + seconds - time.monotonic()) > 0:
            time.sleep(min(1.0, left))
            assisted.shared.tasks.check_alive()
            while clients.ages:
                ages.append(1e3 * clients.ages.popleft()[1])
            progress.update(min(1, round(left)))
    cycles.counting, wall = False, time.monotonic() - begin
    spent = time.process_time() - spent
    return {
        "pictures_shown": len(ages), "pictures_a_second_a_camera": round(len(ages) / wall / cameras, 2),
        "picture_ms_p50": round(float(np.quantile(ages, 0.5)), 1) if ages else None,
        "picture_ms_p95": round(float(np.quantile(ages, 0.95)), 1) if ages else None,
        "control_process_cores": round(spent / wall, 3),
        "real_time_priority": assisted.loop.realtime_priority,
        "cpu_sleep_disabled": assisted.loop.cpu_sleep_disabled,
        "machine_stolen_s": round(stolen() - gone, 2),
    }  # fmt: skip


@contextmanager
def _visitor(address: str) -> Iterator[None]:
    """A browser that moves the arm, until the end of the context."""
    process = ours("palme.cli.bench.browser_client")
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(address + "\n")  # its token is nobody's business who lists processes
        process.stdin.flush()
        if process.stdout.readline() != "here\n":
            raise RuntimeError("the browser did not get to the console")
        yield
    finally:
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _has_failed(figures: Figures) -> bool:
    return bool(figures["cycles_late_by_5_ms"])


BENCH = Bench(ClockConfig, bench_clock, _has_failed)
