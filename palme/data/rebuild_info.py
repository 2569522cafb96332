"""Rebuilds meta/info.json: keeps every field that is right, derives the others from the files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from palme.data import layout
from palme.data.columns import is_list
from palme.data.decoder import index_video
from palme.data.episode_index import DatasetInfo
from palme.data.errors import DamagedDatasetError, DataError
from palme.data.files import read_json, read_table
from palme.data.info_check import FIELDS, feature_problems, info_problems
from palme.data.schema import ARROW
from palme.data.sidecar import sidecar_files

_DTYPE = {kind: name for name, kind in ARROW.items()}


def rebuilt_info(root: Path, tables: Mapping[int, pa.Table]) -> tuple[DatasetInfo, list[str]]:
    """info.json as the files show it, its totals aside, and a line for each field derived.

    Args:
        root: the data set.
        tables: its data files by number.

    Raises:
        DamagedDatasetError: a field that nothing else shows is lost.
    """
    try:
        content = read_json(root / layout.INFO)
    except DataError:
        content = {}
    given: dict[str, Any] = dict(content) if isinstance(content, dict) else {}
    done = []
    fields = {key: field for key, field in FIELDS.items() if key != "features"}
    bad = [key for key, field in fields.items() if not (key in given and field.legal(given[key]))]
    robot = _arm(root)
    if robot and given.get("robot_type") != robot:
        bad = [*(key for key in bad if key != "robot_type"), "robot_type"]
    rates = _rates(tables)
    if "fps" not in bad and len(rates) == 1 and not abs(rates[0] - given["fps"]) <= 1e-3 * rates[0]:
        bad.append("fps")
    if "fps" in bad and len(rates) != 1:
        raise DamagedDatasetError(
            f"{root / layout.INFO}: fps is lost, and the timestamps show {rates or None}; restore it"
        )
    fps = rates[0] if "fps" in bad else given["fps"]
    features, lines = _features(root, tables, given.get("features"), fps)
    new = DatasetInfo.new(features, fps, robot).json
    video_path = new["video_path"]
    if video_path and given.get("video_path") is None and "video_path" not in bad:
        bad.append("video_path")
    for key in bad:
        if key not in ("total_episodes", "total_frames", "total_tasks"):
            done.append(f"{layout.INFO}: {key} is {new[key]!r} again, from the files")
    if "robot_type" in bad and robot is None:
        done[-1] = f"{layout.INFO}: robot_type is unknown (null); no other file names the arm"
    whole = {**new, **{key: value for key, value in given.items() if key not in bad}, "features": features}
    if problems := [p for p in info_problems(whole) if p.fatal]:
        raise DamagedDatasetError(f"{root / layout.INFO}: {problems[0].what}; restore it from a copy")
    return DatasetInfo(whole), done + lines


def _arm(root: Path) -> str | None:
    """The arm that the runs name, if they agree."""
    names: set[str] = set()
    for path in sidecar_files(root, "runs"):
        try:
            names |= {str(name) for name in read_table(path, lambda c: c == "arm")["arm"].to_pylist() if name}
        except (DataError, KeyError, UnicodeDecodeError):
            continue
    return names.pop() if len(names) == 1 else None


def _rates(tables: Mapping[int, pa.Table]) -> list[float]:
    """The frame rates that the timestamps show, which are multiples of 1 / fps."""
    rates = set()
    for table in tables.values():
        try:
            times = np.diff(table["timestamp"].to_numpy().astype(float))
        except (KeyError, pa.ArrowException, ValueError, TypeError):
            continue
        steps = times[times > 0]
        if steps.size and np.isfinite(steps).all():
            rate = 1 / float(np.median(steps))
            rates.add(round(rate) if abs(rate - round(rate)) < 1e-3 * rate else round(rate, 2))
    return sorted(rates)


def _features(
    root: Path, tables: Mapping[int, pa.Table], given: Any, fps: float
) -> tuple[dict[str, Any], list[str]]:
    """The features of the columns and cameras; names of entries cannot be derived."""
    told: dict[str, Any] = given if isinstance(given, dict) else {}
    schema: pa.Schema = next(iter(tables.values())).schema
    shown: dict[str, Any] = {field.name: _column(field) for field in schema}
    folders = sorted(path for path in (root / "videos").glob("*") if layout.numbered(path, "mp4"))
    shown |= {path.name: _camera(path, fps) for path in folders}
    out, done = {}, []
    for key in [*(k for k in told if k in shown), *(k for k in shown if k not in told)]:
        seen, there = shown[key], told.get(key)
        if any(isinstance(one, dict) and one.get("dtype") == "image" for one in (seen, there)):
            raise DamagedDatasetError(
                f"{root / layout.INFO}: feature {key!r}: its pictures stand inside data/*.parquet, and palme "
                "reads videos; convert it to videos with LeRobot"
            )
        right = isinstance(there, dict) and not list(feature_problems(key, there))
        if (
            right
            and isinstance(there, dict)
            and there["dtype"] == seen["dtype"]
            and seen["shape"] in (None, there["shape"])
        ):
            out[key] = dict(there)
            if isinstance(there.get("info"), dict):
                out[key]["info"] = there["info"] | {
                    k: v for k, v in seen["info"].items() if k in there["info"]
                }
            if out[key] != there:
                done.append(f"{layout.INFO}: the info of feature {key!r} is that of its videos again")
            continue
        names = there.get("names") if isinstance(there, dict) else None
        if seen["names"] is None and not list(feature_problems(key, seen | {"names": names})):
            seen["names"] = names
        out[key] = seen
        done.append(
            f"{layout.INFO}: feature {key!r} is {seen['dtype']} {seen['shape']} again, from the files"
        )
    for key, seen in out.items():
        if seen["names"] is None and seen["dtype"] != "video" and seen["shape"] != [1]:
            alike = [o["names"] for o in out.values() if o["shape"] == seen["shape"] and o["names"]]
            if alike and key in ("observation.state", "action", "action.requested"):
                seen["names"] = alike[0]  # of one arm: state and commands have the same entries
            elif not (
                isinstance(told.get(key), dict) and "names" in told[key] and told[key]["names"] is None
            ):
                done.append(f"{layout.INFO}: the names in feature {key!r} are lost (null)")
    done += [f"{layout.INFO}: feature {key!r} is removed: no file has it" for key in told if key not in shown]
    return out, done


def _column(field: pa.Field) -> dict[str, Any]:
    many = is_list(field.type)
    kind = field.type.value_type if many else field.type
    n = field.type.list_size if pa.types.is_fixed_size_list(field.type) else 0 if many else 1
    dtype = "image" if pa.types.is_struct(kind) or pa.types.is_binary(kind) else _DTYPE.get(kind, str(kind))
    return {"dtype": dtype, "shape": [n], "names": None}


def _camera(folder: Path, fps: float) -> dict[str, Any]:
    import av

    for path in layout.numbered(folder, "mp4"):
        try:
            video = index_video(path, fps)
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                height, width = stream.height, stream.width
        except (DataError, av.FFmpegError, OSError):
            continue
        return {
            "dtype": "video", "shape": [height, width, 3], "names": ["height", "width", "channels"],
            "info": {
                "video.height": height, "video.width": width, "video.codec": video.codec_name,
                "video.pix_fmt": video.pix_fmt, "video.is_depth_map": False, "video.fps": fps,
                "video.channels": 3, "has_audio": False,
            },
        }  # fmt: skip
    return {"dtype": "video", "shape": None, "names": ["height", "width", "channels"], "info": {}}
