"""Settings of every training run: length, schedule, device, checkpoints, evaluation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from palme.file_names import FileName
from palme.training.devices import SettingError
from palme.training.recipe import Recipe, Stage
from palme.training.resources import Resources


@dataclass
class TrainerConfig:
    """Settings of every recipe. A recipe's own settings are a subclass with a `build` method.

    Attributes:
        out: folder of everything that the run writes.
        device: auto (a GPU if there is one) | cpu | cuda.
        minutes, steps: length of the run, earlier runs in `out` included; exactly one is > 0 and shapes the
            schedule. Minutes count training alone, no evaluation. A finished run continues with more
            minutes (or steps): its rate rises to the constant part and decays again.
        max_steps: the run stops there, wherever the schedule is.
        warmup: steps over which the rate rises from zero.
        decay_share: last part of the run, in (0, 1], in which the rate falls linearly to `floor` of its peak.
        clip: largest norm of the gradient; a longer one is scaled down to it.
        ema: decay of the average of the weights that is evaluated and shipped, in [0, 1); 0 = no average.
        mixed_precision: matrix products in bf16 where the device is quick in it (`palme.precision`).
        resume: continue from the checkpoint in `out`, if there is one.
        evaluate_every_s, validate_every: [s] of training and steps between evaluations, 0 = only at the end.
        stages: see `Stage`; empty = every group learns at its rate for the whole run.
        install: copy the result to where `palme run` loads it from.
    """

    out: FileName = "runs/training"
    seed: int = 0
    threads: int = 1
    device: str = "auto"
    minutes: float = 0.0
    steps: int = 0
    max_steps: int = 10**9
    warmup: int = 100
    decay_share: float = 0.35
    floor: float = 0.0
    clip: float = math.inf
    ema: float = 0.0
    mixed_precision: bool = True
    resume: bool = True
    save_every_s: float = 240.0
    log_every_s: float = 30.0
    evaluate_every_s: float = 0.0
    validate_every: int = 0
    stages: tuple[Stage, ...] = ()
    install: bool = False

    def __post_init__(self) -> None:
        self.stages = tuple(s if isinstance(s, Stage) else Stage(**s) for s in self.stages)
        limits = (
            ("minutes, steps", (self.minutes > 0) != (self.steps > 0), "exactly one of them above 0"),
            ("decay_share", 0 < self.decay_share <= 1, "a share in (0, 1]"),
            ("ema", 0 <= self.ema < 1, "a decay in [0, 1)"),
            ("clip", self.clip > 0, "a norm above 0"),
            ("stages", not self.stages or self._shares_sum_to_one(), "shares above 0 that sum to 1"),
        )
        for names, holds, expected in limits:
            if not holds:
                given = ", ".join(f"{name}={getattr(self, name)!r}" for name in names.split(", "))
                raise SettingError(f"{given}: expected {expected}")

    def _shares_sum_to_one(self) -> bool:
        shares = [stage.share for stage in self.stages]
        return all(share > 0 for share in shares) and abs(sum(shares) - 1) < 1e-6

    def build(self, resources: Resources) -> Recipe[Any]:
        """The recipe that these settings are of. Called with the seed set."""
        raise NotImplementedError

    def following(self) -> TrainerConfig | None:
        """The settings of the training that this one is the first half of."""
        return None

    def installed_as(self) -> str:
        """Name of the result under `palme/weights`; "" = it is not installed."""
        return ""

    def left(self, step: int, seconds: float) -> float:
        """What is left of the run, in [0, 1]."""
        return 1 - (step / self.steps if self.steps else min(seconds / (60 * self.minutes), 1.0))

    def rate(self, step: int, seconds: float) -> float:
        """Warm-up, constant, linear decay: the factor on every peak rate, in [0, 1]."""
        decayed = max(self.left(step, seconds) / self.decay_share, self.floor)
        return max(0.0, min(1.0, (step + 1) / max(self.warmup, 1), decayed))

    def stage(self, step: int, seconds: float) -> Stage:
        """The stage at this point of the run."""
        end = 0.0
        for stage in self.stages:
            end += stage.share
            if 1 - self.left(step, seconds) < end:
                return stage
        return self.stages[-1] if self.stages else Stage("whole", 1.0)
