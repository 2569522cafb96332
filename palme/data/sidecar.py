"""Sidecar tables: who recorded an episode and how, what the planner said, and every command to the last bit.

LeRobot's own columns hold float32 and one row a frame. A replay needs the commands as they were, double
precision and those that were refused included; the planner's sentence has no place in a frame at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from palme.data import layout
from palme.data.files import read_table
from palme.data.frame_timing import FrameTiming

TEXT, WHOLE, REAL, YES = pa.string(), pa.int64(), pa.float64(), pa.bool_()


@dataclass(frozen=True)
class Run:
    """How an episode came to be.

    Attributes:
        started: wall clock, ISO 8601.
        world: JSON of what a replay needs, "" where the world was not ours to set.
        final: what the world was at the end, for a replay to compare with, () where nobody can know.
        truth: what the simulator judged, None where there is none.
    """

    instruction: str
    started: str = ""
    arm: str = ""
    planner: str = ""
    policy: str = ""
    version: str = ""
    commit: str = ""
    seed: int | None = None
    done: bool | None = None
    cause: str = ""
    reason: str = ""
    truth: bool | None = None
    world: str = ""
    final: tuple[float, ...] = ()


@dataclass(frozen=True)
class EpisodeEvent:
    """One thing that planner, judge or policy said: `kind` is "planned", "judged", "looked" or "finished".

    Attributes:
        frame: how many frames had been recorded by then.
        t: [s] since the run began.
        sentence: what the planner read, placeholders included.
        answer: its reason, or what it found; of a look, what was looked for: "pick" or "place".
        success, probability: of a verdict; of a look, how sure the detector was.
        camera, xyz: of a look: through which, and (x, y, z) in [m] of what was found, in the base frame by
            the calibration that the picture came with.
    """

    frame: int
    t: float
    kind: str
    index: int = -1
    step: str = ""
    sentence: str = ""
    answer: str = ""
    success: bool | None = None
    probability: float | None = None
    seconds: float = 0.0
    camera: str = ""
    xyz: tuple[float, ...] = ()


@dataclass(frozen=True)
class CommandRecord:
    """One thing that the arm was told: `kind` is "command", "stop" or "rearm"; `accepted`: not refused."""

    frame: int
    kind: str
    q_target: tuple[float, ...] = ()
    gripper: float = 0.0
    seq: int = 0
    t_mono: float = 0.0
    accepted: bool = True


RUNS = pa.schema(
    [
        ("episode_index", WHOLE), ("instruction", TEXT), ("started", TEXT), ("arm", TEXT), ("planner", TEXT),
        ("policy", TEXT), ("version", TEXT), ("commit", TEXT), ("seed", WHOLE), ("done", YES),
        ("cause", TEXT), ("reason", TEXT), ("truth", YES), ("world", TEXT), ("final", pa.list_(REAL)),
        ("nominal_ms", REAL), ("mean_ms", REAL), ("min_ms", REAL), ("p50_ms", REAL), ("p99_ms", REAL),
        ("max_ms", REAL), ("late_frames", pa.list_(WHOLE)), ("repeated_camera", pa.list_(TEXT)),
        ("repeated_frame", pa.list_(WHOLE)), ("longest_wait_ms", REAL), ("oldest_picture_ms", REAL),
    ]
)  # fmt: skip
EVENTS = pa.schema(
    [
        ("episode_index", WHOLE), ("frame_index", WHOLE), ("t", REAL), ("kind", TEXT), ("index", WHOLE),
        ("step", TEXT), ("sentence", TEXT), ("answer", TEXT), ("success", YES), ("probability", REAL),
        ("seconds", REAL), ("camera", TEXT), ("xyz", pa.list_(REAL)),
    ]
)  # fmt: skip
COMMANDS = pa.schema(
    [
        ("episode_index", WHOLE), ("frame_index", WHOLE), ("kind", TEXT), ("q_target", pa.list_(REAL)),
        ("gripper", REAL), ("seq", WHOLE), ("t_mono", REAL), ("accepted", YES),
    ]
)  # fmt: skip
SCHEMAS = {"runs": RUNS, "events": EVENTS, "commands": COMMANDS}


@dataclass(frozen=True)
class Sidecar:
    """What the three tables hold of one episode."""

    run: Run
    timing: FrameTiming
    events: tuple[EpisodeEvent, ...] = ()
    commands: tuple[CommandRecord, ...] = field(default=(), repr=False)


def tables(episode: int, side: Sidecar) -> dict[str, pa.Table]:
    """One episode's rows of each table."""
    c = side.timing
    run = {k: v for k, v in vars(side.run).items() if k != "final"}
    pace = {k: v for k, v in vars(c).items() if k not in ("repeated", "late_frames")}
    row = run | pace | {
        "episode_index": episode, "final": list(side.run.final), "late_frames": list(c.late_frames),
        "repeated_camera": [name for name, _ in c.repeated],
        "repeated_frame": [frame for _, frame in c.repeated],
    }  # fmt: skip
    said = [
        {"episode_index": episode, "frame_index": s.frame, "xyz": list(s.xyz)}
        | {k: v for k, v in vars(s).items() if k not in ("frame", "xyz")}
        for s in side.events
    ]
    orders = [
        {"episode_index": episode, "frame_index": o.frame, "q_target": list(o.q_target)}
        | {k: v for k, v in vars(o).items() if k not in ("frame", "q_target")}
        for o in side.commands
    ]
    return {
        "runs": pa.Table.from_pylist([row], RUNS),
        "events": pa.Table.from_pylist(said, EVENTS),
        "commands": pa.Table.from_pylist(orders, COMMANDS),
    }


