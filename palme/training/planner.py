"""The planner's training recipe: words, imitated objects, the right words to say. Read top to bottom.

Stage `words`: object tokens are made from symbolic states with imitated eye errors, nothing is rendered.
Stage `joined`: the same model goes on, with part of its objects from the trained eyes (`PerceivedFile`).
The schedule runs on the clock: warm-up, constant, linear decay over the last part. A run that was decayed
can be resumed with more minutes: it goes back to the constant part and decays again.
"""

from __future__ import annotations

import json
import math
import multiprocessing as mp
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from palme.language.decode import Follow, say
from palme.language.grammar import WAYS, AnswerGrammar, Evidence
from palme.language.model import SMALL_BACKBONE, EmbodiedConfig, EmbodiedLM
from palme.language.objects import collate_arrays
from palme.language.processor import EmbodiedProcessor
from palme.language.tokenizer import build_tokenizer
from palme.language.words import EOS, PAD, VOCABULARY
from palme.precision import autocast
from palme.training.imitated_eyes import SHARP, EyeNoise
from palme.training.perceived import PerceivedFile, SeenQuestions
from palme.training.questions import ID, Example, QuestionMaker, TaskSource

HEAVY = 4  # up or down: one word among thirty, on which the whole tower hangs
_WAY_IDS = frozenset(ID[w] for w in WAYS)
FAMILIES = ("put_in_bowl", "stack_tower", "match_bowls")


