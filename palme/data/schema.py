"""What a frame holds: LeRobot's features for one arm and its cameras, and the same as parquet columns.

`action` is what was sent, `action.requested` what the policy asked for; `subtask_index` is the step text (a
name that LeRobot resolves by itself, as it does `task_index`); `timestamp` is nominal, frame / fps, and
`capture_time` is when it truly was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from palme.data import layout
from palme.data.errors import SchemaMismatchError

SCALARS = {
    "intervention": "bool",
    "subtask_index": "int64",
    "capture_time": "float64",  # [s] on the receiver's clock since the first frame
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
ARROW = {
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
}
VECTORS = ("observation.state", "action", "action.requested")
CODECS = {"h264": "libx264", "av1": "libsvtav1"}
LARGEST = 4096  # [px] a side


@dataclass(frozen=True)
class View:
    """One camera's picture: `name`, and its size in [px]."""

    name: str
    height: int
    width: int

    @property
    def key(self) -> str:
        return layout.PICTURE + self.name


@dataclass(frozen=True)
class Schema:
    """What a data set of ours records.

    Attributes:
        robot_type: name of the arm.
        fps: frames a second = commands a second.
        joints: (n_joints,) names; state and action have the gripper's opening in [0, 1] after them.
        views: the cameras; sides are even, since yuv420p halves them.
        codec: "h264" or "av1".
    """

    robot_type: str
    fps: int
    joints: tuple[str, ...]
    views: tuple[View, ...] = ()
    codec: str = "h264"

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise SchemaMismatchError(f"codec {self.codec!r} is none of {sorted(CODECS)}")
        if not (isinstance(self.fps, int) and 0 < self.fps <= 1000):
            raise SchemaMismatchError(f"fps {self.fps!r}: v3.0 takes a whole number in [1, 1000]")
        for view in self.views:
            even = view.height % 2 == 0 and view.width % 2 == 0
            if not (even and 16 <= view.height <= LARGEST and 16 <= view.width <= LARGEST):
                raise SchemaMismatchError(
                    f"camera {view.name}: {view.width}x{view.height} px; yuv420p video takes even sides in "
                    f"[16, {LARGEST}]; set camera.{view.name}_size"
                )

    @property
    def width(self) -> int:
        """Numbers in state and action."""
        return len(self.joints) + 1

    def features(self) -> dict[str, Any]:
        """The `features` of info.json."""
        names = [f"{joint}.pos" for joint in (*self.joints, "gripper")]
        out: dict[str, Any] = {
            key: {"dtype": "float32", "shape": [self.width], "names": names} for key in VECTORS
        }
        for view in self.views:
            out[view.key] = {
                "dtype": "video",
                "shape": [view.height, view.width, 3],
                "names": ["height", "width", "channels"],
                "info": {
                    "video.height": view.height,
                    "video.width": view.width,
                    "video.codec": self.codec,
                    "video.pix_fmt": "yuv420p",
                    "video.is_depth_map": False,
                    "video.fps": self.fps,
                    "video.channels": 3,
                    "has_audio": False,
                },
            }
        for key, dtype in SCALARS.items():
            out[key] = {"dtype": dtype, "shape": [1], "names": None}
        return out

    def check_same(self, features: Mapping[str, Any], fps: float, robot_type: str | None) -> None:
        """Raise SchemaMismatchError, naming the first difference from a data set that is there."""
        if fps != self.fps:
            raise SchemaMismatchError(
                f"fps: the data set has {fps}, the arm runs at {self.fps}; name another path"
            )
        if robot_type != self.robot_type:
            raise SchemaMismatchError(
                f"robot_type: the data set is of {robot_type!r}, not {self.robot_type!r}; name another path"
            )
        mine = self.features()
        for key in sorted(set(mine) ^ set(features)):
            where = "the data set" if key in features else "the recording"
            raise SchemaMismatchError(f"feature {key!r} is only in {where}; record to another path")
        for key, feature in mine.items():
            for part in ("dtype", "shape", "names"):
                there = features[key].get(part)
                if there != feature[part]:
                    raise SchemaMismatchError(
                        f"feature {key!r}: {part} {there} in the data set, {feature[part]} in the recording; "
                        "record to another path"
                    )


def arrow_schema(features: Mapping[str, Any]) -> pa.Schema:
    """Columns of data/*.parquet: everything but the videos. Raises SchemaMismatchError for another dtype."""
    fields = []
    for key, feature in features.items():
        if feature["dtype"] in ("video", "image"):
            continue
        if feature["dtype"] not in ARROW or len(feature["shape"]) != 1:
            raise SchemaMismatchError(
                f"feature {key!r}: {feature['dtype']} {feature['shape']} is not read here"
            )
        kind, n = ARROW[feature["dtype"]], int(feature["shape"][0])
        fields.append(pa.field(key, kind if n == 1 else pa.list_(kind, n)))
    return pa.schema(fields)


def video_keys(features: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the features that are videos."""
    return tuple(key for key, feature in features.items() if feature["dtype"] == "video")


def stats_type(feature: Mapping[str, Any], name: str) -> pa.DataType:
    """The parquet type of one statistic of one feature, as LeRobot's own writer would infer it."""
    if name == "count":
        return pa.list_(pa.int64())
    if feature["dtype"] == "video":
        return pa.list_(pa.list_(pa.list_(pa.float64())))
    whole = feature["dtype"] in ("int64", "bool") and name in ("min", "max")
    return pa.list_(ARROW[feature["dtype"]] if whole else pa.float64())
