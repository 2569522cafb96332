"""Encoders and connectors from configuration: a kind and that kind's keywords."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from palme.models.connectors import CONNECTORS
from palme.models.connectors.base import Connector
from palme.models.encoders import ENCODERS
from palme.models.encoders.base import Encoder
from palme.registry import UnknownName


def build_encoder(config: Mapping[str, Any]) -> Encoder:
    """The encoder that `config` describes: `kind`, one of `ENCODERS`, and that kind's keywords.

    Raises:
        UnknownName: for an unknown kind or keyword, with those that exist and the nearest.
    """
    kind, keywords = _parts(config)
    encoder = ENCODERS[kind]
    _check(f"key of encoder {kind}", keywords, encoder.from_config, encoder.__init__)
    return encoder.from_config(**keywords)


def build_connector(config: Mapping[str, Any], d_encoder: int, d_lm: int) -> Connector:
    """The connector that `config` describes, from features of width `d_encoder` to soft tokens of `d_lm`.

    Raises:
        UnknownName: for an unknown kind or keyword, with those that exist and the nearest.
    """
    kind, keywords = _parts(config)
    connector = CONNECTORS[kind]
    _check(f"key of connector {kind}", keywords, connector.__init__)
    return connector(d_encoder, d_lm, **keywords)


def _parts(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    keywords = {key: value for key, value in config.items() if key not in ("kind", "name")}
    return str(config.get("kind")), keywords


def _check(what: str, keywords: Mapping[str, Any], *functions: Any) -> None:
    known = {
        name for f in functions for name, p in inspect.signature(f).parameters.items() if _named(name, p)
    }
    for key in keywords:
        if key not in known:
            raise UnknownName(what, key, known)


def _named(name: str, parameter: inspect.Parameter) -> bool:
    return parameter.kind is not parameter.VAR_KEYWORD and name not in ("self", "cls", "d_encoder", "d_lm")
