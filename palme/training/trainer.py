"""The one training loop: a recipe says what is learned, the trainer does what is the same for all.

A recipe costs one file, one YAML and one test:

1. `palme/training/recipes/NAME.py`: a dataclass of settings (a `TrainerConfig` with the recipe's own fields
   and a `build` method) and a class with the methods of `Recipe`; one line in `recipes/__init__.py`.
2. `configs/train_NAME.yaml`: the settings that `palme train NAME` takes, each a field of that dataclass.
3. A test that runs a few steps: `Trainer(NameTraining(steps=3, ...)).fit()`.

What a run leaves in `out`: `checkpoint.safetensors` (the same command goes on from it), what the recipe ships
(`Recipe.save`), `log.jsonl`, curves for TensorBoard and `config.json`.

Same seed, same numbers: on one machine, with one process. Several processes (`accelerate launch --multi_gpu
--num_processes 2 -m palme.cli.main train NAME`, with or without GPUs) share each global batch.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from palme.precision import autocast
from palme.training.checkpoint import load_checkpoint, save_checkpoint
from palme.training.devices import SettingError, choose_device, to_device
from palme.training.ema import MovingAverage
from palme.training.log import Log
from palme.training.processes import Processes
from palme.training.recipe import Recipe, Stage, checked, optimizers_of
from palme.training.resources import Resources
from palme.training.stopping import StopRequest

B = TypeVar("B")


class NonFiniteLossError(FloatingPointError):
    """The loss or its gradient is no number; the step was not taken."""


@dataclass
class TrainerConfig:
    """Settings of every recipe. A recipe's own settings are a subclass with a `build` method.

    Attributes:
        out: folder of everything that the run writes.
        device: auto (a GPU if there is one) | cpu | cuda.
        minutes, steps: length of the run, earlier runs in `out` included; exactly one is > 0 and shapes the
            schedule. Minutes count training alone, no evaluation. A run that was decayed to the end goes on
            with more minutes (or steps): its rate rises to the constant part and decays again.
        max_steps: the run stops there, wherever the schedule is.
        warmup: steps over which the rate rises from zero.
        decay_share: last part of the run, in (0, 1], in which the rate falls linearly to `floor` of its peak.
        clip: largest norm of the gradient; a longer one is scaled down to it.
        ema: decay of the average of the weights that is evaluated and shipped, in [0, 1); 0 = no average.
        mixed_precision: matrix products in bf16 where the device is quick in it (`palme.precision`).
        resume: go on from the checkpoint in `out`, if there is one.
        evaluate_every_s, validate_every: [s] of training and steps between evaluations, 0 = only at the end.
        stages: see `Stage`; empty = every group learns at its rate for the whole run.
        install: copy the result to where `palme run` loads it from.
    """

    out: str = "runs/training"
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


class Trainer(Generic[B]):
    """Runs one recipe from its checkpoint, or from nothing, to its end.

    Attributes:
        recipe: built from the configuration once the seed is set.
        step, seconds: optimizer steps taken and [s] of training, earlier runs in `out` included.
        shipped: what `Recipe.save` wrote last.
    """

    def __init__(self, config: TrainerConfig, resources: Resources | None = None) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config = config
        self.processes = Processes.join(config.device)
        self.device = choose_device(config.device, self.processes.local_rank)
        self.out = Path(config.out)
        self.recipe: Recipe[B] = config.build(resources or Resources())
        self.recipe.net.to(self.device)
        self.groups = checked(self.recipe.parameter_groups(), self.recipe.net)
        learning = {id(p) for group in self.groups for p in group.parameters}
        self.parameters = [p for p in self.recipe.net.parameters() if id(p) in learning]
        self.optimizers = optimizers_of(self.groups)
        self.average = MovingAverage(self.recipe.net, config.ema) if config.ema else None
        self.step, self.seconds = 0, 0.0
        self.shipped = self.out
        self._log: Log | None = None
        self._stage: Stage | None = None
        self._resume()

    # -- the run --------------------------------------------------------------------------------------

    def fit(self) -> dict[str, float]:
        """Train to the end, save and evaluate. Returns the last evaluation's figures (main process only).

        Raises:
            NonFiniteLossError: the checkpoint holds the last good state.
            KeyboardInterrupt: after SIGTERM or Ctrl-C, once everything is saved.
        """
        if self.processes.is_main:
            self.out.mkdir(parents=True, exist_ok=True)
            (self.out / "config.json").write_text(json.dumps(asdict(self.config), indent=1))
            self._log = Log(self.out)
        with StopRequest() as stop:
            try:
                self._train(stop)
            except NonFiniteLossError:
                raise
            except BaseException:
                self.save()
                raise
            self.save()
            figures = self._evaluate(stop, final=True)
        self.processes.any(stop.requested, self.device)  # files of the main process are there for all now
        if self._log is not None:
            self._log.close()
        if stop.requested:
            raise KeyboardInterrupt
        return figures

    def _train(self, stop: StopRequest) -> None:
        self.recipe.net.train()
        batches = self.recipe.batches(self.step, self.processes)
        marks = {"log": self.seconds, "save": self.seconds, "evaluate": self.seconds}

        def due(what: str, every_s: float) -> bool:
            passed = self.seconds - marks[what] >= every_s > 0
            marks[what] = self.seconds if passed else marks[what]
            return passed

        try:
            while self._is_going():
                began = time.monotonic()
                batch = stop.interruptible(lambda: next(batches, None))
                waited = time.monotonic() - began
                if self.processes.any(batch is None, self.device) or batch is None:
                    break
                self._one_step(batch, waited)
                self.seconds += time.monotonic() - began
                self.seconds = self.processes.of_main(self.seconds, self.device)
                if due("log", self.config.log_every_s):
                    self._write_means()
                if due("save", self.config.save_every_s):
                    self.save()
                by_step = self.config.validate_every and self.step % self.config.validate_every == 0
                if self._is_going() and (due("evaluate", self.config.evaluate_every_s) or by_step):
                    self._evaluate(stop, final=False)
        finally:
            close: Callable[[], None] = getattr(batches, "close", lambda: None)
            close()  # a generator ends its workers
        self._write_means()

    def _is_going(self) -> bool:
        return self.step < self.config.max_steps and self.config.left(self.step, self.seconds) > 0

    def _one_step(self, batch: B, waited: float) -> None:
        factor = self._set_rates()
        with autocast(self.device) if self.config.mixed_precision else nullcontext():
            loss, figures = self.recipe.loss(to_device(batch, self.device))
        value = float(self.processes.mean(loss.detach()))
        self._require_finite("loss", value)
        loss.backward()
        self.processes.average_gradients(self.parameters)
        norm = float(nn.utils.clip_grad_norm_(self.parameters, self.config.clip))
        self._require_finite("norm of the gradient", norm)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(self.step)
        self.step += 1
        if self._log is not None:
            self._log.add({"loss": value, "rate": factor, "waited_s": waited, "gradient": norm, **figures})

    def _set_rates(self) -> float:
        """Learning rates of this step, and what is frozen; returns the schedule's factor."""
        factor = self.config.rate(self.step, self.seconds)
        stage = self.config.stage(self.step, self.seconds)
        for optimizer in self.optimizers:
            for settings in optimizer.param_groups:
                settings["lr"] = settings["peak"] * stage.rates.get(settings["name"], 1.0) * factor
        if stage != self._stage:
            self._stage = stage
            for group in self.groups:
                for p in group.parameters:
                    p.requires_grad_(stage.rates.get(group.name, 1.0) > 0)
        return factor

    def _require_finite(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise NonFiniteLossError(
                f"{what} is {value} at step {self.step}; lower the learning rate or clip, and run again: "
                f"{self.out / 'checkpoint.safetensors'} holds the last good state"
            )

    def _evaluate(self, stop: StopRequest, final: bool) -> dict[str, float]:
        """Of the averaged weights, if there are any. Training goes on as if there had been no evaluation."""
        if self._log is None or stop.requested:
            return {}
        net = self.recipe.net.eval()
        with self._averaged(), torch.no_grad(), torch.random.fork_rng(devices=[]):
            figures = stop.interruptible(lambda: self.recipe.evaluate(final)) or {}
        net.train()
        if figures:
            self._log.write("final" if final else "evaluation", self.step, self.seconds, figures)
        return figures

    def _write_means(self) -> None:
        if self._log is not None and (means := self._log.means()):
            self._log.write("train", self.step, self.seconds, means)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The model has its averaged weights meanwhile, if there are any."""
        if self.average is None:
            yield
        else:
            with self.average.in_place():
                yield

    # -- what is kept ---------------------------------------------------------------------------------

    def save(self) -> None:
        """The checkpoint, then what is shipped."""
        if not self.processes.is_main:
            return
        more = {f"average.{k}": v for k, v in self.average.tensors.items()} if self.average else {}
        more["rng"] = torch.get_rng_state()
        numbers = {"step": self.step, "seconds": self.seconds}
        path = self.out / "checkpoint.safetensors"
        save_checkpoint(path, self.recipe.net, self.optimizers, numbers, more)
        with self._averaged():
            self.shipped = self.recipe.save(self.out)

    def _resume(self) -> None:
        path = self.out / "checkpoint.safetensors"
        if self.config.resume and path.exists():
            numbers, more = load_checkpoint(path, self.recipe.net, self.optimizers)
            self.step, self.seconds = int(numbers["step"]), numbers["seconds"]
            torch.set_rng_state(more["rng"])
            if self.average is not None:
                kept = {k: more.get(f"average.{k}", v) for k, v in self.average.tensors.items()}
                self.average.tensors = {k: v.to(self.device) for k, v in kept.items()}
        self.processes.copy_from_main(self.recipe.net)