@dataclass
class PlannerTraining:
    """Hyperparameters.

    Attributes:
        minutes: of training in all, earlier runs in `out` included; evaluation does not count.
        decay_share: part of `minutes` over which the rate falls to zero.
        tokens: padded tokens a step (questions are sorted by length and cut to fit).
        muon: matrices inside the language model by Muon, the rest by AdamW.
        perceived, perceived_share: stage joined: a file of what the eyes saw, and how often it is used.
        start: weights to begin with (a folder), "" = from nothing.
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
    seed: int = 0
    threads: int = 1
    workers: int = 1
    save_every_s: float = 180.0
    evaluate_every_s: float = 420.0
    evaluate_n: int = 120
    start: str = ""
    perceived: str = ""
    perceived_share: float = 0.5
    feature_dim: int = 0


@dataclass
class Batch:
    """Q sequences, padded. `at` (M,) flat positions whose next token is to be said, `target` (M,) it,
    `weight` (M,), `kind` (M,) index into `kinds`; `alternative` (M, A) further right tokens, -1 = none."""

    ids: np.ndarray
    length: np.ndarray
    at: np.ndarray
    target: np.ndarray
    alternative: np.ndarray
    weight: np.ndarray
    kind: np.ndarray
    kinds: list[str]
    objects: dict[str, np.ndarray]
    state: np.ndarray


def collate(examples: Sequence[Example], feature_dim: int = 0) -> Batch:
    """Pads on the right; each question weighs the same however long its answer (but see `HEAVY`)."""
    t = max(len(e.ids) for e in examples)
    ids = np.full((len(examples), t), ID[PAD], np.int64)
    at, target, weight, kind, options = [], [], [], [], []
    kinds = sorted({s[0] for e in examples for s in e.said})
    for i, e in enumerate(examples):
        ids[i, : len(e.ids)] = e.ids
        for name, w, start, end in e.said:
            for p in range(start, end):
                at.append(i * t + p - 1)
                target.append(e.ids[p])
                weight.append(w / (end - start) * (HEAVY if e.ids[p] in _WAY_IDS else 1))
                kind.append(kinds.index(name))
                options.append(e.options.get(p, ()))
    alternative = np.full((len(at), max(1, *(len(o) for o in options), 1)), -1, np.int64)
    for i, o in enumerate(options):
        alternative[i, : len(o)] = o
    return Batch(
        ids,
        np.array([len(e.ids) for e in examples]),
        np.array(at),
        np.array(target),
        alternative,
        np.array(weight, np.float32),
        np.array(kind),
        kinds,
        collate_arrays([e.objects for e in examples], feature_dim),
        np.stack([e.robot for e in examples]),
    )


def batches(
    makers: Sequence[QuestionMaker], shares: Sequence[float], tokens: int, seed: int
) -> Iterator[Batch]:
    """Endless batches of about `tokens` padded tokens. Sorting by length in a pool keeps padding low."""
    rng = random.Random(seed)
    while True:
        pool = [rng.choices(makers, shares)[0].example() for _ in range(max(32, tokens // 8))]
        pool.sort(key=lambda e: len(e.ids) + rng.random())
        cuts, chunk = [], []
        for e in pool:
            if chunk and (len(chunk) + 1) * len(e.ids) > tokens:
                cuts.append(chunk)
                chunk = []
            chunk.append(e)
        rng.shuffle(cuts)  # the last, unfinished chunk is dropped with its length bias
        yield from (collate(c, makers[0].feature_dim) for c in cuts)


def loss_of(model: EmbodiedLM, batch: Batch) -> tuple[Tensor, Tensor]:
    """(weighted loss, loss of each said token (M,)): -log of the probability of all right tokens together."""
    ids = torch.from_numpy(batch.ids)
    attention = (torch.arange(ids.shape[1]) < torch.from_numpy(batch.length)[:, None]).long()
    objects = {k: torch.from_numpy(v) for k, v in batch.objects.items()}
    with autocast():
        x = model.embed(ids, objects, torch.from_numpy(batch.state))
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
    """The imitated eyes and, in stage joined, the real ones."""
    makers = [QuestionMaker(source, seed, "train", EyeNoise(), config.follow_ups)]
    makers[0].feature_dim = config.feature_dim
    if not config.perceived:
        return makers, [1.0]
    makers.append(SeenQuestions(source, PerceivedFile(config.perceived, config.feature_dim), seed + 1))
    return makers, [1 - config.perceived_share, config.perceived_share]


def _work(config: PlannerTraining, source: TaskSource, seed: int, queue: Any) -> None:
    os.nice(5)
    makers, shares = makers_of(config, source, seed)
    for batch in batches(makers, shares, config.tokens, seed):
        queue.put(batch)


def optimizers_of(model: EmbodiedLM, config: PlannerTraining) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the language model, AdamW for embeddings, connectors and gains."""
    inside = [p for n, p in model.named_parameters() if p.requires_grad and p.ndim == 2 and ".layers." in n]
    chosen = {id(p) for p in inside} if config.muon else set()
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in chosen]
    adam = torch.optim.AdamW(rest, lr=config.lr, betas=(0.9, 0.98), weight_decay=config.weight_decay)
    if not chosen:
        return [adam]
    muon = torch.optim.Muon(
        inside, lr=config.muon_lr, weight_decay=config.weight_decay, momentum=0.95, nesterov=True
    )
    return [adam, muon]


def rate(seconds: float, step: int, config: PlannerTraining) -> float:
    """Warm-up, constant, linear decay to zero at `minutes`; a factor in [0, 1]."""
    left = 1 - seconds / (60 * config.minutes)
    return max(0.0, min(1.0, (step + 1) / config.warmup, left / max(config.decay_share, 1e-9)))


def new_model(config: PlannerTraining) -> EmbodiedLM:
    """An untrained planner of the configured size, or the one in `start`."""
    if config.start:
        return EmbodiedLM.from_pretrained(config.start, dtype=torch.float32)
    backbone = {
        **SMALL_BACKBONE,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.heads,
        "intermediate_size": config.inner,
    }
    tokenizer = build_tokenizer()
    return EmbodiedLM(EmbodiedConfig.for_tokenizer(tokenizer, backbone, feature_dim=config.feature_dim))


