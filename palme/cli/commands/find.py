"""`palme find "a red block in a blue bowl" DATASET`: moments of a data set by text or picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError
from palme.cli.out_lock import locked
from palme.cli.settings.data import FindConfig
from robots.files import write_texts

if TYPE_CHECKING:
    from palme.data.reader import Dataset
    from palme.models.clip.base import Clip, Vectors
    from palme.models.clip.search import Hit
    from palme.report.found_page import Moment

PILE, SOLID = (
    0.19,
    0.095,
)  # of a picture's width: a bowl or pile, a single thing, as the front camera sees them
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


def main(arguments: Sequence[str]) -> int:
    """Print the moments and write a page of them. Returns 0, or 1 where the data set shows no picture."""
    from palme.data.errors import DataError
    from palme.data.reader import Dataset
    from palme.models.clip.load import load_clip
    from palme.models.clip.search import apart

    words = [word for word in arguments if not is_override(word)]
    config = load(FindConfig, [word for word in arguments if is_override(word)])
    if len(words) != 2:
        raise UsageError('expected WHAT and DATASET: palme find "a red block in a blue bowl" out/recorded')
    query, path = words
    try:
        dataset = Dataset(path)
        camera = _camera(dataset, config.view)
        with locked(Path(config.out)):
            hits = _hits(load_clip(config.clip), query, dataset, camera, config)
            best = apart(hits, config.n, round(config.apart_s * dataset.fps))
            moments = [_moment(dataset, camera, hit) for hit in best]
            _write(Path(config.out), query, path, moments)
        dataset.close()
    except DataError as error:
        raise UsageError(str(error)) from error
    for m in moments:
        print(f"episode {m.episode:>4}  {m.seconds:6.1f} s  {m.score:6.3f}  {m.task}")
    print(Path(config.out) / "found.html")
    return 0 if moments else 1


def _camera(dataset: Dataset, name: str) -> str:
    """The feature of the camera whose pictures are searched."""
    if not dataset.cameras:
        raise UsageError(f"{dataset.root}: the data set has no camera; record one with cameras")
    if name and name not in dataset.cameras:
        raise UsageError(f"view={name}: the data set has {', '.join(dataset.cameras)}; name one of them")
    chosen = name or ("front" if "front" in dataset.cameras else dataset.cameras[0])
    return dataset.video_keys[dataset.cameras.index(chosen)]


def _hits(clip: Clip, query: str, dataset: Dataset, camera: str, config: FindConfig) -> list[Hit]:
    from palme.cli.progress import Progress
    from palme.models.clip.search import search

    wanted, unlike, shares = _query(clip, query)
    stride = max(1, round(dataset.fps / config.per_second))

    def pictures() -> Iterator[tuple[tuple[int, int], Any]]:
        for number, entry in enumerate(dataset.entries):
            for frame in range(0, entry.length, stride):
                yield (number, frame), dataset.image(entry, camera, frame)

    total = sum(len(range(0, entry.length, stride)) for entry in dataset.entries)
    found = []
    with Progress("pictures", total, "picture") as bar:
        for hit in search(clip, wanted, unlike, pictures(), shares):
            found.append(hit)
            bar.update()
    return found


def _query(clip: Clip, query: str) -> tuple[Vectors, Vectors, tuple[float, ...]]:
    """Vector of what is searched for, those of what it must be told from, and the windows' edges."""
    from palme.planners.clip.outcome import Wanted

    if query.lower().endswith(PICTURES):
        return clip.images(_picture(query))[0], np.zeros((0, 1), np.float32), (PILE, SOLID)
    for word, is_in in ((" in ", True), (" on ", False)):
        what, found, target = query.partition(word)
        if found:
            return clip.texts([query])[0], clip.texts(Wanted(what, target, is_in).others), (PILE,)
    return clip.texts([query])[0], np.zeros((0, 1), np.float32), (PILE,) if "bowl" in query else (SOLID,)


def _picture(path: str) -> Any:
    """(1, H, W, 3) uint8 of a picture's file. Raises UsageError: there is none."""
    from PIL import Image

    try:
        rgb = np.asarray(Image.open(path).convert("RGB"))
    except OSError as error:
        raise UsageError(f"{path}: no picture can be read there; name a PNG or JPEG file") from error
    side = min(rgb.shape[:2])
    top, left = ((n - side) // 2 for n in rgb.shape[:2])
    return rgb[None, top : top + side, left : left + side]


def _moment(dataset: Dataset, camera: str, hit: Hit) -> Moment:
    from palme.report.found_page import Moment

    number, frame = hit.key
    entry, half = dataset.entries[number], hit.across / 2
    u, v = hit.u, hit.v
    box = (round(u - half), round(v - half), round(u + half), round(v + half))
    task = dataset[entry.start + frame].task
    rgb = np.array(dataset.image(entry, camera, frame))
    return Moment(number, frame, frame / dataset.fps, hit.score, task, rgb, box)


def _write(out: Path, query: str, dataset: str, moments: Sequence[Moment]) -> None:
    from palme.report.found_page import found_page

    rows = [
        {"episode": m.episode, "frame": m.frame, "seconds": round(m.seconds, 3), "score": round(m.score, 4),
         "task": m.task, "box": list(m.box)}
        for m in moments
    ]  # fmt: skip
    content = {"query": query, "dataset": dataset, "moments": rows}
    write_texts(
        {
            out / "found.json": json.dumps(content, indent=2) + "\n",
            out / "found.html": found_page(query, dataset, moments),
        }
    )
