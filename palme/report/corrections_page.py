"""report.html of `palme bench corrections`: success before and after, the gain, and the training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from palme.report.parts import brand, facts, footer, page
from palme.report.results import CorrectionResults, CorrectionTraining, Trial

MEANING = {
    "before": "camera moved, shipped weights",
    "after": "camera moved, weights trained with the corrections",
    "own episodes alone": "control: the same training with as many uncorrected episodes",
    "pictures blanked": "control: weights trained with the corrections, black images",
    "head alone": "camera moved, the new head without the learned calibration correction",
    "undisturbed, before": "camera as calibrated, shipped weights",
    "undisturbed, head alone": "camera as calibrated, the new head without the correction",
    "undisturbed, with the correction": "camera as calibrated, a correction that does not apply to it",
}
LEFT, WIDTH, ROW = 250, 430, 34  # [px] of the plot of successes


def corrections_page(results: CorrectionResults) -> str:
    """The page as one HTML string that needs no other file."""
    gain, knock = results.gain, results.knock
    trials = {name: results.trials[name] for name in MEANING if name in results.trials}
    before, after = trials["before"], trials["after"]
    title = (
        f"{before.success} of {before.episodes} steps succeed before, {after.success} after "
        f"{results.collected.corrected} corrections"
    )
    body = "".join((
        brand("learning from corrections", results.commit[:12]),
        f'<h1 class="plain">{escape(title)}</h1>',
        f"<p>The {escape(knock.camera)} camera was moved by {knock.shift_mm:g} mm and turned by "
        f"{knock.turn_deg:g}° after its calibration, without informing the policy. A simulated operator took "
        "over when a grasp or a placement failed, finished the step by hand and handed back. From the "
        "recorded joints, commands, interventions and detections the policy learned the camera's pose and "
        "continued to train its motions. Success is judged by the simulator at the end of a step.</p>",
        _facts(results),
        f"<p class='lead'>Gain over the same {before.episodes} seeds: {gain.gained} steps gained, "
        f"{gain.lost} lost, {gain.both} succeeded and {gain.neither} failed both times. Interval: "
        "Newcombe's for paired shares. No seed was used for collecting.</p>",
        "<h2>Success</h2><p class='lead'>Marks: share of success; bars: Wilson's 95 % interval.</p>",
        _plot(trials),
        _table(trials),
        "<h2>Localisation error</h2><p class='lead'>View from above, errors enlarged three times. Each line "
        "runs from the true position (circle) to where the policy saw an object that the operator then "
        "grasped. Grey: by the calibration; blue: with the learned correction. Outliers were pushed before "
        "the grasp, or confused with another object; the fit rejects them.</p>",
        _offsets_plot(results.training["taught"].offsets),
        _training(results.training),
        footer({
            **results.settings,
            "knock camera": knock.camera, "knock shift_mm": knock.shift_mm, "knock turn_deg": knock.turn_deg,
            "knock seed": knock.seed, "commit": results.commit,
        }),
    ))  # fmt: skip
    return page("palme: learning from corrections", body)


def _facts(results: CorrectionResults) -> str:
    gain, collected, taught = results.gain, results.collected, results.training["taught"]
    low, high = gain.interval95
    return facts([
        ("Gain", f"{100 * gain.gain:+.0f}", f"points, 95 % {100 * low:+.0f} to {100 * high:+.0f}"),
        ("Episodes recorded", str(collected.episodes), f"{collected.corrected} corrected"),
        ("Success by hand", str(collected.achieved_by_hand), f"of {collected.corrected}"),
        ("Median error", _number(taught.off_before_mm, 0), "mm before"),
        ("", _number(taught.off_after_mm, 1), "mm with the correction"),
    ])  # fmt: skip


def _plot(trials: Mapping[str, Trial]) -> str:
    rows = []
    for k, (name, row) in enumerate(trials.items()):
        y = 14 + k * ROW
        low, high = (LEFT + WIDTH * x for x in row.wilson95)
        at = LEFT + WIDTH * row.success / row.episodes
        tone = "var(--good)" if name == "after" else "var(--bad)" if name == "before" else "var(--quiet)"
        rows.append(
            f'<text x="{LEFT - 12}" y="{y + 5}" text-anchor="end" font-size="14" fill="var(--ink)">'
            f'{escape(name)}</text><rect x="{LEFT}" y="{y - 7}" width="{WIDTH}" height="14" rx="3" '
            f'fill="var(--band)"/><rect x="{low:.1f}" y="{y - 7}" width="{high - low:.1f}" height="14" '
            f'fill="{tone}" opacity=".35"/><circle cx="{at:.1f}" cy="{y}" r="5" fill="{tone}"/>'
            f'<text x="{LEFT + WIDTH + 10}" y="{y + 5}" font-size="13" fill="var(--quiet)">{row.success} '
            f"of {row.episodes}</text>"
        )
    height = 14 + len(trials) * ROW
    return (
        f'<svg viewBox="0 0 {LEFT + WIDTH + 90} {height}" role="img" style="width:100%;max-width:52rem" '
        f'aria-label="success of each trial with its interval">{"".join(rows)}</svg>'
    )


def _table(trials: Mapping[str, Trial]) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="text quiet">{escape(MEANING.get(name, ""))}</td>'
        f"<td>{row.success} of {row.episodes}</td>"
        f"<td>{100 * row.wilson95[0]:.1f} – {100 * row.wilson95[1]:.1f} %</td></tr>"
        for name, row in trials.items()
    )
    return (
        '<div class="scroll"><table><tr><th>trial</th><th class="text">what it is</th><th>success</th>'
        f"<th>95 %</th></tr>{rows}</table></div>"
    )


def _offsets_plot(offsets: Sequence[Sequence[float]]) -> str:
    """Localisation errors from above: base y to the left, x away from the viewer."""

    def px(x: float, y: float) -> tuple[float, float]:
        return 350 - 900 * y, 20 + 900 * (0.72 - x)

    marks = []
    for sx, sy, bx, by, x, y in offsets:
        u, v = px(x, y)
        for fx, fy, tone in ((sx, sy, "var(--quiet)"), (bx, by, "var(--accent)")):
            # from the true position, the error enlarged threefold
            du, dv = px(x + 3 * (fx - x), y + 3 * (fy - y))
            marks.append(
                f'<line x1="{u:.1f}" y1="{v:.1f}" x2="{du:.1f}" y2="{dv:.1f}" stroke="{tone}" '
                'stroke-width="2"/>'
            )
        marks.append(f'<circle cx="{u:.1f}" cy="{v:.1f}" r="3.2" fill="none" stroke="var(--ink)"/>')
    return (
        '<svg viewBox="0 0 700 390" role="img" style="width:100%;max-width:44rem" aria-label="localisation '
        f'error of each object">{"".join(marks)}</svg>'
    )


def _training(training: Mapping[str, CorrectionTraining]) -> str:
    names = {
        "taught": "demonstrations and corrected episodes",
        "own": "demonstrations and uncorrected episodes",
    }
    rows = "".join(
        f"<tr><td>{names.get(name, name)}</td><td>{_number(t.pairs, 0)}</td>"
        f"<td>{_number(t.pairs_by_person, 0)}</td><td>{_number(t.off_before_mm, 1)}</td>"
        f"<td>{_number(t.off_after_mm, 1)}</td><td>{_number(t.motions, 0)}</td>"
        f"<td>{_number(t.mrad, 1)}</td></tr>"
        for name, t in training.items()
    )
    return (
        "<h2>Training</h2><p class='lead'>Points both seen and touched; median localisation error, over the "
        "operator's points if any; motions imitated; error on held-out demonstrations.</p>"
        '<div class="scroll"><table><tr><th>data</th><th>points</th><th>by operator</th><th>mm before</th>'
        f"<th>mm after</th><th>motions</th><th>mrad</th></tr>{rows}</table></div>"
    )


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
