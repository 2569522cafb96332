"""Who reads sentences into programs: the same settings for every command, those of the planner `program`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from palme.cli.errors import UsageError

RETIRED = {"adapter": "weights"}
"""Settings of the former group `reader` that are called otherwise now."""


@dataclass(frozen=True, kw_only=True)
class LocalReaderSettings:
    """A language model on this machine that reads sentences.

    Attributes:
        model: one that `palme setup language` brought, or a folder; with an endpoint, its name there.
        weights: folder of the adapter that `palme train programs` made; null = the shipped one.
        in_context: true puts examples before every sentence, in place of the shipped adapter.
        precision: of the weights; auto = what this processor is fast at.
    """

    model: str
    weights: Path | None
    in_context: bool = False
    precision: Literal["auto", "bf16", "int8", "fp32"] = "auto"


@dataclass(frozen=True, kw_only=True)
class ReaderSettings(LocalReaderSettings):
    """A language model that reads sentences, here or behind an endpoint, and what is acted on.

    Attributes:
        endpoint: root of an OpenAI-compatible API that reads in place of a local model, with examples in
            context; https, or http on this machine. null = none.
        checks: false acts on every reading, however unsure (docs/understanding.md).
        threshold: least confidence of what is acted on, in [0, 1]; null = as calibrated.
    """

    endpoint: str | None = None
    checks: bool = True
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.endpoint is not None and self.weights is not None:
            raise UsageError("planner.endpoint and planner.weights: an endpoint has its own; name one")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UsageError(f"planner.threshold={self.threshold:g}: a confidence lies in [0, 1]")


def renamed(key: str) -> str:
    """What a setting of the former group `reader` is called now; "" = `key` is none."""
    group, _, name = key.partition(".")
    now = RETIRED.get(name, name)
    known = group == "reader" and now in {field.name for field in fields(ReaderSettings)}
    return f"planner.{now}" if known else ""
