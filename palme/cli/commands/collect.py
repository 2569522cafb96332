"""`palme collect`: rendered scenes for the detector, motions and corrected episodes for the chunk policy.

An interrupted run resumes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError
from palme.cli.settings.data import CollectConfig


def main(arguments: Sequence[str]) -> int:
    """Collect what is missing and print its path."""
    for word in arguments:
        if not is_override(word):
            raise UsageError(f"{word!r}: expected key=value; see `palme collect --help`")
    config = load(CollectConfig, arguments)
    collect = {
        "scenes": _scenes,
        "demonstrations": _demonstrations,
        "perceived": _perceived,
        "corrections": _corrections,
    }
    path = collect[config.what](config)
    print(path)
    return 0


def _scenes(config: CollectConfig) -> Path:
    import multiprocessing

    from tqdm import tqdm

    folder = config.out / "scenes"
    parts = [(folder / f"part{k:03d}", config.pictures, config.seed * 1000 + k) for k in range(config.parts)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(config.workers, len(parts))) as pool:
        done = pool.imap_unordered(_part, parts)
        for _ in tqdm(done, total=len(parts), desc="scenes", unit="part", file=sys.stderr):
            pass
    return folder


def _part(job: tuple[Path, int, int]) -> None:
    from sim.data.detection_scenes import write_part

    write_part(*job)


def _perceived(config: CollectConfig) -> Path:
    import torch

    from palme.cli.evaluation.perceive import collect

    torch.set_num_threads(1)
    path = config.out / "perceived" / f"seed{config.seed:03d}.npz"
    if not path.exists():
        collect(str(path), config.perceived, config.seed)
    return path


def _demonstrations(config: CollectConfig) -> Path:
    from sim.data.demonstrations import write_demonstrations

    path = config.out / "demos" / f"seed{config.seed:03d}.npz"
    if not path.exists():
        write_demonstrations(path, config.motions, config.seed)
    return path


def _corrections(config: CollectConfig) -> Path:
    import torch
    from tqdm import tqdm

    from palme.cli.evaluation.corrections import collect_corrections

    torch.set_num_threads(1)
    path = config.out / "corrections"
    with tqdm(total=config.corrected, desc="corrected", unit="episode", file=sys.stderr) as bar:
        found = collect_corrections(config, path, lambda episode: bar.update(episode.corrected))
    n = sum(episode.corrected for episode in found)
    mended = sum(episode.achieved for episode in found if episode.corrected)
    print(f"{len(found)} steps, {n} corrected by the simulated person, {mended} of those successful")
    return path
