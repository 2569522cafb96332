"""`palme bench record`: what recording promises, tried: SIGKILL at random, encoding, reading, the loop."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZE = (480, 640)  # the cameras
LATE = 0.005  # [s]


def bench_record(config: dict[str, Any], bar: Callable[[str, int], Any]) -> dict[str, Any]:
    """All figures. `lost` and `unreadable` must be 0."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if config["kills"]:
            with bar("kills", config["kills"]) as progress:
                found |= kills(Path(folder) / "killed", config["kills"], config["seed"], progress.update)
        if config["seconds"]:
            root = Path(folder) / "timed"
            found |= encoding(Path(folder) / "encoded")
            with bar("recording", round(20 * config["seconds"])) as progress:
                found |= in_time(root, config["seconds"], progress.update)
            found |= reading(root, config["reads"], config["seed"])
    return found


def kills(
    root: Path, n: int, seed: int, tell: Callable[[int], Any] = id, longest: float = 0.8, frames: int = 8
) -> dict[str, Any]:
    """Kill a recording process `n` times at random instants; after each, all that it said it saved is there.

    Each goes on with the data set that the one before left. `longest`: [s] after which it is killed at last.

    Returns:
        kills, episodes at the end, lost ones, how often the data set could not be read as it was left, and
        how often something half done was left.
    """
    from palme.data.check import check
    from palme.data.errors import DataError
    from palme.data.reader import Dataset
    from palme.data.repair import repair
    from palme.data.synthetic import difference

    rng = np.random.default_rng(seed)
    told = seen = lost = unreadable = unfinished = uncounted = 0
    for _ in range(n):
        told = max(told, _killed(root, float(rng.uniform(0, longest)), frames))
        if not (root / "meta" / "info.json").exists():
            lost += told
            continue
        try:
            dataset = Dataset(root)  # as it was left, before anybody mends it
            lost += max(0, told - len(dataset.entries))
            uncounted += len(_listed(root)) > len(dataset.entries)
            for number in range(seen, len(dataset.entries)):
                unreadable += bool(difference(dataset.episode(number)))
            dataset.close()
        except (DataError, IndexError):
            unreadable += 1
        unfinished += bool(repair(root))
        seen = len(Dataset(root).entries)
        unreadable += bool(check(root))
        tell(1)
    return {
        "kills": n,
        "episodes": seen,
        "lost": lost,
        "unreadable": unreadable,
        "left_unfinished": unfinished,
        "left_uncounted": uncounted,
    }


def _listed(root: Path) -> list[Path]:
    return list((root / "meta" / "episodes").glob("*/*.parquet"))


def _killed(root: Path, after: float, frames: int) -> int:
    """Start a writer, kill it `after` [s] of recording. Returns how many episodes it said there were."""
    command = [sys.executable, "-m", "palme.data.synthetic", str(root), json.dumps({"frames": frames})]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert writer.stdout is not None
    if writer.stdout.readline().strip() != "ready":
        writer.kill()
        raise RuntimeError("the writer did not start")
    timer = threading.Timer(after, writer.send_signal, [signal.SIGKILL])
    timer.start()
    said = [
        int(line.split()[1]) for line in writer.stdout if line.startswith("saved ") and line.endswith("\n")
    ]
    timer.cancel()
    writer.wait()
    writer.stdout.close()
    return max(said, default=-1) + 1


def encoding(folder: Path, n: int = 200) -> dict[str, Any]:
    """How much faster than it happens two cameras are encoded, by the clock and by what one core spent."""
    from palme.data.encoding import Encoding
    from palme.data.synthetic import Scenery, schema

    made = schema(*SIZE)
    scenery = Scenery(made)
    pictures = [[scenery.picture(camera, 0, frame) for camera in range(2)] for frame in range(40)]
    folder.mkdir(parents=True)
    encoder = Encoding(made, patience=60.0)
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