def grow_vocabulary(saved: dict[str, Any], model: EmbodiedLM) -> None:
    """Words added at the end of the vocabulary since `saved` was written begin as `model` has them."""
    fresh = model.get_input_embeddings().weight.detach()
    n = next(len(t) for k, t in saved["model"].items() if k.endswith("embed_tokens.weight"))
    if n == len(fresh):
        return
    for name, tensor in saved["model"].items():
        if tensor.shape == (n, fresh.shape[1]):
            saved["model"][name] = torch.cat([tensor, fresh[n:]])
    for optimizer in saved["optimizers"]:
        for state in optimizer["state"].values():
            for name, tensor in state.items():
                if getattr(tensor, "shape", None) == (n, fresh.shape[1]):
                    state[name] = torch.cat([tensor, torch.zeros_like(fresh[n:])])


def save_planner(model: EmbodiedLM, folder: Path) -> None:
    """What `PalmePlanner.load` reads: weights in bf16 (half the size; decoded in fp32), config, tokenizer."""
    halves = {k: v.bfloat16() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        halves.pop("lm.lm_head.weight", None)  # the embeddings say it already
    model.save_pretrained(folder, state_dict=halves)
    EmbodiedProcessor(build_tokenizer()).save_pretrained(folder)


def train_planner(config: PlannerTraining, source: TaskSource) -> dict[str, float]:
    """Trains, or goes on training, in `config.out`; returns the last evaluation.

    Writes `checkpoint.pt` (to resume), `model/` (to ship), `log.jsonl`, `config.json` and TensorBoard curves.
    """
    from torch.utils.tensorboard import SummaryWriter

    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(asdict(config), indent=1))
    model = new_model(config)
    optimizers = optimizers_of(model, config)
    step, seconds, questions = 0, 0.0, 0
    path = out / "checkpoint.pt"
    if path.exists():
        saved = torch.load(path, weights_only=True)
        grow_vocabulary(saved, model)
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        step, seconds, questions = saved["step"], saved["seconds"], saved["questions"]
    peaks = (config.lr, config.muon_lr)

    def save() -> None:
        states = [o.state_dict() for o in optimizers]
        bundle = {"model": model.state_dict(), "optimizers": states}
        torch.save(
            {**bundle, "step": step, "seconds": seconds, "questions": questions}, path.with_suffix(".new")
        )
        path.with_suffix(".new").replace(path)
        save_planner(model, out / "model")

    context = mp.get_context("fork")
    queue: Any = context.Queue(12)
    seeds = [config.seed * 1_000_003 + 7919 * step + 31 * w + 1 for w in range(config.workers)]
    workers = [context.Process(target=_work, args=(config, source, s, queue), daemon=True) for s in seeds]
    for worker in workers:
        worker.start()
    writer = SummaryWriter(str(out / "tensorboard"))
    log = (out / "log.jsonl").open("a")

    def tell(record: dict[str, Any]) -> None:
        log.write(json.dumps(record) + "\n")
        log.flush()
        print(json.dumps(record), flush=True)
        for name, value in record.items():
            if isinstance(value, float):
                writer.add_scalar(name, value, step)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped run saves what it has
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
                results = evaluate(model, source, config.evaluate_n, seed=90_001)
                tell({"step": step, "seconds": round(seconds, 1), "questions": questions, **results})
                last_evaluation = seconds
            begin = time.monotonic()
    finally:
        for worker in workers:
            worker.terminate()
        save()
    results = evaluate(model, source, 2 * config.evaluate_n, seed=90_002)
    tell({"step": step, "seconds": round(seconds, 1), "questions": questions, "final": True, **results})
    writer.close()
    return results


def answers(model: EmbodiedLM, examples: Sequence[Example], constrained: bool = True) -> list[list[str]]:
    """What the model writes after each example's prompt, in words."""
    was_training = model.training
    model.eval()
    grammar = AnswerGrammar()
    said: list[list[str]] = []
    for k in range(0, len(examples), 100):
        part = examples[k : k + 100]
        t = max(e.prompt for e in part)
        ids = torch.full((len(part), t), ID[PAD])
        for i, e in enumerate(part):
            ids[i, : e.prompt] = torch.tensor(e.ids[: e.prompt])
        arrays = collate_arrays([e.objects for e in part], model.config.feature_dim)
        state = torch.from_numpy(np.stack([e.robot for e in part]))
        with torch.inference_mode():
            x = model.embed(ids, {n: torch.from_numpy(a) for n, a in arrays.items()}, state)
        follow = [_bound(grammar, e) for e in part] if constrained else None
        for one in say(model, x, [e.prompt for e in part], follow, ID[EOS], max_new=80):
            said.append([VOCABULARY[i] for i in one.ids])
    model.train(was_training)
    return said


