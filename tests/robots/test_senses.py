"""Typed observations refuse what has another shape, by name, and keep what is right."""

from __future__ import annotations

import numpy as np
import pytest

from robots.senses import (
    BadObservation,
    ImplicitShape,
    Mesh,
    MultiView,
    ObjectSlots,
    Part,
    PartAssembly,
    PointCloud,
    VideoClip,
    VoxelGrid,
    WrenchSignal,
)
from robots.types import CameraFrame


def frame(h: int = 4, w: int = 5) -> CameraFrame:
    return CameraFrame(np.zeros((h, w, 3), np.uint8), None, np.eye(3), np.eye(4))


WRONG = {
    "VideoClip.frames": lambda: VideoClip(np.zeros((2, 4, 5), np.uint8), 10.0),
    "VideoClip.frame_hz": lambda: VideoClip(np.zeros((2, 4, 5, 3), np.uint8), float("nan")),
    "MultiView.frames": lambda: MultiView((frame(), frame(6))),
    "PointCloud.xyz": lambda: PointCloud(np.array([[0.0, np.nan, 0.0]], np.float32)),
    "PointCloud.rgb": lambda: PointCloud(np.zeros((3, 3), np.float32), np.zeros((2, 3), np.uint8)),
    "VoxelGrid.occupied": lambda: VoxelGrid(np.zeros((3, 3), bool), np.zeros(3), 0.01),
    "Mesh.faces": lambda: Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 3]], np.int32)),
    "VoxelGrid.edge": lambda: VoxelGrid(np.zeros((3, 3, 3), bool), np.zeros(3), float("nan")),
    "Part.base_from_part": lambda: Part(np.eye(3)),
    "Part.joint": lambda: Part(np.eye(4), "ball"),
    "Part.value": lambda: Part(np.eye(4), "hinge", float("nan")),
    "Part.upper": lambda: Part(np.eye(4), "hinge", 0.0, 0.0, float("inf")),
    "MultiView.frames is empty": lambda: MultiView(()),
    "ImplicitShape.distance": lambda: ImplicitShape(np.zeros((3, 3), np.float32), np.zeros(2, np.float32)),
    "WrenchSignal.wrench": lambda: WrenchSignal(np.zeros((3, 5), np.float32), 20.0),
    "WrenchSignal.sample_hz": lambda: WrenchSignal(np.zeros((3, 6), np.float32), 0.0),
    "ObjectSlots.masks": lambda: ObjectSlots(frame(), np.zeros((2, 5, 4), bool)),
}


@pytest.mark.parametrize("field", sorted(WRONG))
def test_an_observation_of_another_shape_is_refused_by_its_field(field):
    with pytest.raises(BadObservation, match=field):
        WRONG[field]()


def test_the_length_of_an_assembly_and_of_slots_is_what_a_sentence_may_name():
    assert len(PartAssembly((Part(np.eye(4)), Part(np.eye(4))))) == 2
    assert len(ObjectSlots(frame(), np.zeros((3, 4, 5), bool))) == 3
