"""The page of `palme find`: moments that were found, best first, each a picture with the place marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from palme.report.parts import brand, page
from palme.report.pictures import Picture, data_url, enlarged

EDGE = np.array([255, 235, 59], np.uint8)


@dataclass(frozen=True)
class Moment:
    """One moment of a data set.

    Attributes:
        episode, frame: numbers, from 0.
        seconds: since the episode began in [s].
        score: of the search; only the order means something.
        task: sentence of the episode.
        rgb: the picture.
        box: (left, top, right, bottom) of the place in [px].
    """

    episode: int
    frame: int
    seconds: float
    score: float
    task: str
    rgb: Picture
    box: tuple[int, int, int, int]


def found_page(query: str, dataset: str, moments: Sequence[Moment]) -> str:
    """An HTML document that needs no other file."""
    cards = "".join(
        f'<figure style="margin:0"><img alt="" style="width:100%" src="{data_url(marked(m))}">'
        f"<figcaption>episode {m.episode}, {m.seconds:.1f} s (frame {m.frame}) · {m.score:.2f}<br>"
        f"{escape(m.task)}</figcaption></figure>"
        for m in moments
    )
    body = (
        brand("find", dataset) + f"<h1>{escape(query)}</h1><p>{len(moments)} moments, the best first.</p>"
        '<div style="display:grid;gap:16px;grid-template-columns:repeat(auto-fill,minmax(300px,1fr))">'
        f"{cards}</div>"
    )
    return page(f"found: {query}", body)


def marked(moment: Moment) -> Picture:
    """The picture, small ones enlarged, with a frame around the place."""
    h, w = moment.rgb.shape[:2]
    factor = max(1, round(480 / w))
    rgb = np.array(enlarged(moment.rgb, factor) if factor > 1 else moment.rgb)
    left, top, right, bottom = (factor * x for x in moment.box)
    left, right = (int(np.clip(x, 0, factor * w - 1)) for x in (left, right))
    top, bottom = (int(np.clip(x, 0, factor * h - 1)) for x in (top, bottom))
    rgb[top : bottom + 1, [left, right]] = EDGE
    rgb[[top, bottom], left : right + 1] = EDGE
    return rgb
