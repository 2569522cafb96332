"""Pieces that every page is made of: the frame, facts, verdict pills, the multimodal sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from palme.report.pictures import crop, data_address
from robots.types import Observation

_HUMAN = re.compile(r"(human : )(.*?)(?= robot :|$)", re.DOTALL)
_ONE_TOKEN = re.compile(r"\b([a-z]+)_(block|cylinder|bowl)\b")
_PLACEHOLDER = re.compile(r"<(obj|img|state|audio)(?::(\w+))?>")


@cache
def _style() -> str:
    return (files("palme.report") / "style.css").read_text(encoding="utf-8")


def page(title: str, body: str) -> str:
    """A whole HTML document that needs nothing beside itself."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_style()}</style></head><body><main>{body}</main></body></html>\n"
    )


def brand(kind: str, note: str) -> str:
    """The line above everything."""
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


def footer(details: Mapping[str, Any]) -> str:
    """What it takes to get the same again."""
    return "<footer>" + " · ".join(f"{escape(k)} {escape(str(v))}" for k, v in details.items()) + "</footer>"


def sentence_html(text: str, observation: Observation, objects: Any) -> str:
    """The sentence as the language model reads it, with what stands at each placeholder.

    Args:
        text: words with `<obj:k>`, `<img:camera>` and `<state>` where observations stand; what follows
            "human :" is set apart by colour.
        observation: what they were taken from.
        objects: `PerceivedObjects` or None; row k - 1 stands at `<obj:k>`.
    """
    parts: list[str] = []
    end = 0
    text = text.removeprefix("<s>").strip()
    for match in _PLACEHOLDER.finditer(text):
        parts.append(_words(text[end : match.start()]))
        parts.append(_token(match.group(1), match.group(2), observation, objects))
        end = match.end()
    parts.append(_words(text[end:]))
    return f'<p class="sentence">{"".join(parts)}</p>'


def _words(text: str) -> str:
    shown = _HUMAN.sub(r'\1<span class="said">\2</span>', escape(text))
    return _ONE_TOKEN.sub(r'<span class="one">\1&nbsp;\2</span>', shown)


def _token(kind: str, which: str | None, observation: Observation, objects: Any) -> str:
    if kind == "obj" and which and which.isdigit() and objects is not None and int(which) <= len(objects):
        i = int(which) - 1
        xyz = objects.xyz[i]
        cut = crop(next(iter(observation.images.values())), xyz)
        picture = f'<img alt="" src="{data_address(cut)}">' if cut is not None else ""
        sure = 100 * float(objects.class_probs[i].max())
        label = f"{objects.name(i)} <small>obj_{which} · {sure:.0f} %</small>"
        tone = "token" if picture else "token text-only"
        where = f"at x {xyz[0]:.3f}, y {xyz[1]:.3f}, z {xyz[2]:.3f} m"
        return f'<span class="{tone}" title="{where}">{picture}<span>{label}</span></span>'
    if kind == "img" and observation.images:
        name = which if which in observation.images else next(iter(observation.images))
        picture = f'<img alt="" src="{data_address(observation.images[name].rgb)}">'
        return f'<span class="token wide">{picture}<span>{escape(name)} <small>picture</small></span></span>'
    if kind == "read":
        return '<span class="token text-only"><span>the sentence <small>read as a whole</small></span></span>'
    if kind == "state":
        q = " ".join(f"{value:+.2f}" for value in observation.robot.q)
        return f'<span class="token text-only"><span>arm <small>{q} rad</small></span></span>'
    return f'<span class="token text-only"><span>{escape(kind)} {escape(which or "")}</span></span>'
