"""The detector's training recipe: grounded supervision on rendered scenes, read top to bottom.

Data: folders written by `palme collect` (see `RenderedScenes` for their arrays). The localiser learns
entity heatmaps, step-text heatmaps, points, sizes and holders in one pass; the crop network learns
refinement and grasp yaw from crops around jittered true points.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.perception.grasp_refiner import CELLS, PITCH, YAW_BINS, GraspRefiner
from palme.perception.localiser import POINTS, DenseFeatures, Localiser
from palme.perception.relations import HolderNet
from palme.perception.rgbd import network_input, project, rectified_crops, xyz_map
from palme.perception.step_query import encode_words
from palme.precision import autocast
from palme.training.checkpoint import load_checkpoint, save_checkpoint
from robots.skills import ENTITIES, N_SOLIDS

ARRAYS = (
    "rgb",
    "depth_mm",
    "intrinsics",
    "base_from_camera",
    "entity",
    "size",
    "point",
    "centre",
    "holder",
    "visible",
    "held",
    "clear",
    "yaw",
    "place_yaw",
    "opening",
    "place_in",
    "free",
)


@dataclass
class DetectorTraining:
    """Hyperparameters. `lr` is the peak of a schedule: warm-up, constant, linear decay over the last part."""

    data: str = "runs/scenes"
    out: str = "runs/perception"
    steps: int = 9000
    batch: int = 16
    lr: float = 2e-3
    warmup: int = 300
    decay_share: float = 0.35
    texts: int = 6  # step texts asked of each image
    crops: int = 5  # close looks taken at each image
    seed: int = 0
    threads: int = 1
    save_every_s: float = 240.0
    validate_every: int = 500
    resume: bool = True


class RenderedScenes:
    """Rendered scenes with labels, memory-mapped from one folder per worker.

    Per image (K object rows, unused rows have entity -1): rgb (H, W, 3) uint8; depth_mm (H, W) uint16;
    intrinsics (3, 3); base_from_camera (4, 4); entity, size, holder (K,) int8, holder -1 = table;
    point (K, 3) the centre of a solid's top face or of a bowl's floor [m]; centre (K, 3) the point that its
    heat marks; visible (K,) in [0, 1]; held, clear (K,) bool; yaw (K, 36) uint8, 1 where a grasp at that bin
    is good; place_yaw (K, 36) likewise for letting go in or on it; opening (K,) in [0, 1]; place_in (K, 3)
    where to let go in that bowl; free (H/4, W/4) uint8: 1 free table,
    0 not free, 255 not table.
    """

    def __init__(self, folder: str | Path, parts: slice = slice(None)) -> None:
        folders = sorted(p for p in Path(folder).iterdir() if (p / "done.json").exists())[parts]
        if not folders:
            raise FileNotFoundError(
                f"{folder}: no finished part (a folder with done.json); run `palme collect`"
            )
        self.parts = [{k: np.load(p / f"{k}.npy", mmap_mode="r") for k in ARRAYS} for p in folders]
        self.sizes = np.array([len(p["entity"]) for p in self.parts])
        self.ends = np.cumsum(self.sizes)

    def __len__(self) -> int:
        return int(self.ends[-1])

    def batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        part = np.searchsorted(self.ends, indices, side="right")
        row = indices - (self.ends - self.sizes)[part]
        out = {}
        for key in ARRAYS:
            stack = np.stack([self.parts[p][key][r] for p, r in zip(part, row, strict=True)])
            if key == "depth_mm":
                stack = stack.astype(np.float32) / 1000
            elif key == "rgb":
                stack = stack.transpose(0, 3, 1, 2)
            elif key in ("entity", "size", "holder"):
                stack = stack.astype(np.int64)
            elif stack.dtype == np.float64:
                stack = stack.astype(np.float32)
            out[key] = torch.from_numpy(np.ascontiguousarray(stack))
        return out


def mirrored(batch: dict[str, Tensor], which: Tensor) -> dict[str, Tensor]:
    """The scene reflected in the plane y = 0 for the images marked in `which` (B,): a scene for free."""
    out = dict(batch)
    pick = which.bool()

    def swap(key: str, value: Tensor) -> None:
        shape = (-1,) + (1,) * (value.dim() - 1)
        out[key] = torch.where(pick.reshape(shape), value, out[key])

    for key in ("rgb", "depth_mm", "free"):
        swap(key, batch[key].flip(-1))
    k = batch["intrinsics"].clone()
    k[:, 0, 2] = batch["rgb"].shape[-1] - 1 - k[:, 0, 2]
    swap("intrinsics", k)
    # Mirror world y and camera x together: a proper rotation again.
    t = batch["base_from_camera"].clone()
    t[:, 1] *= -1
    t[:, :, 0] *= -1
    swap("base_from_camera", t)
    for key in ("point", "centre", "place_in"):
        swap(key, batch[key] * batch[key].new_tensor([1.0, -1.0, 1.0]))
    for key in ("yaw", "place_yaw"):
        swap(key, batch[key].flip(-1))  # yaw -> pi - yaw: bin centres are symmetric
    return out


def augmented(rgb: Tensor, generator: torch.Generator) -> Tensor:
    """Exposure, contrast, white balance and sensor noise, drawn per image: uint8 (B, 3, H, W) -> float."""
    b = len(rgb)
    gain = 1 + 0.18 * (torch.rand(b, 1, 1, 1, generator=generator) * 2 - 1)
    balance = 1 + 0.05 * (torch.rand(b, 3, 1, 1, generator=generator) * 2 - 1)
    bias = 14 * (torch.rand(b, 1, 1, 1, generator=generator) * 2 - 1)
    noise = torch.randn(rgb.shape, generator=generator) * 4 * torch.rand(b, 1, 1, 1, generator=generator)
    return (rgb.float() * gain * balance + bias + noise).clamp(0, 255)


def gaussian_heat(cells: Tensor, h: int, w: int, sigma: float) -> Tensor:
    """Bumps of height 1 at fractional cells (..., 2) (column, row): (..., h, w)."""
    columns = torch.arange(w) - cells[..., 0, None]  # (..., w)
    rows = torch.arange(h) - cells[..., 1, None]  # (..., h)
    return torch.exp(-(rows[..., :, None] ** 2 + columns[..., None, :] ** 2) / (2 * sigma**2))


def to_cells(points: Tensor, batch: dict[str, Tensor], stride: int) -> Tensor:
    """Base-frame points (B, K, 3) -> fractional feature cells (B, K, 2) (column, row)."""
    uv = project(points, batch["intrinsics"], batch["base_from_camera"])[..., :2]
    return (uv - (stride - 1) / 2) / stride


def sample_texts(batch: dict[str, Tensor], n: int, rng: np.random.Generator) -> dict[str, Tensor]:
    """Random step texts about what is in each image, with the rows that they name (B, n)."""
    b = len(batch["entity"])
    ids = np.zeros((b, n, len(encode_words("put"))), np.int64)
    what, where, relation = (np.full((b, n), -1) for _ in range(3))
    entity, visible = batch["entity"].numpy(), batch["visible"].numpy()
    held, clear = batch["held"].numpy(), batch["clear"].numpy()
    for i in range(b):
        solids = np.flatnonzero((entity[i] >= 0) & (entity[i] < N_SOLIDS) & (visible[i] > 0.15))
        bowls = np.flatnonzero((entity[i] >= N_SOLIDS) & (visible[i] > 0.15))
        tops = np.flatnonzero(
            (entity[i] >= 0) & (entity[i] < N_SOLIDS) & clear[i] & ~held[i] & (visible[i] > 0.15)
        )
        for j in range(n):
            if not len(solids):
                continue
            a = rng.choice(solids)
            kind = rng.choice(3, p=[0.4, 0.4, 0.2])
            others = tops[tops != a]
            if kind == 0 and len(bowls):
                c = rng.choice(bowls)
                text = f"put the {ENTITIES[entity[i, a]]} in the {ENTITIES[entity[i, c]]}"
            elif kind == 1 and len(others):
                c = rng.choice(others)
                text = f"put the {ENTITIES[entity[i, a]]} on the {ENTITIES[entity[i, c]]}"
            else:
                kind, c, text = 2, -1, f"put the {ENTITIES[entity[i, a]]} on the table"
            ids[i, j], what[i, j], where[i, j], relation[i, j] = encode_words(text), a, c, kind
    return {
        k: torch.from_numpy(np.asarray(v))
        for k, v in {"ids": ids, "what": what, "where": where, "relation": relation}.items()
    }


def rows(x: Tensor, index: Tensor) -> Tensor:
    """x (B, K, ...) taken at index (B, M) -> (B, M, ...)."""
    return x[torch.arange(len(x))[:, None], index]


def heat_loss(logits: Tensor, batch: dict[str, Tensor], cells: Tensor) -> Tensor:
    """CenterNet's penalty-reduced focal loss on the entity heatmaps; barely visible objects are left out."""
    b, e, h, w = logits.shape
    bumps = gaussian_heat(cells, h, w, 1.0)  # (B, K, h, w)
    target, weight = torch.zeros_like(logits), torch.ones_like(logits)
    for k in range(cells.shape[1]):
        entity = batch["entity"][:, k]
        i = torch.nonzero((entity >= 0) & (batch["visible"][:, k] > 0.15))[:, 0]
        target[i, entity[i]] = torch.maximum(target[i, entity[i]], bumps[i, k])
        i = torch.nonzero((entity >= 0) & (batch["visible"][:, k] <= 0.15))[:, 0]
        weight[i, entity[i]] *= (bumps[i, k] < 0.05).float()
    at = torch.nonzero(target > 0.88, as_tuple=True)  # the cell nearest to each point
    sure = logits[at]
    gain = torch.sigmoid(-sure) ** 2 * F.softplus(-sure)
    elsewhere = (1 - target).square().square() * weight  # nothing is asked of the peaks themselves
    elsewhere[at] = 0
    cost = elsewhere * torch.sigmoid(logits).square() * F.softplus(logits)
    return (gain.sum() + cost.sum()) / max(len(sure), 1)


