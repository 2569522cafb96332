"""What was seen before and cannot be seen now, because something is on it or before it, is still there."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from palme.perception.hidden import is_empty
from palme.perception.objects import PerceivedObjects
from robots.skills import Location
from robots.types import Observation

LEAST_SEEN = 2
"""Pictures in which a thing was seen before it is remembered: a detector errs in single ones."""
SURE = 0.5
"""Least probability of its class in them."""
SAME = (0.028, 0.026)
"""[m] sideways and up or down within which two detections of solids are of one."""
STAYED = 0.03
"""[m] between two detections of a thing that nobody moved."""


@dataclass(frozen=True)
class _Known:
    """A thing as it was seen last: its row, the name of what held it (None = the table), and how often."""

    row: PerceivedObjects  # N = 1
    holder: str | None
    n: int


class RememberedObjects:
    """Adds to the detections of a run's pictures what they hide.

    A thing is known by its name, so of several alike nothing is remembered. It is forgotten where a picture
    with depth shows that its place is empty, and as it is moved.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def forget(self) -> None:
        """Another run begins."""
        self._known.clear()

    def update(
        self, objects: PerceivedObjects, observation: Observation, moved: str = ""
    ) -> PerceivedObjects:
        """`objects` of a picture, with the rows of what is hidden in it at the end.

        Args:
            observation: the picture.
            moved: name of what the last step was about, "" = nothing; it is where it is seen.
        """
        self._known.pop(moved, None)
        hidden = [
            name
            for name, known in self._known.items()
            if known.n >= LEAST_SEEN
            and not objects.sees(name)
            and not is_empty(observation, _place(known.row))
        ]
        renamed = {
            name: row for name in hidden if (row := self._taken_for_another(objects, name)) is not None
        }
        if renamed:
            classes = objects.class_probs.copy()
            for name, row in renamed.items():
                classes[row] = self._known[name].row.class_probs[0]
            objects = replace(objects, class_probs=classes)
        unseen = [name for name in hidden if name not in renamed]
        full = self._joined(objects, unseen, moved) if unseen else objects
        self._note(objects)
        return full

    def _taken_for_another(self, objects: PerceivedObjects, name: str) -> int | None:
        """The row of a solid that is where `name` was and looks like nothing that was there before.

        Of what lies under another thing only a side is seen, which the detector names badly.
        """
        at = self._known[name].row.xyz[0]
        for i in range(len(objects)):
            other = self._known.get(objects.name(i))
            known = other is not None and other.n >= LEAST_SEEN
            away = np.abs(objects.xyz[i] - at)
            if not known and not objects.name(i).endswith("bowl") and np.hypot(*away[:2]) <= SAME[0]:
                if away[2] <= SAME[1]:
                    return i
        return None

    def _joined(self, objects: PerceivedObjects, hidden: list[str], moved: str) -> PerceivedObjects:
        """With the rows of `hidden`; what rested on one of those, and stayed where it was, still does."""
        n = len(objects)
        names = [*(objects.name(i) for i in range(n)), *hidden]
        holders = np.zeros((len(names), len(names) + 1), np.float32)  # the last column is the table
        holders[:n, :n], holders[:n, -1] = objects.holder_probs[:, :n], objects.holder_probs[:, n]
        for i, name in enumerate(names):
            known = self._known.get(name)
            if known is None or (i < n and not (known.holder in hidden and self._stayed(objects, i, moved))):
                continue
            holders[i] = 0.0
            holders[i, names.index(known.holder) if known.holder in names else -1] = 1.0
        rows = [objects, *(self._known[name].row for name in hidden)]
        own = {
            f.name: np.concatenate([getattr(row, f.name) for row in rows])
            for f in fields(objects)
            if f.name != "holder_probs"
        }
        return PerceivedObjects(holder_probs=holders, **own)

    def _stayed(self, objects: PerceivedObjects, i: int, moved: str) -> bool:
        known = self._known[objects.name(i)]
        away = float(np.linalg.norm(objects.xyz[i] - known.row.xyz[0]))
        return objects.name(i) != moved and away <= STAYED

    def _note(self, objects: PerceivedObjects) -> None:
        names = [objects.name(i) for i in range(len(objects))]
        for i, name in enumerate(names):
            if names.count(name) > 1 or not objects.class_probs[i].max() >= SURE:
                continue
            holder = int(objects.holder_probs[i].argmax())
            before = self._known.get(name)
            self._known[name] = _Known(
                _row(objects, i),
                names[holder] if holder < len(names) else None,
                1 if before is None else before.n + 1,
            )


def _place(row: PerceivedObjects) -> Location:
    x, y, z = (float(v) for v in row.xyz[0])
    return x, y, z


def _row(objects: PerceivedObjects, i: int) -> PerceivedObjects:
    own = {f.name: getattr(objects, f.name)[i : i + 1] for f in fields(objects) if f.name != "holder_probs"}
    return PerceivedObjects(holder_probs=np.ones((1, 1), np.float32), **own)
