"""Sidecar tables: how an episode was recorded, the agent's events, and every command in full precision.

LeRobot's columns hold float32 and one row a frame. A replay needs the commands in double precision, refused
ones included; the planner's sentence has no column in a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from palme.data import layout
from palme.data.errors import InvalidFrameError
from palme.data.frame_timing import FrameTiming
from robots.text import text_problem

_STR, _INT, _REAL, _BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()


@dataclass(frozen=True)
class Run:
    """How an episode was recorded; a row of palme/runs.

    Attributes:
        instruction: the task sentence.
        started: wall clock, ISO 8601.
        arm, planner, policy, version, commit: names of what was used.
        seed: of the scene.
        done, cause, reason: how the run ended, by the planner's own belief.
        truth: the simulator's verdict, None without a simulator.
        world: JSON of the starting state for a replay, "" if it could not be set.
        final: final state of the world for comparison with a replay, () if unknown.

    Raises:
        InvalidFrameError: a text holds a character that no file can carry.
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

    def __post_init__(self) -> None:
        """Check that every text can be written."""
        _check_texts(self)


@dataclass(frozen=True)
class EpisodeEvent:
    """One event of planner, success check or policy; a row of palme/events.

    Attributes:
        frame: number of frames recorded before it.
        t: time since the run began in [s].
        kind: "planned", "judged", "looked" or "finished".
        index: number of the plan, -1 if none.
        step: the step text.
        sentence: the sentence the planner read, placeholders included.
        answer: the planner's rationale or finding; for "looked", the role "pick" or "place".
        success: the verdict.
        probability: of the verdict; for "looked", the detector's score.
        seconds: computing time in [s].
        camera: for "looked", the camera used.
        xyz: for "looked", (x, y, z) of the point found in [m], base frame, by the calibration that came with
            the image.

    Raises:
        InvalidFrameError: a text holds a character that no file can carry.
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

    def __post_init__(self) -> None:
        """Check that every text can be written."""
        _check_texts(self)


@dataclass(frozen=True)
class CommandRecord:
    """One call to the arm; a row of palme/commands.

    Attributes:
        frame: number of frames recorded before it.
        kind: "command", "stop" or "rearm".
        q_target: (n_joints,) in [rad].
        gripper: opening in [0, 1].
        seq, t_mono: sequence number, and monotonic time in [s], of the command.
        accepted: False if the safety gate refused it.
    """

    frame: int
    kind: str
    q_target: tuple[float, ...] = ()
    gripper: float = 0.0
    seq: int = 0
    t_mono: float = 0.0
    accepted: bool = True


def _check_texts(row: Run | EpisodeEvent) -> None:
    for one in fields(row):
        value = getattr(row, one.name)
        if isinstance(value, str) and (problem := text_problem(value)):
            raise InvalidFrameError(f"{type(row).__name__}.{one.name}: {problem}")


RUNS = pa.schema(
    [
        ("episode_index", _INT), ("instruction", _STR), ("started", _STR), ("arm", _STR), ("planner", _STR),
        ("policy", _STR), ("version", _STR), ("commit", _STR), ("seed", _INT), ("done", _BOOL),
        ("cause", _STR), ("reason", _STR), ("truth", _BOOL), ("world", _STR), ("final", pa.list_(_REAL)),
        ("nominal_ms", _REAL), ("mean_ms", _REAL), ("min_ms", _REAL), ("p50_ms", _REAL), ("p99_ms", _REAL),
        ("max_ms", _REAL), ("late_frames", pa.list_(_INT)), ("repeated_camera", pa.list_(_STR)),
        ("repeated_frame", pa.list_(_INT)), ("longest_wait_ms", _REAL), ("oldest_picture_ms", _REAL),
        ("encoder_repeats", _INT), ("picture_camera", pa.list_(_STR)),
        ("picture_time", pa.list_(pa.list_(_REAL))),
    ]
)  # fmt: skip
EVENTS = pa.schema(
    [
        ("episode_index", _INT), ("frame_index", _INT), ("t", _REAL), ("kind", _STR), ("index", _INT),
        ("step", _STR), ("sentence", _STR), ("answer", _STR), ("success", _BOOL), ("probability", _REAL),
        ("seconds", _REAL), ("camera", _STR), ("xyz", pa.list_(_REAL)),
    ]
)  # fmt: skip
COMMANDS = pa.schema(
    [
        ("episode_index", _INT), ("frame_index", _INT), ("kind", _STR), ("q_target", pa.list_(_REAL)),
        ("gripper", _REAL), ("seq", _INT), ("t_mono", _REAL), ("accepted", _BOOL),
    ]
)  # fmt: skip
SCHEMAS = {"runs": RUNS, "events": EVENTS, "commands": COMMANDS}


@dataclass(frozen=True)
class Sidecar:
    """The sidecar tables' content of one episode."""

    run: Run
    timing: FrameTiming
    events: tuple[EpisodeEvent, ...] = ()
    commands: tuple[CommandRecord, ...] = field(default=(), repr=False)


def tables(episode: int, sidecar: Sidecar) -> dict[str, pa.Table]:
    """The rows of one episode in each table."""
    timing = sidecar.timing
    run = vars(sidecar.run) | vars(timing) | {
        "episode_index": episode, "final": list(sidecar.run.final), "late_frames": list(timing.late_frames),
        "repeated_camera": [name for name, _ in timing.repeated],
        "repeated_frame": [frame for _, frame in timing.repeated],
    }  # fmt: skip
    run |= {"picture_camera": [name for name, _ in timing.pictures]}
    run |= {"picture_time": [list(times) for _, times in timing.pictures]}
    del run["repeated"], run["pictures"]
    rows = {
        "runs": [run],
        "events": [_row(episode, vars(e), xyz=list(e.xyz)) for e in sidecar.events],
        "commands": [_row(episode, vars(c), q_target=list(c.q_target)) for c in sidecar.commands],
    }
    return {name: pa.Table.from_pylist(rows[name], schema) for name, schema in SCHEMAS.items()}


def _row(episode: int, fields: dict[str, Any], **lists: list[float]) -> dict[str, Any]:
    plain = {k: v for k, v in fields.items() if k != "frame"}
    return plain | lists | {"episode_index": episode, "frame_index": fields["frame"]}


def renumbered(table: pa.Table, numbers: dict[int, int]) -> pa.Table:
    """The rows of the episodes in `numbers` (old -> new), renumbered."""
    old: NDArray = table["episode_index"].to_numpy()
    rows = [i for i, episode in enumerate(old.tolist()) if episode in numbers]
    table = table.take(pa.array(rows, pa.int64()))
    new = pa.array([numbers[int(old[i])] for i in rows], pa.int64())
    return table.set_column(table.schema.get_field_index("episode_index"), "episode_index", new)


def sidecar_files(root: Path, name: str) -> list[Path]:
    """The files of one sidecar table, in order."""
    return layout.numbered(root / "palme" / name, "parquet")
