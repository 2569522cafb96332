"""The cache of pretrained models: a folder a model, in the form that `transformers` saves."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READY = "palme.json"
"""Written last into a model's folder: where it came from. Without it the folder is unfinished."""


class NotSetUp(Exception):
    """A pretrained model is not in the cache; says how it comes there."""


def cache_root() -> Path:
    """`$PALME_CACHE`, else `palme` in `$XDG_CACHE_HOME`, else in `~/.cache`."""
    own = os.environ.get("PALME_CACHE")
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "palme"


def folder_of(name: str) -> Path:
    """Where the model `name` lies, whether it is there or not."""
    return cache_root() / "models" / name


def is_ready(name: str) -> bool:
    """Whether the model `name` is there, finished."""
    return (folder_of(name) / READY).is_file()


def require(name: str) -> Path:
    """The folder of the model `name`.

    Raises:
        NotSetUp: it is not there.
    """
    if not is_ready(name):
        raise NotSetUp(
            f"the language model {name} is not on this machine; bring it with `palme setup language`"
        )
    return folder_of(name)


@contextmanager
def filling(name: str, origin: dict[str, str]) -> Iterator[Path]:
    """An empty folder that becomes the model's once the block ends well; else nothing is left of it.

    Args:
        origin: what is written into `READY`: where it came from, its licence.
    """
    target = folder_of(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target.parent))
    try:
        yield made
        (made / READY).write_text(json.dumps(origin, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)  # an unfinished one
        made.replace(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
