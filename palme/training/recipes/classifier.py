"""The namer's training recipe: second looks at objects, on features of a detector that no longer changes."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.perception.classifier import CELLS, PITCH, Classifier
from palme.perception.rgbd import network_input, rectified_crops, xyz_map
from palme.precision import autocast
from palme.training.recipes.detector import RenderedScenes, augmented, build, mirrored, rows, to_cells
from robots.skills import N_SOLIDS

VISIBLE = 0.15


@dataclass
class ClassifierTraining:
    """Hyperparameters; `detector` is a checkpoint of `palme.training.recipes.detector`."""

    data: str = "runs/scenes"
    detector: str = "runs/perception/checkpoint.safetensors"
    out: str = "runs/names"
    steps: int = 3000
    batch: int = 12
    objects: int = 10  # looked at in each picture
    cylinders: float = 3.0  # times as often as their share: they are few, and taken for blocks
    start: str = ""  # weights to go on from; "" = from nothing
    lr: float = 1.5e-3
    warmup: int = 100
    jitter: float = 0.003  # [m] standard deviation of where the first look puts an object
    seed: int = 0
    threads: int = 1


def looks(
    net: nn.ModuleDict,
    batch: dict[str, Tensor],
    c: ClassifierTraining,
    generator: torch.Generator,
    train: bool,
) -> dict[str, Tensor]:
    """Crops and what the frozen detector knows of `objects` random visible objects of each picture."""
    rgb = augmented(batch["rgb"], generator) if train else batch["rgb"].float()
    xyz = xyz_map(batch["depth_mm"], batch["intrinsics"], batch["base_from_camera"])
    x = network_input(rgb, xyz).contiguous(memory_format=torch.channels_last)
    localiser = net["localiser"]
    with torch.no_grad(), autocast():
        dense = localiser(x, batch["intrinsics"], batch["base_from_camera"])
        heat = localiser.entity_heat(dense.features)  # (B, 24, h, w)
    seen = (batch["entity"] >= 0) & (batch["visible"] > VISIBLE)
    cylinder = (batch["entity"] >= N_SOLIDS // 2) & (batch["entity"] < N_SOLIDS)
    often = seen.float() * torch.where(cylinder, c.cylinders, 1.0)
    chosen = torch.multinomial(often + 1e-6, c.objects, replacement=True, generator=generator)
    centre = rows(batch["point"], chosen)
    centre = centre + torch.randn(centre.shape, generator=generator) * c.jitter
    crops = rectified_crops(rgb, xyz, batch["intrinsics"], batch["base_from_camera"], centre, CELLS, PITCH)
    h, w = heat.shape[-2:]
    cells = rows(to_cells(batch["centre"], batch, localiser.trunk.stride), chosen)
    cells = cells + torch.randn(cells.shape, generator=generator) * 0.3  # maxima are not always at the centre
    column, row = cells[..., 0].round().long().clamp(0, w - 1), cells[..., 1].round().long().clamp(0, h - 1)
    at = row * w + column
    return {
        "crops": crops.flatten(0, 1).contiguous(memory_format=torch.channels_last),
        "feature": rows(dense.features.flatten(2).transpose(1, 2), at).flatten(0, 1).float(),
        "logits": rows(heat.flatten(2).transpose(1, 2), at).flatten(0, 1),
        "entity": rows(batch["entity"], chosen).flatten(),
        "size": rows(batch["size"], chosen).flatten(),
        "use": rows(seen, chosen).flatten(),
    }


def loss_of(namer: Classifier, look: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    bowl = look["entity"] >= N_SOLIDS
    with autocast():
        names, sizes = namer(look["crops"], look["feature"], look["logits"], bowl)
    use = look["use"]
    loss = F.cross_entropy(names[use], look["entity"][use]) + 0.3 * F.cross_entropy(
        sizes[use], look["size"][use]
    )
    right = (names.argmax(-1) == look["entity"])[use].float().mean().item()
    size = (sizes.argmax(-1) == look["size"])[use].float().mean().item()
    return loss, {"loss": loss.item(), "name": right, "size": size}


def train(c: ClassifierTraining) -> dict[str, float]:
    """Trains the namer and writes `detector.safetensors` (bf16) with it to `c.out`."""
    from safetensors.torch import load_file, save_file
    from torch.utils.tensorboard import SummaryWriter

    torch.set_num_threads(c.threads)
    torch.manual_seed(c.seed)
    scenes, held_out = RenderedScenes(c.data, slice(1, None)), RenderedScenes(c.data, slice(0, 1))
    net = build()
    state = {k[4:]: v for k, v in load_file(c.detector).items() if k.startswith("net.")}
    net.load_state_dict(state)
    net.eval()
    namer = Classifier(net["localiser"].width)
    if c.start:
        before = {k[6:]: v.float() for k, v in load_file(c.start).items() if k.startswith("namer.")}
        namer.load_state_dict({k: v.long() if k.endswith("tracked") else v for k, v in before.items()})
    optimiser = torch.optim.AdamW(namer.parameters(), lr=c.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min(1.0, (s + 1) / c.warmup, max(0.0, (c.steps - s) / (0.6 * c.steps)))
    )
    out = Path(c.out)
    out.mkdir(parents=True, exist_ok=True)
    writer, began, figures = SummaryWriter(c.out), time.monotonic(), {}
    for step in range(c.steps):
        rng = np.random.default_rng([c.seed, 77, step])
        generator = torch.Generator().manual_seed(c.seed * 1_000_003 + 500_000 + step)
        batch = scenes.batch(rng.integers(len(scenes), size=c.batch))
        batch = mirrored(batch, torch.rand(c.batch, generator=generator) < 0.5)
        loss, metrics = loss_of(namer, looks(net, batch, c, generator, train=True))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        last = step + 1 == c.steps
        if step % 100 == 0:
            rate = (step + 1) * c.batch / (time.monotonic() - began)
            print(f"step {step}/{c.steps}  {rate:.0f} images/s  {metrics}", flush=True)
        if (step + 1) % 500 == 0 or last:
            figures = validate(net, namer, held_out, c)
            for k, v in figures.items():
                writer.add_scalar(f"held_out/{k}", v, step)
            print("held out:", json.dumps(figures), flush=True)
            whole = {**state, **{f"namer.{k}": v for k, v in namer.state_dict().items()}}
            half = {
                k: v.to(torch.bfloat16).contiguous() if v.is_floating_point() else v for k, v in whole.items()
            }
            save_file(half, out / "detector.safetensors")
    writer.close()
    return figures


def validate(
    net: nn.ModuleDict, namer: Classifier, data: RenderedScenes, c: ClassifierTraining
) -> dict[str, float]:
    namer.eval()
    generator, found = torch.Generator().manual_seed(1), []
    with torch.no_grad():
        for start in range(0, min(384, len(data)), 32):
            look = looks(net, data.batch(np.arange(start, start + 32)), c, generator, train=False)
            found.append(loss_of(namer, look)[1])
    namer.train()
    return {k: round(float(np.mean([f[k] for f in found])), 4) for k in found[0]}
