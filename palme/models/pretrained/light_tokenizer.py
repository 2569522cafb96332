"""A tokenizer without `transformers`, whose import alone takes seconds: kept in the cache as that made it.

`transformers` changes what a file says, such as how letters with accents are written, so that the file alone
is not enough.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from palme.model_folders import VOCABULARIES, load_tokenizer
from palme.models.pretrained.cache import cache_root
from robots.files import write_text

SPECIAL = ("eos_token_id", "bos_token_id", "pad_token_id", "unk_token_id")

FILES = (*VOCABULARIES, "*token*.json", "vocab*", "merges*", "*.model", "config.json")
"""Patterns of the files that a tokenizer is made of."""


class LightTokenizer:
    """As much of a tokenizer of `transformers` as a reader of programs needs.

    Args:
        tokenizer: of the library `tokenizers`.
        special: ids by the names in `SPECIAL`; None = it has none.
    """

    def __init__(self, tokenizer: Any, special: Mapping[str, int | None]) -> None:
        self._tokenizer = tokenizer
        self.eos_token_id, self.bos_token_id, self.pad_token_id, self.unk_token_id = (
            special[name] for name in SPECIAL
        )

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        """Ids of the tokens of `text`, under "input_ids"."""
        return {"input_ids": self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids}

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of `ids`."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens))


def light_tokenizer(folder: Path, remedy: str) -> Any:
    """The tokenizer of a model's folder, a light one where it can be.

    Raises:
        WeightsMissing, BadWeights: see `palme.model_folders.load_tokenizer`.
    """
    file = cache_root() / "tokenizers" / f"{_key(folder)}.json"
    try:
        return _light(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # it was not kept yet, or is damaged
    slow = load_tokenizer(folder, remedy)
    backend = getattr(slow, "backend_tokenizer", None)
    if backend is None:
        return slow
    kept = {"tokenizer": backend.to_str(), "special": {name: getattr(slow, name) for name in SPECIAL}}
    with suppress(OSError):  # a cache that cannot be written: it takes its time at every start
        write_text(file, json.dumps(kept))
    return _light(kept)


def _light(kept: Mapping[str, Any]) -> LightTokenizer:
    """Raises ValueError, KeyError or TypeError for what is no kept tokenizer."""
    from tokenizers import Tokenizer

    special = {name: kept["special"][name] for name in SPECIAL}
    if not all(id is None or isinstance(id, int) for id in special.values()):
        raise ValueError("ids of special tokens are whole numbers")
    try:
        tokenizer = Tokenizer.from_str(kept["tokenizer"])
    except Exception as error:  # the library raises nothing more special
        raise ValueError(str(error)) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return LightTokenizer(tokenizer, special)


def _key(folder: Path) -> str:
    files = sorted({file for pattern in FILES for file in folder.glob(pattern)})
    what: list[object] = [version("transformers"), version("tokenizers"), str(folder.resolve())]
    for file in files:
        now = file.stat()
        what.append([file.name, now.st_size, now.st_mtime_ns])
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]
