"""report.html of an evaluation: success by task with intervals, controls, time, and every failure."""

from __future__ import annotations

import math
from html import escape

from palme.report.eval_words import done_section, follow_section, layer_section
from palme.report.parts import brand, facts, figure, footer, interval, page, worded
from palme.report.results import EvalResults, Failure, TaskResult

MAX_FAILURES = 200


def eval_page(results: EvalResults) -> str:
    """The page as one HTML string that needs no other file."""
    settings, overall = results.settings, results.overall
    won, n = overall.success_at_end, overall.episodes
    title = f"{won} of {n} episodes achieved" if n else "No episode was run"
    complete = settings.get("complete", True)
    stopped = "" if complete else "<p class='lead'>Stopped before the last episode.</p>"
    body = "".join((
        brand("evaluation", results.commit[:12]),
        f'<h1 class="plain">{title}</h1>',
        "<p>Closed loop from camera images and joint state. Scenes vary in clutter, yaw, object size, camera "
        "pose, light and colour. Success is judged by the simulator at the end of the episode.</p>",
        stopped,
        _facts(results),
        _tasks(results),
        follow_section(results),
        done_section(results),
        _controls(results),
        _time(results),
        layer_section(results),
        _failures(results),
        _bystanders(results),
        footer(_reproduce(results)),
    ))  # fmt: skip
    return page("palme: evaluation", body)


def _reproduce(results: EvalResults) -> dict[str, object]:
    """The settings by name, those that were left open in words."""
    shown: dict[str, object] = {**results.settings, "commit": results.commit or "unknown"}
    open_words = {"distractors": "drawn by the task", "phrasings": "of the split"}
    for key, words in open_words.items():
        if key in shown and shown[key] is None:
            shown[key] = words
    return shown


def _facts(results: EvalResults) -> str:
    settings, timing = results.settings, results.timing
    named = (
        ("Planner", "planner", ""),
        ("Policy", "policy", ""),
        ("Arm", "robot", ""),
        ("Seed", "seed", "split"),
    )
    pairs = [
        (name, worded(settings[key]), f"{worded(settings[unit])} split" if unit in settings else "")
        for name, key, unit in named
        if key in settings
    ]
    if timing.planner_ms:
        pairs.append(("Planner call", figure(timing.planner_ms.median, 0), "ms"))
    if timing.policy_ms:
        pairs.append(("Policy call", figure(timing.policy_ms.median, 0), "ms"))
    if timing.times_real_time:
        pairs.append(("Speed", figure(timing.times_real_time, 1), "× real time"))
    return facts(pairs)


def _tasks(results: EvalResults) -> str:
    rows = "".join(_row(name, row) for name, row in results.tasks.items())
    if len(results.tasks) > 1:
        rows += _row("all", results.overall, "total")
    return (
        "<h2>By task</h2><p class='lead'>Episodes that ended in success. Mark: their share; bar: Wilson's "
        "95 % interval. Ever: the goal held at any time. Wrong: the planner called it done, and it was not. "
        "Steps and replans: means of an episode.</p>"
        '<div class="scroll"><table><tr><th>task</th><th>success</th><th></th><th>95 % interval</th>'
        "<th>ever</th><th>wrong</th><th>steps</th><th>replans</th></tr>"
        f"{rows}</table></div>"
    )


def _row(name: str, row: TaskResult, tone: str = "") -> str:
    if not row.episodes:
        return (
            f'<tr class="{tone}"><td><code>{escape(name)}</code></td><td colspan="7" class="text quiet">'
            "no episode was run</td></tr>"
        )
    low, high = row.wilson95
    return (
        f'<tr class="{tone}"><td><code>{escape(name)}</code></td>'
        f"<td>{row.success_at_end} of {row.episodes}</td>"
        f"<td>{_range(row.success_at_end / row.episodes, low, high)}</td>"
        f"<td>{interval(low, high)}</td><td>{row.success_ever}</td>"
        f"<td>{row.said_done_but_was_not}</td><td>{figure(row.steps_mean)}</td>"
        f"<td>{figure(row.replans_mean)}</td></tr>"
    )


