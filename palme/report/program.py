"""The part of report.html about a program: each line with what it found in the picture, and what it means."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from palme.events import Asked, Understood
from palme.planners.base import ReadLine
from palme.report.pictures import Picture, crop, data_url
from robots.types import Observation


def program_section(understood: Sequence[Understood], asked: Sequence[Asked]) -> str:
    """The section; "" where no program was read and nobody was asked."""
    told = [event for event in understood if event.understanding is not None]
    cards = "".join(map(_card, told))
    questions = "".join(
        f"<p>{escape(one.question)} <b>{escape(one.answer) if one.answer else 'Nobody answered.'}</b></p>"
        for one in asked
    )
    if not cards and not questions:
        return ""
    lead = "What the sentence was read as, before anything moved, and what each line found."
    return f"<h2>Program</h2><p class='lead'>{lead}</p>{cards}{questions}"


def _card(event: Understood) -> str:
    told = event.understanding
    lines = "".join(_line(line, event.observation) for line in told.lines)
    rest = "" if told.lines else f"<pre>{escape(told.program)}</pre>"
    sure = f"read in {1e3 * told.seconds:.0f} ms, probability {100 * told.probability:.0f} %"
    return (
        f'<div class="card"><p class="quiet">“{escape(event.instruction)}”</p>'
        f"<p><b>{escape(event.goal)}</b></p>"
        f'{rest}{lines}<p class="timeline">{sure}</p></div>'
    )


def _line(line: ReadLine, observation: Observation | None) -> str:
    pictures = "".join(
        f'<figure><img alt="{escape(name)}" src="{data_url(cut)}">'
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for name, cut in _cut(line, observation)
    )
    views = f'<div class="views">{pictures}</div>' if pictures else ""
    return f"<p><code>{escape(line.text)}</code></p>{views}<p class='why'>{escape(line.said)}</p>"


def _cut(line: ReadLine, observation: Observation | None) -> list[tuple[str, Picture]]:
    """What the line found, cut from the first picture."""
    if observation is None or not observation.images:
        return []
    import numpy as np

    frame = next(iter(observation.images.values()))
    cuts = ((name, crop(frame, np.array(xyz))) for name, xyz in line.found)
    return [(name, cut) for name, cut in cuts if cut is not None]
