"""The training loop: a recipe defines data, model and loss; the trainer does the rest.

A recipe costs one file, one YAML and one test:

1. `palme/training/recipes/NAME.py`: a dataclass of settings (a `TrainerConfig` with the recipe's own fields
   and a `build` method) and a class with the methods of `Recipe`; one line in `recipes/__init__.py`.
2. `configs/train_NAME.yaml`: the settings that `palme train NAME` takes, each a field of that dataclass.
3. A test that runs a few steps: `Trainer(NameTraining(steps=3, ...)).fit()`.

What a run leaves in `out`: `checkpoint.safetensors` (the same command resumes it), what the recipe ships
(`Recipe.save`), `log.jsonl`, curves for TensorBoard and `config.json`.

Same seed, same numbers: on one machine, with one process. Several processes (`accelerate launch --multi_gpu
--num_processes 2 -m palme.cli.main train NAME`, with or without GPUs) share each global batch.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import nn

from palme.precision import autocast
from palme.training.checkpoint import REMEDY, load_checkpoint, save_checkpoint
from palme.training.config import TrainerConfig
from palme.training.devices import choose_device, to_device
from palme.training.ema import MovingAverage
from palme.training.log import Log
from palme.training.processes import Processes
from palme.training.recipe import Recipe, Stage, checked, optimizers_of
from palme.training.resources import Resources
from palme.training.stopping import StopRequest
from palme.weight_files import BadWeights
from robots.files import write_text

B = TypeVar("B")


class NonFiniteLossError(FloatingPointError):
    """The loss or its gradient is no number; the step was not taken."""


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
        self.groups = checked(self.recipe.parameter_groups(), self.recipe.net, config.stages)
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
            NonFiniteLossError: the checkpoint stays as it was saved last, with finite weights.
            KeyboardInterrupt: after SIGTERM or Ctrl-C, once everything is saved.
        """
        if self.processes.is_main:
            write_text(self.out / "config.json", json.dumps(asdict(self.config), indent=1))
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
        marks = {"log": self.seconds, "save": self.seconds, "evaluate": self.seconds}

        def due(what: str, every_s: float) -> bool:
            passed = self.seconds - marks[what] >= every_s > 0
            marks[what] = self.seconds if passed else marks[what]
            return passed

        with closing(self.recipe.batches(self.step, self.processes)) as batches:
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
                f"{what} is {value} at step {self.step}, which was not taken; lower lr and run again, from "
                f"the last save in {self.out}"
            )

    def _evaluate(self, stop: StopRequest, final: bool) -> dict[str, float]:
        """Figures of the averaged weights, if there are any; training is not affected by an evaluation."""
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
        """A context in which the model has its averaged weights, if there are any."""
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
            try:
                torch.set_rng_state(more["rng"])
            except (KeyError, TypeError, RuntimeError) as error:
                raise BadWeights(
                    f"{path}: has no state of the generator of random numbers; {REMEDY}"
                ) from error
            if self.average is not None:
                kept = {k: more.get(f"average.{k}", v) for k, v in self.average.tensors.items()}
                self.average.tensors = {k: v.to(self.device) for k, v in kept.items()}
        self.processes.copy_from_main(self.recipe.net)
