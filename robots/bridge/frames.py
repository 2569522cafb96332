"""Every frame of the protocol, version 3; docs/bridge.md defines their meaning.

A change of any field needs a new `VERSION`. A frame with a field outside its bounds is invalid.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from robots.arrays import view_of
from robots.errors import ArrayRefused

VERSION = 3
MAX_COMMAND = 64 * 1024  # [bytes] limit of every frame except pictures
MAX_PICTURE = 32 * 1024 * 1024  # [bytes]

DTYPES = ("<f8", "<f4", "<i8", "|u1", "<u2")  # of the arrays in frames
MAX_SIDE = 16384

Name = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=1000)]
Joints = Annotated[tuple[float, ...], Meta(max_length=64)]  # msgpack numbers
Count = Annotated[int, Meta(ge=0, le=2**53)]
Jpeg = Annotated[bytes, Meta(max_length=MAX_PICTURE)]


class ArrayFrame(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """An array on the wire. `shape`: at most four sides; `data`: C order, little-endian."""

    dtype: Annotated[str, Meta(max_length=3)]
    shape: Annotated[tuple[Annotated[int, Meta(ge=0, le=MAX_SIDE)], ...], Meta(max_length=4)]
    data: bytes


def pack(array: Any, dtype: str) -> ArrayFrame:
    """`array` as `dtype`, one of `DTYPES`. Raises ArrayRefused if it is not an array of numbers."""
    try:
        packed = np.asarray(array, dtype)
    except (TypeError, ValueError) as error:
        raise ArrayRefused(f"{array!r} is not an array of numbers") from error
    return ArrayFrame(dtype, packed.shape, packed.tobytes())


def unpack(frame: ArrayFrame) -> np.ndarray:
    """A read-only view of the frame's bytes. Raises ArrayRefused if dtype, shape and bytes do not match."""
    return view_of(frame.data, frame.dtype, frame.shape, allowed_types=DTYPES)


class _Frame(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A frame is an array: its tag, then its fields in this order."""


# -- from the client ---------------------------------------------------------------------------


class Hello(_Frame, frozen=True, tag="hello"):
    """First frame of a client; answered by `Welcome`. `version`: protocol version of the client."""

    id: Count
    version: int
    name: Name


class Acquire(_Frame, frozen=True, tag="acquire"):
    """Acquire the lease. `human`: take it over from a policy. `token`: of the lease held so far, or 0."""

    id: Count
    session: Name
    human: bool
    token: Count


class Command(_Frame, frozen=True, tag="command"):
    """One target. `t_mono`: timestamp; `heard`: of the newest state received; both on the server's clock."""

    id: Count
    session: Name
    token: Count
    seq: int
    q_target: Joints
    gripper: float
    t_mono: float
    heard: float


class Beat(_Frame, frozen=True, tag="beat"):
    """Heartbeat: the commander is alive and has no new command. Not answered."""

    session: Name
    token: Count
    n: Count
    heard: float


class Stop(_Frame, frozen=True, tag="stop"):
    """Decelerate, hold, latch. Every key on the allow-list may send it."""

    id: Count
    session: Name
    reason: Text


class Rearm(_Frame, frozen=True, tag="rearm"):
    """Accept commands again."""

    id: Count
    session: Name
    token: Count


class ClearFault(_Frame, frozen=True, tag="clear"):
    """Confirm that the cause of a fault is fixed."""

    id: Count
    session: Name
    token: Count


class Release(_Frame, frozen=True, tag="release"):
    """Release the lease."""

    id: Count
    session: Name
    token: Count


class Read(_Frame, frozen=True, tag="read"):
    """Read the state; answered by `State`."""

    id: Count
    session: Name


class Tell(_Frame, frozen=True, tag="tell"):
    """Read the event counts; answered by `Counts`."""

    id: Count
    session: Name


class Look(_Frame, frozen=True, tag="look"):
    """Capture one picture after this request, on the picture socket. `jpeg`: whether JPEG is accepted."""

    id: Count
    session: Name
    camera: Name
    jpeg: bool


# -- from the server ---------------------------------------------------------------------------


class Welcome(_Frame, frozen=True, tag="welcome"):
    """Description of the server. `spec`: see `spec_frame`; ports: of the state and picture sockets."""

    id: Count
    version: int
    session: Name
    role: Name
    realtime: bool
    state_port: int
    picture_port: int
    cameras: Annotated[tuple[Name, ...], Meta(max_length=32)]
    spec: bytes


class Granted(_Frame, frozen=True, tag="granted"):
    """The lease is granted; later frames carry its `token`."""

    id: Count
    token: Count


class Ack(_Frame, frozen=True, tag="ack"):
    """The gate accepted the command; it is sent in `wait_s` [s] at the next tick (0 = already sent).

    `q_target`: None = exactly as requested.
    """

    id: Count
    seq: int
    q_target: Joints | None
    gripper: float
    t_mono: float
    wait_s: float


class Done(_Frame, frozen=True, tag="done"):
    """The request was carried out."""

    id: Count


class Refused(_Frame, frozen=True, tag="refused"):
    """The request was refused with error `name`; no part of it was executed."""

    id: Count
    name: Name
    message: Text


class State(_Frame, frozen=True, tag="state"):
    """The state measured at `t_mono`; sent at `now`, [s] since the server started. Streamed with id 0."""

    id: Count
    session: Name
    tick: Count
    t_mono: float
    now: float
    q: Joints
    dq: Joints
    gripper: float
    at_rest: bool
    latched: Text
    holder: Name
    arm_time: float


class Counts(_Frame, frozen=True, tag="counts"):
    """Event counts since the server started, by name."""

    id: Count
    counts: dict[Name, int]


class Picture(_Frame, frozen=True, tag="picture"):
    """One image. Exactly one of `rgb` and `jpeg`; depth is float32 [m], uint16 [mm] or None."""

    id: Count
    camera: Name
    rgb: ArrayFrame | None
    jpeg: Jpeg | None
    depth: ArrayFrame | None
    intrinsics: ArrayFrame
    base_from_camera: ArrayFrame


ToServer = Hello | Acquire | Command | Beat | Stop | Rearm | ClearFault | Release | Read | Tell
ToPictures = Look
ToClient = Welcome | Granted | Ack | Done | Refused | State | Counts
FromPictures = Picture | Refused
