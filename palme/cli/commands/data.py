"""`palme data info|check|repair|merge|split|stats PATH`: look after recorded episodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError, unknown
from palme.cli.settings.data import (
    CheckConfig,
    InfoConfig,
    MergeConfig,
    RepairConfig,
    SplitConfig,
    StatsConfig,
)
from palme.data.errors import DataError


def main(arguments: Sequence[str]) -> int:
    """Returns 0, or 1 where `check` finds something."""
    words = [word for word in arguments if not is_override(word)]
    if not words:
        raise UsageError(f"expected one of: palme data {' | '.join(ACTS)} PATH")
    name, *paths = words
    if name not in ACTS:
        raise unknown("command of palme data", name, ACTS)
    kind, act = ACTS[name]
    config = load(kind, [word for word in arguments if is_override(word)])
    if not paths:
        raise UsageError(f"palme data {name}: missing PATH")
    if len(paths) > 1 and name != "merge":
        raise UsageError(f"palme data {name}: expected one PATH, got {len(paths)}")
    try:
        return act([Path(path) for path in paths], config)
    except DataError as error:
        raise UsageError(str(error)) from error


def _info(paths: list[Path], config: InfoConfig) -> int:
    from palme.data.reader import Dataset
    from palme.data.sidecar_reader import read_sidecars

    dataset = Dataset(paths[0])
    info, side = dataset.info, read_sidecars(paths[0])
    size = sum(path.stat().st_size for path in paths[0].rglob("*") if path.is_file())
    minutes = len(dataset) / dataset.fps / 60
    print(f"{paths[0]}: LeRobotDataset {info.version}, robot {info.robot_type}")
    print(f"  {len(dataset.entries)} episodes, {len(dataset)} frames at {dataset.fps} Hz, {minutes:.1f} min")
    each = f", {size / 1e6 / minutes:.2f} MB a minute" if minutes else ""
    print(f"  {size / 1e6:.1f} MB{each}")
    for key in dataset.video_keys:
        height, width, _ = dataset.features[key]["shape"]
        codec = dataset.features[key].get("info", {}).get("video.codec", "?")
        print(f"  camera {key.rpartition('.')[2]}: {width}x{height}, {codec}")
    for number, task in enumerate(dataset.tasks):
        n = sum(task in entry.tasks for entry in dataset.entries)
        print(f"  task {number}: {task!r} in {n} episodes")
    late = sum(len(one.timing.late_frames) for one in side.values())
    repeated = sum((Counter(one.timing.repeats) for one in side.values()), Counter[str]())
    shown = ", ".join(f"{camera} {n}" for camera, n in sorted(repeated.items())) or "none"
    if side:
        print(f"  timing: {late} frames late by more than 5 ms, pictures that repeat the one before: {shown}")
    for entry in dataset.entries if config.episodes else ():
        told = f", {side[entry.episode].timing.sentence}" if entry.episode in side else ""
        print(f"  episode {entry.episode}: {entry.length} frames, {entry.tasks[0]!r}{told}")
    return 0


def _check(paths: list[Path], config: CheckConfig) -> int:
    from palme.data.check import check

    problems = check(paths[0], config.deep)
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} problem(s); `palme data repair {paths[0]}` keeps what is whole")
    else:
        print(f"{paths[0]}: no problems")
    return 1 if problems else 0


def _repair(paths: list[Path], config: RepairConfig) -> int:
    from palme.data.repair import repair

    done = repair(paths[0])
    for line in done or ["nothing to repair"]:
        print(f"{paths[0]}: {line}")
    return 0


def _merge(paths: list[Path], config: MergeConfig) -> int:
    from palme.data.reader import Dataset

    sources = [Dataset(path) for path in paths]
    return _compose([(source, range(len(source.entries))) for source in sources], config.target)


def _split(paths: list[Path], config: SplitConfig) -> int:
    import numpy as np

    from palme.data.reader import Dataset

    dataset, into = Dataset(paths[0]), config.target
    n = len(dataset.entries)
    if config.episodes:
        for number in config.episodes:
            dataset.episode(number)
        return _compose([(dataset, config.episodes)], into)
    order = np.arange(n) if config.seed is None else np.random.default_rng(config.seed).permutation(n)
    at = min(max(round(config.train * n), 1), n - 1)
    if n < 2:
        raise UsageError(f"{paths[0]}: {n} episode(s) cannot be split; record at least 2")
    for name, part in (("train", order[:at]), ("test", order[at:])):
        _compose([(dataset, sorted(part.tolist()))], into / name)
    return 0


def _compose(sources: list[Any], into: Path) -> int:
    from palme.cli.progress import Progress
    from palme.data.merge_split import copy_episodes

    total = sum(len(numbers) for _, numbers in sources)
    with Progress("copied", total, "episode") as bar:
        n = copy_episodes(into, sources, bar.update)
    print(f"{into}: {n} episodes")
    return 0


def _stats(paths: list[Path], config: StatsConfig) -> int:
    import numpy as np

    from palme.data import stats
    from palme.data.episode_index import read_stats
    from palme.data.reader import Dataset

    dataset = Dataset(paths[0])
    found = read_stats(paths[0], dataset.features)[: len(dataset.entries)]
    if config.episode is not None:
        dataset.episode(config.episode)
        found = [found[config.episode]]
    names = ("min", "q01", "q50", "q99", "max", "mean", "std")
    print(f"{'':<28}" + "".join(f"{name:>12}" for name in names))
    for key, one in stats.aggregate(found).items():
        labels = dataset.features[key].get("names") or [""]
        rows = np.stack([np.asarray(one[name], float).reshape(-1) for name in names], 1)
        for i, row in enumerate(rows):
            label = f"{key}" if len(rows) == 1 else f"{key} {_label(labels, i, len(rows))}"
            print(f"{label:<28}" + "".join(f"{value:12.4g}" for value in row))
    return 0


def _label(labels: Any, i: int, n: int) -> str:
    if n == 3 and "channels" in labels:
        return ("red", "green", "blue")[i]
    return str(labels[i]) if len(labels) == n else str(i)


ACTS: dict[str, tuple[type[Any], Callable[[list[Path], Any], int]]] = {
    "info": (InfoConfig, _info),
    "check": (CheckConfig, _check),
    "repair": (RepairConfig, _repair),
    "merge": (MergeConfig, _merge),
    "split": (SplitConfig, _split),
    "stats": (StatsConfig, _stats),
}
