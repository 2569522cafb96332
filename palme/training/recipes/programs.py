"""Recipe of the program reader: sentences in, instruction programs out, by a pretrained language model."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from palme.language.programs.prompt import answer_tokens
from palme.language.vocabulary import Vocabulary
from palme.model_folders import ADAPTER_CONFIG
from palme.models.pretrained.load import pretrained, with_kept_adapter, with_new_adapter
from palme.training.config import TrainerConfig
from palme.training.datasets.instructions.drawing import Instructions
from palme.training.datasets.missed_programs import MissedPrograms
from palme.training.datasets.program_batches import Pair, ProgramBatch, batches, nothing_again
from palme.training.devices import SettingError, device_of, to_device
from palme.training.log import Figures
from palme.training.models.low_rank import in_model_dtype
from palme.training.models.program_writer import ProgramWriter, program_loss
from palme.training.processes import Processes
from palme.training.recipe import ParameterGroup
from palme.training.resources import Resources

UNSEEN = 90_001
"""Seed of the sentences that are kept out of training."""


@dataclass
class ProgramsTraining(TrainerConfig):
    """Settings.

    Attributes:
        base: a model in the cache (`palme setup language`), or a folder as `save_pretrained` leaves it.
        rank, layers: of the adapter, and how many of the last layers have one; 16 and 16 of a model of 0.5 G
            parameters ship as 12 MB.
        start: folder of an adapter to go on from, which then says rank and layers; "" = a new one.
        tokens: of a batch, padding included.
        again: at most this share of sentences are such as were got wrong before, in [0, 1).
        hasty: share of sentences with manners, fillers and typos.
    """

    out: str = "runs/programs"
    base: str = "qwen2.5-coder-0.5b"
    start: str = ""
    minutes: float = 150.0
    lr: float = 4e-4
    weight_decay: float = 0.0
    warmup: int = 40
    clip: float = 1.0
    rank: int = 16
    layers: int = 16
    tokens: int = 1280
    again: float = 0.35
    hasty: float = 0.6
    threads: int = 2
    save_every_s: float = 300.0
    evaluate_every_s: float = 900.0
    evaluate_n: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.again < 1:
            raise SettingError(f"again={self.again!r}: expected a share in [0, 1)")
        for name in ("rank", "layers"):
            if not getattr(self, name) >= 1:
                raise SettingError(f"{name}={getattr(self, name)}: must be at least 1")

    def build(self, resources: Resources) -> ProgramsRecipe:
        """See `TrainerConfig.build`."""
        return ProgramsRecipe(self)

    def installed_as(self) -> str:
        """See `TrainerConfig.installed_as`."""
        return "programs"


class ProgramsRecipe:
    """See module."""

    def __init__(self, c: ProgramsTraining) -> None:
        self.c = c
        model, self.tokenizer = pretrained(c.base)
        self.answers = answer_tokens(Vocabulary(self.tokenizer))
        model.set_attn_implementation("eager")  # of sentences: torch's own is slower on the way back in bf16
        adapted = (
            with_kept_adapter(model, Path(c.start)) if c.start else with_new_adapter(model, c.rank, c.layers)
        )
        in_model_dtype(adapted)
        self.net = ProgramWriter(adapted, self.answers)
        self.source = Instructions()
        self.missed = MissedPrograms(self.answers, c.again)

    def parameter_groups(self) -> list[ParameterGroup]:
        """See `Recipe.parameter_groups`."""
        learned = [p for p in self.net.parameters() if p.requires_grad]
        return [ParameterGroup("adapter", learned, self.c.lr, self.c.weight_decay)]

    def batches(self, step: int, processes: Processes) -> Generator[ProgramBatch, None, None]:
        """See `Recipe.batches`."""
        rng = random.Random(1_000_003 * self.c.seed + 7919 * step + processes.rank)
        yield from self._batches(rng, self.missed.take)

    def loss(self, batch: ProgramBatch) -> tuple[Tensor, Figures]:
        """See `Recipe.loss`."""
        loss, right = program_loss(self.net(batch), batch.targets)
        self.missed.note(batch, right)
        return loss, {"programs/right": float(right.float().mean())}

    def evaluate(self, final: bool) -> dict[str, float]:
        """Share of unseen drawn sentences whose program is right at every token, and the loss.

        Each token is judged after the right ones before it, so this is an upper bound of exact programs.
        """
        device = device_of(self.net)
        wanted = self.c.evaluate_n * (2 if final else 1)
        seen, losses, rights = 0, 0.0, 0.0
        for batch in islice(self._batches(random.Random(UNSEEN)), wanted):
            loss, right = program_loss(self.net(to_device(batch, device)), batch.targets.to(device))
            n = len(batch.ids)
            seen, losses, rights = seen + n, losses + n * float(loss.detach()), rights + float(right.sum())
            if seen >= wanted:
                break
        return {"unseen/right": rights / seen, "unseen/loss": losses / seen, "unseen/n": float(seen)}

    def save(self, folder: Path) -> Path:
        """The adapter in bf16, as PEFT loads it."""
        out = folder / "adapter"
        adapter: Any = self.net.adapted
        state = {
            name.removeprefix("adapted."): value.detach().bfloat16()
            for name, value in self.net.state_dict().items()
        }
        adapter.save_pretrained(str(out), state_dict=state, safe_serialization=True)
        (out / "README.md").unlink(missing_ok=True)  # PEFT's form of a card, not filled in
        settings = json.loads((out / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        settings["base_model_name_or_path"] = Path(self.c.base).name  # and no folder of this machine
        (out / ADAPTER_CONFIG).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        return out

    def _batches(
        self, rng: random.Random, again: Callable[[random.Random], Pair | None] = nothing_again
    ) -> Generator[ProgramBatch, None, None]:
        examples = self.source.examples(rng, self.c.hasty)
        yield from batches(examples, self.tokenizer, self.answers, self.c.tokens, rng, again)
