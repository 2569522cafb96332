"""An `ArmSpec` on the wire, so that a client uses the limits of the arm it reaches."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

from robots.bridge.errors import BadFrame
from robots.bridge.frames import ArrayFrame, pack, unpack
from robots.errors import RobotError
from robots.spec import ArmSpec


def pack_spec(spec: ArmSpec) -> bytes:
    """All fields of `spec` as bytes."""
    return msgspec.msgpack.encode(_packed(spec))


def unpack_spec(data: bytes) -> ArmSpec:
    """The `ArmSpec` in `data`. Raises BadFrame if a field is missing, unknown, mistyped or not finite."""
    try:
        return _unpacked(ArmSpec, msgspec.msgpack.decode(data), "arm description")
    except (msgspec.MsgspecError, RobotError, RecursionError, TypeError, ValueError, AttributeError) as error:
        raise BadFrame(f"arm description: {error}"[:300]) from None


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return pack(value, "<f8" if value.dtype.kind == "f" else "<i8")
    if is_dataclass(value):
        return {field.name: _packed(getattr(value, field.name)) for field in fields(value)}
    return sorted(value) if isinstance(value, frozenset) else value


def _unpacked(kind: Any, value: Any, name: str) -> Any:
    """`value` as the field type `kind`."""
    origin = get_origin(kind) or kind
    if origin is np.ndarray:
        array = unpack(msgspec.convert(value, ArrayFrame))
        if not np.isfinite(array).all():
            raise BadFrame(f"{name} is not finite")
        return array
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        if set(value) != set(hints):
            raise BadFrame(f"{name} has {sorted(value)}, expected {sorted(hints)}")
        made: Any = kind
        return made(**{key: _unpacked(hints[key], part, key) for key, part in value.items()})
    if origin in (tuple, frozenset):
        inner = next(iter(get_args(kind)), None)
        return origin(_unpacked(inner, part, name) for part in value)
    return msgspec.convert(value, kind)
