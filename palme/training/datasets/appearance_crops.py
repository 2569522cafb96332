"""Crops with what they show (`palme collect what=appearances`), memory-mapped, and batches with texts."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from palme.training.datasets.captions import Names, caption, claim_about
from palme.training.datasets.finished_parts import DONE, finished_parts
from palme.weight_files import read_json

ARRAYS = ("rgb", "pile", "items", "relations")
REMEDY = "make it with `palme collect what=appearances`"
COARSEST = 0.3  # of a crop's own resolution: a data set's pictures have fewer pixels than the detail camera's
COARSE_SHARE = 0.5
LEAST = 64  # crops that are alike, below which any will do
Embed = Callable[[Sequence[str]], Tensor]


class AppearanceCrops:
    """Crops of the finished parts of a folder; see `palme.cli.evaluation.appearance_crops` for the arrays.

    Args:
        folder: what `palme collect what=appearances` wrote, a folder of parts.
        parts: which of them, in the order of their names.

    Raises:
        FileNotFoundError: if no part is finished.
    """

    def __init__(self, folder: str | Path, parts: slice = slice(None)) -> None:
        folders = finished_parts(folder, parts, REMEDY)
        told = read_json(folders[0] / DONE, REMEDY)
        self.names = Names(tuple(told["colours"]), tuple(told["shapes"]), tuple(told["textures"]))
        self._rgb = [np.load(p / "rgb.npy", mmap_mode="r") for p in folders]
        self.pile, self.items, self.relations = (
            np.concatenate([np.load(p / f"{name}.npy") for p in folders]) for name in ARRAYS[1:]
        )
        self._ends = np.cumsum([len(rgb) for rgb in self._rgb])
        self.rows = {pile: np.flatnonzero(self.pile == pile) for pile in (False, True)}

    def alike(self, pile: bool, rng: np.random.Generator) -> np.ndarray:
        """Rows of solids, or of piles, that are alike: in three colours, and in few textures or shapes.

        Of piles it is the bottom and what is in or on it first that share their colours.
        """
        rows = self.rows[pile]
        items = self.items[rows]
        few = [
            rng.permutation(n)[:k] for n, k in ((len(self.names.colours), 3), (len(self.names.colours), 3))
        ]
        kept = np.isin(items[:, 0, 0], few[0])
        if pile:
            kept &= np.isin(items[:, 1, 0], (*few[1], -1))
        elif rng.uniform() < 0.6:
            kept &= np.isin(items[:, 0, 2], rng.permutation(len(self.names.textures))[:2])
        else:
            kept &= np.isin(items[:, 0, 1], rng.permutation(len(self.names.shapes))[:3])
        return rows[kept] if kept.sum() >= LEAST else rows

    def rgb(self, rows: np.ndarray) -> Tensor:
        """(B, 64, 64, 3) uint8."""
        part = np.searchsorted(self._ends, rows, side="right")
        starts = self._ends - [len(rgb) for rgb in self._rgb]
        return torch.from_numpy(
            np.stack([self._rgb[p][r - starts[p]] for p, r in zip(part, rows, strict=True)])
        )


@dataclass(frozen=True)
class CaptionedCrops:
    """B crops, a text each.

    Attributes:
        rgb: (B, 64, 64, 3) uint8.
        vectors: (B, W) of the texts by a sentence encoder.
        true: (B, B) bool, whether text j is true of crop i.
        items: (B, 3) colour, shape and texture by number of the solid, or of the bottom of the pile.
    """

    rgb: Tensor
    vectors: Tensor
    true: Tensor
    items: Tensor


def captioned(
    crops: AppearanceCrops,
    rows: np.ndarray,
    embed: Embed,
    rng: random.Random,
    variants: int,
    augment: bool = True,
) -> CaptionedCrops:
    """The crops `rows`, all of solids or all of piles, with a text drawn for each.

    Args:
        crops: what there is.
        rows: (B,) of them.
        embed: vectors of texts.
        rng: source of the draws.
        variants: different texts of crops that show the same; a sentence encoder's vectors can then be kept.
        augment: whether crops are varied (`varied`).
    """
    items, relations = crops.items[rows], crops.relations[rows]
    claims, texts = [], []
    for one, relation, row in zip(items, relations, rows, strict=True):
        draw = random.Random(f"{one.tolist()} {relation.tolist()} {rng.randrange(variants)}")
        claims.append(claim_about(one, relation, bool(crops.pile[row]), draw))
        texts.append(caption(claims[-1], crops.names, draw))
    true = np.stack([claim.true_of(items, relations) for claim in claims], 1)
    rgb, first = crops.rgb(rows), torch.from_numpy(items[:, 0].astype(np.int64))
    return CaptionedCrops(varied(rgb, rng) if augment else rgb, embed(texts), torch.from_numpy(true), first)


def varied(rgb: Tensor, rng: random.Random) -> Tensor:
    """Crops (B, 64, 64, 3) uint8, mirrored, a little brighter or darker, and half of them in fewer pixels."""
    x = rgb.permute(0, 3, 1, 2).float()
    if rng.random() < 0.5:
        x = x.flip(3)
    b, _, h, w = x.shape
    gain = torch.tensor([rng.uniform(0.85, 1.15) for _ in range(b)]).reshape(b, 1, 1, 1)
    x = x * gain
    coarse = int(COARSE_SHARE * b)
    scale = rng.uniform(COARSEST, 1.0)
    small = F.interpolate(x[:coarse], scale_factor=scale, mode="area")
    blurred = F.interpolate(small, (h, w), mode="bilinear", align_corners=False)
    x = torch.cat([blurred, x[coarse:]])
    return x.clamp(0, 255).round().byte().permute(0, 2, 3, 1).contiguous()
