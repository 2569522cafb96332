"""Rebuilds the sidecar tables: keeps the rows that are right, makes lost runs anew from the frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from palme.data import layout
from palme.data.columns import Column, column_problems
from palme.data.episode_index import Entry
from palme.data.errors import DataError
from palme.data.files import read_table, write_table
from palme.data.frame_timing import ShownPictures, measure_timing
from palme.data.reader import Dataset
from palme.data.sidecar import SCHEMAS, Run, Sidecar, sidecar_files, tables
from palme.data.sidecar_check import row_problems, table_problems


def rebuild_sidecars(root: Path, target: Dataset) -> list[str]:
    """Write the sidecar tables of `target` from those of `root`. Returns a line for each loss."""
    entries, fps, done = target.entries, target.fps, []
    kept = {name: _kept(root, name, entries, fps) for name in SCHEMAS}
    for name, lost in (("events", "events"), ("commands", "commands")):
        for entry in entries:
            if entry.episode not in kept[name] and _had(root, name, entry):
                done.append(f"episode {entry.episode}: its {lost} are lost: palme/{name} is damaged there")
    for entry in entries:
        if entry.episode not in kept["runs"]:
            kept["runs"][entry.episode] = _made_anew(target, entry)
            done.append(
                f"episode {entry.episode}: its row of palme/runs is made anew from the frames; planner, "
                "policy, world and verdict are lost"
            )
    for name, schema in SCHEMAS.items():
        rows = [kept[name][e.episode] for e in entries if e.episode in kept[name]]
        table = pa.concat_tables(rows, promote_options="default") if rows else schema.empty_table()
        write_table(target.root / layout.path_of(layout.SIDECAR[name], 0), table)
    return done


def _kept(root: Path, name: str, entries: Sequence[Entry], fps: float) -> dict[int, pa.Table]:
    """The rows of one table by episode, where they are right."""
    lengths = {entry.episode: entry.length for entry in entries}
    out: dict[int, pa.Table] = {}
    for path in sidecar_files(root, name):
        try:
            table = read_table(path)
        except DataError:
            continue
        alone = [entry.episode for entry in entries if entry.data == layout.number_of(path)]
        if list(column_problems(table, {"episode_index": Column("int")})):
            if len(alone) != 1:
                continue
            at = table.schema.get_field_index("episode_index")  # one file an episode: its number tells which
            column = pa.array([alone[0]] * len(table), pa.int64())
            if at >= 0:
                table = table.set_column(at, "episode_index", column)
            else:
                table = table.append_column("episode_index", column)
        numbers = table["episode_index"].to_numpy()
        for episode in sorted(set(numbers.tolist()) | set(alone)):
            part = table.filter(pa.array(numbers == episode))
            if episode not in lengths or episode in out or (name == "runs" and len(part) != 1):
                continue
            if table_problems(name, part) or list(row_problems(name, part.to_pylist(), lengths, fps)):
                continue
            for at, field in enumerate(part.schema):
                if field.name in SCHEMAS[name].names:
                    wanted = SCHEMAS[name].field(field.name).type
                    part = part.set_column(at, field.name, part[field.name].cast(wanted))
            out[episode] = part
    return out


def _had(root: Path, name: str, entry: Entry) -> bool:
    """Whether the data set has this table at all, for this episode or packed."""
    return any(layout.number_of(path) in (entry.data, 0) for path in sidecar_files(root, "runs"))


def _made_anew(target: Dataset, entry: Entry) -> pa.Table:
    try:
        columns = target.columns(entry)
        times = columns.get("capture_time", np.arange(entry.length) / target.fps).astype(float)
    except DataError:
        times = np.arange(entry.length) / target.fps
    run = Run(entry.tasks[0] if entry.tasks else "", arm=target.info.robot_type or "")
    side = Sidecar(run, measure_timing(times, target.fps, ShownPictures(())))
    return tables(entry.episode, side)["runs"]
