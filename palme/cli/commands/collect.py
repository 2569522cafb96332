"""`palme collect`: rendered scenes for the detector, crops for CLIP, motions and corrected episodes.

An interrupted run resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError
from palme.cli.out_lock import locked
from palme.cli.progress import Progress, duration, plural
from palme.cli.settings.data import CollectConfig

# [s] a piece on one core with AVX-512, measured on 2026-11-29; the last is a guess
Part = tuple[Path, int, int]  # folder, pieces, seed
PICTURE_S, PERCEIVED_S, MOTION_S, CORRECTED_S = 0.03, 0.04, 0.03, 20.0


@dataclass(frozen=True)
class Job:
    """What one kind of collection makes.

    Attributes:
        path: the file or folder.
        is_file: whether it is a file, which is kept where it is there.
        what: for a person.
        seconds: [s] of one core, roughly; 0 = it is done already.
        workers: processes that share it.
        make: does it.
    """

    path: Path
    is_file: bool
    what: str
    seconds: float
    workers: int
    make: Callable[[], object]


def main(arguments: Sequence[str]) -> int:
    """Collect what is missing and print its path."""
    for word in arguments:
        if not is_override(word):
            raise UsageError(f"{word!r}: expected key=value; see `palme collect --help`")
    config = load(CollectConfig, arguments)
    jobs = {
        "scenes": _scenes,
        "appearances": _appearances,
        "demonstrations": _demonstrations,
        "perceived": _perceived,
        "corrections": _corrections,
    }
    job = jobs[config.what](config)
    if config.dry_run:
        print(announcement(job))
        print("dry run: nothing was made")
        return 0
    with locked(job.path, is_file=job.is_file or config.what == "corrections"):
        print(announcement(job), flush=True)
        if job.seconds:
            job.make()
    print(job.path)
    return 0


def announcement(job: Job) -> str:
    """What is about to be made, where it goes, and about how long it takes."""
    if not job.seconds:
        return f"{job.what}: {job.path} is complete and is kept; another seed= or out= makes more"
    time = duration(job.seconds / job.workers)
    return (
        f"{job.what}, {plural(job.workers, 'worker')}; results go to {job.path}; about {time} on a fast "
        "computer; the lines below tell what is left here"
    )


def _scenes(config: CollectConfig) -> Job:
    return _in_parts(config, config.out / "scenes", "pictures", _part)


def _appearances(config: CollectConfig) -> Job:
    return _in_parts(config, config.out / "appearances", "crops", _crops_part)


def _in_parts(config: CollectConfig, folder: Path, pieces: str, make: Callable[[Part], None]) -> Job:
    parts = [(folder / f"part{k:03d}", config.pictures, config.seed * 1000 + k) for k in range(config.parts)]
    missing = [part for part in parts if not (part[0] / "done.json").exists()]
    workers = min(config.workers, max(len(missing), 1))
    kept = len(parts) - len(missing)
    what = f"{folder.name}: {plural(len(parts), 'part')} of {config.pictures} {pieces}" + (
        f", {kept} of them there already" if kept else ""
    )
    seconds = PICTURE_S * config.pictures * len(missing)
    return Job(folder, False, what, seconds, workers, lambda: _render(missing, workers, make))


def _render(parts: Sequence[Part], workers: int, make: Callable[[Part], None]) -> None:
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    with context.Pool(workers) as pool, Progress("scenes", len(parts), "part") as bar:
        for _ in pool.imap_unordered(make, parts):
            bar.update()


def _part(job: Part) -> None:
    from sim.data.detection_scenes import write_part

    write_part(*job)


def _crops_part(job: Part) -> None:
    from palme.cli.evaluation.appearance_crops import write_part

    write_part(*job)


def _perceived(config: CollectConfig) -> Job:
    path = config.out / "perceived" / f"seed{config.seed:03d}.npz"

    def make() -> None:
        import torch

        from palme.cli.evaluation.perceive import collect

        torch.set_num_threads(1)
        collect(str(path), config.perceived, config.seed)

    seconds = 0.0 if path.exists() else PERCEIVED_S * config.perceived
    return Job(
        path, True, f"perceived: {plural(config.perceived, 'scene')} seen by the detector", seconds, 1, make
    )


def _demonstrations(config: CollectConfig) -> Job:
    path = config.out / "demos" / f"seed{config.seed:03d}.npz"

    def make() -> None:
        from sim.data.demonstrations import write_demonstrations

        write_demonstrations(path, config.motions, config.seed)

    seconds = 0.0 if path.exists() else MOTION_S * config.motions
    return Job(path, True, f"demonstrations: {plural(config.motions, 'motion')}", seconds, 1, make)


def _corrections(config: CollectConfig) -> Job:
    path = config.out / "corrections"

    def make() -> None:
        import torch

        from palme.cli.evaluation.corrections import collect_corrections

        torch.set_num_threads(1)
        with Progress("corrected", config.corrected, "episode") as bar:
            found = collect_corrections(config, path, lambda episode: bar.update(episode.corrected))
        n = sum(episode.corrected for episode in found)
        mended = sum(episode.achieved for episode in found if episode.corrected)
        print(f"{len(found)} steps, {n} corrected by the simulated person, {mended} of those successful")

    what = f"corrections: {plural(config.corrected, 'episode')} corrected by a simulated person"
    return Job(path, False, what, CORRECTED_S * config.corrected, 1, make)
