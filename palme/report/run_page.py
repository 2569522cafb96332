"""report.html of a run: the scene, the model's input, every step, the joints, the time."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

import numpy as np

from palme.report.joints import JointLimits, joint_charts
from palme.report.outcome import KINDS, first_command, outcome, success_probability
from palme.report.parts import brand, facts, footer, page, pill, sentence_html
from palme.report.pictures import Picture, data_url, with_heat
from palme.report.program import program_section
from palme.report.record import RunRecord, StepRecord
from palme.report.typed import persons_section
from robots.types import Observation

MAX_FILM_BYTES = 12_000_000  # a larger film is linked, since phones cannot load the page with it
HERO_WIDTH = 640  # [px] from which the first picture fills the page
_PARTS = {
    "observe": "observation (rendering the cameras)",
    "plan": "planning",
    "policy": "policy",
    "execute": "execution (physics, safety gate, images)",
    "judge": "success check",
}


def run_page(record: RunRecord, limits: JointLimits, control_hz: float, film: Path | None = None) -> str:
    """The page as one HTML string.

    Args:
        record: of a run that has started.
        limits: of the arm, for the joint charts.
        control_hz: targets a second.
        film: an mp4 to embed.

    Raises:
        ValueError: the record is empty.
    """
    if record.started is None:
        raise ValueError("the record is empty: add the RunRecord to the agent's listeners")
    instruction = record.started.instruction
    body = "".join((
        brand("report of a run", str(record.details.get("date", ""))),
        f"<h1>{escape(instruction)}</h1>",
        _changed(record),
        _verdict(record),
        _hero(record, film),
        _facts(record, control_hz),
        persons_section(record),
        program_section(record.understood, record.asked),
        _reading(record),
        _steps(record),
        _arm(record, limits, control_hz),
        _time(record),
        footer(record.details),
    ))  # fmt: skip
    return page(instruction, body)


def _changed(record: RunRecord) -> str:
    """The instruction that a person changed it to, beside the one that the run began with."""
    if record.started is None or record.instruction == record.started.instruction:
        return ""
    return f'<p class="changed">Changed during the run to <b>“{escape(record.instruction)}”</b></p>'


def _verdict(record: RunRecord) -> str:
    finished = record.finished
    if finished is None:
        return f'<p class="verdict">{pill("Interrupted", "bad")} The run has no recorded end.</p>'
    found = outcome(finished, record.truth)
    reason = found.reason.rstrip(".")
    words = [reason[:1].upper() + reason[1:] + "."] if reason else []
    if found.kind == "done":
        words.append("Nothing independent of the model has checked the goal.")
    elif record.truth is not None and found.kind not in ("answered", "asked", "refused"):
        words.append(f"The goal is {'reached' if record.truth else 'not reached'}, by an independent check.")
    if record.besides:
        words.append(record.besides)
    pills = pill(found.title, KINDS[found.kind])
    pills += "".join(pill(text, "note") for text in record.warnings)
    return f'<p class="verdict">{pills}<span>{escape(" ".join(words))}</span></p>'


def _hero(record: RunRecord, film: Path | None) -> str:
    started = record.started
    if started is None:
        return ""
    front = record.picture
    if front is None and started.observation.images:
        front = next(iter(started.observation.images.values())).rgb
    if film is not None and film.exists():
        if film.stat().st_size <= MAX_FILM_BYTES:
            source = "data:video/mp4;base64," + base64.b64encode(film.read_bytes()).decode("ascii")
        else:
            source = escape(film.name)
        poster = "" if front is None else f'poster="{data_url(front, 90)}" '
        return f'<video class="hero" controls playsinline preload="metadata" {poster}src="{source}"></video>'
    if front is None:
        return ""
    # a camera's small picture at its own size: enlarged it would only look blurred
    size = "" if front.shape[1] >= HERO_WIDTH else f' style="max-width:{front.shape[1]}px"'
    return f'<img class="hero" alt="the scene before the run" src="{data_url(front, 90)}"{size}>'


def _facts(record: RunRecord, control_hz: float) -> str:
    finished, times = record.finished, record.timings()
    ticks = len(record.q_sent)
    n_steps = sum(1 for step in record.steps if step.acted)
    pairs = [
        ("Steps", str(n_steps), ""),
        ("Replans", str(finished.n_replans if finished else 0), ""),
        ("Arm time", f"{ticks / control_hz:.1f}", "s"),
    ]
    for name, part in (("Planner", "plan"), ("Policy", "policy")):
        if times[part]:
            pairs.append((name, f"{1e3 * float(np.median(times[part])):.0f}", "ms a call"))
    if finished and finished.first:
        pairs.append(("First command", f"{finished.first['total']:.2f}", "s after the sentence"))
    if finished and finished.t > 0:
        pairs.append(("Wall time", f"{finished.t:.1f}", "s"))
        if ticks:
            pairs.append(("Speed", f"{ticks / control_hz / finished.t:.1f}", "× real time"))
    return facts(pairs)


def _reading(record: RunRecord) -> str:
    plans = [step.planned for step in record.steps if step.planned.sentence is not None]
    if not plans:
        return ""
    first, rest = plans[0], plans[1:]
    shown = sentence_html(first.sentence, first.observation, first.objects)
    later = "".join(
        f"<p class='quiet'>Before step {plan.index + 1}</p>"
        + sentence_html(plan.sentence, plan.observation, plan.objects)
        for plan in rest
    )
    more = f"<details><summary>Input before each later step</summary>{later}</details>" if later else ""
    return (
        "<h2>Model input</h2><p class='lead'>The sentence that the language model reads. Each image is "
        "one soft token computed from these pixels.</p>"
        f'<div class="card">{shown}{more}</div>'
    )


def _steps(record: RunRecord) -> str:
    if not record.steps:
        return ""
    cards = "".join(_step(step, n + 1) for n, step in enumerate(record.steps))
    lead = "The planner's step, its rationale, and the camera images."
    return f"<h2>Steps</h2><p class='lead'>{lead}</p>{cards}"


def _step(step: StepRecord, number: int) -> str:
    planned, judged = step.planned, step.judged
    verdict = ""
    if judged is not None:
        word, tone = ("judged done", "good") if judged.success else ("judged failed", "bad")
        word = "unsure" if judged.unsure else word
        sure = success_probability(judged.probability)
        verdict = pill(word, tone) + (f' <small class="quiet">{sure}</small>' if sure else "")
    elif planned.step.is_done:
        verdict = pill("nothing left to do", "good")
    elif step.corrected:
        verdict = pill("corrected", "note")
    elif step.interrupted:
        verdict = pill("interrupted", "note")
    elif step.acted:
        verdict = pill("not checked", "note")
    why = f'<p class="why">{escape(planned.rationale)}</p>' if planned.rationale else ""
    words = (judged.reason or judged.found) if judged else ""
    words = f"{step.interrupted.partition('; observe')[0]} {words}".strip() if step.interrupted else words
    words = f"A person typed: “{step.corrected}”" if step.corrected else words
    reason = f'<p class="why found">{escape(words)}</p>' if words else ""
    ticks = sum(len(a.sent) for a in step.acted)
    times = [f"planned in {1e3 * planned.seconds:.0f} ms"]
    if step.acted:
        policy_ms = 1e3 * float(np.median([a.policy_s for a in step.acted]))
        calls = f"{len(step.acted)} policy call{'s' if len(step.acted) > 1 else ''}"
        times += [f"{calls} of {policy_ms:.0f} ms", f"{ticks} control ticks"]
    if step.by_hand:
        times.append(f"{len(step.by_hand)} control ticks by hand")
    if judged is not None and not judged.reason:
        times.append(f"checked in {1e3 * judged.seconds:.0f} ms")
    title = f"<h3>{escape(planned.step.text)} {verdict}</h3>"
    return (
        f'<div class="card step"><div class="n">{number}</div><div>{title}'
        f'{why}{_views(step)}{reason}<p class="timeline">{" · ".join(times)}</p></div></div>'
    )


def _views(step: StepRecord) -> str:
    shown = [
        ("now" if step.planned.step.is_done else "before", rgb) for rgb in _first(step.planned.observation)
    ]
    shown += _looks(step)
    if step.judged is not None:
        shown += [("after", rgb) for rgb in _first(step.judged.observation)]
    figures = "".join(
        f'<figure><img alt="{escape(name)}" src="{data_url(rgb)}">'
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for name, rgb in shown
    )
    return f'<div class="views">{figures}</div>'


def _first(observation: Observation) -> list[Picture]:
    """The image of the first camera; none of an arm without cameras."""
    return [frame.rgb for frame in observation.images.values()][:1]


def _looks(step: StepRecord) -> list[tuple[str, Picture]]:
    """The first look for each role; looks through one image are drawn together."""
    shown: list[tuple[str, Picture]] = []
    roles: set[str] = set()
    for acted in step.acted:
        new = [k for k in acted.localisations if k.role not in roles and k.camera in acted.observation.images]
        if not new:
            continue
        here = tuple({k.role: k for k in new if k.camera == new[0].camera}.values())
        roles |= {k.role for k in here}
        words = " and ".join(
            f"{k.role}{' (blue)' if k.role == 'place' and len(here) > 1 else ''}" for k in here
        )
        picture = with_heat(acted.observation.images[new[0].camera].rgb, here)
        shown.append((f"where the policy looked to {words}", picture))
    return shown


def _arm(record: RunRecord, limits: JointLimits, control_hz: float) -> str:
    if len(record.q_sent) < 2:
        return "<h2>Joints</h2><p class='lead'>No command was sent.</p>"
    charts = joint_charts(
        record.q_sent, record.gripper_sent, control_hz, limits, record.boundaries(control_hz)
    )
    return (
        "<h2>Joints</h2><p class='lead'>Targets sent by the safety gate: each joint between its limits "
        "(dashed), below it the speed as a share of its limit. Vertical lines: start of a step.</p>"
        f'<div class="card">{charts}</div>'
    )


def _time(record: RunRecord) -> str:
    finished = record.finished
    if finished is None or not finished.seconds:
        return ""
    total = sum(finished.seconds.values()) or 1e-9
    first = first_command(finished)
    calls = record.timings()
    bars, rows = [], []
    for k, (part, name) in enumerate(_PARTS.items()):
        spent = finished.seconds.get(part, 0.0)
        bars.append(f'<i class="k{k}" style="width:{100 * spent / total:.2f}%" title="{name}"></i>')
        each = calls.get(part, [])
        middle = f"{1e3 * float(np.median(each)):.0f} ms" if each else "–"
        slowest = f"{1e3 * max(each):.0f} ms" if each else "–"
        rows.append(
            f'<tr><td><span class="dot k{k}"></span>{name}</td><td>{len(each) or "–"}</td><td>{middle}</td>'
            f"<td>{slowest}</td><td>{spent:.2f} s</td><td>{100 * spent / total:.0f} %</td></tr>"
        )
    return (
        f'<h2>Time</h2><p class="lead">Shares of {total:.1f} s.</p><div class="stack">{"".join(bars)}</div>'
        '<div class="scroll"><table><tr><th>part</th><th>calls</th><th>median</th><th>slowest</th>'
        f"<th>total</th><th>share</th></tr>{''.join(rows)}</table></div>"
        f"<p class='quiet'>{first[:1].upper() + first[1:]}{'.' if first else ''}</p>"
    )
