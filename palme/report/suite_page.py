"""report.html of a suite: verdicts by category, controls, and every case with its program and pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

from palme.report.parts import brand, facts, footer, page, pill, worded
from palme.report.suite_results import CaseRow, Counts, Disturbed, SuiteResults

TONES = {"right": "good", "wrong": "bad", "refused": "note", "failed": "bad"}
WORST_FIRST = ("wrong", "failed", "refused", "right")
Pictures = Mapping[str, tuple[bytes, bytes]]
"""JPEG before and after, by the id of the case."""


def suite_page(results: SuiteResults, pictures: Pictures, plot: bytes | None = None) -> str:
    """The page as one HTML string that needs no other file.

    Args:
        pictures: of some cases, or of none.
        plot: PNG of verdicts against the threshold of confidence.
    """
    all_cases, reading = results.suite, bool(results.settings.get("reading_only"))
    complete = results.settings.get("complete", True)
    body = "".join((
        brand("suite", results.commit[:12]),
        f'<h1 class="plain">{all_cases.right} of {all_cases.n} cases right, {all_cases.wrong} wrong</h1>',
        _how(reading),
        "" if complete else "<p class='lead'>Stopped before the last case.</p>",
        _facts(results),
        _categories(results),
        _disturbed(results.disturbed),
        _controls(results.controls),
        _plot(plot, reading),
        _cases(results, pictures),
        footer({**results.settings, "commit": results.commit or "unknown"}),
    ))  # fmt: skip
    return page("palme: suite", body)


def _how(reading: bool) -> str:
    if reading:
        return (
            "<p><b>The reading layer alone, no success figure.</b> Sentences are read and interpreted on the "
            "simulator's own scene, and each step is carried out as it was meant: no picture, no arm.</p>"
        )
    return (
        "<p>Closed loop from camera images and joint state. The simulator's true state is judged at the end, "
        "once the gripper has let go.</p>"
    )


def _facts(results: SuiteResults) -> str:
    names = ("planner", "weights", "policy", "robot", "model", "adapter", "seed")
    pairs = [
        (name.capitalize(), worded(results.settings[name]), "") for name in names if name in results.settings
    ]
    for name, spread in (("Reading", results.timing.read_ms), ("Replan", results.timing.replan_ms)):
        if spread.median is not None and spread.p95 is not None:
            pairs.append((name, f"{spread.median:.0f}", f"ms, 95 % within {spread.p95:.0f} ms"))
    return facts(pairs)


def _categories(results: SuiteResults) -> str:
    rows = "".join(_row(name, counts) for name, counts in results.categories.items())
    return (
        "<h2>By category</h2><p class='lead'>Right: what was asked for is so. Wrong: something else was "
        "done or said. Refused: nothing was moved, and the person was told or asked. Failed: the plan was "
        "right, and the arm could not carry it out. Intervals: Wilson, 95 %.</p>"
        f"{_table('category', rows + _row('all', results.suite, 'total'))}"
    )


def _disturbed(disturbed: Disturbed | None) -> str:
    if disturbed is None:
        return ""
    rows = "".join(_row(name, counts) for name, counts in disturbed.categories.items())
    return (
        "<h2>Disturbed</h2><p class='lead'>The same cases while something was moved by hand, "
        f"{disturbed.moved_by_hand} times in all; neither planner nor policy is told.</p>"
        f"{_table('category', rows + _row('all', disturbed.suite, 'total'))}"
    )


def _controls(controls: Mapping[str, Counts]) -> str:
    if not controls:
        return ""
    rows = "".join(_row(name, counts) for name, counts in controls.items())
    return (
        "<h2>Controls</h2><p class='lead'>Blanked: black pictures, right without vision. Shuffled: "
        f"another case's sentence of the table, right without language.</p>{_table('control', rows)}"
    )


def _table(what: str, rows: str) -> str:
    return (
        f'<div class="scroll"><table><tr><th>{what}</th><th>cases</th><th>right</th><th>95 % interval</th>'
        f"<th>wrong</th><th>95 % interval</th><th>refused</th><th>failed</th></tr>{rows}</table></div>"
    )


def _row(name: str, counts: Counts, tone: str = "") -> str:
    def interval(grade: str) -> str:
        low, high = counts.wilson95[grade]  # type: ignore[index]
        return f"{100 * low:.1f} – {100 * high:.1f} %"

    return (
        f'<tr class="{tone}"><td>{escape(name)}</td><td>{counts.n}</td><td>{counts.right}</td>'
        f"<td>{interval('right')}</td><td>{counts.wrong}</td><td>{interval('wrong')}</td>"
        f"<td>{counts.refused}</td><td>{counts.failed}</td></tr>"
    )


def _plot(plot: bytes | None, reading: bool) -> str:
    if plot is None:
        return ""
    data = base64.b64encode(plot).decode("ascii")
    unsure = "" if reading else " What was refused as unsure stays refused at every threshold."
    return (
        f"<h2>Confidence</h2><p class='lead'>Shares of the cases, were readings below it refused.{unsure}</p>"
        f'<img class="hero" alt="right, wrong and acted on against the threshold" '
        f'src="data:image/png;base64,{data}">'
    )


def _cases(results: SuiteResults, pictures: Pictures) -> str:
    order = sorted(results.cases, key=lambda case: WORST_FIRST.index(case.verdict))
    return "<h2>Cases</h2>" + "".join(_case(case, pictures.get(case.id)) for case in order)


def _case(case: CaseRow, pictures: tuple[bytes, bytes] | None) -> str:
    value = case.probability if case.confidence is None else case.confidence
    sure = "" if value is None else f" · confidence {value:.3f}"
    lines = "".join(
        f"<br><span class='quiet'>{escape(text)}: {escape(found or 'nothing')}; {escape(said)}</span>"
        for text, found, said in case.lines
    )
    program = f"<p><code>{escape(case.program)}</code>{lines}</p>" if case.program else ""
    steps = "".join(f"<br>{k}. {escape(step)}" for k, step in enumerate(case.steps, 1))
    said = f"<p class='why'>{escape(case.reason)}</p>" if case.reason else ""
    told = f"<p>Told: {escape(case.told)}</p>" if case.told and case.told != case.reason else ""
    return (
        f'<div class="card"><p>{pill(case.verdict, TONES[case.verdict])} <b>{escape(case.say)}</b> '
        f"<span class='quiet'>{escape(case.category)} · <code>{escape(case.id)}</code>{sure}</span></p>"
        f"{said}{told}{program}{f'<p>{steps[4:]}</p>' if steps else ''}{_views(pictures)}</div>"
    )


def _views(pictures: tuple[bytes, bytes] | None) -> str:
    if pictures is None:
        return ""
    figures = "".join(
        f'<figure><img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode("ascii")}">'
        f"<figcaption>{name}</figcaption></figure>"
        for name, jpeg in zip(("before", "after"), pictures, strict=True)
    )
    return f'<div class="views">{figures}</div>'
