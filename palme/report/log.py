"""events.jsonl: one line an event, written at once, so that a killed run leaves a complete log.

Every line has the `id` that leads from the sentence to its commands (`palme.report.thread`). Images are left
out, but for those that `pictures` keeps; every joint target sent is kept. Where a line cannot be written,
whole lines stay, the run goes on, and a line "gap" says later what is missing.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from palme.events import (
    Acted,
    Asked,
    Corrected,
    CorrectionRefused,
    Event,
    Finished,
    HandedBack,
    Judged,
    Planned,
    Started,
    TakenOver,
    Typed,
    Understood,
)
from palme.planners.base import Understanding
from palme.report.pictures import Picture
from palme.report.thread import Thread, gate_fields, limits_of, new_id, seen, waypoints
from robots.skills import Step
from robots.spec import ArmSpec
from robots.types import CameraFrame, JointCommand

SCHEMA = "palme-events/1"


class EventLog:
    """Listener that writes every event to a file. A context manager.

    Attributes:
        lost: number of lines that could not be written.
        fault: why, None if all were.
    """

    def __init__(
        self,
        path: Path,
        failed: Callable[[OSError], None] | None = None,
        pictures: Callable[[str, Picture], None] | None = None,
        spec: ArmSpec | None = None,
        **header: Any,
    ) -> None:
        """Create the file, with `header` in its first line.

        Args:
            path: the file; its folder is made.
            failed: called with every OSError of a line, that of opening the file too; None = it is raised.
            pictures: keeps a picture under a name, relative to the folder of `path`; None = none is kept.
            spec: of the arm, for the way of the tool; None = it is left out.
            header: of the first line; its `run` is the id of the run, a new one where there is none.
        """
        self._thread = Thread(str(header.pop("run", "") or new_id()))
        self._pictures, self._spec = pictures, spec
        self._path, self._failed = path, failed
        self._lock = threading.RLock()  # lines that a person types come from a thread of their own
        self._fd: int | None = None
        self._end = 0  # [bytes] length of the whole lines
        self._gap = 0  # lines lost since the last one written
        self.lost = 0
        self.fault: OSError | None = None
        limits = {} if spec is None else {"limits": limits_of(spec)}
        self._first = {"event": "header", "schema": SCHEMA, "id": self._thread.run, **header, **limits}
        self._write(self._first)

    def __call__(self, event: Event) -> None:
        """Write an event."""
        line = {"event": type(event).__name__.lower(), "t": round(event.t, 4), "id": self._thread.of(event)}
        self._write(line | _fields(event) | self._more(event))

    def __enter__(self) -> EventLog:
        """Return the log."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            try:
                os.close(fd)
            except OSError as error:  # a quota that a network file system tells of only now
                self._lost(error)

    def note(self, kind: str, **values: Any) -> None:
        """Write a line that is no event of the agent: the simulator's verdict, the files written."""
        self._write({"event": kind, "id": self._thread.run, **values})

    def _more(self, event: Event) -> dict[str, Any]:
        """Of a plan its picture; of a chunk the way of the tool, and the first picture that was acted on."""
        step = self._thread.step
        if isinstance(event, Planned):
            return self._picture(f"steps/{step}.jpg", next(iter(event.observation.images.items()), None))
        if not isinstance(event, Acted):
            return {}
        more = waypoints(self._spec, event.chunk)
        cameras = [k.camera for k in event.localisations if k.camera in event.observation.images]
        if cameras:
            frame = event.observation.images[cameras[0]]
            more |= self._picture(f"steps/{step}-{self._thread.chunk}.jpg", (cameras[0], frame))
        return more

    def _picture(self, name: str, taken: tuple[str, CameraFrame] | None) -> dict[str, Any]:
        if self._pictures is None or taken is None:
            return {}
        self._pictures(name, taken[1].rgb)
        return {"picture": name, "camera": taken[0]}

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line, default=_plain, allow_nan=False) + "\n"
        with self._lock:
            try:
                self._write_text(text, line is self._first)
            except OSError as error:
                self._lost(error)

    def _write_text(self, text: str, is_first: bool) -> None:
        """The line, after the header of a file that is opened only now, and what is missing."""
        if self._fd is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        if not self._end and not is_first:
            self._append(json.dumps(self._first, default=_plain, allow_nan=False) + "\n")
            self.lost, self._gap = self.lost - 1, self._gap - 1
        if self._gap:
            self._append(json.dumps({"event": "gap", "lines": self._gap, "why": str(self.fault)}) + "\n")
            self._gap = 0
        self._append(text)

    def _append(self, text: str) -> None:
        """Add a line, or nothing of it. Raises OSError."""
        assert self._fd is not None
        data = text.encode()
        try:
            at = 0
            while at < len(data):
                at += os.pwrite(self._fd, data[at:], self._end + at)
        except OSError:
            try:
                os.ftruncate(self._fd, self._end)
            except OSError:
                pass  # the next line overwrites the rest
            raise
        self._end += len(data)

    def _lost(self, error: OSError) -> None:
        self.lost, self._gap, self.fault = self.lost + 1, self._gap + 1, self.fault or error
        if self._failed is None:
            raise error
        self._failed(error)


