"""Episodes over processes: each builds its own rig once; results do not depend on who played what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from palme.cli.evaluation.episode import EpisodeResult, EpisodeSpec, run_episode
from palme.cli.rig.build import Rig, build_rig
from palme.cli.rig.recording import Recording
from palme.cli.settings.run import EvalConfig
from palme.cli.signals import interruptible, leave_to_parent

_rig: Rig | None = None
_config: EvalConfig | None = None
_recording: Recording | None = None


def play(config: EvalConfig, specs: Sequence[EpisodeSpec]) -> Iterator[EpisodeResult]:
    """Results as they come in (not in the order of `specs` with several workers).

    Workers are spawned, never forked: PyBullet and torch hold threads and handles that a fork breaks.
    """
    if config.workers == 1 or len(specs) < 2:
        _start(config)
        try:
            yield from map(_play, specs)
        finally:
            _close()
        return
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    with context.Pool(min(config.workers, len(specs)), _start_worker, (config,)) as pool:
        results = pool.imap_unordered(_play, specs)
        for _ in specs:
            with interruptible():
                result = next(results)
            yield result


def _start_worker(config: EvalConfig) -> None:
    leave_to_parent()
    _start(config)


def _start(config: EvalConfig) -> None:
    global _rig, _config, _recording
    with interruptible():  # nothing is there to be lost yet
        _rig, _config = build_rig(config), config
    if config.record:
        names = config.planner.name, config.policy.name
        _recording = Recording(config.record, _rig.arm, config.robot, config.codec, *names)
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)


def _play(spec: EpisodeSpec) -> EpisodeResult:
    if _rig is None or _config is None:
        raise RuntimeError("no rig in this process: call _start first")
    return run_episode(_rig, spec, _config.limits, _recording)


def _close() -> None:
    global _rig, _recording
    if _recording is not None:
        _recording.close()
    _recording = None
    if _rig is not None:
        _rig.close()
    _rig = None
