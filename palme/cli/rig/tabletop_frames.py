"""The privileged protocol beside the bridge: what only a simulation can be asked. Never part of the robot's.

Version, checksum, keys and bounds as in `robots.bridge.wire`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from robots.bridge.frames import Count, Name, Refused, Text
from robots.bridge.wire import decoder

MAX_SCENE = 256 * 1024  # [bytes]
PORT = 3  # after that of the commands


class _Frame(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    pass


class Load(_Frame, frozen=True, tag="load"):
    """Rebuild the world with the scene `yaml` and let `ticks` pass at rest."""

    id: Count
    session: Name
    yaml: Annotated[str, Meta(max_length=MAX_SCENE)]
    ticks: Annotated[int, Meta(ge=0, le=10_000)]


class Hold(_Frame, frozen=True, tag="hold"):
    """Let `ticks` pass at rest."""

    id: Count
    session: Name
    ticks: Annotated[int, Meta(ge=0, le=10_000)]


class Ask(_Frame, frozen=True, tag="ask"):
    """What truly rests where?"""

    id: Count
    session: Name


Pose = tuple[float, float, float, float, float, float, float]


class Truth(_Frame, frozen=True, tag="truth"):
    """The table now.

    Attributes:
        holder: what each object of the scene rests in or on.
        poses: of each object, x, y, z of its middle in [m], base frame, and its quaternion xyzw.
        held: index of the object that the gripper holds, None = none.
        arm_time: [s] simulated since `Load`.
    """

    id: Count
    holder: tuple[int | None, ...]
    poses: tuple[Pose, ...]
    held: int | None
    arm_time: float


decode_question = decoder(Load | Hold | Ask, MAX_SCENE)
decode_truth = decoder(Truth | Refused)
__all__ = ["Ask", "Hold", "Load", "PORT", "Refused", "Text", "Truth", "decode_question", "decode_truth"]
