"""Typed observations in one safetensors file: arrays by name, and what they belong to as JSON beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from palme.weight_files import BadWeights, metadata_of
from robots import senses, types
from robots.files import replacing

REMEDY = "delete it; it is made again"
# the only types that a file may name
TYPES = {
    name: kind
    for module in (types, senses)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and is_dataclass(kind)
}


def save_observations(
    path: Path, observations: Sequence[Mapping[str, Any]], truths: Sequence[Mapping[str, str]]
) -> None:
    """Write what was measured of each event, by sensor (dataclasses of `TYPES`), and what is true of it."""
    from safetensors.numpy import save_file

    arrays: dict[str, np.ndarray] = {}
    rows = [_taken_apart(o, str(k), arrays) for k, o in enumerate(observations)]
    described = json.dumps({"observations": rows, "truths": [dict(t) for t in truths]})
    with replacing(path) as file:
        save_file(arrays, file, metadata={"described": described})


def load_observations(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """What `save_observations` wrote.

    Raises:
        WeightsMissing, BadWeights: there is no such file, or it is damaged or another one, with the remedy.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        described = json.loads(metadata_of(path, REMEDY)["described"])
        arrays = load_file(path)
        rows = described["observations"]
        return [_put_together(row, arrays) for row in rows], list(described["truths"])
    except (KeyError, ValueError, TypeError, SafetensorError) as error:
        raise BadWeights(f"{path}: holds no observations ({error}); {REMEDY}") from error


def _taken_apart(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        arrays[name] = np.ascontiguousarray(value)
        return {"array": name}
    if is_dataclass(value):
        inside = {
            f.name: _taken_apart(getattr(value, f.name), f"{name}.{f.name}", arrays) for f in fields(value)
        }
        return {"type": type(value).__name__, "fields": inside}
    if isinstance(value, Mapping):
        return {"mapping": {k: _taken_apart(v, f"{name}.{k}", arrays) for k, v in value.items()}}
    if isinstance(value, tuple):
        return {"tuple": [_taken_apart(v, f"{name}.{k}", arrays) for k, v in enumerate(value)]}
    return {"value": value}


def _put_together(row: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Any:
    if "array" in row:
        return arrays[row["array"]]
    if "type" in row:
        return TYPES[row["type"]](**{k: _put_together(v, arrays) for k, v in row["fields"].items()})
    if "mapping" in row:
        return {k: _put_together(v, arrays) for k, v in row["mapping"].items()}
    if "tuple" in row:
        return tuple(_put_together(v, arrays) for v in row["tuple"])
    return row["value"]
