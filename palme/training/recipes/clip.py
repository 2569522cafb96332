"""Recipe of CLIP: crops of things and piles, and captions without end, into one space."""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.file_names import FileName
from palme.models.clip.towers import FEATURES, Towers
from palme.models.clip.trained import READER, REMEDY, TENSORS, save, sentence_encoder
from palme.precision import autocast
from palme.training.config import TrainerConfig
from palme.training.datasets.appearance_crops import AppearanceCrops, CaptionedCrops, captioned
from palme.training.devices import device_of, to_device
from palme.training.log import Figures, means
from palme.training.losses.contrastive import clip_loss, retrieved
from palme.training.processes import Processes
from palme.training.recipe import ParameterGroup
from palme.training.resources import Resources
from palme.weight_files import load_state

KEPT = 100_000  # vectors of texts that are kept
AT_ONCE = 64
REFUSED = 0.02  # share of true pairs that may count as "there is no such thing"


@dataclass
class ClipTraining(TrainerConfig):
    """Settings.

    Attributes:
        data: what `palme collect what=appearances` wrote; its first part is kept out.
        reader: folder of the sentence encoder, "" = that of the planner's weights; it stays as it is.
        batch: pairs a step, all of solids or all of piles.
        piles: share of steps on piles.
        alike: share of steps whose crops are alike in colour and in texture or shape, so that what is left
            must tell them apart; in a batch drawn at random, colour and texture nearly do.
        variants, pile_variants: different texts of solids, and of piles, that look the same.
        attributes: weight of a second loss on the image tower alone, by which heads that are discarded tell
            colour, shape and texture; 0 = the published loss alone, which learns shapes several times slower.
        start: folder of towers to begin with, "" = untrained.
        dim: of the space.
        evaluate_n: pairs of each kind that are kept out.
    """

    data: FileName = "runs/appearances"
    out: FileName = "runs/clip"
    reader: FileName = ""
    minutes: float = 0.0
    steps: int = 2000
    batch: int = 256
    piles: float = 0.45
    alike: float = 0.65
    variants: int = 12
    pile_variants: int = 3
    attributes: float = 3.0
    start: FileName = ""
    dim: int = 128
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 50
    decay_share: float = 0.6
    clip: float = 1.0
    validate_every: int = 500
    evaluate_n: int = 512

    def build(self, resources: Resources) -> ClipRecipe:
        """See `TrainerConfig.build`."""
        return ClipRecipe(self)

    def installed_as(self) -> str:
        """See `TrainerConfig.installed_as`."""
        return "clip"


