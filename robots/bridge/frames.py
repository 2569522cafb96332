"""Every frame of the protocol, version 3. docs/bridge.md says what each means.

A change of any field is a new `VERSION`. Bounds stand with the fields: what does not fit is no frame.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from robots.arrays import view_of
from robots.errors import ArrayRefused

VERSION = 3
MAX_COMMAND = 64 * 1024  # [bytes] of every frame but pictures
MAX_PICTURE = 32 * 1024 * 1024  # [bytes]

DTYPES = ("<f8", "<f4", "<i8", "|u1", "<u2")  # of the arrays in frames
MAX_SIDE = 16384

Name = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=1000)]
Joints = Annotated[tuple[float, ...], Meta(max_length=64)]  # a number each, as msgpack has them
Count = Annotated[int, Meta(ge=0, le=2**53)]
Jpeg = Annotated[bytes, Meta(max_length=MAX_PICTURE)]


class ArrayFrame(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """An array as it travels. `shape`: at most four sides; `data`: in C order, little-endian."""

    dtype: Annotated[str, Meta(max_length=3)]
    shape: Annotated[tuple[Annotated[int, Meta(ge=0, le=MAX_SIDE)], ...], Meta(max_length=4)]
    data: bytes


def pack(array: Any, dtype: str) -> ArrayFrame:
    """`array` as `dtype`, one of `DTYPES`. Raises ArrayRefused for what is not made of numbers."""
    try:
        packed = np.asarray(array, dtype)
    except (TypeError, ValueError) as error:
        raise ArrayRefused(f"{array!r} is not an array of numbers") from error
    return ArrayFrame(dtype, packed.shape, packed.tobytes())


def unpack(frame: ArrayFrame) -> np.ndarray:
    """A read-only view of the frame's bytes. Raises ArrayRefused where dtype, shape and bytes do not fit."""
    return view_of(frame.data, frame.dtype, frame.shape, allowed_types=DTYPES)


class _Frame(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A frame is an array: its tag, then its fields in this order."""


# -- from the client ---------------------------------------------------------------------------


class Hello(_Frame, frozen=True, tag="hello"):
    """Who is there? Answered by `Welcome`. `version`: that of the protocol the client speaks."""

    id: Count
    version: int
    name: Name


class Acquire(_Frame, frozen=True, tag="acquire"):
    """Ask for the lease. `human`: take it over from a policy. `token`: of the lease held so far, or 0."""

    id: Count
    session: Name
    human: bool
    token: Count


class Command(_Frame, frozen=True, tag="command"):
    """One target. `t_mono`: the caller's stamp; `heard`: of the newest state it had; server's clock."""

    id: Count
    session: Name
    token: Count
    seq: int
    q_target: Joints
    gripper: float
    t_mono: float
    heard: float


class Beat(_Frame, frozen=True, tag="beat"):
    """The commander lives and wants nothing new. Not answered."""

    session: Name
    token: Count
    n: Count
    heard: float


class Stop(_Frame, frozen=True, tag="stop"):
    """Decelerate, hold, latch. Anyone on the allow-list may say so."""

    id: Count
    session: Name
    reason: Text


class Rearm(_Frame, frozen=True, tag="rearm"):
    """Take commands again."""

    id: Count
    session: Name
    token: Count


class ClearFault(_Frame, frozen=True, tag="clear"):
    """The cause of the fault has been seen to."""

    id: Count
    session: Name
    token: Count


class Release(_Frame, frozen=True, tag="release"):
    """Give the lease back."""

    id: Count
    session: Name
    token: Count


class Read(_Frame, frozen=True, tag="read"):
    """Answered by `State`."""

    id: Count
    session: Name


class Tell(_Frame, frozen=True, tag="tell"):
    """Answered by `Counts`."""

    id: Count
    session: Name


class Look(_Frame, frozen=True, tag="look"):
    """One picture, taken after this was asked. `jpeg`: whether it may be one. On the pictures' socket."""

    id: Count
    session: Name
    camera: Name
    jpeg: bool


# -- from the server ---------------------------------------------------------------------------


class Welcome(_Frame, frozen=True, tag="welcome"):
    """Who the server is. `spec`: see `spec_frame`; ports: of the other two sockets."""

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
    """The lease is yours; `token` goes into every frame that uses it."""

    id: Count
    token: Count


class Ack(_Frame, frozen=True, tag="ack"):
    """The gate let this through, and it will be sent in `wait_s` [s] at the next tick (0: it was sent).

    `q_target`: None = as asked, to the bit.
    """

    id: Count
    seq: int
    q_target: Joints | None
    gripper: float
    t_mono: float
    wait_s: float


class Done(_Frame, frozen=True, tag="done"):
    """What was asked for has been done."""

    id: Count


class Refused(_Frame, frozen=True, tag="refused"):
    """It has not, because of `name`; nothing of it was executed."""

    id: Count
    name: Name
    message: Text


class State(_Frame, frozen=True, tag="state"):
    """What the arm measured at `t_mono`; sent at `now`, [s] since the server began. Streamed with id 0."""

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
    """How often each thing happened since the server began, by name."""

    id: Count
    counts: dict[Name, int]


class Picture(_Frame, frozen=True, tag="picture"):
    """What a camera sees. Exactly one of `rgb` and `jpeg`; depth float32 [m], or uint16 [mm], or None."""

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
