"""What a CLIP is to those that use it: pictures and texts to vectors of length 1 in one space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Clip(Protocol):
    """Pictures and texts in one space (Radford et al. 2021).

    Attributes:
        scale: factor on the cosine of a picture and a text, of which a softmax makes probabilities.
        least: cosine that nearly every text has with a picture it is true of; -1 = it is not known.
    """

    scale: float
    least: float

    def images(self, rgb: NDArray[np.uint8]) -> Vectors:
        """(N, D) unit vectors of pictures (N, H, W, 3)."""
        ...

    def texts(self, texts: Sequence[str]) -> Vectors:
        """(M, D) unit vectors of texts."""
        ...


def probabilities(clip: Clip, images: Vectors, texts: Vectors) -> Vectors:
    """(N, M) of each text for each picture, rows sum to 1: the softmax of their scaled cosines."""
    logits = clip.scale * images @ texts.T  # (N, M)
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return (odds / odds.sum(1, keepdims=True)).astype(np.float32)
