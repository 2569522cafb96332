"""The messages a page may send: typed, bounded; any other message is rejected."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from palme.operator import operator as protocol
from palme.operator.operator import Operator, Reply

MAX_BYTES = 4096  # of a message; the longest text has 300 characters

Share = Annotated[float, Meta(ge=-1.0, le=1.0)]
Vector = tuple[Share, Share, Share]
Pixel = Annotated[float, Meta(ge=0.0, le=16384.0)]
Number = Annotated[int, Meta(ge=0, le=2**53)]


class Message(Struct, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    """Base: `{"do": tag, ...}`."""


class Start(Message, frozen=True, tag="start"):
    """Begin a waiting run."""


class WaitForStart(Message, frozen=True, tag="wait"):
    """A waiting run does not begin by itself."""


class Stop(Message, frozen=True, tag="stop"):
    """Stop the arm; `how`: the key or button used."""

    how: Annotated[str, Meta(max_length=40)] = "button"


class Rearm(Message, frozen=True, tag="rearm"):
    """Accept commands again after a stop."""


class Pause(Message, frozen=True, tag="pause"):
    """Hold the arm still."""


class Take(Message, frozen=True, tag="take"):
    """Take control."""


class HandBack(Message, frozen=True, tag="hand_back"):
    """Return control to the policy."""


class Jog(Message, frozen=True, tag="jog"):
    """Move the tool while repeated: shares of the maximum speed, and the gripper opening."""

    linear: Vector = (0.0, 0.0, 0.0)
    angular: Vector = (0.0, 0.0, 0.0)
    gripper: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None


class Reach(Message, frozen=True, tag="reach"):
    """Move the tool over the point at pixel (u, v) of `camera`, while repeated."""

    camera: Annotated[str, Meta(max_length=64)]
    u: Pixel
    v: Pixel


class Correct(Message, frozen=True, tag="correct"):
    """Correct the run verbally."""

    text: Annotated[str, Meta(min_length=1, max_length=300)]


class Heartbeat(Message, frozen=True, tag="heartbeat"):
    """The page is alive."""


class Ping(Message, frozen=True, tag="ping"):
    """Asks for our clock; `at`: the page's own time in [ms], returned with it."""

    at: float


class Seen(Message, frozen=True, tag="seen"):
    """Status `n` was read; the next may be sent."""

    n: Number


class Shown(Message, frozen=True, tag="shown"):
    """Image `n` of `camera` is displayed; the next may be sent."""

    camera: Annotated[str, Meta(max_length=64)]
    n: Number


Action = Start | WaitForStart | Stop | Rearm | Pause | Take | HandBack | Jog | Reach | Correct
_control: msgspec.json.Decoder[Action | Heartbeat | Ping | Seen] = msgspec.json.Decoder(
    Action | Heartbeat | Ping | Seen
)
_shown = msgspec.json.Decoder(Shown)


def read_control(text: str) -> Action | Heartbeat | Ping | Seen:
    """Decode a message of the control socket. Raises msgspec.DecodeError for any other."""
    return _control.decode(text)


def read_shown(text: str) -> Shown:
    """Decode a message of the image socket. Raises msgspec.DecodeError for any other."""
    return _shown.decode(text)


def execute(action: Action, operator: Operator, who: str) -> Reply:
    """Perform `action` in the name of `who`."""
    match action:
        case Stop(how):
            return operator.stop(who, f"{how} of {who}")
        case Jog(linear, angular, gripper):
            return operator.jog(who, protocol.Jog(linear, angular, gripper))
        case Reach(camera, u, v):
            return operator.reach(who, camera, u, v)
        case Correct(text):
            text = " ".join(text.split())
            return operator.correct(who, text) if text else Reply(False, "the text is empty")
        case Take():
            return operator.take(who)
        case HandBack():
            return operator.hand_back(who)
        case Pause():
            return operator.pause(who)
        case Rearm():
            return operator.rearm(who)
        case Start():
            return operator.start(who)
        case WaitForStart():
            return operator.wait_for_start(who)
