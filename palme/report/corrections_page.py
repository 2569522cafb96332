"""report.html of `palme bench corrections`: success before and after, the gain, and what was learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from palme.report.parts import brand, facts, footer, page

MEANING = {
    "before": "camera knocked, shipped weights",
    "after": "camera knocked, after the corrections",
    "own episodes alone": "control: the same training from as many episodes that nobody corrected",
    "pictures blanked": "control: after the corrections, with black pictures",
    "head alone": "camera knocked, the new head without the learned correction of the calibration",
    "undisturbed, before": "camera where it was calibrated, shipped weights",
    "undisturbed, head alone": "camera where it was calibrated, the new head without the correction",
    "undisturbed, with the correction": "camera where it was calibrated, a correction that does not fit it",
}
LEFT, WIDE, ROW = 250, 430, 34  # [px] of the plot of successes


def corrections_page(results: Mapping[str, Any]) -> str:
    """The page as one HTML string, from the content of results.json."""
    gain, settings = results["gain"], results["settings"]
    trials = {name: results["trials"][name] for name in MEANING if name in results["trials"]}
    before, after = trials["before"], trials["after"]
    title = (
        f"{before['success']} of {before['episodes']} steps before, {after['success']} after "
        f"{results['collected']['corrected']} corrections"
    )
    knock = settings["knock"]
    body = "".join((
        brand("learning from corrections", results["commit"][:12]),
        f'<h1 class="plain">{escape(title)}</h1>',
        f"<p>The {escape(knock['camera'])} camera was moved by {knock['shift_mm']:g} mm and turned by "
        f"{knock['turn_deg']:g}° since it was calibrated; nobody told the policy. A simulated person took "
        "the arm where a grasp or a place went wrong, finished by hand and handed back. From the recorded "
        "joints, commands, takeovers and looks alone the policy learned where its camera is, and went on "
        "practising motions. Success is what the simulator finds at the end of a step.</p>",
        _facts(results),
        f"<p class='lead'>The gain is over the same {before['episodes']} seeds: {gain['gained']} steps were "
        f"won, {gain['lost']} lost, {gain['both']} succeeded and {gain['neither']} failed both times. "
        "Interval: Newcombe's for paired shares. No seed was used for collecting.</p>",
        "<h2>Success</h2><p class='lead'>Marks: share achieved; bars: Wilson's 95 % interval.</p>",
        _plot(trials),
        _table(trials),
        "<h2>Where things were</h2><p class='lead'>From above, distances three times enlarged: where the "
        "policy saw what a person then grasped, from the circle where it was. Grey: as the calibration has "
        "it; blue: with the learned correction. Strays were pushed before they were grasped, or taken for "
        "another thing; they are outvoted.</p>",
        _table_top(results["training"]["taught"]["offsets"]),
        _training(results["training"]),
        footer(
            {k: v for k, v in settings.items() if k != "knock"}
            | {f"knock {k}": v for k, v in knock.items()}
            | {"commit": results["commit"]}
        ),
    ))  # fmt: skip
    return page("palme: learning from corrections", body)


def _facts(results: Mapping[str, Any]) -> str:
    gain, collected, taught = results["gain"], results["collected"], results["training"]["taught"]
    low, high = gain["interval95"]
    return facts([
        ("Gain", f"{100 * gain['gain']:+.0f}", f"points, 95 % {100 * low:+.0f} to {100 * high:+.0f}"),
        ("Episodes recorded", str(collected["episodes"]), f"{collected['corrected']} corrected"),
        ("Done by hand", str(collected["achieved_by_hand"]), f"of {collected['corrected']}"),
        ("Seen beside", f"{taught['off_before_mm']:.0f}", "mm before (median)"),
        ("and then", f"{taught['off_after_mm']:.1f}", "mm with the correction"),
    ])  # fmt: skip


def _plot(trials: Mapping[str, Any]) -> str:
    rows = []
    for k, (name, row) in enumerate(trials.items()):
        y = 14 + k * ROW
        low, high = (LEFT + WIDE * x for x in row["wilson95"])
        at = LEFT + WIDE * row["success"] / row["episodes"]
        tone = "var(--good)" if name == "after" else "var(--bad)" if name == "before" else "var(--quiet)"
        rows.append(
            f'<text x="{LEFT - 12}" y="{y + 5}" text-anchor="end" font-size="14" fill="var(--ink)">'
            f'{escape(name)}</text><rect x="{LEFT}" y="{y - 7}" width="{WIDE}" height="14" rx="3" '
            f'fill="var(--band)"/><rect x="{low:.1f}" y="{y - 7}" width="{high - low:.1f}" height="14" '
            f'fill="{tone}" opacity=".35"/><circle cx="{at:.1f}" cy="{y}" r="5" fill="{tone}"/>'
            f'<text x="{LEFT + WIDE + 10}" y="{y + 5}" font-size="13" fill="var(--quiet)">{row["success"]} '
            f"of {row['episodes']}</text>"
        )
    height = 14 + len(trials) * ROW
    return (
        f'<svg viewBox="0 0 {LEFT + WIDE + 90} {height}" role="img" style="width:100%;max-width:52rem" '
        f'aria-label="success of each trial with its interval">{"".join(rows)}</svg>'
    )


def _table(trials: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="text quiet">{escape(MEANING.get(name, ""))}</td>'
        f"<td>{row['success']} of {row['episodes']}</td>"
        f"<td>{100 * row['wilson95'][0]:.1f} – {100 * row['wilson95'][1]:.1f} %</td></tr>"
        for name, row in trials.items()
    )
    return (
        '<div class="scroll"><table><tr><th>trial</th><th class="text">what it is</th><th>achieved</th>'
        f"<th>95 %</th></tr>{rows}</table></div>"
    )


def _table_top(offsets: Sequence[Sequence[float]]) -> str:
    """Offsets at the places where things stood: base y to the left, x away from the viewer."""

    def px(x: float, y: float) -> tuple[float, float]:
        return 350 - 900 * y, 20 + 900 * (0.72 - x)

    marks = []
    for sx, sy, bx, by, x, y in offsets:
        u, v = px(x, y)
        for fx, fy, tone in ((sx, sy, "var(--quiet)"), (bx, by, "var(--accent)")):
            # drawn from the true place, the gap enlarged threefold
            du, dv = px(x + 3 * (fx - x), y + 3 * (fy - y))
            marks.append(
                f'<line x1="{u:.1f}" y1="{v:.1f}" x2="{du:.1f}" y2="{dv:.1f}" stroke="{tone}" '
                'stroke-width="2"/>'
            )
        marks.append(f'<circle cx="{u:.1f}" cy="{v:.1f}" r="3.2" fill="none" stroke="var(--ink)"/>')
    return (
        '<svg viewBox="0 0 700 390" role="img" style="width:100%;max-width:44rem" aria-label="how far beside '
        f'things were seen">{"".join(marks)}</svg>'
    )


def _training(training: Mapping[str, Any]) -> str:
    columns = {
        "pairs": 0,
        "pairs_by_person": 0,
        "off_before_mm": 1,
        "off_after_mm": 1,
        "motions": 0,
        "mrad": 1,
    }
    names = {
        "taught": "demonstrations, corrected episodes",
        "own": "demonstrations, episodes that nobody corrected",
    }
    rows = "".join(
        f"<tr><td>{names.get(name, name)}</td>"
        + "".join(f"<td>{_number(row.get(k), n)}</td>" for k, n in columns.items())
        + "</tr>"
        for name, row in training.items()
    )
    return (
        "<h2>Training</h2><p class='lead'>Points both seen and touched; how far they were seen beside, "
        "median over those of a person, where there are any; motions imitated; error on held-out "
        "demonstrations.</p>"
        '<div class="scroll"><table><tr><th>from</th><th>points</th><th>by a person</th><th>mm before</th>'
        f"<th>mm after</th><th>motions</th><th>mrad</th></tr>{rows}</table></div>"
    )


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
