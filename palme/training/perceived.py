"""What the trained eyes saw of scenes whose true state is known: the planner's stage `joined` learns from it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from palme.perception.objects import PerceivedObjects

_FIELDS = ("class_probs", "size_probs", "xyz", "score", "pixel", "feature")


class BadPerceivedFile(ValueError):
    """A file that `save_perceived` did not write."""


def save_perceived(
    path: Path | str, seen: Sequence[PerceivedObjects], found: Sequence[Sequence[int]], states: Sequence[Any]
) -> None:
    """One .npz of M scenes.

    Args:
        seen: what the eyes reported of each scene.
        found: for each scene and each reported object, the index of the true object, -1 = a ghost.
        states: `SceneState` of each scene.
    """
    arrays: dict[str, np.ndarray] = {"count": np.array([len(s) for s in seen], np.int32)}
    for name in _FIELDS:
        arrays[name] = np.concatenate([np.asarray(getattr(s, name), np.float32) for s in seen])
    arrays["holder_probs"] = np.concatenate([np.asarray(s.holder_probs, np.float32).ravel() for s in seen])
    arrays["found"] = np.concatenate([np.asarray(f, np.int32) for f in found])
    arrays["n_objects"] = np.array([len(s.objects) for s in states], np.int32)
    arrays["colour_kind_size"] = np.array([[o.colour, o.kind, o.size] for s in states for o in s.objects])
    arrays["holder"] = np.array([-1 if h is None else h for s in states for h in s.holder], np.int32)
    np.savez(path, **arrays)  # type: ignore[arg-type]


class PerceivedFile:
    """Reads such a file; `scene(i)` gives the fields of `PerceivedObjects`, `found` and the true state."""

    def __init__(self, path: Path | str, feature_dim: int = 0) -> None:
        try:
            with np.load(path, allow_pickle=False) as read:
                self._arrays = {name: read[name] for name in read.files}
        except (OSError, ValueError) as error:
            raise BadPerceivedFile(f"{path}: cannot be read as perceived scenes: {error}") from None
        missing = {*_FIELDS, "count", "holder_probs", "found", "n_objects", "holder"} - set(self._arrays)
        if missing:
            raise BadPerceivedFile(f"{path}: lacks {', '.join(sorted(missing))}; write it with save_perceived")
        self.feature_dim = feature_dim
        count = self._arrays["count"]
        self._rows = np.concatenate([[0], np.cumsum(count)])
        self._cells = np.concatenate([[0], np.cumsum(count * (count + 1))])
        self._things = np.concatenate([[0], np.cumsum(self._arrays["n_objects"])])

    def __len__(self) -> int:
        return len(self._arrays["count"])

    def scene(self, i: int) -> tuple[dict[str, np.ndarray], list[int], list[tuple[str, str, str]], list[int | None]]:
        """(fields, found, (colour, kind, size) of each true object, true holders)."""
        a, rows = self._arrays, slice(self._rows[i], self._rows[i + 1])
        n = int(a["count"][i])
        fields = {name: a[name][rows] for name in _FIELDS}
        if not self.feature_dim:
            fields.pop("feature")
        fields["holder_probs"] = a["holder_probs"][self._cells[i] : self._cells[i + 1]].reshape(n, n + 1)
        things = slice(self._things[i], self._things[i + 1])
        looks = [(str(c), str(k), str(s)) for c, k, s in a["colour_kind_size"][things]]
        holder = [None if h < 0 else int(h) for h in a["holder"][things]]
        return fields, [int(f) for f in a["found"][rows]], looks, holder


def shuffled(fields: dict[str, np.ndarray], found: Sequence[int], rng: random.Random) -> tuple[dict[str, Any], list[int]]:
    """The same scene, its objects listed in another order."""
    n = len(found)
    order = list(range(n))
    rng.shuffle(order)
    new = {name: array[order] for name, array in fields.items()}
    new["holder_probs"] = fields["holder_probs"][order][:, [*order, n]]
    return new, [found[k] for k in order]


class SeenQuestions:
    """Placeholder of the joined stage's question maker."""

    def __init__(self, source: Any, file: PerceivedFile, seed: int) -> None:
        raise NotImplementedError
