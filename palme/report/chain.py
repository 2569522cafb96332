"""The chain of one step, read back from the log of a run: from the sentence to the commands."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOG = "events.jsonl"
Line = Mapping[str, Any]


class NoChain(ValueError):
    """There is no such run, or it has no such step."""


@dataclass(frozen=True)
class Chain:
    """One step of a run, as lines of its log.

    Attributes:
        folder: of the run.
        n: number of the step, from 1, as the report numbers it.
        header: the first line of the log.
        instruction: the sentence that the step was planned for.
        understood: what it was read as; {} = the log does not say.
        planned: the step.
        acted: its chunks, in order.
        judged: its verdict; {} = the run ended first.
        end: how the run ended, {} = the log does not say.
    """

    folder: Path
    n: int
    header: Line
    instruction: str
    understood: Line
    planned: Line
    acted: tuple[Line, ...]
    judged: Line
    end: Line

    @property
    def gate(self) -> Gate:
        """What the safety gate made of all its chunks."""
        return Gate.of([line.get("gate") or {} for line in self.acted])

    @property
    def named(self) -> list[Line]:
        """Of what was detected, what the step names."""
        step = f"{self.planned['step']} "
        return [
            row
            for row in self.planned.get("seen", ())
            if f"{row['name']} " in step or f"{row['ref']} " in step
        ]

    @property
    def verdict(self) -> str:
        """In a word or two."""
        if not self.judged:
            return "nothing left to do" if self.planned.get("done") else "not judged"
        return (
            "judged done"
            if self.judged["success"]
            else "unsure"
            if self.judged.get("unsure")
            else "judged failed"
        )

    @property
    def text(self) -> str:
        """For a terminal."""
        return "\n".join(f"{name:<10} {words}" for name, words in self._rows() if words)

    def _rows(self) -> list[tuple[str, str]]:
        planned, judged = self.planned, self.judged
        looks = [look for line in self.acted for look in line.get("looks", ())]
        ticks = sum(len(line.get("q_sent", ())) for line in self.acted)
        seqs = [s for line in self.acted for s in line.get("seq", ())]
        seen = [f"{row['name']} at {_xyz(row['xyz'])} ({row['score']:.2f})" for row in self.named]
        sent = f"{ticks} commands" + (f", seq {seqs[0]} to {seqs[-1]}" if seqs else "") if ticks else "none"
        why = "; ".join(filter(None, (judged.get("reason"), judged.get("found"), judged.get("gate"))))
        return [
            ("id", str(planned.get("id", ""))),
            ("sentence", self.instruction),
            ("read as", str(self.understood.get("goal", ""))),
            ("program", str(self.understood.get("program") or "").replace("\n", "\n" + 11 * " ")),
            ("rationale", str(planned.get("rationale") or "")),
            ("step", f"{planned['step']}{probability(planned.get('probability'))}"),
            ("seen", "; ".join(seen)),
            ("policy", "; ".join(dict.fromkeys(f"{k['role']} in {k['camera']}" for k in looks))),
            ("chunks", f"{len(self.acted)}" if self.acted else ""),
            ("gate", self.gate.text if self.acted else ""),
            ("sent", sent),
            ("verdict", f"{self.verdict}{probability(judged.get('probability'))}{': ' if why else ''}{why}"),
            ("end", str(self.end.get("reason", ""))),
        ]


@dataclass(frozen=True)
class Gate:
    """Sums over chunks.

    Attributes:
        known: whether the log tells.
        accepted, clamped: ticks.
        refused: why commands were refused.
        causes: clamped ticks by what limited them.
        largest: limit, share of it, and the joint; None = no command was sent.
    """

    known: bool
    accepted: int
    clamped: int
    refused: tuple[str, ...]
    causes: Mapping[str, int]
    largest: tuple[str, float, str] | None

    @classmethod
    def of(cls, gates: Sequence[Line]) -> Gate:
        """The sum of the verdicts of chunks, as they stand in a log."""
        causes: Counter[str] = Counter()
        for gate in gates:
            causes.update(gate.get("causes", {}))
        shares = [
            (name, float(share), str(gate["joint"][name]))
            for gate in gates
            for name, share in gate.get("share", {}).items()
        ]
        return cls(
            any(gates),
            sum(gate.get("accepted", 0) for gate in gates),
            sum(gate.get("clamped", 0) for gate in gates),
            tuple(gate["refused"] for gate in gates if gate.get("refused")),
            dict(causes),
            max(shares, key=lambda row: row[1], default=None),
        )

    @property
    def text(self) -> str:
        """In one line."""
        if not self.known:
            return "the log does not say"
        words = f"{self.accepted} accepted, {self.clamped} clamped, {len(self.refused)} refused"
        if self.largest is not None:
            name, share, joint = self.largest
            words += f"; largest share of a limit: {100 * share:.0f} % of {name}, {joint}"
        if self.causes:
            words += "; clamped by " + ", ".join(f"{name} ({n} ticks)" for name, n in self.causes.items())
        return "; ".join((words, *self.refused))


def probability(value: float | None) -> str:
    """ " (probability 0.98)", or nothing."""
    return "" if value is None else f" (probability {value:.2f})"


def _xyz(xyz: Sequence[float]) -> str:
    return "(" + ", ".join(f"{x:.3f}" for x in xyz) + ")"


def read_chain(folder: Path, n: int) -> Chain:
    """Step number `n`, from 1, of the run in `folder`.

    Raises:
        NoChain: one sentence that says what is missing, and what there is.
    """
    lines = _lines(folder)
    starts = [k for k, line in enumerate(lines) if line.get("event") == "planned"]
    if not starts:
        raise NoChain(
            f"{folder / LOG}: the run planned no step: {_end(lines).get('reason', 'it was cut off')}"
        )
    if not 1 <= n <= len(starts):
        which = "it has one step: step=1" if len(starts) == 1 else f"choose one of 1 to {len(starts)}"
        raise NoChain(f"step={n}: the run in {folder} has no such step; {which}")
    begin = starts[n - 1]
    stop = starts[n] if n < len(starts) else len(lines)
    own, before = lines[begin + 1 : stop], lines[:begin]
    said = [line["instruction"] for line in before if line.get("instruction")]
    judged = next((line for line in own if line["event"] == "judged"), {})
    understood = [line for line in before if line["event"] == "understood"]
    return Chain(
        folder, n, lines[0], said[-1] if said else "", understood[-1] if understood else {}, lines[begin],
        tuple(line for line in own if line["event"] == "acted"), judged, _end(lines),
    )  # fmt: skip


def _lines(folder: Path) -> list[Line]:
    try:
        text = (folder / LOG).read_text(encoding="utf-8")
    except OSError as error:
        if (folder / "results.json").exists():
            raise NoChain(
                f"{folder} holds an evaluation; name one of its episodes, {folder}/episodes/NAME, which "
                "logs=true keeps"
            ) from error
        raise NoChain(
            f"{folder} holds no run (no {LOG}); name the folder that was out= of palme run"
        ) from error
    try:
        lines = [json.loads(line) for line in text.splitlines()]
        if lines and all(isinstance(line, dict) and "event" in line for line in lines):
            return lines
    except ValueError:
        pass
    raise NoChain(f"{folder / LOG} is no log of a run: a line of it cannot be read")


def _end(lines: Sequence[Line]) -> Line:
    return next((line for line in reversed(lines) if line["event"] == "finished"), {})
