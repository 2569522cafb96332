"""Parts of every page: the frame, facts, verdict pills, the multimodal sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files

import numpy as np

from palme.language.sentence import PLACEHOLDER, Placeholder, Sentence, placeholder
from palme.perception.objects import PerceivedObjects
from palme.report.pictures import Picture, crop, data_url
from robots.types import Observation, RobotState

MAX_NUMBERS = 16  # numbers shown at a placeholder

_HUMAN = re.compile(r"(human : )(.*?)(?= robot :|$)", re.DOTALL)
_ONE_TOKEN = re.compile(r"\b([a-z]+)_(block|cylinder|bowl)\b")


@cache
def _style() -> str:
    return (files("palme.report") / "style.css").read_text(encoding="utf-8")


def page(title: str, body: str) -> str:
    """An HTML document that needs no other file."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_style()}</style></head><body><main>{body}</main></body></html>\n"
    )


def figure(value: float | None, digits: int = 2) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def interval(low: float, high: float) -> str:
    """An interval of shares, in percent."""
    return f"{figure(100 * low, 1)} – {figure(100 * high, 1)} %"


def brand(kind: str, note: str) -> str:
    """The header line."""
    return f'<div class="brand"><span><b>palme</b> · {escape(kind)}</span><span>{escape(note)}</span></div>'


def pill(text: str, tone: str) -> str:
    """A short verdict; `tone` is "good", "bad" or "note"."""
    return f'<span class="pill {tone}">{escape(text)}</span>'


def facts(pairs: Sequence[tuple[str, str, str]]) -> str:
    """(name, value, unit) side by side."""
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)} <small>{escape(unit)}</small></dd></div>"
        for name, value, unit in pairs
    )
    return f'<dl class="facts">{cells}</dl>'


def worded(value: object) -> str:
    """A setting or a figure for a reader: no `None`, `True` or `nan`."""
    if value is None or value == "":
        return "not set"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:g}" if math.isfinite(value) else "unknown"
    if isinstance(value, list | tuple):
        return ", ".join(worded(one) for one in value) or "none"
    return str(value)


def footer(details: Mapping[str, object]) -> str:
    """The settings that reproduce the result."""
    shown = " · ".join(f"{escape(k.replace('_', ' '))} {escape(worded(v))}" for k, v in details.items())
    return f"<footer>{shown}</footer>"


def sentence_html(sentence: Sentence, observation: Observation, objects: PerceivedObjects | None) -> str:
    """The sentence as the language model reads it, with the observation at each placeholder.

    Args:
        sentence: the text after "human :" is highlighted; each modality defines how it is shown.
        observation: the camera images.
        objects: row k - 1 stands at `<obj:k>`, None without a detector.
    """
    parts: list[str] = []
    end = 0
    text = sentence.text.removeprefix("<s>").strip()
    for match in PLACEHOLDER.finditer(text):
        part = placeholder(match[0])
        if part is None:  # words that look like one
            continue
        given = sentence.observations.get(part.source)
        parts += [_words(text[end : match.start()]), _token(part, given, observation, objects)]
        end = match.end()
    return f'<p class="sentence">{"".join(parts)}{_words(text[end:])}</p>'


def _words(text: str) -> str:
    shown = _HUMAN.sub(r'\1<span class="said">\2</span>', escape(text))
    return _ONE_TOKEN.sub(r'<span class="one">\1&nbsp;\2</span>', shown)


def _token(
    part: Placeholder, given: object, observation: Observation, objects: PerceivedObjects | None
) -> str:
    shown, which = part.modality.shown, part.which
    if shown == "object" and objects is not None and 0 <= part.index < len(objects):
        i = part.index
        x, y, z = objects.xyz[i]
        note = f"obj_{which} · {100 * float(objects.class_probs[i].max()):.0f} %"
        cut = crop(next(iter(observation.images.values())), objects.xyz[i])
        return _chip(objects.name(i), note, cut, title=f"at x {x:.3f}, y {y:.3f}, z {z:.3f} m")
    if shown == "picture" and which in observation.images:
        return _chip(which, "image", observation.images[which].rgb, "token wide")
    if isinstance(given, RobotState):
        return _chip("arm", " ".join(f"{value:+.2f}" for value in given.q) + " rad")
    if shown == "numbers" and isinstance(given, np.ndarray) and given.size <= MAX_NUMBERS:
        return _chip(part.modality.name, " ".join(f"{value:+.2f}" for value in given.reshape(-1)))
    return _chip(part.modality.name, which)


def _chip(label: str, note: str, picture: Picture | None = None, tone: str = "token", title: str = "") -> str:
    image = "" if picture is None else f'<img alt="" src="{data_url(picture)}">'
    tone = tone if image else "token text-only"
    title = f' title="{escape(title)}"' if title else ""
    text = f"{escape(label)} <small>{escape(note)}</small>"
    return f'<span class="{tone}"{title}>{image}<span>{text}</span></span>'
