"""Encoders by configuration: `configs/encoder/*.yaml` name a kind and its keywords."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn


def _pretrained(model: str, layer: int = -2, freeze: bool = True, image_size: int | None = None) -> nn.Module:
    from palme.models.encoders.pretrained import PretrainedEncoder

    return PretrainedEncoder.from_pretrained(model, layer=layer, freeze=freeze, image_size=image_size)


def _small(dim: int = 64, rows: int = 8, columns: int = 8) -> nn.Module:
    from palme.models.encoders.small import SmallEncoder

    return SmallEncoder(dim=dim, rows=rows, columns=columns)


def _state(state_dim: int, dim: int = 64, hidden: int = 128) -> nn.Module:
    from palme.models.encoders.state import StateEncoder

    return StateEncoder(state_dim, dim, hidden)


KINDS: dict[str, Callable[..., nn.Module]] = {"pretrained": _pretrained, "small": _small, "state": _state}


class BadEncoderConfig(ValueError):
    """An encoder's configuration names a kind or a key that does not exist."""


def build_encoder(config: Mapping[str, Any]) -> nn.Module:
    """The encoder that `config` names: `kind`, one of `KINDS`, and that kind's own keys.

    Raises:
        BadEncoderConfig: for an unknown kind or key, with what there is and the nearest.
    """
    keys = {key: value for key, value in config.items() if key not in ("kind", "name")}
    kind = str(config.get("kind"))
    if kind not in KINDS:
        raise BadEncoderConfig(_unknown("kind of encoder", kind, KINDS))
    known = inspect.signature(KINDS[kind]).parameters
    for key in keys:
        if key not in known:
            raise BadEncoderConfig(_unknown(f"key of encoder {kind}", key, known))
    return KINDS[kind](**keys)


def _unknown(what: str, word: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.0)
    return f"unknown {what} {word!r}. There are: {', '.join(known)}. Nearest: {near[0]}"
