"""Problems of the sidecar tables under palme/, column by column."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from palme.data import layout
from palme.data.columns import Column, column_problems, nested
from palme.data.episode_index import Entry
from palme.data.errors import DataError
from palme.data.files import read_table
from palme.data.problem import Problem, shown
from palme.data.sidecar import SCHEMAS, sidecar_files

MAX_MS, MAX_S = 1e9, 1e9
NULLABLE = {"seed", "done", "truth", "success", "probability"}
OPTIONAL = {
    "camera",
    "xyz",
    "encoder_repeats",
    "picture_camera",
    "picture_time",
}  # older data sets have no columns for them
BOUNDS: Mapping[str, tuple[float, float]] = {
    "seed": (0, 2**63), "index": (-1, 1e6), "probability": (0, 1 + 1e-6), "gripper": (-0.1, 1.1),
    "q_target": (-1e3, 1e3), "xyz": (-1e3, 1e3), "final": (-1e6, 1e6), "t": (0, MAX_S), "seconds": (0, MAX_S),
    "t_mono": (0, 1e12), "picture_time": (-MAX_S, 1e12),
}  # fmt: skip


def columns_of(name: str) -> dict[str, Column]:
    """What the columns of one sidecar table hold."""
    out = {}
    for field in SCHEMAS[name]:
        inner, many = nested(field.type)
        kind = {pa.string(): "text", pa.bool_(): "bool", pa.int64(): "int", pa.float64(): "real"}[inner]
        low, high = BOUNDS.get(field.name, (0, MAX_MS if kind == "real" else 2**53))
        nullable, optional = field.name in NULLABLE, field.name in OPTIONAL
        out[field.name] = Column(kind, many, nullable or optional, low, high, optional)
    return out


def table_problems(name: str, table: pa.Table) -> list[str]:
    """What is wrong with the columns of one sidecar table."""
    columns = columns_of(name)
    free = {"q_target", "gripper", "seq", "t_mono"} if name == "commands" else set()
    found = list(column_problems(table, {k: v for k, v in columns.items() if k not in free}))
    if not found and free:  # what the safety gate refused may hold anything: that is why it was refused
        accepted = np.asarray(table["accepted"].to_numpy(zero_copy_only=False), bool)
        found += column_problems(table, {k: replace(columns[k]) for k in sorted(free)}, accepted)
    return found


def sidecar_problems(root: Path, entries: Sequence[Entry], fps: float) -> list[Problem]:
    """Problems of all sidecar tables; [] where there are none."""
    lengths = {entry.episode: entry.length for entry in entries}
    files = {name: {layout.number_of(path): path for path in sidecar_files(root, name)} for name in SCHEMAS}
    numbers = {number for found in files.values() for number in found}
    problems: list[Problem] = []
    whole: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
    for name, found in files.items():
        for number in sorted(numbers - set(found), key=str):
            where = layout.path_of(layout.SIDECAR[name], number or 0)
            problems.append(Problem(where, "is missing, the other sidecar tables have it"))
        for path in found.values():
            where = path.relative_to(root).as_posix()
            try:
                table = read_table(path)
            except DataError as error:
                problems.append(Problem(where, str(error)))
                continue
            bad = [Problem(where, what) for what in table_problems(name, table)]
            problems += bad
            if not bad:
                rows = table.to_pylist()
                whole[name] += rows
                problems += [Problem(where, what) for what in row_problems(name, rows, lengths, fps)]
    if problems:
        return problems
    runs = [row["episode_index"] for row in whole["runs"]]
    if len(set(runs)) != len(runs):
        problems.append(Problem("palme/runs", f"lists an episode twice: {shown(runs)}"))
    if runs and (lacking := sorted(set(lengths) - set(runs))):
        problems.append(Problem("palme/runs", f"lacks episode(s) {lacking}"))
    return problems


def row_problems(
    name: str, rows: Sequence[Mapping[str, Any]], lengths: Mapping[int, int], fps: float
) -> Iterator[str]:
    """What is wrong with rows whose columns are right."""
    before: dict[int, int] = {}
    commanded: set[tuple[int, int]] = set()
    for row in rows:
        episode = row["episode_index"]
        if episode not in lengths:
            yield f"column episode_index is {episode}, expected one of {len(lengths)} episodes"
            return
        if name == "runs":
            yield from _run_problems(row, lengths[episode], fps)
            continue
        frame = row["frame_index"]
        if not before.get(episode, 0) <= frame <= lengths[episode]:
            yield (
                f"column frame_index is {frame} in episode {episode}, expected one in "
                f"[{before.get(episode, 0)}, {lengths[episode]}], in order"
            )
            return
        before[episode] = frame
        if name == "commands" and row["kind"] == "command" and row["accepted"]:
            if (episode, frame) in commanded:
                yield f"two commands of frame {frame} in episode {episode}"
                return
            commanded.add((episode, frame))
            if not row["q_target"]:
                yield f"column q_target is [] at frame {frame} of episode {episode}, expected a target"
                return
    for episode in sorted({one for one, _ in commanded}):
        if lacking := [n for n in range(lengths[episode]) if (episode, n) not in commanded]:
            yield f"lacks the command of frame {lacking[0]} in episode {episode}"


def _run_problems(row: Mapping[str, Any], length: int, fps: float) -> Iterator[str]:
    which = f"of episode {row['episode_index']}"
    if not abs(row["nominal_ms"] - 1e3 / fps) <= 1e-3 * 1e3 / fps:
        yield f"nominal_ms {which} is {row['nominal_ms']:g}, expected {1e3 / fps:g} at {fps:g} Hz"
    if not row["min_ms"] <= row["p50_ms"] <= row["p99_ms"] <= row["max_ms"]:
        yield f"min_ms, p50_ms, p99_ms and max_ms {which} do not increase"
    if not row["min_ms"] <= row["mean_ms"] <= row["max_ms"]:
        yield f"mean_ms {which} is {row['mean_ms']:g}, expected a number between min_ms and max_ms"
    if len(row["repeated_camera"]) != len(row["repeated_frame"]):
        yield f"repeated_camera and repeated_frame {which} differ in length"
    if len(row.get("picture_camera") or ()) != len(row.get("picture_time") or ()):
        yield f"picture_camera and picture_time {which} differ in length"
    for name in ("late_frames", "repeated_frame"):
        if not all(frame < length for frame in row[name]):
            yield f"{name} {which} is {shown(row[name])}, the episode has {length} frames"
    if row["started"]:
        try:
            datetime.fromisoformat(row["started"])
        except ValueError:
            yield f"started {which} is {shown(row['started'])}, expected a date and time"
    if row["world"]:
        try:
            known = isinstance(json.loads(row["world"]), dict)
        except ValueError:
            known = False
        if not known:
            yield f"world {which} is {shown(row['world'])}, expected the JSON of a starting state"
