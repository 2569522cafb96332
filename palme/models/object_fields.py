"""What both connectors of objects make of a scene's features before words come in."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from palme.language.vocabulary import MAX_OBJECTS
from palme.models.encoders.objects import split

# [m] Reachable part of the table: an object token has positions centred and scaled to about [-1, 1].
TOKEN_CENTRE, TOKEN_SCALE = (0.5, 0.0, 0.05), (0.17, 0.30, 0.05)


class ObjectFields(NamedTuple):
    """N objects of each of B scenes; rows of absent objects, all zero, do not influence the others.

    Attributes:
        looks: (B, N, 24) probabilities of `ENTITIES`.
        sizes: (B, N, 2) probabilities.
        place: (B, N, 3) position, base frame, centred and scaled.
        score: (B, N, 1) of the detection.
        below, above: (B, N, 24) expected looks of what it rests on and of what rests on it.
        on_table, bare: (B, N, 1) probabilities that it rests on the table, and that nothing rests on it.
        feature: (B, N, d_feature) of the detector, None = left out.
    """

    looks: Tensor
    sizes: Tensor
    place: Tensor
    score: Tensor
    below: Tensor
    above: Tensor
    on_table: Tensor
    bare: Tensor
    feature: Tensor | None


def object_fields(features: Tensor, d_feature: int) -> ObjectFields:
    """The fields of features (B, N, D) of `encoders.objects`.

    Args:
        d_feature: width of the detector's feature in them, 0 = none.

    Raises:
        ValueError: if there are more than `MAX_OBJECTS` objects, for which there are no words.
    """
    n = features.shape[1]
    if n > MAX_OBJECTS:
        raise ValueError(f"{n} objects in one scene: at most {MAX_OBJECTS} have a word (obj_1 ...)")
    objects = split(features, d_feature)
    looks, holders = objects["class_probs"], objects["holder_probs"]
    held, on_table = holders[..., :-1], holders[..., -1:]  # (B, N, N), (B, N, 1)
    present = looks.sum(-1, keepdim=True).clamp(0, 1)  # (B, N, 1)
    carried = (held * present).transpose(1, 2)  # (B, N, N): row j: how likely each i rests on j
    return ObjectFields(
        looks,
        objects["size_probs"],
        (objects["xyz"] - features.new_tensor(TOKEN_CENTRE)) / features.new_tensor(TOKEN_SCALE),
        objects["score"][..., None],
        held @ looks,
        carried @ looks,
        on_table,
        (1 - carried).clamp(0, 1).prod(-1, keepdim=True),
        objects["feature"] if d_feature else None,
    )
