"""Weights of a `Decoder` as it computes with them, kept in the cache: merged, joined, in their final type.

To make them from the files of a model and an adapter takes as long as all the rest of loading.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from torch import Tensor

from palme.models.pretrained.cache import cache_root
from palme.weight_files import WeightsError, read_weights
from robots.files import replacing

KEPT = 2
"""Models with their adapters that are kept; of more, those that were read longest ago go."""
LEAST = 2**26
"""Size in bytes from which on they are kept: smaller ones are made as fast as they are read."""
ABANDONED_S = 3600.0
"""Seconds after which an unfinished file is one that its process left."""
FORM = 1
"""Of the tensors; another one makes the files of former versions of this code unread."""


def prepared(sources: list[Path], precision: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors that `make` makes of the files `sources`, from the cache where they are there.

    A file there that is damaged is made anew. Where the cache cannot be written, they are made every time.

    Args:
        sources: files; a changed one is another model. Where one is missing, `make` says so.
        precision: of the decoder.
        make: makes them.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    if not all(file.is_file() for file in sources) or sum(file.stat().st_size for file in sources) < LEAST:
        return make()
    file = cache_root() / "prepared" / f"{_key(sources, precision)}.safetensors"
    try:
        found = read_weights(file, "it is made anew")
    except (OSError, WeightsError):
        pass
    else:
        with suppress(OSError):  # a cache that can be read alone
            os.utime(file)
        return found
    made = make()
    try:
        with replacing(file) as beside:
            _make_room(file.parent)
            save_file({name: tensor.contiguous() for name, tensor in made.items()}, beside)
    except (OSError, SafetensorError):  # a cache that cannot be written: they are made at every start
        pass
    return made


def _make_room(folder: Path) -> None:
    """Delete all but the newest, so that one more may come, and what a process that ended left."""
    ages = {file: time.time() - file.stat().st_mtime for file in folder.iterdir() if file.is_file()}
    whole = [file for file in ages if file.suffix == ".safetensors" and not file.name.startswith(".")]
    left = [file for file in ages if file not in whole and ages[file] > ABANDONED_S]
    for file in [*sorted(whole, key=ages.__getitem__)[KEPT - 1 :], *left]:
        file.unlink(missing_ok=True)


def _key(sources: list[Path], precision: str) -> str:
    what: list[object] = [FORM, precision]
    for file in sources:
        now = file.resolve().stat()
        what.append([str(file.resolve()), now.st_size, now.st_mtime_ns])
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]
