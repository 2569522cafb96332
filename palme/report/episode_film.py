"""A film of a recorded episode: its cameras side by side, the sentence above, the plan below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from palme.data.reader import Episode
from palme.report.film import Caption, PlanLine, write_film
from palme.report.pictures import Picture


def episode_film(
    path: Path, episode: Episode, height: int = 480, progress: Callable[[int], object] = id
) -> int:
    """Write an H.264 mp4.

    Args:
        path: the file.
        episode: the episode.
        height: of the images in [px].
        progress: called with 1 after each frame.

    Returns:
        The number of frames.
    """

    def frames() -> Iterator[tuple[Mapping[str, Picture], Caption]]:
        captions = captions_of(episode)
        for number in range(len(episode)):
            yield episode[number].images, captions[number]
            progress(1)

    return write_film(path, frames(), round(episode.dataset.fps), height)


def captions_of(episode: Episode) -> list[Caption]:
    """(T,) the caption of each frame: the plan so far, its verdicts, and the planner's rationale."""
    sidecar = episode.sidecar
    if sidecar is None:
        return [Caption(episode.task, (PlanLine(step, "now"),) if step else ()) for step in episode.steps]
    out: list[Caption] = []
    plan: tuple[PlanLine, ...] = ()
    remark = ""
    events = list(sidecar.events)
    for frame in range(len(episode)):
        while events and events[0].frame <= frame:
            event = events.pop(0)
            if event.kind == "planned" and event.answer != "done":
                plan, remark = (*plan, PlanLine(event.step, "now")), event.answer
            elif event.kind == "judged" and plan:
                plan = (*plan[:-1], PlanLine(plan[-1].text, "done" if event.success else "failed"))
        out.append(Caption(episode.task, plan, remark))
    if sidecar.events and sidecar.events[-1].kind == "finished" and out:
        last = sidecar.events[-1]
        done = "done" if last.success else "failed"
        if plan and plan[-1].state == "now":
            plan = (*plan[:-1], PlanLine(plan[-1].text, done))
        out[-1] = Caption(episode.task, plan, last.answer)
    return out
