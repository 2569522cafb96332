"""The planner's training recipe: words, imitated objects, the right words to say. Read top to bottom.

Stage `words`: object tokens are made from symbolic states with imitated eye errors, nothing is rendered.
Stage `joined`: the same model goes on, with part of its objects from the trained detector (`PerceivedFile`).
The schedule runs on the clock: warm-up, constant, linear decay over the last part. A run that was decayed
can be resumed with more minutes: it goes back to the constant part and decays again.
"""

from __future__ import annotations

import json
import math
import shutil
import signal
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from palme.language.instruction_encoder import FOLDER, InstructionEncoder
from palme.language.tokenizer import build_tokenizer
from palme.models.embodied_lm import SMALL_BACKBONE, EmbodiedConfig, EmbodiedLM
from palme.models.processor import EmbodiedProcessor
from palme.precision import autocast
from palme.training.checkpoint import grown, load_checkpoint, save_checkpoint
from palme.training.datasets.detection_noise import DetectionNoise
from palme.training.datasets.perceived import PerceivedFile, SeenQuestions
from palme.training.datasets.planner_batches import Batch, end, serve
from palme.training.datasets.questions import RATES, QuestionMaker, TaskSource
from palme.training.muon import Muon
from palme.training.planner_eval import evaluate


@dataclass
class PlannerTraining:
    """Hyperparameters.

    Attributes:
        minutes: of training in all, earlier runs in `out` included; evaluation does not count.
        decay_share: part of `minutes` over which the rate falls to zero.
        tokens: padded tokens a step (questions are sorted by length and cut to fit).
        muon: matrices inside the language model by Muon, the rest by AdamW.
        perceived, perceived_share: stage joined: a file of what the detector saw, and how often it is used.
        goal_share: part of the questions that only ask what a sentence wants: short, so many can be read.
        start: weights to begin with (a folder), "" = from nothing.
        reader: a folder with the text encoder that reads instructions, "" = none; it does not learn here.
    """

    out: str = "runs/planner"
    minutes: float = 80.0
    max_steps: int = 10**9
    lr: float = 1e-3
    muon_lr: float = 0.01
    muon: bool = True
    weight_decay: float = 0.01
    warmup: int = 150
    decay_share: float = 0.35
    tokens: int = 4096
    width: int = 192
    layers: int = 4
    heads: int = 6
    inner: int = 512
    follow_ups: float = 0.8
    goal_share: float = 0.5
    seed: int = 0
    threads: int = 1
    workers: int = 1
    save_every_s: float = 180.0
    evaluate_every_s: float = 420.0
    evaluate_n: int = 120
    start: str = ""
    reader: str = ""
    perceived: str = ""
    perceived_share: float = 0.5
    feature_dim: int = 0


def loss_of(model: EmbodiedLM, batch: Batch) -> tuple[Tensor, Tensor]:
    """(weighted loss, loss of each said token (M,)): -log of the probability of all right tokens together."""
    ids = torch.from_numpy(batch.ids)
    attention = (torch.arange(ids.shape[1]) < torch.from_numpy(batch.length)[:, None]).long()
    objects = {k: torch.from_numpy(v) for k, v in batch.objects.items()}
    with autocast():
        reading = None if batch.reading is None else torch.from_numpy(batch.reading)
        x = model.embed(ids, objects, torch.from_numpy(batch.state), reading=reading)
        h = model.hidden(x, attention).flatten(0, 1)[torch.from_numpy(batch.at)]  # (M, D)
        logits = model.get_output_embeddings()(h)  # (M, V)
    logits = logits.float()
    right = logits.gather(1, torch.from_numpy(batch.target)[:, None])  # (M, 1)
    if (batch.alternative >= 0).any():
        other = torch.from_numpy(batch.alternative)
        more = logits.gather(1, other.clamp(0)).masked_fill(other < 0, float("-inf"))
        right = torch.cat([right, more], 1)
    each = logits.logsumexp(1) - right.logsumexp(1)  # (M,)
    weight = torch.from_numpy(batch.weight)
    return (each * weight).sum() / weight.sum(), each.detach()


def makers_of(
    config: PlannerTraining, source: TaskSource, seed: int
) -> tuple[list[QuestionMaker], list[float]]:
    """The imitated detector and, in stage joined, the real ones."""
    rates = RATES | {"goal": config.goal_share}
    read = bool(config.reader)
    makers = [QuestionMaker(source, seed, "train", DetectionNoise(), config.follow_ups, rates, read=read)]
    makers[0].feature_dim = config.feature_dim
    if not config.perceived:
        return makers, [1.0]
    file = PerceivedFile(config.perceived, config.feature_dim)
    makers.append(SeenQuestions(source, file, seed + 1, read=read))
    return makers, [1 - config.perceived_share, config.perceived_share]


