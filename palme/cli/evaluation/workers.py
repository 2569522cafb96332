"""Episodes over processes: each builds its own rig once; results do not depend on who played what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from palme.cli.errors import UsageError, beginning
from palme.cli.evaluation.episode import EpisodeResult, EpisodeSpec, run_episode
from palme.cli.evaluation.worker_lost import WorkerLost
from palme.cli.rig.build import Rig, build_rig
from palme.cli.rig.recording import Recording
from palme.cli.settings.run import EvalConfig
from palme.cli.signals import interruptible, leave_to_parent, postponed
from palme.registry import UnknownName

Spec = TypeVar("Spec")
Result = TypeVar("Result")

_rig: Rig | None = None
_recording: Recording | None = None


def play(config: EvalConfig, specs: Sequence[EpisodeSpec]) -> Iterator[EpisodeResult]:
    """Results as they come in (not in the order of `specs` with several workers).

    Raises:
        WorkerLost: a worker process is gone, as when the memory ran out.
        UsageError: the rig cannot be built.
    """
    return over(config.workers, partial(_play, config), specs, _close)


def over(
    workers: int, work: Callable[[Spec], Result], specs: Sequence[Spec], close: Callable[[], None]
) -> Iterator[Result]:
    """`work` on each of `specs`, as it comes in; with one worker in this process, which `close` ends.

    Workers are spawned, never forked: PyBullet and torch hold threads and handles that a fork breaks.

    Args:
        work: can be pickled, and builds what it needs once a process.

    Raises:
        WorkerLost: a worker process is gone, as when the memory ran out.
        UsageError: what `work` needs cannot be built.
    """
    if workers == 1 or len(specs) < 2:
        try:
            for spec in specs:
                yield work(spec)
        finally:
            close()
        return
    with _pool(min(workers, len(specs))) as pool:
        with postponed("starting the workers"):  # a worker must not get Ctrl-C before it ignores it
            asked = [pool.submit(_in_worker, work, spec) for spec in specs]
        try:
            waiting = as_completed(asked)
            for _ in specs:
                with interruptible():
                    done = next(waiting)
                yield done.result()
        except BrokenProcessPool as error:
            raise WorkerLost(
                "a worker process ended by itself, perhaps for lack of memory; use fewer workers"
            ) from error


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Worker processes, which are ended at once with the context."""
    import multiprocessing

    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), leave_to_parent)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
            process.join()


def _in_worker(work: Callable[[Spec], Result], spec: Spec) -> Result:
    try:
        return work(spec)
    except UnknownName as error:  # which does not survive the way to the parent
        raise UsageError(str(error)) from error


def _play(config: EvalConfig, spec: EpisodeSpec) -> EpisodeResult:
    name = "-".join(filter(None, (spec.family, str(spec.index), spec.control)))
    logs = Path(config.out) / "episodes" / name if config.logs else None
    return run_episode(_started(config), spec, config.limits, _recording, logs)


def _started(config: EvalConfig) -> Rig:
    """This process's rig, built when it is first needed."""
    global _rig, _recording
    if _rig is None:
        with interruptible(), beginning():  # nothing is there to be lost yet
            _rig = build_rig(config)
        if config.record:
            names = config.planner.name, config.policy.name
            _recording = Recording(config.record, _rig.arm, config.robot, config.codec, *names)
        try:
            import torch
        except ImportError:
            return _rig
        torch.set_num_threads(1)
    return _rig


def _close() -> None:
    global _rig, _recording
    if _recording is not None:
        _recording.close()
    _recording = None
    if _rig is not None:
        _rig.close()
    _rig = None