def _range(share: float, low: float, high: float) -> str:
    low, high = (x if math.isfinite(x) else 0.0 for x in (low, high))
    return (
        '<svg class="range" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{100 * share:.1f} percent"><rect class="track" width="100" height="10" rx="1"/>'
        f'<rect class="span" x="{100 * low:.2f}" width="{100 * (high - low):.2f}" height="10"/>'
        f'<rect class="at" x="{max(0.0, 100 * share - 0.6):.2f}" width="1.2" height="10"/></svg>'
    )


def _controls(results: EvalResults) -> str:
    controls = results.controls
    if not controls:
        return ""
    meaning = {
        "unsaid": "no instruction: success without being told",
        "blanked": "black images: success without vision",
        "swapped": "another instruction, judged by the first goal: success without language",
        "random": "random motions with the same planner: success by chance",
    }
    rows = ""
    for control, tasks in controls.items():
        for name, row in tasks.items():
            low, high = row.wilson95
            rows += (
                f'<tr><td>{escape(control)}</td><td class="text quiet">{meaning.get(control, "")}</td>'
                f'<td class="text"><code>{escape(name)}</code></td>'
                f"<td>{row.success_at_end} of {row.episodes}</td>"
                f"<td>{interval(low, high)}</td></tr>"
            )
    return (
        "<h2>Controls</h2><p class='lead'>The same scenes with one input removed; they should fail.</p>"
        '<div class="scroll"><table><tr><th>control</th><th class="text">what it shows</th>'
        '<th class="text">task</th>'
        f"<th>success</th><th>95 % interval</th></tr>{rows}</table></div>"
    )


def _time(results: EvalResults) -> str:
    timing = results.timing
    total = sum(timing.parts_s.values())
    if not 0 < total < math.inf:
        return ""
    names = ("observe", "plan", "policy", "execute", "judge")
    shares = [(k, part, 100 * timing.parts_s.get(part, 0) / total) for k, part in enumerate(names)]
    bars = "".join(f'<i class="k{k}" style="width:{x:.2f}%" title="{part}"></i>' for k, part, x in shares)
    legend = " · ".join(f'<span class="dot k{k}"></span>{part} {x:.0f} %' for k, part, x in shares)
    return (
        f"<h2>Time</h2><p class='lead'>{figure(timing.arm_s, 0)} s of arm time took "
        f"{figure(timing.wall_s, 0)} s in "
        f'one process.</p><div class="stack">{bars}</div><p class="timeline">{legend}</p>'
    )


def _failures(results: EvalResults) -> str:
    rows, n = "", 0
    for name, task in results.tasks.items():
        for failure in task.failures:
            n += 1
            if n > MAX_FAILURES:
                continue
            steps = "".join(
                f"<br><span class='quiet'>{'✓' if success else '✗'} {escape(text)}</span>"
                for text, success in failure.steps
            )
            rows += (
                f"<tr><td><code>{escape(name)}</code></td><td>{failure.index}</td>"
                f'<td class="text">{escape(failure.instruction)}{steps}</td>'
                f'<td class="text">{escape(failure.reason or "no reason given")}{_layer(failure)}</td></tr>'
            )
    if not n:
        return "<h2>Failures</h2><p class='lead'>No episode failed.</p>"
    return (
        f"<h2>Failures</h2><p class='lead'>{n} in total; the index counts episodes under the seed above.</p>"
        '<div class="scroll"><table><tr><th>task</th><th>index</th><th class="text">instruction, steps</th>'
        f'<th class="text">reason</th></tr>{rows}</table></div>'
    )


def _layer(failure: Failure) -> str:
    if not failure.layer:
        return ""
    return f"<br><span class='quiet'>{escape(f'{failure.layer}: {failure.evidence}')}</span>"


def _bystanders(results: EvalResults) -> str:
    n = results.overall.bystanders_moved_n
    rows = ""
    for name, task in results.tasks.items():
        for episode in task.bystanders_moved[:MAX_FAILURES]:
            moved = ", ".join(f"{b.name} {100 * b.metres:.0f} cm" for b in episode.moved)
            rows += f"<tr><td><code>{escape(name)}</code></td><td>{episode.index}</td>"
            rows += f'<td class="text">{escape(moved)}</td></tr>'
    what = f"{n} things moved by more than 2 cm although no step was about them."
    lead = f"<h2>Moved besides</h2><p class='lead'>{what}</p>"
    if not rows:
        return lead
    head = '<tr><th>task</th><th>index</th><th class="text">what, how far</th></tr>'
    return f'{lead}<div class="scroll"><table>{head}{rows}</table></div>'
