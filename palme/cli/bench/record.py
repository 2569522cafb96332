"""`palme bench record`: what recording promises, tried: SIGKILL at random, encoding, reading, the loop."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.settings.bench import RecordBenchConfig

SIZE = (480, 640)  # the cameras
LATE = 0.005  # [s]
LONGEST = 0.3  # [s] that a writer lives beyond its last save


def bench_record(config: RecordBenchConfig, bar: Bar) -> dict[str, Any]:
    """All figures. `lost` and `unreadable` must be 0."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if config.kills:
            with bar("kills", config.kills) as progress:
                found |= kills(Path(folder) / "killed", config.kills, config.seed, progress.update)
        if config.seconds:
            root = Path(folder) / "timed"
            found |= encoding(Path(folder) / "encoded")
            with bar("recording", round(20 * config.seconds)) as progress:
                found |= in_time(root, config.seconds, progress.update)
            found |= reading(root, config.reads, config.seed)
    return found


def kills(
    root: Path, n: int, seed: int, tell: Callable[[int], Any] = id, setting: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Kill a recording process `n` times at random instants; after each, all that it said it saved is there.

    Each goes on with the data set that the one before left, saves up to two episodes, and is killed up to a
    third of a second after that.

    Args:
        setting: as `palme.data.synthetic` takes it.

    Returns:
        kills, episodes at the end, lost ones, how often the data set or an episode could not be read as it
        was left, and how often something half done was left.
    """
    from palme.data.check import check
    from palme.data.episode_index import read_entries
    from palme.data.errors import DataError
    from palme.data.reader import Dataset
    from palme.data.repair import repair
    from palme.data.synthetic import difference

    rng = np.random.default_rng(seed)
    told = seen = lost = unreadable = unfinished = uncounted = 0
    with _Writers(root, {"frames": 8} | dict(setting or {})) as writers:
        for _ in range(n):
            told = max(told, writers.killed(int(rng.integers(3)), float(rng.uniform(0, LONGEST))))
            try:
                dataset = Dataset(root)  # as it was left, before anybody mends it
                lost += max(0, told - len(dataset.entries))
                unfinished += any((root / ".unfinished").glob("*"))
                uncounted += len(read_entries(root, dataset.features)) > len(dataset.entries)
                for number in range(seen, len(dataset.entries)):
                    unreadable += bool(difference(dataset.episode(number)))
                seen = len(dataset.entries)
                dataset.close()
            except (DataError, IndexError):
                unreadable += 1
            tell(1)
    repair(root)
    unreadable += bool(check(root, deep=True))
    return {
        "kills": n,
        "episodes": len(Dataset(root).entries),
        "lost": lost,
        "unreadable": unreadable,
        "left_unfinished": unfinished,
        "left_uncounted": uncounted,
    }


class _Writers:
    """Recording processes, one after the other, forked from one that has loaded everything."""

    def __init__(self, root: Path, setting: Mapping[str, Any]) -> None:
        command = [
            sys.executable,
            "-m",
            "palme.data.synthetic",
            str(root),
            json.dumps({"forks": True, **setting}),
        ]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout

    def __enter__(self) -> _Writers:
        return self

    def __exit__(self, *_: object) -> None:
        self._to.close()
        self._process.wait(60)
        self._from.close()

    def killed(self, saves: int, after: float) -> int:
        """Start one, kill it `after` [s] from when it has saved some. Returns how many it said there were."""
        self._to.write("another\n")
        self._to.flush()
        pid = int(self._said().split()[1])
        said = []
        while (line := self._said()) != "ready":
            pass
        for _ in range(saves):
            said.append(int(self._said().split()[1]))
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
        while (line := self._said()) != "ended":
            said += [int(line.split()[1])] if line.startswith("saved ") else []
        return max(said, default=-1) + 1

    def _said(self) -> str:
        line = self._from.readline()
        if not line.endswith("\n"):
            raise RuntimeError("the recording process ended by itself")
        return line.strip()


def encoding(folder: Path, n: int = 200) -> dict[str, Any]:
    """How much faster than it happens two cameras are encoded, by the clock and by what one core spent."""
    from palme.data.encoding import EncoderProcess
    from palme.data.synthetic import Scenery, schema

    made = schema(*SIZE)
    scenery = Scenery(made)
    pictures = [[scenery.picture(camera, 0, frame) for camera in range(2)] for frame in range(40)]
    folder.mkdir(parents=True)
    encoder = EncoderProcess(made, max_wait=60.0)
    encoder.begin(folder)
    begin, spent = time.perf_counter(), _children()
    for frame in range(n):
        for camera in range(2):
            encoder.add(camera, frame, pictures[frame % 40][camera])
    done = encoder.finish()
    wall = time.perf_counter() - begin
    encoder.close()
    seconds = n / made.fps
    size = sum(one.path.stat().st_size for one in done)
    return {
        "encoding_times_real_time": round(seconds / wall, 2),
        "encoding_times_real_time_by_core": round(seconds / (_children() - spent), 2),
        "megabytes_a_minute": round(size / 1e6 / seconds * 60, 2),
    }


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_time(root: Path, seconds: float, tell: Callable[[int], Any] = id) -> dict[str, Any]:
    """Record two cameras at 20 Hz by the clock: what `add` costs the loop, and how late it ever was."""
    from palme.data.synthetic import Scenery, row, schema
    from palme.data.writer import DatasetWriter

    made = schema(*SIZE)
    scenery = Scenery(made)
    rows = [row(made, scenery, 0, frame) for frame in range(40)]
    with DatasetWriter(root, made) as dataset:
        episode = dataset.begin("put the block in the bowl")
        cost, late = [], []
        begin = time.perf_counter()
        for frame in range(round(seconds * made.fps)):
            due = begin + frame / made.fps
            while (left := due - time.perf_counter()) > 0:
                time.sleep(left)
            start = time.perf_counter()
            late.append(start - due)
            episode.add(rows[frame % 40])
            cost.append(time.perf_counter() - start)
            tell(1)
        repeated = episode.repeated
        start = time.perf_counter()
        episode.save()
        saved = time.perf_counter() - start
    return {
        "add_ms_p50": round(1e3 * float(np.median(cost)), 3),
        "add_ms_max": round(1e3 * max(cost), 3),
        "cycles": len(late),
        "cycles_late_by_5_ms": int((np.array(late) > LATE).sum()),
        "latest_ms": round(1e3 * max(late), 3),
        "pictures_repeated": repeated,
        "save_s": round(saved, 3),
    }


def reading(root: Path, n: int, seed: int) -> dict[str, Any]:
    """Frames a second, in random order, each with all its numbers and pictures."""
    from palme.data.reader import Dataset

    dataset = Dataset(root)
    order = np.random.default_rng(seed).permutation(len(dataset))[:n]
    dataset[0]
    begin = time.perf_counter()
    for index in order:
        dataset[int(index)]
    return {"reading_frames_a_second": round(len(order) / (time.perf_counter() - begin), 1)}


def _has_failed(figures: Figures) -> bool:
    return bool(figures.get("lost") or figures.get("unreadable"))


BENCH = Bench(RecordBenchConfig, bench_record, _has_failed)