def _fields(event: Event) -> dict[str, Any]:
    if isinstance(event, Started):
        return {"instruction": event.instruction, "q": event.observation.robot.q}
    if isinstance(event, Understood):
        understood = {"index": event.index, "instruction": event.instruction, "goal": event.goal}
        return understood | _understanding(event.understanding)
    if isinstance(event, Asked):
        return {"index": event.index, "question": event.question, "answer": event.answer}
    if isinstance(event, Planned):
        return {
            "index": event.index,
            "step": event.step.text,
            "rationale": event.rationale,
            "done": event.step.is_done,
            "seconds": event.seconds,
            "probability": event.probability,
            "sentence": None if event.sentence is None else getattr(event.sentence, "text", None),
            "seen": seen(event.objects, next(iter(event.observation.images.values()), None)),
            "q": event.observation.robot.q,
        }
    if isinstance(event, TakenOver):
        return {"index": event.index, "step": _text(event.step), "reason": event.reason}
    if isinstance(event, HandedBack):
        return {
            "index": event.index,
            "who": event.who,
            "why": event.why,
            "seconds": event.seconds,
            **_sent(event.commands),
            "q": event.observation.robot.q,
        }
    if isinstance(event, Corrected):
        return {
            "index": event.index,
            "who": event.who,
            "words": event.words,
            "step": _text(event.step),
            "before": _text(event.before),
            "instruction": event.instruction,
        }
    if isinstance(event, CorrectionRefused):
        return {"index": event.index, "reason": event.reason, "instruction": event.instruction}
    if isinstance(event, Typed):
        return {
            "number": event.number,
            "who": event.who,
            "words": event.words,
            "typed_t": round(event.typed_t, 4),
            "state": event.state,
            "note": event.note,
        }
    if isinstance(event, Acted):
        return {
            "index": event.index,
            **_sent(event.sent),
            "looks": [
                {"camera": k.camera, "role": k.role, "pixel": k.pixel, "xyz": k.xyz, "score": k.score}
                for k in event.localisations
            ],
            **gate_fields(event.verdict, event.chunk, event.sent),
            "policy_s": event.policy_s,
            "execute_s": event.execute_s,
        }
    if isinstance(event, Judged):
        return {
            "index": event.index,
            "step": event.step.text,
            "success": event.success,
            "probability": event.probability,
            "reason": event.reason,
            "found": event.found,
            "gate": event.gate,
            "unsure": event.unsure,
            "seconds": event.seconds,
        }
    if isinstance(event, Finished):
        return {
            "done": event.done,
            "cause": event.cause,
            "reason": event.reason,
            "n_steps": event.n_steps,
            "n_replans": event.n_replans,
            "seconds": event.seconds,
            "first": dict(event.first),
        }
    raise TypeError(f"{type(event).__name__} is not an event of palme.events")


def _understanding(told: Understanding | None) -> dict[str, Any]:
    if told is None:
        return {}
    return {
        "program": told.program,
        "lines": [
            {"text": line.text, "found": [name for name, _ in line.found], "said": line.said}
            for line in told.lines
        ],
        "moved": told.moved,
        "kept": told.kept,
        "probability": told.probability,
        "read_seconds": told.seconds,
    }


def _text(step: Step | None) -> str:
    return "" if step is None else step.text


def _sent(commands: Sequence[JointCommand]) -> dict[str, Any]:
    return {
        "q_sent": [np.round(c.q_target, 5) for c in commands],
        "gripper_sent": [round(float(c.gripper), 4) for c in commands],
        "seq": [c.seq for c in commands[:1]] + [c.seq for c in commands[-1:]],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written to events.jsonl")
