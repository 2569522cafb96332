"""Exports a recorded episode to the Rerun viewer: cameras, joints, and the plan as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from palme.data.reader import Episode
from palme.report.episode_film import captions_of


def installed() -> bool:
    """Whether rerun-sdk is installed."""
    from importlib.util import find_spec

    return find_spec("rerun") is not None


def episode_rrd(path: Path, episode: Episode, progress: Callable[[int], object] = id) -> None:
    """Write a .rrd file.

    Args:
        path: the file.
        episode: the episode.
        progress: called with 1 after each frame.

    Raises:
        ImportError: rerun-sdk is not installed.
    """
    import rerun as rr

    recording = rr.RecordingStream("palme", recording_id=f"episode-{episode.entry.episode}")
    recording.save(str(path))
    names = [str(name) for name in episode.dataset.features["action"].get("names") or ()]
    numbers, captions = episode.numbers, captions_of(episode)
    recording.log("task", rr.TextDocument(episode.task), static=True)
    shown = None
    for number in range(len(episode)):
        frame = episode[number]
        recording.set_time("time", duration=frame.timestamp)
        recording.set_time("frame", sequence=number)
        for camera, rgb in frame.images.items():
            recording.log(f"camera/{camera}", rr.Image(rgb).compress(jpeg_quality=85))
        for key in ("observation.state", "action", "action.requested"):
            for name, value in zip(names, numbers[key][number] if key in numbers else (), strict=False):
                recording.log(f"{key.replace('observation.', '')}/{name}", rr.Scalars(float(value)))
        caption = captions[number]
        if caption != shown:
            lines = [f"{i}. {line.text} ({line.state})" for i, line in enumerate(caption.plan, 1)]
            recording.log("plan", rr.TextDocument("\n".join([*lines, "", caption.remark])))
            shown = caption
        progress(1)
    recording.flush()
    recording.disconnect()
