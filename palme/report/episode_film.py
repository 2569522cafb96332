"""A recorded episode as a film: its cameras side by side, the sentence above, the plan below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from palme.data.reader import Episode
from palme.report.film import Caption, PlanLine, write_film
from palme.report.pictures import Picture


def episode_film(path: Path, episode: Episode, height: int = 480, tell: Callable[[int], None] = id) -> int:
    """Write the film. Returns how many pictures it has. `tell` is called with 1 after each."""

    def frames() -> Iterator[tuple[Mapping[str, Picture], Caption]]:
        captions = captions_of(episode)
        for number in range(len(episode)):
            yield episode[number].images, captions[number]
            tell(1)

    return write_film(path, frames(), round(episode.dataset.fps), height)


def captions_of(episode: Episode) -> list[Caption]:
    """(T,) what is written under each frame: the plan so far, how it was judged, and the planner's reason."""
    side = episode.sidecar
    if side is None:
        return [Caption(episode.task, (PlanLine(step, "now"),) if step else ()) for step in episode.steps]
    out: list[Caption] = []
    plan: tuple[PlanLine, ...] = ()
    remark = ""
    said = list(side.events)
    for frame in range(len(episode)):
        while said and said[0].frame <= frame:
            one = said.pop(0)
            if one.kind == "planned" and one.answer != "done":
                plan, remark = (*plan, PlanLine(one.step, "now")), one.answer
            elif one.kind == "judged" and plan:
                plan = (*plan[:-1], PlanLine(plan[-1].text, "done" if one.success else "failed"))
        out.append(Caption(episode.task, plan, remark))
    if side.events and side.events[-1].kind == "finished" and out:
        last = side.events[-1]
        done = "done" if last.success else "failed"
        if plan and plan[-1].state == "now":
            plan = (*plan[:-1], PlanLine(plan[-1].text, done))
        out[-1] = Caption(episode.task, plan, last.answer)
    return out
