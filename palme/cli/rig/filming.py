"""The film of a run: its trajectory rendered again, from the side and through the arm's cameras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from palme.cli.progress import over
from palme.cli.rig.trajectory_log import Moment, TrajectoryLog
from palme.report.film import Film
from palme.report.pictures import Picture
from robots.files import replacing

FPS = 10  # every second control tick: motion reads well, and it takes half the time to make
HEIGHT = 480
STAGE_HFOV = 54.0  # [deg] wide enough for the table's near corner
STILL_SIZE = (960, 720)
STAGE_SIZE, FRONT_SIZE, WRIST_SIZE = (640, 480), (320, 234), (234, 234)


def make_film(path: Path, trajectory: TrajectoryLog, scene: Any, control_hz: float, look: str) -> Picture:
    """Write the film of `trajectory` to `path`.

    Returns:
        The first frame, uint8 (H, W, 3).
    """
    from sim.rendering.replay_renderer import STAGE, ReplayRenderer

    moments = trajectory.moments[:: max(1, round(control_hz / FPS))]
    side = replace(STAGE, hfov_deg=STAGE_HFOV)
    outside = ReplayRenderer(scene, trajectory.spec, look, scale=1)
    inside = ReplayRenderer(scene, trajectory.spec, "fast")
    before: Moment | None = None
    pictures: dict[str, Picture] = {}
    try:
        with replacing(path) as beside, Film(beside, FPS, HEIGHT) as film:
            for moment in over(moments, "film", "frame"):
                # A pause shows the same moment again: the caption may differ, the pictures do not.
                if before is None or not _same(before, moment):
                    where = (moment.q, moment.gripper, moment.positions, moment.quats_xyzw)
                    pictures = {
                        "stage": outside.frame(*where, side, STAGE_SIZE),
                        "front": inside.frame(*where, "front", FRONT_SIZE),
                        "wrist": inside.frame(*where, "wrist", WRIST_SIZE),
                    }
                film.add(pictures, moment.caption)
                before = moment
    finally:
        outside.close()
        inside.close()
    if film.first is None:
        raise ValueError("the trajectory is empty; nothing to film")
    return film.first


def make_still(trajectory: TrajectoryLog, scene: Any, look: str) -> Picture:
    """The first moment of `trajectory` from the side, uint8 (H, W, 3): a report's picture without a film."""
    from sim.rendering.replay_renderer import STAGE, ReplayRenderer

    moment = trajectory.moments[0]
    renderer = ReplayRenderer(scene, trajectory.spec, look)
    try:
        where = (moment.q, moment.gripper, moment.positions, moment.quats_xyzw)
        return renderer.frame(*where, replace(STAGE, hfov_deg=STAGE_HFOV), STILL_SIZE)
    finally:
        renderer.close()


def _same(a: Moment, b: Moment) -> bool:
    return np.array_equal(a.q, b.q) and np.array_equal(a.positions, b.positions) and a.gripper == b.gripper