def read_sidecars(root: Path, episode: int | None = None, file: int = 0) -> dict[int, Sidecar]:
    """By episode, of those that have one. Raises DamagedDatasetError.

    Args:
        episode: only this one, from the tables of number `file`; that of its data, or 0 where it was packed.
    """
    found = {name: _rows(root, name, episode, file) for name in SCHEMAS}
    out = {}
    for row in found["runs"]:
        episode = row["episode_index"]
        out[episode] = Sidecar(
            _run(row),
            _timing(row),
            tuple(_event(r) for r in found["events"] if r["episode_index"] == episode),
            tuple(_command(r) for r in found["commands"] if r["episode_index"] == episode),
        )
    return out


def _rows(root: Path, name: str, episode: int | None, file: int) -> list[dict]:
    if episode is None:
        return [row for path in sidecar_files(root, name) for row in read_table(path).to_pylist()]
    for number in {file, 0}:
        path = root / layout.path_of(layout.SIDE[name], number)
        if path.exists():
            table = read_table(path)
            here = table.filter(pa.array(table["episode_index"].to_numpy() == episode))
            if len(here):
                return here.to_pylist()
    return []


def _run(row: dict) -> Run:
    known: dict[str, Any] = {k: row.get(k) for k in Run.__dataclass_fields__ if k != "final"}
    return Run(**known, final=tuple(row.get("final") or ()))


def _timing(row: dict) -> FrameTiming:
    repeated = tuple(zip(row["repeated_camera"], row["repeated_frame"], strict=True))
    plain = {
        k: row[k] for k in FrameTiming.__dataclass_fields__ if k not in ("late_frames", "repeated")
    }  # fmt: skip
    return FrameTiming(**plain, late_frames=tuple(row["late_frames"]), repeated=repeated)


def _event(row: dict) -> EpisodeEvent:
    known = {k: row[k] for k in EpisodeEvent.__dataclass_fields__ if k not in ("frame", "camera", "xyz")}
    # a data set from before looks were kept has no columns for them
    looked: dict[str, Any] = {"camera": row.get("camera") or "", "xyz": tuple(row.get("xyz") or ())}
    return EpisodeEvent(frame=row["frame_index"], **known, **looked)


def _command(row: dict) -> CommandRecord:
    known = {k: row[k] for k in CommandRecord.__dataclass_fields__ if k not in ("frame", "q_target")}
    return CommandRecord(frame=row["frame_index"], q_target=tuple(row["q_target"]), **known)


def renumbered(table: pa.Table, numbers: dict[int, int]) -> pa.Table:
    """The rows of those episodes that `numbers` names, under their new ones."""
    old: NDArray = table["episode_index"].to_numpy()
    rows = [i for i, episode in enumerate(old.tolist()) if episode in numbers]
    table = table.take(pa.array(rows, pa.int64()))
    new = pa.array([numbers[int(old[i])] for i in rows], pa.int64())
    return table.set_column(table.schema.get_field_index("episode_index"), "episode_index", new)


def sidecar_files(root: Path, name: str) -> list[Path]:
    """The files of one side table, in their order."""
    assert name in layout.SIDE
    return sorted((root / "palme" / name).glob("*/*.parquet"))
