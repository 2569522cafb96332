"""Search of pictures by text or picture: which window of which picture shows it best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palme.models.clip.base import Clip, Vectors
from palme.perception.square_crops import window

STEP = 3  # windows along the edge of one: each overlaps its neighbours by two thirds


@dataclass(frozen=True)
class Hit:
    """The best window of one picture.

    Attributes:
        key: of the picture.
        score: cosine with what is searched for, less the best cosine with what it must be told from.
        u, v: middle of the window in [px].
        across: edge of the window in [px].
    """

    key: tuple[int, int]
    score: float
    u: float
    v: float
    across: float


def windows(height: int, width: int, across: float) -> NDArray[np.float64]:
    """(N, 2) middles (u, v) in [px] of overlapping square windows that cover a picture."""
    pitch = max(across / STEP, 1.0)
    u = np.arange(across / 2, max(width - across / 2, across / 2) + 1e-6, pitch)
    v = np.arange(across / 2, max(height - across / 2, across / 2) + 1e-6, pitch)
    return np.stack(np.meshgrid(u, v), -1).reshape(-1, 2)


def search(
    clip: Clip,
    wanted: Vectors,
    unlike: Vectors,
    pictures: Iterable[tuple[tuple[int, int], NDArray[np.uint8]]],
    shares: Sequence[float],
) -> Iterator[Hit]:
    """The best window of each picture.

    Args:
        clip: pictures and texts in one space.
        wanted: (D,) unit vector of the text or picture that is searched for.
        unlike: (M, D) of what it must be told from; may be empty.
        pictures: key and uint8 (H, W, 3) of each.
        shares: edges of the windows, as shares of a picture's width.
    """
    for key, rgb in pictures:
        h, w = rgb.shape[:2]
        places = [(u, v, share * w) for share in shares for u, v in windows(h, w, share * w)]
        vectors = clip.images(np.stack([window(rgb, *place) for place in places]))  # (N, D)
        scores = vectors @ wanted
        if len(unlike):
            scores = scores - (vectors @ unlike.T).max(1)
        best = int(scores.argmax())
        yield Hit(key, float(scores[best]), *places[best])


def apart(hits: Sequence[Hit], n: int, gap: int) -> list[Hit]:
    """The `n` best, of each episode none within `gap` frames of a better one; keys are (episode, frame)."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda one: -one.score):
        near = any(one.key[0] == hit.key[0] and abs(one.key[1] - hit.key[1]) < gap for one in kept)
        if not near:
            kept.append(hit)
        if len(kept) == n:
            break
    return kept
