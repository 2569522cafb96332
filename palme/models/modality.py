"""Modalities: each kind of observation that may stand in a sentence, described in configs/modality/*.yaml.

A new sense costs one encoder file (`palme/models/encoders/`), one YAML there, and one line in the contract
test; sentence, processor, model and report use this registry and name no sense.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

CONFIG_DIR = Path(__file__).resolve().parents[2] / "configs" / "modality"

Addressing = Literal["one", "name", "index"]
Shown = Literal["numbers", "picture", "object", "text"]


class BadModality(ValueError):
    """A description of a modality that cannot be used; the message names the key and what it takes."""


@dataclass(frozen=True)
class Modality:
    """One kind of observation.

    Attributes:
        name: for people: "image".
        placeholder: what stands in the sentence: "img".
        addressing: "one" (`<state>`), by "name" (`<img:front>`) or by "index" (`<obj:3>`, from 1).
        encoder: its kind and keywords, see `palme.models.build.build_encoder`.
        connector: its kind and keywords, see `palme.models.build.build_connector`.
        tokens: soft tokens that a placeholder stands for; None = one for each of the observation's features.
        shown: how a report draws it.
    """

    name: str
    placeholder: str
    addressing: Addressing = "one"
    encoder: Mapping[str, Any] = field(default_factory=lambda: {"kind": "features"})
    connector: Mapping[str, Any] = field(default_factory=lambda: {"kind": "linear"})
    tokens: int | None = 1
    shown: Shown = "text"

    def __post_init__(self) -> None:
        if not self.placeholder.isidentifier() or not self.placeholder.islower():
            raise BadModality(
                f"modality {self.name}: placeholder {self.placeholder!r} must be one lower-case word"
            )
        for key, legal in (("addressing", get_args(Addressing)), ("shown", get_args(Shown))):
            if getattr(self, key) not in legal:
                raise BadModality(
                    f"modality {self.name}: {key} {getattr(self, key)!r} is none of {', '.join(legal)}"
                )
        if not (self.tokens is None or self.tokens >= 1):
            raise BadModality(f"modality {self.name}: tokens {self.tokens} must be at least 1, or null")

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Modality:
        """The modality of a YAML file's mapping.

        Raises:
            BadModality: for a key that does not exist or is missing.
        """
        known = {f.name for f in fields(cls)}
        if wrong := sorted(set(config) - known):
            raise BadModality(f"modality: unknown key {wrong[0]!r}; there are {', '.join(sorted(known))}")
        if missing := [key for key in ("name", "placeholder") if key not in config]:
            raise BadModality(f"modality: {missing[0]} is missing")
        return cls(**config)

    def to_dict(self) -> dict[str, Any]:
        """The mapping that `from_dict` reads."""
        return asdict(self)

    def n_tokens(self, observation: Any) -> int:
        """Soft tokens that a placeholder of this observation stands for."""
        return len(observation) if self.tokens is None else self.tokens


def modality(name: str) -> Modality:
    """The modality called `name` ("image").

    Raises:
        BadModality: if there is none, with those there are.
    """
    found = [m for m in modalities() if m.name == name]
    if not found:
        names = ", ".join(sorted(m.name for m in modalities()))
        raise BadModality(f"unknown modality {name!r}; there are {names}")
    return found[0]


def modality_at(placeholder: str) -> Modality | None:
    """The modality whose placeholder begins with this word ("img"), None = no modality has it."""
    return _registered().get(placeholder)


def modalities() -> Iterator[Modality]:
    """All registered modalities."""
    return iter(_registered().values())


def register(new: Modality) -> Modality:
    """Add a modality that has no file in configs/modality.

    Raises:
        BadModality: if its placeholder belongs to another one.
    """
    held = _registered().setdefault(new.placeholder, new)
    if held != new:
        raise BadModality(f"<{new.placeholder}> belongs to modality {held.name}; choose another placeholder")
    return new


def load(path: Path) -> Modality:
    """The modality that a YAML file describes.

    Raises:
        BadModality: if it describes none.
    """
    import yaml

    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(config, Mapping):
        raise BadModality(f"{path}: expected a mapping of a modality's keys, see configs/modality/image.yaml")
    return Modality.from_dict(config)


@cache
def _registered() -> dict[str, Modality]:
    found = [load(path) for path in sorted(CONFIG_DIR.glob("*.yaml"))]
    return {m.placeholder: m for m in found}
