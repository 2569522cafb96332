"""Episodes over processes: each builds its own rig once; results do not depend on who played what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from palme.agent import AgentLimits
from palme.cli.errors import UsageError
from palme.cli.evaluation.episode import EpisodeResult, EpisodeSpec, run_episode
from palme.cli.rig.build import Rig, build_rig
from palme.cli.rig.recording import Recording

_rig: Rig | None = None
_limits = AgentLimits()
_recording: Recording | None = None


def play(config: Mapping[str, Any], specs: Sequence[EpisodeSpec], workers: int) -> Iterator[EpisodeResult]:
    """Results as they come in (not in the order of `specs` with several workers).

    Workers are spawned, never forked: PyBullet and torch hold threads and handles that a fork breaks.
    """
    if workers > 1 and config["robot"]["name"] == "bridge":
        raise UsageError(f"workers={workers}: there is one arm at the other end of the bridge; say workers=1")
    if workers > 1 and config["record"]:
        raise UsageError(f"workers={workers}: one process writes a data set; say workers=1 with record=")
    if workers <= 1 or len(specs) < 2:
        _start(config)
        try:
            yield from map(_play, specs)
        finally:
            _close()
        return
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    with context.Pool(min(workers, len(specs)), _start_worker, (config,)) as pool:
        yield from pool.imap_unordered(_play, specs)


def _start_worker(config: Mapping[str, Any]) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear; it ends the pool
    _start(config)


def _start(config: Mapping[str, Any]) -> None:
    global _rig, _limits, _recording
    _rig, _limits = build_rig(config), AgentLimits(**config["limits"])
    _recording = Recording(config["record"], _rig, config) if config["record"] else None
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)


def _play(spec: EpisodeSpec) -> EpisodeResult:
    if _rig is None:
        raise RuntimeError("no rig in this process: call _start first")
    return run_episode(_rig, spec, _limits, _recording)


def _close() -> None:
    global _rig, _recording
    if _recording is not None:
        _recording.close()
    _recording = None
    if _rig is not None:
        _rig.close()
    _rig = None
