"""Problems of meta/info.json, field by field. What a reader relies on is fatal; the rest `check` lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from palme.data import layout
from palme.data.problem import Problem, shown
from palme.data.schema import ARROW, REQUIRED

MAX_FPS = 1000  # [Hz]
MAX_COUNT = 2**53
_SPLIT = re.compile(r"(\d+):(\d+)")


@dataclass(frozen=True)
class _Field:
    """One key: whether a value is legal, and which values are."""

    legal: Callable[[Any], bool]
    expected: str
    fatal: bool


def is_count(value: object, low: int = 0, high: int = MAX_COUNT) -> bool:
    """Whether `value` is a whole number in [low, high], and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_fps(value: object) -> bool:
    """Whether `value` is a frame rate."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 < value <= MAX_FPS  # type: ignore[operator]


def _is_size(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 < value <= MAX_COUNT  # type: ignore[operator]


FIELDS: Mapping[str, _Field] = {
    "codebase_version": _Field(lambda v: v == layout.VERSION, repr(layout.VERSION), True),
    "robot_type": _Field(lambda v: v is None or isinstance(v, str), "the arm's name", False),
    "total_episodes": _Field(is_count, "a whole number >= 0", True),
    "total_frames": _Field(is_count, "a whole number >= 0", False),
    "total_tasks": _Field(is_count, "a whole number >= 0", False),
    "chunks_size": _Field(
        lambda v: is_count(v, 1, layout.CHUNK_SIZE), f"a whole number in [1, {layout.CHUNK_SIZE}]", True
    ),
    "data_files_size_in_mb": _Field(_is_size, "a number > 0", False),
    "video_files_size_in_mb": _Field(_is_size, "a number > 0", False),
    "fps": _Field(is_fps, f"a number in (0, {MAX_FPS}]", True),
    "splits": _Field(
        lambda v: isinstance(v, dict) and bool(v), 'ranges of episodes, {"train": "0:5"}', False
    ),
    "data_path": _Field(lambda v: v == layout.DATA, repr(layout.DATA), True),
    "video_path": _Field(lambda v: v is None or v == layout.VIDEO, repr(layout.VIDEO), True),
    "features": _Field(lambda v: isinstance(v, dict) and bool(v), "the features by name", True),
}


def info_problems(content: Any) -> list[Problem]:
    """Problems of the content of meta/info.json that it shows by itself."""
    if not isinstance(content, dict):
        return [_problem(f"holds {shown(content)}, expected an object with {', '.join(FIELDS)}", True)]
    found = []
    for key, field in FIELDS.items():
        if key not in content:
            found.append(_problem(f"{key!r} is missing, expected {field.expected}", field.fatal))
        elif not field.legal(content[key]):
            found.append(_problem(f"{key} is {shown(content[key])}, expected {field.expected}", field.fatal))
    if isinstance(features := content.get("features"), dict):
        found += _features(features)
        if content.get("video_path", "") is None and _has_video(features):
            found.append(_problem(f"video_path is None, expected {layout.VIDEO!r}: there are cameras", False))
    if isinstance(splits := content.get("splits"), dict):
        found += _splits(splits, content.get("total_episodes"))
    return found


def _problem(what: str, fatal: bool) -> Problem:
    return Problem(layout.INFO, what, fatal=fatal)


def _has_video(features: Mapping[str, Any]) -> bool:
    return any(isinstance(one, dict) and one.get("dtype") == "video" for one in features.values())


def _splits(splits: Mapping[str, Any], total: object) -> Iterator[Problem]:
    for name, value in splits.items():
        found = _SPLIT.fullmatch(value) if isinstance(value, str) else None
        inside = found is not None and (
            not is_count(total) or int(found[1]) <= int(found[2]) <= int(total)  # type: ignore[call-overload]
        )
        if not inside:
            what = f"splits.{name} is {shown(value)}, expected 'FIRST:END' within {total} episodes"
            yield _problem(what, False)


def _features(features: Mapping[str, Any]) -> Iterator[Problem]:
    for key, dtype in REQUIRED.items():
        if key not in features:
            yield _problem(f"feature {key!r} is missing; every LeRobotDataset has it", True)
        elif isinstance(features[key], dict) and (there := features[key].get("dtype")) != dtype:
            yield _problem(f"feature {key!r}: dtype is {shown(there)}, expected {dtype!r}", True)
    for key, feature in features.items():
        yield from feature_problems(key, feature)


def feature_problems(key: str, feature: Any) -> Iterator[Problem]:
    """Problems of one entry of `features`."""
    if not isinstance(feature, dict):
        yield _problem(f"feature {key!r} is {shown(feature)}, expected dtype, shape and names", True)
        return
    dtype, shape = feature.get("dtype"), feature.get("shape")
    if dtype == "image":
        yield _problem(
            f"feature {key!r}: dtype is 'image': its pictures stand inside data/*.parquet, and palme reads "
            "videos; convert it to videos with LeRobot",
            True,
        )
        return
    if not (isinstance(dtype, str) and (dtype in ARROW or dtype == "video")):
        known = ", ".join(["video", *ARROW])
        yield _problem(f"feature {key!r}: dtype is {shown(dtype)}, expected one of {known}", True)
        return
    length = 3 if dtype == "video" else 1
    sides = isinstance(shape, list) and len(shape) == length and all(is_count(n, 1, 1 << 24) for n in shape)
    if not sides:
        expected = "[height, width, 3]" if dtype == "video" else "[n]"
        yield _problem(f"feature {key!r}: shape is {shown(shape)}, expected {expected}", True)
        return
    assert isinstance(shape, list)
    if "names" not in feature:
        yield _problem(f"feature {key!r}: 'names' is missing, expected a list or null", False)
    elif not _named(feature["names"], length, shape[0]):
        n = 3 if dtype == "video" else shape[0]
        what = f"feature {key!r}: names is {shown(feature['names'])}, expected {n} name(s) or null"
        yield _problem(what, False)
    if dtype == "video" and not isinstance(feature.get("info", {}), dict):
        what = f"feature {key!r}: info is {shown(feature['info'])}, expected the video's properties"
        yield _problem(what, False)


def _named(names: Any, length: int, n: int) -> bool:
    if names is None:
        return True
    if isinstance(names, dict):  # LeRobot also groups names: {"motors": [...]}
        flat = [one for group in names.values() for one in (group if isinstance(group, list) else [group])]
        return bool(flat) and all(isinstance(one, str | int) for one in flat)
    wanted = 3 if length == 3 else n
    return isinstance(names, list) and len(names) == wanted and all(isinstance(one, str) for one in names)