def near_cells(cells: Tensor, h: int, w: int) -> tuple[Tensor, Tensor]:
    """The 3 x 3 cells around fractional cells (B, M, 2): flat indices and weights, each (B, M, 9)."""
    centre = cells.round()
    d = torch.tensor([[dx, dy] for dy in (-1, 0, 1) for dx in (-1, 0, 1)], dtype=cells.dtype)
    around = centre[:, :, None] + d  # (B, M, 9, 2)
    inside = (around[..., 0] >= 0) & (around[..., 0] < w) & (around[..., 1] >= 0) & (around[..., 1] < h)
    weight = torch.exp(-((around - cells[:, :, None]) ** 2).sum(-1) / 1.0) * inside
    flat = around[..., 1].clamp(0, h - 1) * w + around[..., 0].clamp(0, w - 1)
    return flat.long(), weight


def point_loss(dense: DenseFeatures, head: int, truth: Tensor, cells: Tensor, use: Tensor) -> Tensor:
    """Smooth L1 in [cm] between a head's points near each object's cell and the true points (B, M, 3)."""
    b, _, _, h, w = dense.offsets.shape
    index, weight = near_cells(cells, h, w)
    points = (dense.anchors + dense.offsets[:, head]).flatten(2).transpose(1, 2)  # (B, h*w, 3)
    found = rows(points, index.flatten(1)).reshape(*index.shape, 3)  # (B, M, 9, 3)
    weight = weight * use[..., None]
    error = F.smooth_l1_loss(
        found * 100, (truth[:, :, None] * 100).expand_as(found), reduction="none", beta=0.5
    )
    return (error.mean(-1) * weight).sum() / weight.sum().clamp(min=1)


