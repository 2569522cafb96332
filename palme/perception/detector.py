"""Pictures in, objects and points out: what planner and policies ask the trained networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from palme.perception import classifier as namer
from palme.perception.grasp_refiner import CELLS, PITCH, GraspRefiner
from palme.perception.localiser import POINTS, DenseFeatures, Localiser
from palme.perception.objects import PerceivedObjects
from palme.perception.relations import HolderNet
from palme.perception.rgbd import network_input, plane_points, rectified_crops, xyz_map
from palme.perception.step_query import encode_step
from palme.precision import autocast
from robots.skills import ENTITIES, N_SOLIDS, TABLE, Location, Step
from robots.types import CameraFrame, Observation

MAX_OBJECTS = 16
MIN_SCORE = 0.20
RIVAL = 4.0  # logits below the best at which another maximum is still looked at
NEAR = 0.04  # [m] about a step's location within which the thing that is meant is looked for
SAME_PLACE = 0.015  # [m]: two solids nearer than this are one thing seen twice
WEIGHTS = Path(__file__).parent.parent / "weights" / "detector.safetensors"


@dataclass(frozen=True)
class Keypoint:
    """A point to act on, found in a picture.

    Attributes:
        xyz: (3,) in the base frame in [m]: the middle of the top face to grasp, or of what to put onto.
        yaw: of the tool in [rad], in [0, pi).
        opening: of the gripper in [0, 1] with which to approach.
        score: how sure the detector is, in [0, 1].
        heat: (H/4, W/4) where in the picture was looked at, in [0, 1].
    """

    xyz: NDArray[np.float64]
    yaw: float
    opening: float
    score: float
    heat: NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """One picture after the trunk: what every further question about it is asked of."""

    dense: DenseFeatures
    rgb: Tensor
    xyz: Tensor
    intrinsics: Tensor
    base_from_camera: Tensor


class Detector(nn.Module):
    """Localiser, namer, close look and holder network behind one name; weights are one safetensors file."""

    def __init__(self, camera: str = "front") -> None:
        super().__init__()
        self.camera = camera
        self.localiser = Localiser()
        self.crop = GraspRefiner()
        self.holders = HolderNet(self.localiser.width)
        self.namer = namer.Classifier(self.localiser.width)
        self._last: tuple[CameraFrame, Seen] | None = None

    @classmethod
    def load(cls, path: str | Path = WEIGHTS, camera: str = "front") -> Detector:
        """Detector with trained weights, ready to look. Raises FileNotFoundError with the remedy."""
        from safetensors.torch import load_file

        if not Path(path).exists():
            raise FileNotFoundError(
                f"{path}: no weights of the detector there; train them with `palme train perception`"
            )
        detector = cls(camera)
        detector.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()}
        )
        detector.localiser.trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return detector.eval()

    def train(self, mode: bool = True) -> Detector:
        """As `nn.Module.train`; forgets the last picture, for weights may change now."""
        self._last = None
        return super().train(mode)

    def see(self, frame: CameraFrame) -> Seen:
        """Encode one calibrated RGB-D picture, once: the last frame's features are kept, by its identity.

        So planner and policy, which look at the same frame, share one pass of the network.

        Raises:
            ValueError: without depth, or at a size that is no multiple of 16.
        """
        last = self._last
        if last is None or last[0] is not frame or self.training:
            last = self._last = (frame, self._encode(frame))
        return last[1]

    @torch.no_grad()
    def _encode(self, frame: CameraFrame) -> Seen:
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
        return Seen(dense, rgb.float(), xyz, intrinsics, pose)

    def __call__(self, observation: Observation) -> PerceivedObjects:
        return self.objects(self.see(observation.images[self.camera]))

    @torch.no_grad()
    def objects(self, seen: Seen) -> PerceivedObjects:
        """Objects at the maxima of the entity heatmaps, most certain first."""
        dense = seen.dense
        logits = self.localiser.entity_heat(dense.features)  # (1, 24, h, w)
        h, w = logits.shape[-2:]
        score = torch.sigmoid(logits)[0]
        # A maximum of its own heatmap: blocks of a tower are too close in the picture to silence one another.
        peak = (F.max_pool2d(score[None], 3, 1, 1)[0] == score) & (score > MIN_SCORE)
        found = []  # (score, entity, cell)
        for e, row, column in torch.nonzero(peak).tolist():
            found.append((score[e, row, column].item(), e, row * w + column))
        found.sort(reverse=True)
        points: list[Tensor] = []
        kept: list[tuple[float, int, int]] = []
        for s, e, cell in found:
            bowl = e >= N_SOLIDS
            point = self._point_at(seen, logits[0, e], cell, POINTS.index("bowl" if bowl else "solid"))
            reach = 0.05 if bowl else SAME_PLACE
            twin = any(
                (e2 >= N_SOLIDS) == bowl and (point - p2).norm() < reach
                for (_, e2, _), p2 in zip(kept, points, strict=True)
            )
            if not twin and len(kept) < MAX_OBJECTS:
                kept.append((s, e, cell))
                points.append(point)
        return self._describe(seen, w, kept, points)

    @staticmethod
    def _window(heat: Tensor, cell: int) -> Tensor:
        """(h, w) heat outside the 3 x 3 cells around `cell` silenced."""
        h, w = heat.shape
        row, column = cell // w, cell % w
        out = torch.full_like(heat, -1e4)
        rows, columns = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
        out[rows, columns] = heat[rows, columns]
        return out

    def _describe(
        self, seen: Seen, w: int, kept: list[tuple[float, int, int]], points: list[Tensor]
    ) -> PerceivedObjects:
        n, width = len(kept), self.localiser.width
        if n == 0:
            empty = np.zeros
            return PerceivedObjects(
                empty((0, 24), np.float32), empty((0, 2), np.float32), empty((0, 3), np.float32),
                empty((0, 1), np.float32), empty(0, np.float32), empty((0, width), np.float32),
                empty((0, 2), np.float32),
            )  # fmt: skip
        cells = torch.tensor([c for _, _, c in kept])
        bowl = torch.tensor([e >= N_SOLIDS for _, e, _ in kept])
        feature = seen.dense.features[0].flatten(1)[:, cells].T  # (N, D)
        xyz = torch.stack(points)
        names, size = self._names(seen, cells, xyz, bowl)
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
        self, seen: Seen, step: Step, want: str = "both"
    ) -> tuple[Keypoint | None, Keypoint | None]:
        """What `step` grasps and where it lets go, each after a closer look.

        Args:
            step: things by name, no `obj_k`; its locations say which of several alike things is meant.
            want: "pick", "place" or "both"; what is not wanted is None.
        """
        queries = self.localiser.queries(torch.tensor([encode_step(step)]))  # (1, 2, D + 1)
        heat = self.localiser.heat(seen.dense.features, queries)  # (1, 2, h, w)
        pick = self._pick(seen, heat[:, :1], step) if want != "place" else None
        place = self._place(seen, heat[:, 1:], step) if want != "pick" else None
        return pick, place

    def _pick(self, seen: Seen, heat: Tensor, step: Step) -> Keypoint:
        """The best maximum of the heatmap; between rivals the namer decides which of them is so called."""
        heat = self._only_near(seen, heat, step.what_at)
        logits = heat[0, 0]
        peak = (F.max_pool2d(heat, 3, 1, 1)[0, 0] == logits) & (logits > logits.max() - RIVAL)
        cells = torch.nonzero(peak.flatten())[:, 0]
        cells = cells[logits.flatten()[cells].argsort(descending=True)][:4]
        points = torch.stack([self._point_at(seen, logits, c, POINTS.index("solid")) for c in cells.tolist()])
        best = 0
        if len(cells) > 1:
            entity = ENTITIES.index(step.what)
            names = self._names(seen, cells, points, torch.zeros(len(cells), dtype=torch.bool))[0]
            best = int((logits.flatten()[cells] + F.log_softmax(names, -1)[:, entity]).argmax())
        return self._closer(seen, points[best][None, None], 0, heat)

    @staticmethod
    def _only_near(seen: Seen, heat: Tensor, at: Location | None) -> Tensor:
        """`heat` (1, 1, h, w), silenced where nothing is seen within `NEAR` of `at`; as it is for None."""
        if at is None:
            return heat
        away = (seen.xyz - seen.xyz.new_tensor(at)[:, None, None]).norm(dim=1, keepdim=True)  # (1, 1, H, W)
        nearest = -F.max_pool2d(-away, 4)  # (1, 1, h, w)
        return torch.where(nearest < NEAR, heat, -1e4)

    def _point_at(self, seen: Seen, heat: Tensor, cell: int, head: int) -> Tensor:
        """(3,) where the maximum of `heat` (h, w) at `cell` points."""
        only = self._window(heat, cell)[None, None]
        return self.localiser.read_point(only, seen.dense, torch.tensor([[head]]))[0][0, 0]

    def _names(self, seen: Seen, cells: Tensor, points: Tensor, bowl: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of names (N, 24) and sizes (N, 2) of what stands at cells (N,) and points (N, 3)."""
        at = self.localiser.entity_heat(seen.dense.features)[0].flatten(1)[:, cells].T  # (N, 24)
        feature = seen.dense.features[0].flatten(1)[:, cells].T  # (N, D)
        crops = rectified_crops(
            seen.rgb, seen.xyz, seen.intrinsics, seen.base_from_camera, points[None], namer.CELLS, namer.PITCH
        )
        return self.namer(crops[0], feature, at, bowl)

    def _place(self, seen: Seen, heat: Tensor, step: Step) -> Keypoint:
        heat = self._only_near(seen, heat, step.target_at)
        if step.target == TABLE:
            return self._free_spot(seen, heat)
        into = step.skill == "put_in"
        head = POINTS.index("in" if into else "on")
        point, _ = self.localiser.read_point(heat, seen.dense, torch.tensor([[head]]))
        return self._closer(seen, point, 1 if into else 2, heat)

    def _closer(self, seen: Seen, point: Tensor, role: int, heat: Tensor) -> Keypoint:
        """Crop around the point, move it, crop again: twice is enough to see it centred."""
        for _ in range(2):
            crops = rectified_crops(
                seen.rgb, seen.xyz, seen.intrinsics, seen.base_from_camera, point, CELLS, PITCH
            )
            look = self.crop(crops.flatten(0, 1), torch.tensor([role]))
            point = point + look.shift[:, None].clamp(-0.02, 0.02)
        share = F.softmax(heat[0, 0].flatten(), -1).reshape(heat.shape[-2:])
        shown = (share / share.max()).numpy()
        score = torch.sigmoid(heat).max().item()
        xyz = point[0, 0].double().numpy()
        return Keypoint(xyz, look.yaw().item(), look.opening.item(), score, shown)

    def _free_spot(self, seen: Seen, heat: Tensor) -> Keypoint:
        """Middle of the widest free patch: heat averaged over 5 x 5 cells, then its maximum."""
        free = torch.sigmoid(heat)
        wide = F.avg_pool2d(free, 5, 1, 2)  # (1, 1, h, w)
        h, w = wide.shape[-2:]
        cell = wide.flatten().argmax()
        u, v = (cell % w * 4 + 1.5).reshape(1, 1).float(), (cell // w * 4 + 1.5).reshape(1, 1).float()
        xyz = plane_points(seen.intrinsics, seen.base_from_camera, u, v, 0.0)[0, 0].double().numpy()
        return Keypoint(xyz, 0.0, 1.0, wide.max().item(), free[0, 0].numpy())
