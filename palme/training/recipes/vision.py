"""Recipe of patch tokens: any encoder of pictures and any connector, by the answers they lead to.

`palme train vision encoder=small connector=q_former`: pictures of rendered scenes (`palme collect
what=scenes`) stand in the language model's sentence; the loss falls on the answers alone. LLaVA's two stages
are two `stages`: first with the group `words` frozen, then all together.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from palme.file_names import FileName
from palme.language.tokenizer import build_tokenizer, small_words
from palme.models.build import build_connector, build_encoder
from palme.models.embodied_lm import EmbodiedLM, Sense
from palme.models.modality import modality
from palme.models.processor import EmbodiedProcessor
from palme.training.config import TrainerConfig
from palme.training.datasets.answered_questions import AnsweredQuestions, blanked
from palme.training.datasets.picture_questions import frames, picture_questions
from palme.training.datasets.rendered_scenes import RenderedScenes
from palme.training.devices import device_of, to_device
from palme.training.log import Figures, means
from palme.training.models.planner import backbone_of
from palme.training.processes import Processes
from palme.training.recipe import ParameterGroup
from palme.training.resources import Resources
from robots.files import replacing_files


@dataclass
class VisionTraining(TrainerConfig):
    """Settings.

    Attributes:
        encoder, connector: kind and keywords, as configs/encoder and configs/connector have them.
        width, layers, heads, inner: of the language model.
        evaluate_n: pictures that are kept out, one question each.
    """

    data: FileName = "runs/scenes"
    out: FileName = "runs/vision"
    steps: int = 3000
    batch: int = 16
    lr: float = 1e-3
    clip: float = 1.0
    validate_every: int = 500
    encoder: Mapping[str, Any] = field(default_factory=lambda: {"kind": "small"})
    connector: Mapping[str, Any] = field(default_factory=lambda: {"kind": "linear"})
    width: int = 192
    layers: int = 4
    heads: int = 6
    inner: int = 512
    evaluate_n: int = 200

    def build(self, resources: Resources) -> VisionRecipe:
        """See `TrainerConfig.build`."""
        return VisionRecipe(self)


class VisionRecipe:
    """See module."""

    def __init__(self, c: VisionTraining) -> None:
        self.c = c
        self.scenes = RenderedScenes(c.data, slice(1, None))
        self.held_out = RenderedScenes(c.data, slice(0, 1))
        encoder = build_encoder(c.encoder)
        picture = encoder.prepare(frames(self.held_out.batch(np.arange(1)))[:1])
        with torch.no_grad():
            n = encoder({k: torch.from_numpy(v) for k, v in picture.items()}).shape[1]
        n = build_connector(c.connector, encoder.dim, c.width).tokens or n
        image = replace(modality("image"), encoder=c.encoder, connector=c.connector, tokens=n)
        self.net = EmbodiedLM(backbone_of(c.width, c.layers, c.heads, c.inner, [image]))
        self.processor = EmbodiedProcessor(build_tokenizer(), self.net.config.modalities)

    def parameter_groups(self) -> list[ParameterGroup]:
        """`encoder`, `connector` and `words`, the language model."""
        sense = self.net.senses["img"]
        assert isinstance(sense, Sense)
        parts: dict[str, nn.Module] = {
            "encoder": sense.encoder,
            "connector": sense.connector,
            "words": self.net.lm,
        }
        learning = {name: [p for p in part.parameters() if p.requires_grad] for name, part in parts.items()}
        return [ParameterGroup(name, ps, self.c.lr) for name, ps in learning.items() if ps]

    def batches(self, step: int, processes: Processes) -> Generator[AnsweredQuestions, None, None]:
        """See `Recipe.batches`."""
        while True:
            rng = np.random.default_rng([self.c.seed, 191, step])
            chosen = rng.integers(len(self.scenes), size=self.c.batch)[processes.rank :: processes.world]
            yield picture_questions(self.processor, small_words(), self.scenes.batch(chosen), rng)
            step += 1

    def loss(self, batch: AnsweredQuestions) -> tuple[Tensor, Figures]:
        """Cross-entropy of the answers; `right`: share of them with every token right."""
        out = self.net(
            batch.ids, batch.mask, labels=batch.labels, observations=batch.observations,
            instruction_ids=batch.instruction_ids, instruction_mask=batch.instruction_mask,
        )  # fmt: skip
        said, labels = out.logits[:, :-1].argmax(-1), batch.labels[:, 1:]
        return out.loss, {"right": ((said == labels) | (labels == -100)).all(-1).float().mean()}

    def evaluate(self, final: bool) -> dict[str, float]:
        """Answers right on pictures kept out, and with blank pictures in their place."""
        device, found = device_of(self.net), []
        rng = np.random.default_rng(90_001)
        for labels in self.held_out.in_order(self.c.evaluate_n):
            batch = to_device(picture_questions(self.processor, small_words(), labels, rng), device)
            blank = replace(batch, observations=blanked(batch.observations))
            found.append({k: self.loss(b)[1]["right"] for k, b in (("right", batch), ("blanked", blank))})
        return means(found)

    def save(self, folder: Path) -> Path:
        """Model and processor."""
        with replacing_files(folder / "model") as beside:
            self.net.save_pretrained(beside)
            self.processor.save_pretrained(beside)
        return folder / "model"