def object_rows(dense: DenseFeatures, heat: Tensor, cells: Tensor, entity: Tensor) -> tuple[Tensor, ...]:
    """Class probabilities, sizes, points and features read at given cells, as the detector does at peaks."""
    b, _, h, w = heat.shape
    column = cells[..., 0].round().long().clamp(0, w - 1)
    flat = cells[..., 1].round().long().clamp(0, h - 1) * w + column
    logits = rows(heat.flatten(2).transpose(1, 2), flat)  # (B, K, 24)
    is_bowl = entity >= N_SOLIDS
    group = (torch.arange(len(ENTITIES)) >= N_SOLIDS) == is_bowl[..., None]
    class_probs = F.softmax(logits.masked_fill(~group, -1e4), -1)
    size = rows(dense.sizes.flatten(3).permute(0, 3, 1, 2), flat)  # (B, K, 2, 2)
    size = torch.where(is_bowl[..., None], size[:, :, 1], size[:, :, 0])  # (B, K, 2)
    points = (dense.anchors[:, None] + dense.offsets).flatten(3).permute(0, 3, 1, 2)  # (B, h*w, P, 3)
    point = rows(points, flat)
    point = torch.where(is_bowl[..., None], point[:, :, 1], point[:, :, 0])
    feature = rows(dense.features.flatten(2).transpose(1, 2), flat).float()
    return class_probs, size, point, feature