def _bound(grammar: AnswerGrammar, example: Example) -> Follow:
    seen = Evidence.of(example.objects["class_probs"])
    return lambda said: grammar.follow(said, seen)


def step_text(said: Sequence[str]) -> str:
    """The step at the end of an answer, as the skill grammar writes it; "" if there is none."""
    words = list(said)
    if words and words[-1] == ".":
        words.pop()
    if ";" in words:
        words = words[len(words) - words[::-1].index(";") :]
    if len(words) == 4 and words[0] == "put":
        return f"put the {words[1].replace('_', ' ')} {words[2]} the {words[3].replace('_', ' ')}"
    return " ".join(words)


def evaluate(
    model: EmbodiedLM,
    source: TaskSource,
    n: int,
    seed: int,
    noise: EyeNoise | None = None,
    wrong: list | None = None,
) -> dict[str, float]:
    """Next step in the acceptable set (test phrasings; held-out colour pairs), closed loop, short questions.

    Shares in [0, 1]. The closed loop applies each step to the symbolic state and asks again, perfect eyes.
    """
    noise = SHARP if noise is None else noise
    results: dict[str, float] = {}
    for split in ("train", "test", "held_out"):
        for family in FAMILIES:
            if split == "held_out" and family == "match_bowls":
                continue
            maker = QuestionMaker(source, seed, split, noise, 0.0, {})
            examples = [maker.example(family) for _ in range(n)]
            said = answers(model, examples)
            right = [
                step_text(s) in e.task.acceptable_steps(e.state) for s, e in zip(said, examples, strict=True)
            ]
            results[f"next_step/{split}/{family}"] = sum(right) / n
            if wrong is not None:
                wrong += [(split, e, s) for s, e, r in zip(said, examples, right, strict=True) if not r]
    for family in FAMILIES:
        results[f"closed_loop/{family}"] = closed_loop(
            model, source, family, max(20, n // 3), seed + 1, noise
        )
    for kind in ("success", "vqa", "nonsense", "absent"):
        maker = QuestionMaker(source, seed, "train", noise, 0.0, {kind: 1.0})
        examples = [maker.example("put_in_bowl" if kind == "absent" else None) for _ in range(n)]
        said = answers(model, examples, constrained=kind in ("nonsense", "absent"))
        truth = [[VOCABULARY[i] for i in e.ids[e.said[0][2] : e.said[0][3] - 1]] for e in examples]
        results[f"question/{kind}"] = sum(s[-2:] == t[-2:] for s, t in zip(said, truth, strict=True)) / n
    return {name: round(value, 4) for name, value in results.items()}


def closed_loop(
    model: EmbodiedLM,
    source: TaskSource,
    family: str,
    n: int,
    seed: int,
    noise: EyeNoise,
    max_steps: int = 16,
) -> float:
    """Share of tasks brought to "done" with the goal reached, symbolic world, test phrasings."""
    maker = QuestionMaker(source, seed, "test", noise, 0.0, {})
    tasks = [maker.example(family) for _ in range(n)]
    going = [(e.task, e.state) for e in tasks]
    achieved = 0
    for _ in range(max_steps):
        examples = []
        for task, state in going:
            listed = list(range(len(state.objects)))
            maker.rng.shuffle(listed)
            examples.append(maker.again(task, state, listed))
        following = []
        for (task, state), said in zip(going, answers(model, examples), strict=True):
            text = step_text(said)
            if text == "done":
                achieved += "done" in task.acceptable_steps(state)
            elif text in source.feasible(state):
                following.append((task, source.apply(state, text)))
        going = following
        if not going:
            break
    return achieved / n
