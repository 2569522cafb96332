"""Recipe of the embodied model: a pretrained language model learns to read a scene, from few examples.

Connectors are trained around the frozen model, or with an adapter (LoRA) in it, as PaLM-E does; `base=""`
trains the small planner on the same examples beside them.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from palme.file_names import FileName
from palme.language.instruction_encoder import FOLDER
from palme.language.tokenizer import small_words
from palme.language.vocabulary import Vocabulary
from palme.models.embodied_lm import EmbodiedLM
from palme.models.pretrained.embodied import embodied_around, embodied_senses, load_embodied, save_embodied
from palme.training.config import TrainerConfig
from palme.training.datasets.asked_batches import AskedBatch, batch_of
from palme.training.datasets.asked_scenes import KINDS, SceneMaker, epochs, examples
from palme.training.datasets.planner_batches import Read
from palme.training.datasets.tasks import TaskSource
from palme.training.devices import SettingError, device_of
from palme.training.embodied_eval import evaluate, senses_of, text_encoder
from palme.training.log import Figures
from palme.training.models.embodied import EmbodiedWriter
from palme.training.models.low_rank import in_model_dtype
from palme.training.models.planner import save_planner
from palme.training.processes import Processes
from palme.training.recipe import ParameterGroup
from palme.training.resources import Resources


@dataclass
class EmbodiedTraining(TrainerConfig):
    """Settings.

    Attributes:
        base: a model in the cache (`palme setup language`), or a folder; "" = the planner in `start`.
        start: folder of a small planner, which is trained whole; only with base="".
        rank, layers: of the adapter, and how many of the last layers have one; rank 0 = frozen.
        lora_lr: peak rate of the adapter; `lr` is that of connectors, and of a small planner.
        examples: number of distinct questions with answers, of all kinds together.
        scenes: of a batch, each with about ten questions; processes share them, and where there are more
            processes than scenes, those that are left take all.
        evaluate_n: questions of each kind in an evaluation, 0 = there is none.
    """

    out: FileName = "runs/embodied"
    base: str = "qwen2.5-coder-0.5b"
    start: FileName = ""
    rank: int = 0
    layers: int = 16
    lr: float = 5e-4
    lora_lr: float = 6e-4
    weight_decay: float = 0.0
    warmup: int = 5
    decay_share: float = 0.5
    clip: float = 1.0
    examples: int = 3200
    scenes: int = 3
    steps: int = 130
    save_every_s: float = 120.0
    evaluate_n: int = 60

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.base) == bool(self.start):
            raise SettingError(f"base={self.base!r}, start={self.start!r}: name one of them, not both")
        for name, least in (("examples", 1), ("scenes", 1), ("layers", 1), ("rank", 0), ("evaluate_n", 0)):
            if not getattr(self, name) >= least:
                raise SettingError(f"{name}={getattr(self, name)}: must be at least {least}")

    def build(self, resources: Resources) -> EmbodiedRecipe:
        """See `TrainerConfig.build`."""
        return EmbodiedRecipe(self, resources.task_source())

    def installed_as(self) -> str:
        """See `TrainerConfig.installed_as`."""
        return "embodied" if self.base else ""


class EmbodiedRecipe:
    """See module."""

    def __init__(self, c: EmbodiedTraining, source: TaskSource) -> None:
        self.c, self.source = c, source
        self.read: Read | None
        if c.base:
            model, tokenizer = embodied_around(c.base, embodied_senses(), c.rank, c.layers)
            self.vocabulary, self.read = Vocabulary(tokenizer), None
            if c.rank:
                in_model_dtype(model.lm)
        else:
            model = load_embodied(c.start)[0].requires_grad_(True)
            self.vocabulary = small_words()
            self.read = text_encoder(model, c.start)
        self.model: EmbodiedLM = model
        self.net = EmbodiedWriter(model, self.vocabulary)
        self.scenes = examples(SceneMaker(source, 1_000_003 * c.seed + 17), c.examples)

    def parameter_groups(self) -> list[ParameterGroup]:
        """See `Recipe.parameter_groups`."""
        c = self.c
        learned = [(name, p) for name, p in self.net.named_parameters() if p.requires_grad]
        lora = [p for name, p in learned if "lora_" in name]
        rest = [p for name, p in learned if "lora_" not in name]
        groups = [ParameterGroup("connectors", rest, c.lr, c.weight_decay)]
        return [*groups, ParameterGroup("adapter", lora, c.lora_lr, c.weight_decay)] if lora else groups

    def batches(self, step: int, processes: Processes) -> Generator[AskedBatch, None, None]:
        """See `Recipe.batches`."""
        c = self.c
        groups = epochs(self.scenes, min(c.scenes, len(self.scenes)), c.seed, step)
        config: Any = self.model.config
        senses, first = senses_of(self.model), config.scene_first
        for scenes in groups:
            mine = scenes[processes.rank :: processes.world] or scenes
            yield batch_of(mine, self.vocabulary, senses, first, self.read)

    def loss(self, batch: AskedBatch) -> tuple[Tensor, Figures]:
        """See `Recipe.loss`."""
        loss, right = self.net.loss(batch)
        kinds = batch.kind.unique().tolist()
        return loss, {f"right/{KINDS[k]}": right[batch.kind == k].float().mean() for k in kinds}

    def evaluate(self, final: bool) -> dict[str, float]:
        """See `Recipe.evaluate`."""
        n = self.c.evaluate_n * (2 if final else 1)
        if n == 0:
            return {}
        device = device_of(self.net)
        counts = evaluate(self.net.cpu(), self.vocabulary, self.source, n, 90_001, self.read)
        self.net.to(device)
        return {f"unseen/{kind}": right / max(asked, 1) for kind, (right, asked) in counts.items()}

    def save(self, folder: Path) -> Path:
        """See `Recipe.save`."""
        if self.c.base:
            save_embodied(self.model, folder / "model")
        else:
            save_planner(self.model, folder / "model")
            if (Path(self.c.start) / FOLDER).exists() and not (folder / "model" / FOLDER).exists():
                shutil.copytree(Path(self.c.start) / FOLDER, folder / "model" / FOLDER)
        return folder / "model"
