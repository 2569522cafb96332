"""An outcome judge by CLIP: is the red block in the blue bowl? From a picture before and one after.

Two signs are added: how much better the text of the wanted outcome fits after the step than before it, and
how much better it fits afterwards than the texts of what else may have come about.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palme.models.clip.base import Clip
from palme.perception.square_crops import PILE_SIDE, square_crops
from palme.planners.base import Verdict
from palme.planners.clip.naming import said
from robots.skills import COLOURS, Step
from robots.types import CameraFrame

# Equal weights, not fitted; `palme bench clip calibrate=150 seed=500000` (the other parts 0) fits them.
BIAS, GAINED, AHEAD = 0.0, 1.0, 1.0


class Wanted(NamedTuple):
    """The outcome of a step: `what` in the target, or on it; phrases, such as "the red block"."""

    what: str
    target: str
    is_in: bool

    @classmethod
    def by(cls, step: Step) -> Wanted:
        """That of a step that names its things."""
        return cls(f"the {step.what}", f"the {step.target}", step.skill == "put_in")

    @property
    def text(self) -> str:
        """ "a red block in a blue bowl"."""
        return f"{said(self.what)} {'in' if self.is_in else 'on'} {said(self.target)}"

    @property
    def others(self) -> list[str]:
        """What else may have come about: nothing there, or something in another colour."""
        found = [f"{said(self.target)} with nothing {'in' if self.is_in else 'on'} it"]
        words = said(self.what).split()
        named = [k for k, word in enumerate(words) if word in COLOURS]
        for colour in COLOURS if named else ():
            if colour != words[named[0]]:
                swapped = " ".join(colour if k == named[0] else word for k, word in enumerate(words[1:], 1))
                found.append(self._replace(what=swapped).text)
        return found


class OutcomeJudge:
    """See module.

    Args:
        clip: pictures and texts in one space.
    """

    def __init__(self, clip: Clip) -> None:
        self.clip = clip

    def judge(
        self, wanted: Wanted, at: NDArray[np.float64], before: CameraFrame, after: CameraFrame
    ) -> Verdict:
        """Whether `wanted` has come about.

        Args:
            at: (3,) middle of the target in [m], base frame: a bowl's, or of a block's top face.
            before, after: pictures of one camera.
        """
        gained, ahead = self.signs(wanted, at, before, after)
        p = float(1 / (1 + np.exp(-(BIAS + GAINED * gained + AHEAD * ahead))))
        fits = "fits" if p >= 0.5 else "does not fit"
        return Verdict(p >= 0.5, p, f"CLIP: {wanted.text} {fits} (p {p:.2f})")

    def signs(
        self, wanted: Wanted, at: NDArray[np.float64], before: CameraFrame, after: CameraFrame
    ) -> tuple[float, float]:
        """Scaled cosine of the wanted outcome: after less before; after less the best of the others."""
        point = np.asarray(at, np.float64)[None]
        crops = np.concatenate([square_crops(f, point, [PILE_SIDE]) for f in (before, after)])
        texts = [wanted.text, *wanted.others]
        logits = self.clip.scale * self.clip.images(crops) @ self.clip.texts(texts).T  # (2, 1 + others)
        return float(logits[1, 0] - logits[0, 0]), float(logits[1, 0] - logits[1, 1:].max())
