"""The page of one step: each link of its chain, from the sentence to the joint commands and the verdict."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palme.report.chain import Chain, Line, probability
from palme.report.joints import JointLimits, joint_charts
from palme.report.parts import brand, footer, page, pill
from palme.report.pictures import Picture, data_url, enlarged

SIDE = 260.0  # [px] of a plot of waypoints
RING = 9  # [px] around what is marked, in the picture as it was taken


def why_page(chain: Chain) -> str:
    """The page as one HTML string."""
    planned, judged, gate = chain.planned, chain.judged, chain.gate
    tone = "good" if judged.get("success") or planned.get("done") else "note" if not judged else "bad"
    limited = pill("changed nothing", "good") if not gate.clamped and not gate.refused else ""
    why = [str(judged[k]) for k in ("reason", "found", "gate") if judged.get(k)]
    links = (
        ("Sentence", f"<p>“{escape(chain.instruction)}”</p>"),
        ("Read as", _words("", chain.understood.get("goal"))),
        ("Program", _program(chain.understood)),
        ("Rationale", _words("", planned.get("rationale"))),
        ("Step", f"<p><b>{escape(planned['step'])}</b>{probability(planned.get('probability'))}</p>"),
        ("Tokens", _tokens(planned)),
        ("Detection", _detection(chain)),
        ("Chunks", _chunks(chain)),
        ("Gate", f"<p>{limited} {escape(gate.text)}</p>" if chain.acted else ""),
        ("Sent", _sent(chain)),
        ("Verdict", f"<p>{pill(chain.verdict, tone)}{probability(judged.get('probability'))}</p>"
         + "".join(_words("", text) for text in why)),
    )  # fmt: skip
    body = "".join(f"<h2>{name}</h2>{html}" for name, html in links if html)
    run_id = str(planned.get("id", chain.header.get("id", "")))
    head = brand(f"why step {chain.n}", run_id) + f'<h1 class="plain">{escape(planned["step"])}</h1>'
    details = {k: chain.header[k] for k in ("date", "arm", "planner", "policy", "seed") if k in chain.header}
    return page(f"step {chain.n}: {planned['step']}", head + body + footer(details))


def _words(name: str, text: Any) -> str:
    if not text:
        return ""
    start = f"{escape(name)}: " if name else ""
    return f'<p class="why">{start}{escape(str(text))}</p>'


def _program(understood: Line) -> str:
    if not understood.get("program"):
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(line['text'])}</code></td><td>{escape(', '.join(line['found']))}</td>"
        f"<td>{escape(line['said'])}</td></tr>"
        for line in understood.get("lines", ())
    )
    sure = probability(understood.get("probability"))
    table = (
        f'<div class="scroll"><table><tr><th>line</th><th>found</th><th>said</th></tr>{rows}</table></div>'
    )
    return f"<pre>{escape(understood['program'])}</pre>{sure}{table if rows else ''}"


def _tokens(planned: Line) -> str:
    return f"<p><code>{escape(planned['sentence'])}</code></p>" if planned.get("sentence") else ""


def _detection(chain: Chain) -> str:
    """The planner's picture with the things of the step marked, and the first that the policy acted on."""
    planned, named = chain.planned, chain.named
    marks = [(row["pixel"], row["name"]) for row in named if row.get("pixel")]
    shown = [_figure(chain.folder, planned.get("picture"), marks)]
    line = next((line for line in chain.acted if line.get("picture")), None)
    if line is not None:
        looks = [look for look in line.get("looks", ()) if look["camera"] == line["camera"] and look["pixel"]]
        shown.append(_figure(chain.folder, line["picture"], [(k["pixel"], k["role"]) for k in looks]))
    rows = "".join(
        f"<tr><td>{escape(row['ref'])}</td><td>{escape(row['name'])}</td><td>{_numbers(row['xyz'])} m</td>"
        f"<td>{row['score']:.2f}</td></tr>"
        for row in named
    )
    table = f"<table><tr><th>as</th><th>name</th><th>at</th><th>score</th></tr>{rows}</table>" if rows else ""
    views = "".join(shown)
    return (f'<div class="views">{views}</div>' if views else "") + table