def optimizers_of(model: EmbodiedLM, config: PlannerTraining) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the language model, AdamW for embeddings, connectors and gains."""
    inside = [p for n, p in model.named_parameters() if p.requires_grad and p.ndim == 2 and ".layers." in n]
    chosen = {id(p) for p in inside} if config.muon else set()
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in chosen]
    adam = torch.optim.AdamW(rest, lr=config.lr, betas=(0.9, 0.98), weight_decay=config.weight_decay)
    if not chosen:
        return [adam]
    return [adam, Muon(inside, config.muon_lr, config.weight_decay)]


def rate(seconds: float, step: int, config: PlannerTraining) -> float:
    """Warm-up, constant, linear decay to zero at `minutes`; a factor in [0, 1]."""
    left = 1 - seconds / (60 * config.minutes)
    return max(0.0, min(1.0, (step + 1) / config.warmup, left / max(config.decay_share, 1e-9)))


def new_model(config: PlannerTraining, reading_dim: int = 0) -> EmbodiedLM:
    """An untrained planner of the configured size, or the one in `start`, its vocabulary as it is now."""
    tokenizer = build_tokenizer()
    dims = {"feature_dim": config.feature_dim, "reading_dim": reading_dim}
    if config.start:
        began = EmbodiedLM.from_pretrained(config.start, dtype=torch.float32)
        model = EmbodiedLM(EmbodiedConfig.for_tokenizer(tokenizer, began.config.backbone, **dims))
        fresh = model.state_dict()  # words that are new since `start` was written begin untrained
        ids = {k: v for k, v in fresh.items() if k.endswith("_ids")}
        kept = {k: grown(v, fresh[k]) for k, v in began.state_dict().items() if k in fresh}
        model.load_state_dict({**fresh, **kept, **ids})
        return model
    backbone = {
        **SMALL_BACKBONE,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.heads,
        "intermediate_size": config.inner,
    }
    return EmbodiedLM(EmbodiedConfig.for_tokenizer(tokenizer, backbone, **dims))


def save_planner(model: EmbodiedLM, folder: Path) -> None:
    """What `PalmePlanner.load` reads: weights in bf16 (half the size; decoded in fp32), config, tokenizer."""
    halves = {k: v.bfloat16() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        halves.pop("lm.lm_head.weight", None)  # the embeddings say it already
    model.save_pretrained(folder, state_dict=halves)
    EmbodiedProcessor(build_tokenizer()).save_pretrained(folder)


def train_planner(config: PlannerTraining, source: TaskSource) -> dict[str, float]:
    """Trains, or goes on training, in `config.out`; returns the last evaluation.

    Writes `checkpoint.safetensors` (to resume), `model/` (to ship), `log.jsonl`, `config.json` and curves
    for TensorBoard.
    """
    from torch.utils.tensorboard import SummaryWriter

    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(asdict(config), indent=1))
    reader = InstructionEncoder.load(config.reader) if config.reader else None
    model = new_model(config, 0 if reader is None else reader.dim)
    optimizers = optimizers_of(model, config)
    step, seconds, questions = 0, 0.0, 0
    path = out / "checkpoint.safetensors"
    if path.exists():
        numbers = load_checkpoint(path, model, optimizers)
        step, seconds, questions = numbers["step"], numbers["seconds"], numbers["questions"]
    peaks = (config.lr, config.muon_lr)

    def save() -> None:
        numbers = {"step": step, "seconds": seconds, "questions": questions}
        save_checkpoint(path, model, optimizers, numbers)
        save_planner(model, out / "model")
        if reader is not None and not (out / "model" / FOLDER).exists():
            shutil.copytree(config.reader, out / "model" / FOLDER)

    seeds = [config.seed * 1_000_003 + 7919 * step + 31 * w + 1 for w in range(config.workers)]
    read = None if reader is None else reader.read
    queue, workers = serve(lambda seed: makers_of(config, source, seed), config.tokens, seeds, read)
    writer = SummaryWriter(str(out / "tensorboard"))
    log = (out / "log.jsonl").open("a")

    def tell(record: dict[str, Any]) -> None:
        log.write(json.dumps(record) + "\n")
        log.flush()
        print(json.dumps(record), flush=True)
        for name, value in record.items():
            if isinstance(value, float):
                writer.add_scalar(name, value, step)

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped run saves what it has
    results: dict[str, float] = {}
    losses: dict[str, list[float]] = defaultdict(list)
    last_save = last_evaluation = last_tell = seconds
    begin = time.monotonic()
    model.train()
    try:
        while seconds < 60 * config.minutes and step < config.max_steps:
            batch = queue.get()
            waited = time.monotonic() - begin
            factor = rate(seconds, step, config)
            for optimizer, peak in zip(optimizers, peaks, strict=False):
                for group in optimizer.param_groups:
                    group["lr"] = peak * factor
            loss, each = loss_of(model, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            step += 1
            questions += len(batch.ids)
            for i, name in enumerate(batch.kinds):
                hit = torch.from_numpy(batch.kind == i)
                losses[f"loss/{name}"].append(float(each[hit].mean()))
            losses["waited_s"].append(waited)
            now = time.monotonic()
            seconds += now - begin
            begin = now
            value = float(loss.detach())
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"loss {value} at step {step}: lower lr; {path} holds the last good state"
                )
            if seconds - last_tell > 30:
                means = {k: round(float(np.mean(v)), 4) for k, v in losses.items()}
                tell(
                    {
                        "step": step,
                        "seconds": round(seconds, 1),
                        "questions": questions,
                        "rate": factor,
                        **means,
                    }
                )
                losses.clear()
                last_tell = seconds
            if seconds - last_save > config.save_every_s:
                save()
                last_save = seconds
            if seconds - last_evaluation > config.evaluate_every_s:
                results = evaluate(model, source, config.evaluate_n, seed=90_001, reader=reader)
                tell({"step": step, "seconds": round(seconds, 1), "questions": questions, **results})
                last_evaluation = seconds
            begin = time.monotonic()
    finally:
        end(workers)
        signal.signal(signal.SIGTERM, before)
        save()
    results = evaluate(model, source, 2 * config.evaluate_n, seed=90_002, reader=reader)
    tell({"step": step, "seconds": round(seconds, 1), "questions": questions, "final": True, **results})
    writer.close()
    return results
