"""Charts of the joint targets between the arm's limits, as inline SVG in the page's colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, SPEED_HEIGHT, PAD = 340.0, 92.0, 26.0, 4.0
MAX_POINTS = 600


@dataclass(frozen=True)
class JointLimits:
    """Limits of an arm.

    Attributes:
        names: (n_joints,).
        q_min, q_max: (n_joints,) in [rad].
        dq_max: (n_joints,) in [rad/s].
    """

    names: Sequence[str]
    q_min: NDArray[np.float64]
    q_max: NDArray[np.float64]
    dq_max: NDArray[np.float64]


def joint_charts(
    q_sent: NDArray[np.float64],
    gripper_sent: NDArray[np.float64],
    control_hz: float,
    limits: JointLimits,
    boundaries: Sequence[float] = (),
) -> str:
    """One chart a joint: position between its limits, and speed as a share of its limit.

    Args:
        q_sent: (T, n_joints) targets that the safety gate sent, in [rad].
        gripper_sent: (T,) opening in [0, 1].
        control_hz: targets a second.
        limits: of the arm.
        boundaries: start time of each step in [s].
    """
    if len(q_sent) < 2:
        return '<p class="quiet">The arm did not move.</p>'
    seconds = len(q_sent) / control_hz
    starts = [t / seconds * WIDTH for t in boundaries if 0 < t < seconds]
    speed = np.abs(np.diff(q_sent, axis=0, prepend=q_sent[:1])) * control_hz / limits.dq_max
    charts = []
    for j, name in enumerate(limits.names):
        low, high = float(limits.q_min[j]), float(limits.q_max[j])
        margin = np.degrees(min(high - q_sent[:, j].max(), q_sent[:, j].min() - low))
        note = f"min {margin:.0f}° to limit · max {100 * speed[:, j].max():.0f} % speed"
        ends = f"{low:+.2f} … {high:+.2f} rad"
        charts.append(_chart(str(name), note, ends, q_sent[:, j], low, high, speed[:, j], seconds, starts))
    moving = np.abs(np.diff(gripper_sent, prepend=gripper_sent[:1]))
    charts.append(_chart("gripper", "", "closed … open", gripper_sent, 0.0, 1.0, moving, seconds, starts))
    return f'<div class="joints">{"".join(charts)}</div>'


def _chart(
    name: str,
    note: str,
    ends: str,
    value: NDArray[np.float64],
    low: float,
    high: float,
    speed: NDArray[np.float64],
    seconds: float,
    starts: Sequence[float],
) -> str:
    """`speed` is a share of the limit; `starts` are in the chart's own units."""
    at = np.arange(0, len(value), max(1, len(value) // MAX_POINTS))
    x = at / len(value) * WIDTH
    y = PAD + (high - value[at]) / (high - low) * (HEIGHT - 2 * PAD)
    # the maximum of each interval, so that subsampling hides no peak
    peaks = np.maximum.reduceat(speed, at)
    base = HEIGHT + 8 + SPEED_HEIGHT
    s = base - np.clip(peaks, 0, 1.2) * SPEED_HEIGHT
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    area = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, s, strict=True))
    steps = "".join(f'<line class="mark" x1="{b:.1f}" x2="{b:.1f}" y1="0" y2="{base}"/>' for b in starts)
    return (
        f"<figure><figcaption><b>{escape(name)}</b><span>{note}</span></figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {base + 1}" role="img" preserveAspectRatio="none" '
        f'aria-label="{escape(name)} over {seconds:.1f} s">'
        f'<rect class="band" x="0" y="{PAD}" width="{WIDTH}" height="{HEIGHT - 2 * PAD}"/>{steps}'
        f'<line class="limit" x1="0" x2="{WIDTH}" y1="{PAD}" y2="{PAD}"/>'
        f'<line class="limit" x1="0" x2="{WIDTH}" y1="{HEIGHT - PAD}" y2="{HEIGHT - PAD}"/>'
        f'<polyline class="q" points="{line}"/>'
        f'<polygon class="dq" points="0,{base} {area} {x[-1]:.1f},{base}"/>'
        f'<line class="limit" x1="0" x2="{WIDTH}" y1="{HEIGHT + 8}" y2="{HEIGHT + 8}"/></svg>'
        f'<div class="ends"><span>{ends}</span><span>{seconds:.1f} s</span></div></figure>'
    )
