"""Which of the detected objects a phrase means, by CLIP: "the shiny one", "the striped duck"."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from palme.models.clip.base import Clip, Vectors
from palme.perception.objects import PerceivedObjects
from palme.perception.square_crops import PILE_SIDE, SOLID_SIDE, square_crops
from robots.skills import N_SOLIDS
from robots.types import CameraFrame, Observation

DETAIL = "detail"
HALF = np.array([0.017, 0.021])  # [m] half the edge of a small and of a large solid
BOWL_MIDDLE = 0.016  # [m] above a bowl's floor
_ARTICLE = re.compile(r"^(?:the|an?|that|this|my|your)\s+", re.IGNORECASE)


def detail_of(observation: Observation, camera: str) -> CameraFrame:
    """The picture of the camera "detail" where there is one, else that of `camera`."""
    return observation.images.get(DETAIL) or observation.images[camera]


def is_bowl(objects: PerceivedObjects) -> NDArray[np.bool_]:
    """(N,) whether each object is a bowl."""
    bowls: NDArray[np.bool_] = objects.class_probs.argmax(-1) >= N_SOLIDS
    return bowls


def middles(objects: PerceivedObjects) -> NDArray[np.float64]:
    """(N, 3) middles of objects in [m], base frame."""
    out = objects.xyz.astype(np.float64)
    bowl = is_bowl(objects)
    out[bowl, 2] += BOWL_MIDDLE
    out[~bowl, 2] -= HALF[objects.size_probs.argmax(-1)][~bowl]
    return out


def said(phrase: str) -> str:
    """A phrase as captions have it: "the shiny one." -> "a shiny one"."""
    bare = _ARTICLE.sub("", " ".join(phrase.split()).strip(" .,!?")).lower()
    return f"{'an' if bare[:1] in 'aeiou' else 'a'} {bare}"


class Namer:
    """See module.

    Args:
        clip: pictures and texts in one space.
    """

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        self._last: tuple[CameraFrame, PerceivedObjects, Vectors] | None = None

    def vectors(self, frame: CameraFrame, objects: PerceivedObjects) -> Vectors:
        """(N, D) of the objects in a picture; those of the last one are kept."""
        last = self._last
        if last is None or last[0] is not frame or last[1] is not objects:
            sides = np.where(is_bowl(objects), PILE_SIDE, SOLID_SIDE).tolist()
            crops = square_crops(frame, middles(objects), sides)
            last = self._last = (frame, objects, self.clip.images(crops))
        return last[2]

    def which(
        self, phrase: str, frame: CameraFrame, objects: PerceivedObjects, among: Sequence[int]
    ) -> NDArray[np.float64]:
        """(len(among),) probability that the phrase means each of the objects `among`.

        They sum to 1; all are 0 where it describes none of them.
        """
        cosines = self.vectors(frame, objects)[list(among)] @ self.clip.texts([said(phrase)])[0]
        if not cosines.max(initial=-1.0) >= self.clip.least:
            return np.zeros(len(cosines))
        logits = self.clip.scale * cosines.astype(np.float64)
        odds = np.exp(logits - logits.max(initial=-np.inf))
        return odds / odds.sum()
