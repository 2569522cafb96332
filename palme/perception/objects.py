"""The detector's report: objects as probabilities, never simulator state."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from robots.skills import ENTITIES

FloatArray = NDArray[np.float32]
SEEN = 0.1  # class probability below which nothing of the class is there to be acted on


@dataclass(frozen=True)
class PerceivedObjects:
    """N objects detected in one observation; row k is `obj_{k+1}`.

    Attributes:
        class_probs: (N, 24) over `ENTITIES`, rows sum to 1.
        size_probs: (N, 2) small, large.
        xyz: (N, 3) in [m], base frame: the middle of a solid's top face, of a bowl's floor.
        holder_probs: (N, N + 1) what object i rests in or on; the last column is the table.
        score: (N,) confidence that there is an object, in [0, 1].
        feature: (N, D) visual feature at the object.
        pixel: (N, 2) u, v in the picture, in [px].
    """

    class_probs: FloatArray
    size_probs: FloatArray
    xyz: FloatArray
    holder_probs: FloatArray
    score: FloatArray
    feature: FloatArray
    pixel: FloatArray

    def __len__(self) -> int:
        return len(self.score)

    def rotated(self, n: int) -> PerceivedObjects:
        """The same objects, their order rotated to begin with row `n` (modulo N)."""
        k = len(self)
        order = np.roll(np.arange(k), -n) if k else np.arange(0)
        own = {f.name: getattr(self, f.name)[order] for f in fields(self) if f.name != "holder_probs"}
        return PerceivedObjects(holder_probs=self.holder_probs[order][:, [*order, k]], **own)

    def sees(self, name: str) -> bool:
        """Whether something may be a `name` ("red block"): with a probability of at least `SEEN`."""
        k = ENTITIES.index(name)
        return bool(self.class_probs[:, k].max(initial=0.0) >= SEEN)

    def name(self, i: int) -> str:
        """Most probable class of object `i`, such as "red block"."""
        return ENTITIES[int(self.class_probs[i].argmax())]