def localiser_losses(
    localiser: Localiser, holders: HolderNet, x: Tensor, batch: dict[str, Tensor], texts: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, float]]:
    dense = localiser(x, batch["intrinsics"], batch["base_from_camera"])
    b, _, h, w = dense.features.shape
    stride = localiser.trunk.stride
    present = batch["entity"] >= 0
    seen = present & (batch["visible"] > 0.15)
    solid = seen & (batch["entity"] < N_SOLIDS)
    bowl = seen & (batch["entity"] >= N_SOLIDS)
    cells = to_cells(batch["centre"], batch, stride)
    in_cells, on_cells = to_cells(batch["place_in"], batch, stride), to_cells(batch["point"], batch, stride)

    entity_heat = localiser.entity_heat(dense.features)
    losses = {"heat": heat_loss(entity_heat, batch, cells)}
    losses["solid"] = point_loss(dense, POINTS.index("solid"), batch["point"], cells, solid)
    losses["bowl"] = point_loss(dense, POINTS.index("bowl"), batch["point"], cells, bowl)
    losses["in"] = point_loss(dense, POINTS.index("in"), batch["place_in"], in_cells, bowl)
    losses["on"] = point_loss(dense, POINTS.index("on"), batch["point"], on_cells, solid & batch["clear"])

    class_probs, size, point, feature = object_rows(dense, entity_heat, cells, batch["entity"])
    losses["class"] = F.nll_loss(class_probs.clamp(min=1e-6).log()[seen], batch["entity"][seen])
    losses["size"] = F.cross_entropy(size[seen], batch["size"][seen])
    noisy = point + torch.randn_like(point) * 0.002
    held_by = holders(class_probs, F.softmax(size, -1), noisy, feature, seen)
    target = torch.where(batch["holder"] < 0, batch["holder"].shape[1], batch["holder"])
    judged = seen & ((batch["holder"] < 0) | rows(seen, batch["holder"].clamp(min=0)))
    losses["holder"] = F.cross_entropy(held_by[judged], target[judged])

    queries = localiser.queries(texts["ids"])  # (B, T, 2, D + 1)
    what, where = (localiser.heat(dense.features, queries[:, :, r]) for r in (0, 1))  # (B, T, h, w)
    asked = texts["what"] >= 0
    goal_what = gaussian_heat(rows(cells, texts["what"].clamp(min=0)), h, w, 0.8).flatten(2)
    losses["what"] = soft_cross_entropy(what.flatten(2), goal_what, asked)
    spots = torch.where(
        (texts["relation"] == 0)[..., None],
        rows(in_cells, texts["where"].clamp(min=0)),
        rows(on_cells, texts["where"].clamp(min=0)),
    )
    goal_where = gaussian_heat(spots, h, w, 0.8).flatten(2)
    losses["where"] = soft_cross_entropy(where.flatten(2), goal_where, asked & (texts["where"] >= 0))
    table = asked & (texts["relation"] == 2)
    free = batch["free"][:, None].expand(-1, table.shape[1], -1, -1)[table].float()  # (n, h, w)
    known = (free < 2).float()
    losses["free"] = (
        F.binary_cross_entropy_with_logits(where[table], free.clamp(max=1), reduction="none") * known
    ).sum() / known.sum().clamp(min=1)
    metrics = {
        "class": (class_probs.argmax(-1) == batch["entity"])[seen].float().mean().item(),
        "size": (size.argmax(-1) == batch["size"])[seen].float().mean().item(),
        "holder": (held_by.argmax(-1) == target)[judged].float().mean().item(),
        "point_mm": (point - batch["point"]).norm(dim=-1)[seen].median().item() * 1000,
        "what": peak_hit(what, rows(cells, texts["what"].clamp(min=0)), asked),
        "where": peak_hit(where, spots, asked & (texts["where"] >= 0)),
    }
    return losses, metrics


def soft_cross_entropy(logits: Tensor, target: Tensor, use: Tensor) -> Tensor:
    target = target / target.sum(-1, keepdim=True).clamp(min=1e-6)
    loss = -(target * F.log_softmax(logits, -1)).sum(-1)
    return (loss * use).sum() / use.sum().clamp(min=1)