def _figure(folder: Path, name: str | None, marks: Sequence[tuple[Sequence[float], str]]) -> str:
    rgb = None if name is None else _picture(folder / name)
    if rgb is None:
        return ""
    words = ", ".join(dict.fromkeys(text for _, text in marks)) or "nothing of the step is marked"
    return f'<figure><img alt="{escape(words)}" src="{data_url(marked(rgb, [at for at, _ in marks]))}">' + (
        f"<figcaption>{escape(words)}</figcaption></figure>"
    )


def _picture(path: Path) -> Picture | None:
    from PIL import Image

    try:
        return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))
    except OSError:  # not kept, or removed since
        return None


def marked(rgb: Picture, points: Sequence[Sequence[float]], factor: int = 2) -> Picture:
    """The picture enlarged, with a ring around each of `points`, (u, v) in [px] before."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(np.ascontiguousarray(enlarged(rgb, factor)))
    draw = ImageDraw.Draw(image)
    for u, v in points:
        x, y, r = factor * u, factor * v, factor * RING
        draw.ellipse((x - r, y - r, x + r, y + r), outline=(255, 255, 255), width=3)
        draw.ellipse((x - r - 2, y - r - 2, x + r + 2, y + r + 2), outline=(20, 20, 20), width=1)
    return np.asarray(image)


def _chunks(chain: Chain) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(str(line.get('id', '')))}</code></td><td>{len(line['q_sent'])}</td>"
        f"<td>{' to '.join(map(str, line['seq']))}</td><td>{line['gate'].get('accepted', 0)}</td>"
        f"<td>{line['gate'].get('clamped', 0)}</td><td>{escape(line['gate'].get('refused', ''))}</td></tr>"
        for line in chain.acted
        if line.get("gate")
    )
    table = (
        '<div class="scroll"><table><tr><th>chunk</th><th>ticks</th><th>seq</th><th>accepted</th>'
        f"<th>clamped</th><th>refused</th></tr>{rows}</table></div>"
        if rows
        else ""
    )
    path = [np.array(line["tool"], float) for line in chain.acted if line.get("tool")]
    if not path:
        return table
    seen = f'<div class="views">{_plot(path, 1, 0, "from above: y to the left, x up")}'
    return f"{seen}{_plot(path, 0, 2, 'from the side: x to the right, z up')}</div>{table}"


def _plot(paths: Sequence[NDArray[np.float64]], across: int, up: int, caption: str) -> str:
    """Waypoints of the tool, one line a chunk, in two axes of the base frame at one scale."""
    points = np.concatenate(paths)[:, [across, up]] * ([-1, -1] if across == 1 else [1, -1])
    low, high = points.min(0), points.max(0)
    scale = (SIDE - 20) / max(float((high - low).max()), 0.05)
    drawn, at = "", 0
    for path in paths:
        rows = (points[at : at + len(path)] - low) * scale + 10
        at += len(path)
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in rows)
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2"/>' for x, y in rows[[0, -1]])
        drawn += f'<polyline class="q" points="{line}"/>{dots}'
    size = float((high - low).max())
    box = f'viewBox="0 0 {SIDE:.0f} {SIDE:.0f}" role="img" aria-label="{escape(caption)}"'
    return (
        f"<figure><svg {box}>{drawn}</svg>"
        f"<figcaption>{escape(caption)}; {100 * size:.0f} cm in all</figcaption></figure>"
    )


def _sent(chain: Chain) -> str:
    limits = chain.header.get("limits")
    q = [row for line in chain.acted for row in line.get("q_sent", ())]
    if not q:
        return '<p class="quiet">No command was sent.</p>'
    if not limits:
        return f"<p>{len(q)} commands; this log does not hold the limits of the arm.</p>"
    gripper = [value for line in chain.acted for value in line["gripper_sent"]]
    arrays = (np.array(limits[name], float) for name in ("q_min", "q_max", "dq_max"))
    shown = JointLimits(limits["joint_names"], *arrays)
    hz = float(limits["control_hz"])
    ends = np.cumsum([len(line["q_sent"]) for line in chain.acted])[:-1] / hz
    return joint_charts(np.array(q, float), np.array(gripper, float), hz, shown, ends.tolist())


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
