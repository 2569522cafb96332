"""One id from a sentence to a sent command: RUN, RUN/STEP, RUN/STEP/CHUNK; and the fields that hang on it.

A command is found by its `seq`, which the arm's server logs too: a chunk names its first and last.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

import numpy as np

from palme.events import Acted, Event, Planned
from palme.perception.objects import PerceivedObjects
from palme.report.pictures import project
from robots.motion.kinematics import fk
from robots.safety.chunk_verdict import ChunkVerdict
from robots.spec import ArmSpec
from robots.types import ActionChunk, CameraFrame, JointCommand

MAX_WAYPOINTS = 40  # of a chunk, in the log


def new_id() -> str:
    """Of a run: when it began, and four digits that tell two of one second apart."""
    return f"{datetime.now():%Y%m%d-%H%M%S}-{os.urandom(2).hex()}"


class Thread:
    """Numbers the steps of a run and the chunks of a step, both from 1, as its events come in."""

    def __init__(self, run: str) -> None:
        self.run, self.step, self.chunk = run, 0, 0

    def of(self, event: Event | None) -> str:
        """The id of `event`, the next one; None = of the run."""
        if isinstance(event, Planned):
            self.step, self.chunk = self.step + 1, 0
        if event is None or not self.step:
            return self.run
        if isinstance(event, Acted):
            self.chunk += 1
            return f"{self.run}/{self.step}/{self.chunk}"
        return f"{self.run}/{self.step}"


def limits_of(spec: ArmSpec) -> dict[str, Any]:
    """The limits of an arm, for the header of a log: what its charts are drawn between."""
    names = ("q_min", "q_max", "dq_max")
    return {
        "joint_names": list(spec.joint_names),
        "control_hz": spec.control_hz,
        **{name: getattr(spec, name) for name in names},
    }


def gate_fields(
    verdict: ChunkVerdict | None, chunk: ActionChunk | None, sent: tuple[JointCommand, ...]
) -> dict[str, Any]:
    """What the gate made of a chunk, and what was asked where it sent something else."""
    if verdict is None:
        return {}
    out: dict[str, Any] = {
        "first_tick": verdict.first_tick,
        "accepted": verdict.accepted,
        "clamped": verdict.clamped,
        "refused": verdict.refused,
        "causes": dict(verdict.causes),
        "share": dict(verdict.share),
        "joint": dict(verdict.joint),
    }
    if chunk is not None and verdict.clamped:
        asked = np.asarray(chunk.q_targets)[: len(sent)]
        other = [k for k, c in enumerate(sent) if not np.allclose(c.q_target, asked[k], rtol=0, atol=1e-6)]
        out["asked"] = [[k, np.round(asked[k], 5)] for k in other]
    return {"gate": out}


def waypoints(spec: ArmSpec | None, chunk: ActionChunk | None) -> dict[str, Any]:
    """Where the policy asked the tool to go: (N, 3) in [m] in the base frame, at most `MAX_WAYPOINTS`."""
    if spec is None or chunk is None or not np.isfinite(chunk.q_targets).all() or not len(chunk.q_targets):
        return {}
    n = len(chunk.q_targets)
    rows = np.unique(np.linspace(0, n - 1, min(n, MAX_WAYPOINTS)).round().astype(int))
    return {"tool": [np.round(fk(spec, chunk.q_targets[k])[:3, 3], 4) for k in rows]}


def seen(objects: PerceivedObjects | None, frame: CameraFrame | None) -> list[dict[str, Any]]:
    """What was detected, and where it is in the picture `frame`."""
    found: list[dict[str, Any]] = []
    for i in range(0 if objects is None else len(objects)):
        assert objects is not None
        row: dict[str, Any] = {
            "ref": f"obj_{i + 1}",
            "name": objects.name(i),
            "xyz": np.round(objects.xyz[i], 4),
            "score": objects.score[i],
        }
        if frame is not None:
            u, v, _ = project(frame, objects.xyz[i])
            row["pixel"] = [round(u, 1), round(v, 1)] if np.isfinite([u, v]).all() else None
        found.append(row)
    return found
