"""Wishes: what a page may ask for, each a small typed message. What does not fit is no wish."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from palme.operator import operator as desk
from palme.operator.operator import Operator, Reply

MAX_BYTES = 4096  # of a message; the longest text in it has 300 characters

Share = Annotated[float, Meta(ge=-1.0, le=1.0)]
Three = tuple[Share, Share, Share]
Pixel = Annotated[float, Meta(ge=0.0, le=16384.0)]
Number = Annotated[int, Meta(ge=0, le=2**53)]


class Message(Struct, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    """Base: `{"do": tag, ...}`."""


class Stop(Message, tag="stop"):
    how: Annotated[str, Meta(max_length=40)] = "button"


class Rearm(Message, tag="rearm"):
    pass


class Pause(Message, tag="pause"):
    pass


class Take(Message, tag="take"):
    pass


class HandBack(Message, tag="hand_back"):
    pass


class Jog(Message, tag="jog"):
    linear: Three = (0.0, 0.0, 0.0)
    angular: Three = (0.0, 0.0, 0.0)
    gripper: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None


class Reach(Message, tag="reach"):
    camera: Annotated[str, Meta(max_length=64)]
    u: Pixel
    v: Pixel


class Retype(Message, tag="correct"):
    text: Annotated[str, Meta(min_length=1, max_length=300)]


class Beat(Message, tag="beat"):
    """The page lives and wants nothing new."""


class Ping(Message, tag="ping"):
    """`at`: the page's own clock [ms], given back with ours, so that it can tell how old a picture is."""

    at: float


class Seen(Message, tag="seen"):
    """Status `n` was read: the next may come."""

    n: Number


class Shown(Message, tag="shown"):
    """Picture `n` of `camera` is on the screen: the next may come."""

    camera: Annotated[str, Meta(max_length=64)]
    n: Number


AtDesk = Stop | Rearm | Pause | Take | HandBack | Jog | Reach | Retype
_control = msgspec.json.Decoder(AtDesk | Beat | Ping | Seen)
_shown = msgspec.json.Decoder(Shown)


def read_control(text: str) -> AtDesk | Beat | Ping | Seen:
    """Raises msgspec.DecodeError (its subclass ValidationError too) for anything else."""
    return _control.decode(text)


def read_shown(text: str) -> Shown:
    """As above, on the pictures' socket."""
    return _shown.decode(text)


def carry_out(wish: AtDesk, at: Operator, who: str) -> Reply:
    """Ask the desk for it, in the name of `who`."""
    match wish:
        case Stop(how):
            return at.stop(who, f"{how} of {who}")
        case Jog(linear, angular, gripper):
            return at.jog(who, desk.Jog(linear, angular, gripper))
        case Reach(camera, u, v):
            return at.reach(who, camera, u, v)
        case Retype(text):
            text = " ".join(text.split())
            return at.correct(who, text) if text else Reply(False, "nothing was typed")
        case Take():
            return at.take(who)
        case HandBack():
            return at.hand_back(who)
        case Pause():
            return at.pause(who)
        case Rearm():
            return at.rearm(who)