def peak_hit(heat: Tensor, cells: Tensor, use: Tensor) -> float:
    """Share of heatmaps whose maximum lies within 1.6 cells (6.4 px) of the true cell."""
    w = heat.shape[-1]
    peak = heat.flatten(2).argmax(-1)
    found = torch.stack([peak % w, peak // w], -1).float()
    return ((found - cells).norm(dim=-1) < 1.6)[use].float().mean().item()


def crop_losses(
    net: GraspRefiner, rgb: Tensor, xyz: Tensor, batch: dict[str, Tensor], n: int, generator: torch.Generator
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Close looks at `n` random rows of each image, each centred up to about a centimetre off."""
    b, k = batch["entity"].shape
    solid = (batch["entity"] >= 0) & (batch["entity"] < N_SOLIDS)
    ready = (batch["visible"] > 0.3) & (
        (solid & batch["clear"] & ~batch["held"]) | (batch["entity"] >= N_SOLIDS)
    )
    chosen = torch.multinomial(ready.float() + 1e-6, n, replacement=True, generator=generator)  # (B, n)
    use = rows(ready, chosen)
    is_bowl = rows(batch["entity"], chosen) >= N_SOLIDS
    role = torch.where(is_bowl, 1, torch.randint(0, 2, chosen.shape, generator=generator) * 2)
    truth = torch.where(is_bowl[..., None], rows(batch["place_in"], chosen), rows(batch["point"], chosen))
    jitter = torch.randn(truth.shape, generator=generator) * torch.tensor([0.006, 0.006, 0.003])
    centre = truth + jitter.clamp(-0.015, 0.015)
    crops = rectified_crops(rgb, xyz, batch["intrinsics"], batch["base_from_camera"], centre, CELLS, PITCH)
    look = net(crops.flatten(0, 1).contiguous(memory_format=torch.channels_last), role.flatten())
    use, role = use.flatten(), role.flatten()
    shift = (truth - centre).flatten(0, 1)
    losses = {
        "shift": (
            F.smooth_l1_loss(look.shift * 100, shift * 100, reduction="none", beta=0.2).mean(-1) * use
        ).sum()
        / use.sum().clamp(min=1)
    }
    good = torch.where(
        (role == 0)[:, None],
        rows(batch["yaw"], chosen).flatten(0, 1),
        rows(batch["place_yaw"], chosen).flatten(0, 1),
    ).float()  # (M, 36)
    blur = torch.tensor([0.1, 0.25, 0.3, 0.25, 0.1])
    good = F.conv1d(torch.cat([good[:, -2:], good, good[:, :2]], 1)[:, None], blur[None, None])[:, 0]
    grasp = use & (role == 0) & (good.sum(-1) > 0)
    losses["yaw"] = soft_cross_entropy(look.yaw_logits, good, use & (good.sum(-1) > 0))
    opening = rows(batch["opening"], chosen).flatten()
    losses["opening"] = ((look.opening - opening).abs() * grasp).sum() / grasp.sum().clamp(min=1)
    bins = (look.yaw().detach() / (math.pi / YAW_BINS)).long().clamp(0, YAW_BINS - 1)
    metrics = {
        "shift_mm": (look.shift - shift)[:, :2].norm(dim=-1)[use].median().item() * 1000,
        "yaw_ok": (good.gather(1, bins[:, None])[:, 0] > 0.05)[grasp].float().mean().item(),
    }
    return losses, metrics


WEIGHTS = {
    "heat": 1.0,
    "class": 0.7,
    "solid": 1.0,
    "bowl": 0.5,
    "in": 0.7,
    "on": 0.7,
    "size": 0.3,
    "holder": 0.5,
    "what": 0.3,
    "where": 0.3,
    "free": 0.5,
    "shift": 2.0,
    "yaw": 0.5,
    "opening": 1.0,
}


def build() -> nn.ModuleDict:
    localiser = Localiser()
    return nn.ModuleDict(
        {"localiser": localiser, "crop": GraspRefiner(), "holders": HolderNet(localiser.width)}
    )


def learning_rate(step: int, c: DetectorTraining) -> float:
    decay = (c.steps - step) / max(1.0, c.decay_share * c.steps)
    return c.lr * min(1.0, (step + 1) / c.warmup, max(decay, 0.01))


def one_batch(
    net: nn.ModuleDict,
    batch: dict[str, Tensor],
    c: DetectorTraining,
    rng: np.random.Generator,
    generator: torch.Generator,
    train: bool,
) -> tuple[Tensor, dict[str, float]]:
    if train:
        batch = mirrored(batch, torch.rand(len(batch["rgb"]), generator=generator) < 0.5)
        rgb = augmented(batch["rgb"], generator)
    else:
        rgb = batch["rgb"].float()
    xyz = xyz_map(batch["depth_mm"], batch["intrinsics"], batch["base_from_camera"])
    x = network_input(rgb, xyz).contiguous(memory_format=torch.channels_last)
    texts = sample_texts(batch, c.texts, rng)
    with autocast():
        losses, metrics = localiser_losses(net["localiser"], net["holders"], x, batch, texts)
        more, close = crop_losses(net["crop"], rgb, xyz, batch, c.crops, generator)
    losses |= more
    total = sum(WEIGHTS[k] * v for k, v in losses.items())
    return total, {f"loss/{k}": v.item() for k, v in losses.items()} | metrics | close


def validate(net: nn.ModuleDict, data: RenderedScenes, c: DetectorTraining, n: int = 320) -> dict[str, float]:
    net.eval()
    rng, generator = np.random.default_rng(1), torch.Generator().manual_seed(1)
    found = []
    with torch.no_grad():
        for start in range(0, min(n, len(data)), 32):
            batch = data.batch(np.arange(start, min(start + 32, len(data))))
            found.append(one_batch(net, batch, c, rng, generator, train=False)[1])
    net.train()
    return {k: float(np.nanmean([f[k] for f in found])) for k in found[0]}


def export(checkpoint: str | Path, path: str | Path) -> None:
    """The networks of a checkpoint as bf16 safetensors, the file that `Detector.load` reads."""
    from safetensors.torch import load_file, save_file

    net = {k[4:]: v for k, v in load_file(checkpoint).items() if k.startswith("net.")}
    half = {k: v.to(torch.bfloat16) if v.is_floating_point() else v for k, v in net.items()}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_file(half, path)


def train(c: DetectorTraining) -> dict[str, float]:
    """Trains until `c.steps`, resuming from the last checkpoint; returns the last validation figures."""
    from torch.utils.tensorboard import SummaryWriter

    torch.set_num_threads(c.threads)
    torch.manual_seed(c.seed)
    scenes, held_out = RenderedScenes(c.data, slice(1, None)), RenderedScenes(c.data, slice(0, 1))
    net = build()
    net["localiser"].trunk.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=c.lr, weight_decay=0.01)
    path, start = Path(c.out) / "checkpoint.safetensors", 0
    if c.resume and path.exists():
        start = load_checkpoint(path, net, [optimiser])["step"]
    writer = SummaryWriter(c.out)
    (Path(c.out) / "config.json").write_text(json.dumps(asdict(c), indent=1))
    saved, began, figures = time.monotonic(), time.monotonic(), {}
    for step in range(start, c.steps):
        rng = np.random.default_rng([c.seed, step])
        generator = torch.Generator().manual_seed(c.seed * 1_000_003 + step)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, c)
        batch = scenes.batch(rng.integers(len(scenes), size=c.batch))
        loss, metrics = one_batch(net, batch, c, rng, generator, train=True)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        if step % 50 == 0:
            for k, v in metrics.items():
                writer.add_scalar(f"train/{k}", v, step)
        if step % 100 == 0:
            rate = (step - start + 1) * c.batch / (time.monotonic() - began)
            shown = "  ".join(f"{k.split('/')[-1] if 'loss' in k else k} {v:.3f}" for k, v in metrics.items())
            print(f"step {step}/{c.steps}  {rate:.0f} images/s  loss {loss.item():.3f}  {shown}", flush=True)
        if (step + 1) % c.validate_every == 0 or step + 1 == c.steps:
            figures = validate(net, held_out, c)
            for k, v in figures.items():
                writer.add_scalar(f"held_out/{k}", v, step)
            print("held out:", json.dumps({k: round(v, 4) for k, v in figures.items()}), flush=True)
        if time.monotonic() - saved > c.save_every_s or step + 1 == c.steps:
            save_checkpoint(path, net, [optimiser], {"step": step + 1})
            export(path, Path(c.out) / "detector.safetensors")
            saved = time.monotonic()
    writer.close()
    return figures