class ClipRecipe:
    """See module."""

    def __init__(self, c: ClipTraining) -> None:
        self.c = c
        self.crops = AppearanceCrops(c.data, slice(1, None))
        self.held_out = AppearanceCrops(c.data, slice(0, 1))
        self.reader_folder = c.reader or str(READER)
        self.reader = sentence_encoder(self.reader_folder)
        self.towers = Towers(self.reader.dim, c.dim)
        if c.start:
            load_state(self.towers, Path(c.start) / TENSORS, REMEDY)
        names = self.crops.names
        self.sizes = [len(names.colours), len(names.shapes), len(names.textures)]
        self.net = nn.ModuleDict({"towers": self.towers, "heads": nn.Linear(FEATURES, sum(self.sizes))})
        self._known: dict[str, Tensor] = {}

    def parameter_groups(self) -> list[ParameterGroup]:
        """`image` and `text`; the temperature is of both and has no decay."""
        c, net = self.c, self.towers
        return [
            ParameterGroup("heads", list(self.net["heads"].parameters()), c.lr, c.weight_decay),
            ParameterGroup("image", list(net.image.parameters()), c.lr, c.weight_decay),
            ParameterGroup("text", list(net.text.parameters()), c.lr / 2, c.weight_decay),
            ParameterGroup("temperature", [net.logit_scale], c.lr, 0.0),
        ]

    @torch.no_grad()
    def embed(self, texts: Sequence[str]) -> Tensor:
        """Vectors (B, W) of texts; those of before are kept."""
        if len(self._known) > KEPT:
            self._known.clear()
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        new.sort(key=len)  # less padding
        for part in (new[k : k + AT_ONCE] for k in range(0, len(new), AT_ONCE)):
            with autocast():
                self._known |= dict(zip(part, self.reader.vectors(part).float(), strict=True))
        return torch.stack([self._known[text] for text in texts])

    def batches(self, step: int, processes: Processes) -> Generator[CaptionedCrops, None, None]:
        """See `Recipe.batches`. Each process draws its own pairs and contrasts them with one another."""
        while True:
            rng = np.random.default_rng([self.c.seed, 211, step, processes.rank])
            pile = bool(rng.uniform() < self.c.piles)
            rows = self.crops.alike(pile, rng) if rng.uniform() < self.c.alike else self.crops.rows[pile]
            chosen = rng.choice(rows, self.c.batch // processes.world)
            draw, variants = random.Random(int(rng.integers(1 << 62))), self._variants(pile)
            yield captioned(self.crops, chosen, self.embed, draw, variants)
            step += 1

    def _variants(self, pile: bool) -> int:
        return self.c.pile_variants if pile else self.c.variants

    def loss(self, batch: CaptionedCrops) -> tuple[Tensor, Figures]:
        """See `Recipe.loss`."""
        towers = self.towers
        features = towers.image.features(batch.rgb)  # (B, 256)
        images = F.normalize(towers.image.out(features).float(), dim=-1)  # (B, dim)
        logits = towers.scale * images @ towers.texts(batch.vectors).T  # (B, B)
        right, found = retrieved(logits.detach(), batch.true)
        told = self.net["heads"](features).float().split(self.sizes, 1)
        losses = [F.cross_entropy(one, batch.items[:, k]) for k, one in enumerate(told)]
        figures = {"text": right, "image": found, "scale": towers.scale.detach()}
        figures["shape"] = (told[1].argmax(1) == batch.items[:, 1]).float().mean()
        return clip_loss(logits, batch.true) + self.c.attributes * torch.stack(losses).mean(), figures

    def evaluate(self, final: bool) -> dict[str, float]:
        """R@1 among pairs of scenes that are kept out, of solids and of piles."""
        device, figures = device_of(self.net), dict[str, float]()
        for name, pile in (("solids", False), ("piles", True)):
            found, rng = [], random.Random(90_001)
            rows = self.held_out.rows[pile][: self.c.evaluate_n]
            for part in (rows[k : k + 256] for k in range(0, len(rows), 256)):
                batch = to_device(
                    captioned(self.held_out, part, self.embed, rng, self._variants(pile), False), device
                )
                with autocast(device):
                    logits = self.towers(batch.rgb, batch.vectors).float()
                right, image = retrieved(logits, batch.true)
                found.append({"loss": clip_loss(logits, batch.true), "text": right, "image": image})
            figures |= {f"{name}/{key}": value for key, value in means(found).items()}
        return figures

    def save(self, folder: Path) -> Path:
        """See `Recipe.save`."""
        return save(self.towers, self.reader_folder, folder / "model", self._least())

    @torch.no_grad()
    def _least(self) -> float:
        """Cosine that all but `REFUSED` of the texts have with crops of solids they are true of."""
        rows, training = self.held_out.rows[False][: self.c.evaluate_n], self.net.training
        batch = captioned(
            self.held_out, rows, self.embed, random.Random(90_003), self.c.variants, augment=False
        )
        device = device_of(self.net)
        self.net.eval()
        images, texts = self.towers.images(batch.rgb.to(device)), self.towers.texts(batch.vectors.to(device))
        self.net.train(training)
        return float((images * texts).sum(-1).quantile(REFUSED))
