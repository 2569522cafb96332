"""Of an evaluation's page: whether words are followed, how well done is known, which layers failed."""

from __future__ import annotations

from html import escape

from palme.report.parts import interval
from palme.report.results import EvalResults
from palme.report.stats import wilson


def follow_section(results: EvalResults) -> str:
    """Pairs of one scene; "" where none was played."""
    if not results.follow:
        return ""
    rows = ""
    for name, row in results.follow.items():
        share = interval(*row.wilson95) if row.pairs else "–"
        rows += (
            f'<tr class="{"total" if name == "overall" else ""}"><td><code>{escape(name)}</code></td>'
            f"<td>{row.followed} of {row.pairs}</td><td>{share}</td>"
            f"<td>{row.goes_where_told} of {2 * row.pairs}</td>"
            f"<td>{row.avoids_the_other} of {row.pairs}</td>"
            f"<td>{row.moved_unsaid} of {row.unsaid}</td></tr>"
        )
    return (
        "<h2>Words</h2><p class='lead'>The same scene with its own instruction, with that of another "
        "goal, and with none. Followed: both instructions led to their own goal and not to the other's.</p>"
        '<div class="scroll"><table><tr><th>task</th><th>followed</th><th>95 % interval</th>'
        "<th>goes where told</th><th>avoids the other</th><th>moved without words</th></tr>"
        f"{rows}</table></div>"
    )


def done_section(results: EvalResults) -> str:
    """False done, missed done, lateness; "" where it is not known."""
    done = results.done
    if done is None:
        return ""
    late = (
        "–" if done.late_s is None else f"{done.late_s.median:.1f} s, 95th percentile {done.late_s.p95:.1f} s"
    )
    judged = ", ".join(f"{n} {word}" for word, n in done.steps_judged.items())
    rows = (
        ("said, and it was not", f"{done.false} of {done.said}", _share(done.false, done.said)),
        ("reached, and not said", f"{done.missed} of {done.reached}", _share(done.missed, done.reached)),
    )
    cells = "".join(f"<tr><td>{what}</td><td>{n}</td><td>{share}</td></tr>" for what, n, share in rows)
    return (
        f"<h2>Done</h2><p class='lead'>From the goal to “done”: median {late}. "
        f"Steps judged: {judged or 'none'}.</p>"
        '<div class="scroll"><table><tr><th>done</th><th>episodes</th><th>95 % interval</th></tr>'
        f"{cells}</table></div>"
    )


def layer_section(results: EvalResults) -> str:
    """Failed episodes by layer; "" where none failed."""
    failed = {layer: n for layer, n in results.failed_by_layer.items() if n}
    if not failed:
        return ""
    rows = "".join(f"<tr><td>{escape(layer)}</td><td>{n}</td></tr>" for layer, n in failed.items())
    return (
        "<h2>Failures by layer</h2><p class='lead'>The part of the last step that went wrong and was not put "
        "right, by fixed rules on the simulator's truth.</p>"
        f'<div class="scroll"><table><tr><th>layer</th><th>episodes</th></tr>{rows}</table></div>'
    )


def _share(n: int, of: int) -> str:
    return interval(*wilson(n, of)) if of else "–"
