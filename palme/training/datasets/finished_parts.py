"""The parts of a folder that `palme collect` finished."""

from __future__ import annotations

from pathlib import Path

DONE = "done.json"
"""Written last into a part: one without it is not finished."""


def finished_parts(folder: str | Path, parts: slice, remedy: str) -> list[Path]:
    """Which folders of `folder` are finished parts, by name, and of these `parts`.

    Raises:
        FileNotFoundError: none is; the message ends with `remedy`.
    """
    there = Path(folder).iterdir() if Path(folder).is_dir() else iter(())
    found = sorted(part for part in there if (part / DONE).exists())[parts]
    if not found:
        raise FileNotFoundError(f"{folder}: no finished part (a folder with {DONE}); {remedy}")
    return found
