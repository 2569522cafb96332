"""Losses of the localiser: heatmaps, points, classes, sizes and holders of objects, and step texts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from palme.perception.localiser import POINTS, DenseFeatures, Localiser
from palme.perception.relations import HolderNet
from palme.training.datasets.rendered_scenes import Labels
from palme.training.losses.cells import gaussian_heat, near_cells, rows, to_cells
from palme.training.losses.heatmaps import heat_loss, peak_hit, soft_cross_entropy
from robots.skills import ENTITIES, N_SOLIDS

Losses = dict[str, Tensor]
VISIBLE = 0.15  # least visible share of an object in the losses


def localiser_losses(
    localiser: Localiser, holders: HolderNet, x: Tensor, labels: Labels, texts: dict[str, Tensor]
) -> tuple[Losses, Losses]:
    """(losses, figures) of one pass.

    Args:
        localiser: trained together with `holders`.
        holders: see `HolderNet`.
        x: (B, 6, H, W) of `network_input`.
        labels: see `RenderedScenes`.
        texts: see `sample_texts`.
    """
    dense = localiser(x, labels["intrinsics"], labels["base_from_camera"])
    stride = localiser.trunk.stride
    cells = {name: to_cells(labels[name], labels, stride) for name in ("centre", "place_in", "point")}
    losses, figures = object_losses(localiser, holders, dense, labels, cells)
    more, found = text_losses(localiser, dense, labels, texts, cells)
    return losses | more, figures | found


def object_losses(
    localiser: Localiser, holders: HolderNet, dense: DenseFeatures, labels: Labels, cells: dict[str, Tensor]
) -> tuple[Losses, Losses]:
    """(losses, figures): heatmap, points, class, size and holder of each visible object."""
    seen = (labels["entity"] >= 0) & (labels["visible"] > VISIBLE)
    solid = seen & (labels["entity"] < N_SOLIDS)
    bowl = seen & (labels["entity"] >= N_SOLIDS)
    heat = localiser.entity_heat(dense.features)
    losses = {"heat": heat_loss(heat, labels, cells["centre"])}
    for head, truth, at, use in (
        ("solid", "point", "centre", solid),
        ("bowl", "point", "centre", bowl),
        ("in", "place_in", "place_in", bowl),
        ("on", "point", "point", solid & labels["clear"]),
    ):
        losses[head] = point_loss(dense, POINTS.index(head), labels[truth], cells[at], use)
    class_probs, size, point, feature = object_rows(dense, heat, cells["centre"], labels["entity"])
    losses["class"] = F.nll_loss(class_probs.clamp(min=1e-6).log()[seen], labels["entity"][seen])
    losses["size"] = F.cross_entropy(size[seen], labels["size"][seen])
    noisy = point + torch.randn_like(point) * 0.002
    held_by = holders(class_probs, F.softmax(size, -1), noisy, feature, seen)
    target = torch.where(labels["holder"] < 0, labels["holder"].shape[1], labels["holder"])
    judged = seen & ((labels["holder"] < 0) | rows(seen, labels["holder"].clamp(min=0)))
    losses["holder"] = F.cross_entropy(held_by[judged], target[judged])
    figures = {
        "class": (class_probs.argmax(-1) == labels["entity"])[seen].float().mean(),
        "size": (size.argmax(-1) == labels["size"])[seen].float().mean(),
        "holder": (held_by.argmax(-1) == target)[judged].float().mean(),
        "point_mm": (point - labels["point"]).norm(dim=-1)[seen].median().detach() * 1000,
    }
    return losses, figures


def text_losses(
    localiser: Localiser,
    dense: DenseFeatures,
    labels: Labels,
    texts: dict[str, Tensor],
    cells: dict[str, Tensor],
) -> tuple[Losses, Losses]:
    """(losses, figures): the object of each step text, and its target in or on an object or on the table."""
    h, w = dense.features.shape[-2:]
    queries = localiser.queries(texts["ids"])  # (B, T, 2, D + 1)
    what, where = (localiser.heat(dense.features, queries[:, :, r]) for r in (0, 1))  # (B, T, h, w)
    asked = texts["what"] >= 0
    named = rows(cells["centre"], texts["what"].clamp(min=0))  # (B, T, 2)
    goal_what = gaussian_heat(named, h, w, 0.8).flatten(2)  # (B, T, h * w)
    target = texts["where"].clamp(min=0)
    into = (texts["relation"] == 0)[..., None]
    spots = torch.where(into, rows(cells["place_in"], target), rows(cells["point"], target))  # (B, T, 2)
    goal_where = gaussian_heat(spots, h, w, 0.8).flatten(2)
    placed = asked & (texts["where"] >= 0)
    table = asked & (texts["relation"] == 2)
    free = labels["free"][:, None].expand(-1, table.shape[1], -1, -1)[table].float()  # (n, h, w)
    known = (free < 2).float()
    off = F.binary_cross_entropy_with_logits(where[table], free.clamp(max=1), reduction="none") * known
    losses = {
        "what": soft_cross_entropy(what.flatten(2), goal_what, asked),
        "where": soft_cross_entropy(where.flatten(2), goal_where, placed),
        "free": off.sum() / known.sum().clamp(min=1),
    }
    return losses, {"what": peak_hit(what, named, asked), "where": peak_hit(where, spots, placed)}


def object_rows(dense: DenseFeatures, heat: Tensor, cells: Tensor, entity: Tensor) -> tuple[Tensor, ...]:
    """Class probabilities, sizes, points and features read at given cells, as the detector does at peaks.

    Args:
        heat: entity logits (B, 24, h, w).
        cells: (B, K, 2) fractional cells (column, row).
        entity: (B, K) index into `ENTITIES`.

    Returns:
        (B, K, 24), (B, K, 2), (B, K, 3) in [m], (B, K, D).
    """
    h, w = heat.shape[-2:]
    column = cells[..., 0].round().long().clamp(0, w - 1)
    flat = cells[..., 1].round().long().clamp(0, h - 1) * w + column
    logits = rows(heat.flatten(2).transpose(1, 2), flat)  # (B, K, 24)
    is_bowl = entity >= N_SOLIDS
    group = (torch.arange(len(ENTITIES), device=heat.device) >= N_SOLIDS) == is_bowl[..., None]
    class_probs = F.softmax(logits.masked_fill(~group, -1e4), -1)
    size = rows(dense.sizes.flatten(3).permute(0, 3, 1, 2), flat)  # (B, K, 2, 2)
    size = torch.where(is_bowl[..., None], size[:, :, 1], size[:, :, 0])  # (B, K, 2)
    points = (dense.anchors[:, None] + dense.offsets).flatten(3).permute(0, 3, 1, 2)  # (B, h*w, P, 3)
    point = rows(points, flat)
    point = torch.where(is_bowl[..., None], point[:, :, 1], point[:, :, 0])
    feature = rows(dense.features.flatten(2).transpose(1, 2), flat).float()
    return class_probs, size, point, feature


def point_loss(dense: DenseFeatures, head: int, truth: Tensor, cells: Tensor, use: Tensor) -> Tensor:
    """Smooth L1 in [cm] between a head's points near each object's cell and the true points (B, M, 3)."""
    h, w = dense.offsets.shape[-2:]
    index, weight = near_cells(cells, h, w)
    points = (dense.anchors + dense.offsets[:, head]).flatten(2).transpose(1, 2)  # (B, h*w, 3)
    found = rows(points, index.flatten(1)).reshape(*index.shape, 3)  # (B, M, 9, 3)
    weight = weight * use[..., None]
    error = F.smooth_l1_loss(
        found * 100, (truth[:, :, None] * 100).expand_as(found), reduction="none", beta=0.5
    )
    return (error.mean(-1) * weight).sum() / weight.sum().clamp(min=1)
