"""An `ArmSpec` on the wire, so that the client uses the limits of the arm it reaches and no others."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgspec
import numpy as np

from robots.bridge.arrays import ArrayFrame, pack, unpack
from robots.bridge.errors import BadFrame
from robots.spec import ArmSpec

_Value = str | float | tuple[str, ...] | ArrayFrame | None
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


def pack_spec(spec: ArmSpec) -> bytes:
    """Every field of `spec`."""
    values: dict[str, Any] = {}
    for field in fields(spec):
        value = getattr(spec, field.name)
        values[field.name] = pack(value, "<f8") if isinstance(value, np.ndarray) else value
    return msgspec.msgpack.encode(values)


def unpack_spec(data: bytes) -> ArmSpec:
    """Raises BadFrame where a field is missing, unknown, or an array that is not finite."""
    try:
        raw = _decode(data)
        values: dict[str, Any] = {}
        for name, value in raw.items():
            if isinstance(value, list) and len(value) == 3 and isinstance(value[2], bytes):
                value = unpack(msgspec.convert(value, ArrayFrame))
                if not np.isfinite(value).all():
                    raise BadFrame(f"arm description: {name} is not finite")
            values[name] = tuple(value) if isinstance(value, list) else value
        return ArmSpec(**values)
    except (msgspec.MsgspecError, RecursionError, TypeError, ValueError) as error:
        raise BadFrame(f"arm description: {error}"[:300]) from None
