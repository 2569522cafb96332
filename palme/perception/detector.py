"""Detector: the trained networks behind planner and policies; pictures -> objects, steps -> points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from palme.perception import classifier
from palme.perception.bowl_spot import has_rim, spot_in_bowl
from palme.perception.grasp_refiner import CELLS, PITCH, GraspRefiner
from palme.perception.localiser import POINTS, DenseFeatures, Localiser
from palme.perception.located import is_there, turn_with_room, yaw_with_room
from palme.perception.objects import PerceivedObjects
from palme.perception.relations import HolderNet
from palme.perception.rgbd import network_input, plane_points, project, rectified_crops, xyz_map
from palme.perception.step_query import encode_step
from palme.perception.unexplained import (
    EDGES,
    covered_sizes,
    face_edge,
    missing_supports,
    on_faces,
    stacked_sizes,
    tops_by_depth,
)
from palme.precision import autocast
from palme.weight_files import load_state
from robots.skills import ENTITIES, N_SOLIDS, TABLE, Location, Step
from robots.types import CameraFrame, Observation

MAX_OBJECTS = 16
MIN_SCORE = 0.20
RIVAL = 4.0  # logits below the best within which other maxima are candidates
NEAR = 0.04  # [m] radius of the search around a step's location
SURE_SCORE = 0.3  # least score of a maximum where depth finds what maxima miss
SIZE_SURE = 0.95  # of a size that depth tells
DEPTH_SCORE = 0.5  # of what depth shows alone
WIDTH = 0.08  # [m] between the fingers at opening 1
SAME_PLACE = 0.015  # [m] distance below which two detections of solids are one object
WEIGHTS = Path(__file__).parent.parent / "weights" / "detector.safetensors"
Found = tuple[float, int, int]
"""Score, entity and cell of a maximum."""
Located = tuple[Found, Tensor]
"""The same with its point, (3,) in [m], base frame."""
REMEDY = "train the detector's weights with `palme train perception`"


@dataclass(frozen=True)
class Keypoint:
    """A point to act on, found in a picture.

    Attributes:
        xyz: (3,) in the base frame in [m]: the middle of the top face to grasp, or of what to put onto.
        yaw: of the tool in [rad], in [0, pi).
        opening: of the gripper in [0, 1] with which to approach.
        score: confidence of the detector, in [0, 1].
        heat: (H/4, W/4) heatmap of the search, in [0, 1].
    """

    xyz: NDArray[np.float64]
    yaw: float
    opening: float
    score: float
    heat: NDArray[np.float32]


@dataclass(frozen=True)
class EncodedFrame:
    """One picture and its features; every query about the picture uses them.

    Attributes:
        dense: features of the localiser, B = 1.
        rgb: (1, 3, H, W) in [0, 255].
        xyz: (1, 3, H, W) base-frame coordinates of each pixel in [m].
        intrinsics: (1, 3, 3) in [px].
        base_from_camera: (1, 4, 4).
    """

    dense: DenseFeatures
    rgb: Tensor
    xyz: Tensor
    intrinsics: Tensor
    base_from_camera: Tensor


class Detector(nn.Module):
    """Localiser, classifier, grasp refiner and holder network; weights are one safetensors file.

    Calling it with an `Observation` gives its `PerceivedObjects`.

    Args:
        camera: name of the picture that it uses.
    """

    def __init__(self, camera: str = "front") -> None:
        super().__init__()
        self.camera = camera
        self.localiser = Localiser()
        self.crop = GraspRefiner()
        self.holders = HolderNet(self.localiser.width)
        self.namer = classifier.Classifier(self.localiser.width)
        self._last: tuple[CameraFrame, EncodedFrame] | None = None

    @classmethod
    def load(cls, path: str | Path = WEIGHTS, camera: str = "front") -> Detector:
        """Detector with trained weights, in evaluation mode.

        Raises:
            WeightsMissing, BadWeights: no weights of a detector at `path`, with the remedy.
        """
        detector = cls(camera)
        load_state(detector, path, REMEDY)
        detector.localiser.trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return detector.eval()

    def train(self, mode: bool = True) -> Detector:
        """See `nn.Module.train`; clears the cached frame, since weights may change."""
        self._last = None
        return super().train(mode)

    def encode(self, frame: CameraFrame) -> EncodedFrame:
        """Features of one calibrated RGB-D picture; those of the last frame are cached by its identity.

        Planner and policy use the same frame and so share one pass of the network.

        Raises:
            ValueError: without depth, or at a size that is no multiple of 16.
        """
        last = self._last
        if last is None or last[0] is not frame or self.training:
            last = self._last = (frame, self._forward_frame(frame))
        return last[1]

    @torch.no_grad()
    def _forward_frame(self, frame: CameraFrame) -> EncodedFrame:
        if frame.depth is None:
            raise ValueError("the detector needs depth; the camera frame has none")
        h, w = frame.depth.shape
        if h % 16 or w % 16:
            raise ValueError(f"picture is {w} x {h}; the detector needs multiples of 16, such as 240 x 176")
        rgb = torch.from_numpy(np.ascontiguousarray(frame.rgb)).permute(2, 0, 1)[None]
        intrinsics = torch.from_numpy(np.asarray(frame.intrinsics, np.float32))[None]
        pose = torch.from_numpy(np.asarray(frame.base_from_camera, np.float32))[None]
        depth = torch.from_numpy(np.ascontiguousarray(frame.depth, np.float32))[None]
        xyz = xyz_map(depth, intrinsics, pose)
        x = network_input(rgb, xyz).contiguous(memory_format=torch.channels_last)
        with autocast():
            dense = self.localiser(x, intrinsics, pose)
        dense = DenseFeatures(dense.features.float(), dense.offsets, dense.sizes, dense.anchors)
        return EncodedFrame(dense, rgb.float(), xyz, intrinsics, pose)

    def __call__(self, observation: Observation) -> PerceivedObjects:
        """Objects in the picture of the detector's camera."""
        return self.objects(self.encode(observation.images[self.camera]))

    def objects(self, encoded: EncodedFrame) -> PerceivedObjects:
        """Objects at the maxima of the entity heatmaps, at most `MAX_OBJECTS`, highest score first."""
        return self._describe(encoded, *self._maxima(encoded))

    def thorough(self, observation: Observation) -> PerceivedObjects:
        """Objects as `objects` finds them, and solids that only depth shows: for tables with look-alikes."""
        encoded = self.encode(observation.images[self.camera])
        found, points = self._maxima(encoded)
        xyz = encoded.xyz[0].double().numpy()
        sure = [
            k for k, (score, entity, _) in enumerate(found)
            if score >= SURE_SCORE or (entity >= N_SOLIDS and has_rim(xyz, tuple(points[k].tolist())))
        ]  # fmt: skip
        found, points = [found[k] for k in sure], [points[k] for k in sure]
        points = list(torch.from_numpy(on_faces(xyz, *self._tops(found, points))).float())
        apart = [
            k for k, point in enumerate(points)
            if found[k][1] >= N_SOLIDS or all((point - one).norm() >= SAME_PLACE for one in points[:k])
        ]  # fmt: skip
        found, points = [found[k] for k in apart], [points[k] for k in apart]
        for by_depth in (self._by_depth, self._by_support):
            more = by_depth(encoded, found, points)[: MAX_OBJECTS - len(found)]
            found, points = [*found, *(one for one, _ in more)], [*points, *(point for _, point in more)]
        objects = self._describe(encoded, found, points)
        if len(objects):
            names = objects.class_probs.argmax(-1)
            tops, bowl = self._tops(found, points)
            sizes = covered_sizes(tops, bowl, objects.size_probs) | stacked_sizes(xyz, tops, bowl, names)
            for row, large in sizes.items():
                objects.size_probs[row] = (1 - SIZE_SURE, SIZE_SURE) if large else (SIZE_SURE, 1 - SIZE_SURE)
        return objects

    @torch.no_grad()
    def _by_depth(self, encoded: EncodedFrame, found: list[Found], points: list[Tensor]) -> list[Located]:
        """What depth shows and `found` does not explain."""
        tops, bowl = self._tops(found, points)
        xyz = encoded.xyz[0].double().numpy()
        return [self._at(encoded, top) for top in tops_by_depth(xyz, tops, bowl)]

    @torch.no_grad()
    def _by_support(self, encoded: EncodedFrame, found: list[Found], points: list[Tensor]) -> list[Located]:
        """What must be under something of `found`."""
        if not found:
            return []
        tops, bowl = self._tops(found, points)
        cells = torch.tensor([cell for _, _, cell in found])
        size = self._names(encoded, cells, torch.stack(points), torch.from_numpy(bowl))[1]
        return [
            self._at(encoded, top) for top in missing_supports(tops, bowl, size.argmax(-1).bool().numpy())
        ]

    @staticmethod
    def _tops(found: list[Found], points: list[Tensor]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        tops = np.array([point.numpy() for point in points], np.float64).reshape(-1, 3)
        return tops, np.array([entity >= N_SOLIDS for _, entity, _ in found], bool)

    @staticmethod
    def _at(encoded: EncodedFrame, top: NDArray[np.float64]) -> Located:
        """A solid whose top face has its middle at `top`."""
        point = torch.from_numpy(top).float()
        uvd = project(point[None, None], encoded.intrinsics, encoded.base_from_camera)[0, 0]
        h, w = encoded.dense.features.shape[-2:]
        row, column = (min(max(int(uvd[k]) // 4, 0), n - 1) for k, n in ((1, h), (0, w)))
        return (DEPTH_SCORE, 0, row * w + column), point

    @torch.no_grad()
    def _maxima(self, encoded: EncodedFrame) -> tuple[list[Found], list[Tensor]]:
        dense = encoded.dense
        logits = self.localiser.entity_heat(dense.features)  # (1, 24, h, w)
        h, w = logits.shape[-2:]
        score = torch.sigmoid(logits)[0]
        # Maxima of each heatmap alone: blocks of a tower are too close for suppression across heatmaps.
        peak = (F.max_pool2d(score[None], 3, 1, 1)[0] == score) & (score > MIN_SCORE)
        found = []  # (score, entity, cell)
        for e, row, column in torch.nonzero(peak).tolist():
            found.append((score[e, row, column].item(), e, row * w + column))
        found.sort(reverse=True)
        points: list[Tensor] = []
        kept: list[Found] = []
        for s, e, cell in found:
            bowl = e >= N_SOLIDS
            point = self._point_at(encoded, logits[0, e], cell, POINTS.index("bowl" if bowl else "solid"))
            reach = 0.05 if bowl else SAME_PLACE
            twin = any(
                (e2 >= N_SOLIDS) == bowl and (point - p2).norm() < reach
                for (_, e2, _), p2 in zip(kept, points, strict=True)
            )
            if not twin and len(kept) < MAX_OBJECTS:
                kept.append((s, e, cell))
                points.append(point)
        return kept, points

    @staticmethod
    def _window(heat: Tensor, cell: int) -> Tensor:
        """(h, w) heat, very low outside the 3 x 3 cells around `cell`."""
        h, w = heat.shape
        row, column = cell // w, cell % w
        out = torch.full_like(heat, -1e4)
        rows, columns = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
        out[rows, columns] = heat[rows, columns]
        return out

    @torch.no_grad()
    def _describe(self, encoded: EncodedFrame, kept: list[Found], points: list[Tensor]) -> PerceivedObjects:
        n, width = len(kept), self.localiser.width
        w = encoded.dense.features.shape[-1]
        if n == 0:
            empty = np.zeros
            return PerceivedObjects(
                empty((0, 24), np.float32), empty((0, 2), np.float32), empty((0, 3), np.float32),
                empty((0, 1), np.float32), empty(0, np.float32), empty((0, width), np.float32),
                empty((0, 2), np.float32),
            )  # fmt: skip
        cells = torch.tensor([c for _, _, c in kept])
        bowl = torch.tensor([e >= N_SOLIDS for _, e, _ in kept])
        feature = encoded.dense.features[0].flatten(1)[:, cells].T  # (N, D)
        xyz = torch.stack(points)
        names, size = self._names(encoded, cells, xyz, bowl)
        class_probs, size = F.softmax(names, -1), F.softmax(size, -1)
        present = torch.ones(1, n, dtype=torch.bool)
        holder = F.softmax(
            self.holders(class_probs[None], size[None], xyz[None], feature[None], present)[0], -1
        )  # (N, N + 1)
        pixel = torch.stack([cells % w, cells // w], -1) * 4 + 1.5
        score = np.array([s for s, _, _ in kept], np.float32)
        return PerceivedObjects(
            class_probs.numpy(), size.numpy(), xyz.numpy(), holder.numpy(), score, feature.numpy(),
            pixel.float().numpy(),
        )  # fmt: skip

    @torch.no_grad()
    def keypoints(
        self, encoded: EncodedFrame, step: Step, want: str = "both"
    ) -> tuple[Keypoint | None, Keypoint | None]:
        """Where `step` grasps and where it releases, each refined on crops.

        Args:
            encoded: the picture.
            step: objects by name, no `obj_k`; its locations select among objects of one name.
            want: "pick", "place" or "both"; the other is None.

        Raises:
            UnknownWord: for a word that no step has, such as `obj_k`.
        """
        queries = self.localiser.queries(torch.tensor([encode_step(step)]))  # (1, 2, D + 1)
        heat = self.localiser.heat(encoded.dense.features, queries)  # (1, 2, h, w)
        pick = self._pick(encoded, heat[:, :1], step) if want != "place" else None
        place = self._place(encoded, heat[:, 1:], step) if want != "pick" else None
        return pick, place

    def _pick(self, encoded: EncodedFrame, heat: Tensor, step: Step) -> Keypoint:
        """The thing at the step's location; else the best maximum, the classifier deciding between rivals."""
        if step.what_at is not None:
            return self._with_room(encoded, self._located(encoded, step.what_at, 0), step.what)
        logits = heat[0, 0]
        peak = (F.max_pool2d(heat, 3, 1, 1)[0, 0] == logits) & (logits > logits.max() - RIVAL)
        cells = torch.nonzero(peak.flatten())[:, 0]
        cells = cells[logits.flatten()[cells].argsort(descending=True)][:4]
        points = torch.stack(
            [self._point_at(encoded, logits, c, POINTS.index("solid")) for c in cells.tolist()]
        )
        best = 0
        if len(cells) > 1:
            entity = ENTITIES.index(step.what)
            names = self._names(encoded, cells, points, torch.zeros(len(cells), dtype=torch.bool))[0]
            best = int((logits.flatten()[cells] + F.log_softmax(names, -1)[:, entity]).argmax())
        return self._refined(encoded, points[best][None, None], 0, heat)

    @staticmethod
    def _near(encoded: EncodedFrame, heat: Tensor, at: Location | None) -> Tensor:
        """`heat` (1, 1, h, w), very low in cells without a point within `NEAR` of `at`; None = unchanged."""
        if at is None:
            return heat
        away = (encoded.xyz - encoded.xyz.new_tensor(at)[:, None, None]).norm(
            dim=1, keepdim=True
        )  # (1, 1, H, W)
        nearest = -F.max_pool2d(-away, 4)  # (1, 1, h, w)
        return torch.where(nearest < NEAR, heat, -1e4)

    def _point_at(self, encoded: EncodedFrame, heat: Tensor, cell: int, head: int) -> Tensor:
        """(3,) point in [m] of the maximum of `heat` (h, w) at `cell`."""
        only = self._window(heat, cell)[None, None]
        return self.localiser.read_point(only, encoded.dense, torch.tensor([[head]]))[0][0, 0]

    def _names(
        self, encoded: EncodedFrame, cells: Tensor, points: Tensor, bowl: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits of names (N, 24) and sizes (N, 2) of the objects at cells (N,) and points (N, 3)."""
        at = self.localiser.entity_heat(encoded.dense.features)[0].flatten(1)[:, cells].T  # (N, 24)
        feature = encoded.dense.features[0].flatten(1)[:, cells].T  # (N, D)
        crops = self._crops(encoded, points[None], classifier.CELLS, classifier.PITCH)
        return self.namer(crops[0], feature, at, bowl)

    def _located(self, encoded: EncodedFrame, at: Location, role: int) -> Keypoint:
        """The solid whose top face was seen at `at`, whatever looks alike; score 0 where nothing is there."""
        point = encoded.xyz.new_tensor(at)[None, None]
        heat = self._near(encoded, encoded.xyz.new_zeros(1, 1, *encoded.dense.features.shape[-2:]), at)
        found = self._refined(encoded, point, role, heat)
        there = is_there(encoded.xyz[0].double().numpy(), at)
        return replace(found, score=float(there))

    @staticmethod
    def _with_room(encoded: EncodedFrame, found: Keypoint, what: str) -> Keypoint:
        """`found`, with the hand turned where it would hit what stands beside."""
        xyz, round_ = encoded.xyz[0].double().numpy(), what.endswith("cylinder")
        edge = face_edge(xyz, found.xyz, round_)
        if edge is None:
            return found
        edge = EDGES[int(edge > np.mean(EDGES))]
        yaw, wide = turn_with_room(xyz, found.xyz, found.yaw, found.opening * WIDTH, edge, round_)
        return replace(found, yaw=yaw, opening=min(wide / WIDTH, 1.0))

    def _place(self, encoded: EncodedFrame, heat: Tensor, step: Step) -> Keypoint:
        if step.target == TABLE:
            at = step.target_at
            return self._free_spot(encoded, heat) if at is None else self._spot(encoded, heat, at)
        into = step.skill == "put_in"
        if step.target_at is not None and not into:
            return self._located(encoded, step.target_at, 2)
        heat = self._near(encoded, heat, step.target_at)
        if step.target_at is not None and (found := self._in_bowl(encoded, heat, step)) is not None:
            return found
        head = POINTS.index("in" if into else "on")
        point, _ = self.localiser.read_point(heat, encoded.dense, torch.tensor([[head]]))
        return self._refined(encoded, point, 1 if into else 2, heat)

    def _in_bowl(self, encoded: EncodedFrame, heat: Tensor, step: Step) -> Keypoint | None:
        """The spot in the very bowl that a step names; None where depth shows no bowl."""
        xyz, round_ = encoded.xyz[0].double().numpy(), step.what.endswith("cylinder")
        edge = None if step.what_at is None else face_edge(xyz, np.array(step.what_at), round_)
        large = edge is None or edge > np.mean(EDGES)
        assert step.target_at is not None  # noqa: S101 - asked for with a location alone
        spot = spot_in_bowl(xyz, step.target_at, EDGES[int(large)], round_)
        if spot is None:
            return None
        if spot.yaw is not None:
            return Keypoint(spot.xyz, spot.yaw, 1.0, 1.0, torch.sigmoid(heat)[0, 0].numpy())
        top = self._refined(encoded, encoded.xyz.new_tensor(spot.xyz)[None, None], 2, heat)
        return replace(top, score=1.0)  # the heat is of room on the floor

    @staticmethod
    def _crops(encoded: EncodedFrame, points: Tensor, cells: int, pitch: float) -> Tensor:
        return rectified_crops(
            encoded.rgb, encoded.xyz, encoded.intrinsics, encoded.base_from_camera, points, cells, pitch
        )

    def _refined(self, encoded: EncodedFrame, point: Tensor, role: int, heat: Tensor) -> Keypoint:
        """Crop around the point, shift it, crop again: after two passes the object is centred."""
        for _ in range(2):
            crops = self._crops(encoded, point, CELLS, PITCH)
            refined = self.crop(crops.flatten(0, 1), torch.tensor([role]))
            point = point + refined.shift[:, None].clamp(-0.02, 0.02)
        share = F.softmax(heat[0, 0].flatten(), -1).reshape(heat.shape[-2:])
        shown = (share / share.max()).numpy()
        score = torch.sigmoid(heat).max().item()
        xyz = point[0, 0].double().numpy()
        return Keypoint(xyz, refined.yaw().item(), refined.opening.item(), score, shown)

    def _spot(self, encoded: EncodedFrame, heat: Tensor, at: Location) -> Keypoint:
        """The very place on the table, with the hand turned to where there is room."""
        yaw = yaw_with_room(encoded.xyz[0].double().numpy(), at)
        shown = self._near(encoded, torch.zeros_like(heat), (*at[:2], 0.0))
        return Keypoint(np.array([*at[:2], 0.0]), yaw, 1.0, 1.0, torch.sigmoid(shown)[0, 0].numpy())

    def _free_spot(self, encoded: EncodedFrame, heat: Tensor) -> Keypoint:
        """Middle of the widest free patch: the maximum of the heat averaged over 5 x 5 cells."""
        free = torch.sigmoid(heat)
        wide = F.avg_pool2d(free, 5, 1, 2)  # (1, 1, h, w)
        h, w = wide.shape[-2:]
        cell = wide.flatten().argmax()
        u, v = (cell % w * 4 + 1.5).reshape(1, 1).float(), (cell // w * 4 + 1.5).reshape(1, 1).float()
        xyz = plane_points(encoded.intrinsics, encoded.base_from_camera, u, v, 0.0)[0, 0].double().numpy()
        return Keypoint(xyz, 0.0, 1.0, wide.max().item(), free[0, 0].numpy())
