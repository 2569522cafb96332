"""Detections of the trained detector in scenes with a known state, as training data of the planner."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from palme.perception.objects import PerceivedObjects
from palme.training.datasets.examples import Example
from palme.training.datasets.questions import QuestionMaker
from palme.training.datasets.tasks import TaskSource, goal_of
from robots.files import replacing

_FIELDS = ("class_probs", "size_probs", "xyz", "score", "pixel", "feature")


class BadPerceivedFile(ValueError):
    """A file that `save_perceived` did not write."""


def save_perceived(
    path: Path | str, seen: Sequence[PerceivedObjects], found: Sequence[Sequence[int]], states: Sequence[Any]
) -> None:
    """One .npz of M scenes.

    Args:
        path: the file.
        seen: detections of each scene.
        found: for each scene and each detection, the index of the true object, -1 = a false detection.
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
    with replacing(Path(path)) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


class PerceivedFile:
    """Reader of a file of `save_perceived`; its length is the number of scenes.

    Args:
        path: the file.
        feature_dim: 0 leaves the detector's feature out.

    Raises:
        BadPerceivedFile: if the file cannot be read or lacks an array.
    """

    def __init__(self, path: Path | str, feature_dim: int = 0) -> None:
        try:
            with np.load(path, allow_pickle=False) as read:
                self._arrays = {name: read[name] for name in read.files}
        except (OSError, ValueError) as error:
            raise BadPerceivedFile(f"{path}: cannot be read as perceived scenes: {error}") from None
        missing = {*_FIELDS, "count", "holder_probs", "found", "n_objects", "holder"} - set(self._arrays)
        if missing:
            raise BadPerceivedFile(
                f"{path}: lacks {', '.join(sorted(missing))}; write it with save_perceived"
            )
        self.feature_dim = feature_dim
        count = self._arrays["count"]
        self._rows = np.concatenate([[0], np.cumsum(count)])
        self._cells = np.concatenate([[0], np.cumsum(count * (count + 1))])
        self._things = np.concatenate([[0], np.cumsum(self._arrays["n_objects"])])

    def __len__(self) -> int:
        return len(self._arrays["count"])

    def scene(
        self, i: int
    ) -> tuple[dict[str, np.ndarray], list[int], list[tuple[str, str, str]], list[int | None]]:
        """(fields, found, (colour, kind, size) of each true object, true holders)."""
        a, rows = self._arrays, slice(self._rows[i], self._rows[i + 1])
        n = int(a["count"][i])
        fields = {name: a[name][rows] for name in _FIELDS}
        if not self.feature_dim:
            fields.pop("feature")
        fields["holder_probs"] = a["holder_probs"][self._cells[i] : self._cells[i + 1]].reshape(n, n + 1)
        things = slice(self._things[i], self._things[i + 1])
        specs = [(str(c), str(k), str(s)) for c, k, s in a["colour_kind_size"][things]]
        holder = [None if h < 0 else int(h) for h in a["holder"][things]]
        return fields, [int(f) for f in a["found"][rows]], specs, holder


def shuffled(
    fields: dict[str, np.ndarray], found: Sequence[int], rng: random.Random
) -> tuple[dict[str, Any], list[int]]:
    """The same scene, its objects listed in another order."""
    n = len(found)
    order = list(range(n))
    rng.shuffle(order)
    new = {name: array[order] for name, array in fields.items()}
    new["holder_probs"] = fields["holder_probs"][order][:, [*order, n]]
    return new, [found[k] for k in order]


class DetectedQuestions:
    """Questions about scenes with the trained detector's detections, with the true answers.

    A false detection is listed but in no answer; questions never concern an object that was not detected.

    Args:
        source: tasks; `on_state` and `make_state` are needed.
        file: the scenes.
        seed: of all draws.
        follow_ups: see `QuestionMaker`.
        read: see `QuestionMaker`.

    Raises:
        ValueError: if `source` lacks a function.
    """

    def __init__(
        self,
        source: TaskSource,
        file: PerceivedFile,
        seed: int,
        follow_ups: float = 0.4,
        read: bool = False,
    ) -> None:
        if source.on_state is None or source.make_state is None:
            raise ValueError("perceived scenes need a TaskSource with on_state and make_state")
        self._on_state, self._make_state = source.on_state, source.make_state
        self._file = file
        self._questions = QuestionMaker(source, seed, follow_ups=follow_ups, read=read)
        self.rng = self._questions.rng
        self.vocabulary = self._questions.vocabulary

    def example(self, split: str = "train", scene: int | None = None, kind: str = "") -> Example:
        """One sequence about scene number `scene`; None and "" draw the scene and the kind of question."""
        rng = self.rng
        while True:
            fields, found, specs, holder = self._file.scene(
                rng.randrange(len(self._file)) if scene is None else scene
            )
            state = self._make_state(specs, holder)
            task = self._on_state(rng, split, state)
            if task is None:
                continue
            fields, found = shuffled(fields, found, rng)
            task = self._questions.reworded(task, goal_of(task)) if split == "train" else task
            goal = goal_of(task)
            listed, rows = [], []
            for row, i in enumerate(found):
                if i >= 0 and i not in listed:
                    listed.append(i)
                    rows.append(row)
            names = [f"{o.colour}_{o.kind}" for o in state.objects]
            undetected = {names[i] for i in range(len(names)) if i not in listed}
            if undetected & set(goal.order) or any(names[h] in undetected for h in holder if h is not None):
                continue
            if goal.kind == "match" and any(w.endswith("_block") for w in undetected):
                continue
            return self._questions.build(
                kind or self._draw_kind(), goal, task.instruction, state, listed, fields, task
            )

    def _draw_kind(self) -> str:
        u = self.rng.random()
        return "success" if u < 0.08 else "vqa" if u < 0.14 else "next"
