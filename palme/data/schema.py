"""What a frame holds: LeRobot's features for one arm and its cameras, and the matching parquet columns.

`action` is the command sent, `action.requested` the command the policy requested. `subtask_index` numbers the
step text; LeRobot resolves that name as it does `task_index`. `timestamp` is nominal, frame / fps;
`capture_time` is the true time.
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
REQUIRED = {
    name: SCALARS[name] for name in ("timestamp", "frame_index", "episode_index", "index", "task_index")
}
ARROW = {
    "bool": pa.bool_(),
    **{
        f"{sign}int{bits}": getattr(pa, f"{sign}int{bits}")()
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
    "float16": pa.float16(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
}
VECTORS = ("observation.state", "action", "action.requested")
CODECS = {"h264": "libx264", "av1": "libsvtav1"}
MAX_SIDE = 4096  # [px]

Features = Mapping[str, Mapping[str, Any]]
"""The `features` of info.json: dtype, shape and names by feature."""


@dataclass(frozen=True)
class View:
    """A camera: its name and image size in [px]."""

    name: str
    height: int
    width: int

    @property
    def key(self) -> str:
        """Name of the camera's feature."""
        return layout.IMAGE_PREFIX + self.name


@dataclass(frozen=True)
class Schema:
    """What a data set records.

    Attributes:
        robot_type: name of the arm.
        fps: frame rate = command rate in [Hz].
        joints: (n_joints,) names; state and action append the gripper opening in [0, 1].
        views: the cameras; image sides are even, since yuv420p halves them.
        codec: "h264" or "av1".

    Raises:
        SchemaMismatchError: an unknown codec, or a rate or image size that video cannot hold.
    """

    robot_type: str
    fps: int
    joints: tuple[str, ...]
    views: tuple[View, ...] = ()
    codec: str = "h264"

    def __post_init__(self) -> None:
        """Check codec, rate and image sizes."""
        if self.codec not in CODECS:
            raise SchemaMismatchError(f"codec {self.codec!r} unknown; choose one of {sorted(CODECS)}")
        if not (isinstance(self.fps, int) and 0 < self.fps <= 1000):
            raise SchemaMismatchError(f"fps {self.fps!r}: v3.0 requires a whole number in [1, 1000]")
        for view in self.views:
            even = view.height % 2 == 0 and view.width % 2 == 0
            if not (even and 16 <= view.height <= MAX_SIDE and 16 <= view.width <= MAX_SIDE):
                raise SchemaMismatchError(
                    f"camera {view.name}: {view.width}x{view.height} px; yuv420p video requires even sides "
                    f"in [16, {MAX_SIDE}]; set camera.{view.name}_size"
                )

    @property
    def width(self) -> int:
        """Entries of state and action: n_joints + 1."""
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

    def check_same(self, features: Features, fps: float, robot_type: str | None) -> None:
        """Check that a recording matches an existing data set.

        Raises:
            SchemaMismatchError: names the first difference.
        """
        if fps != self.fps:
            raise SchemaMismatchError(
                f"fps: the data set has {fps} Hz, the arm runs at {self.fps} Hz; record to another path"
            )
        if robot_type != self.robot_type:
            raise SchemaMismatchError(
                f"robot_type: {robot_type!r} in the data set, {self.robot_type!r} here; use another path"
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


def arrow_schema(features: Features) -> pa.Schema:
    """Columns of data/*.parquet: all features but the videos.

    Raises:
        SchemaMismatchError: a feature has a dtype or shape that this reader does not support.
    """
    fields = []
    for key, feature in features.items():
        if feature["dtype"] in ("video", "image"):
            continue
        if feature["dtype"] not in ARROW or len(feature["shape"]) != 1:
            raise SchemaMismatchError(
                f"feature {key!r}: {feature['dtype']} {feature['shape']} is not supported"
            )
        kind, n = ARROW[feature["dtype"]], int(feature["shape"][0])
        fields.append(pa.field(key, kind if n == 1 else pa.list_(kind, n)))
    return pa.schema(fields)


def video_keys(features: Features) -> tuple[str, ...]:
    """Names of the video features."""
    return tuple(key for key, feature in features.items() if feature["dtype"] == "video")


def stats_type(feature: Mapping[str, Any], name: str) -> pa.DataType:
    """Parquet type of one statistic of one feature, as LeRobot's own writer infers it."""
    if name == "count":
        return pa.list_(pa.int64())
    if feature["dtype"] == "video":
        return pa.list_(pa.list_(pa.list_(pa.float64())))
    whole = feature["dtype"] in ("int64", "bool") and name in ("min", "max")
    return pa.list_(ARROW[feature["dtype"]] if whole else pa.float64())
