"""The film of a run: every moment of the tape shown again, in another world with another look."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from palme.cli.tape import Tape
from palme.report.film import Film
from palme.report.pictures import Picture

FPS = 10  # every second control tick: motion reads well, and it takes half the time to make
FRONT_SIZE, WRIST_SIZE = (640, 480), (480, 480)


def make_film(path: Path, tape: Tape, scene: Any, arm: Any, look: str) -> tuple[Picture, Picture]:
    """Write the film of `tape` to `path`.

    Returns:
        The first and the last front picture, uint8 (H, W, 3).
    """
    from tqdm import tqdm

    from sim.camera import CAMERAS
    from sim.world import World

    cameras = {
        "front": (replace(CAMERAS["front"], hfov_deg=40.0), FRONT_SIZE),
        "wrist": (CAMERAS["wrist"], WRIST_SIZE),
    }
    every = max(1, round(arm.spec.control_hz / FPS))
    moments = tape.moments[::every]
    world = World(look)
    world.load(scene)
    shown: list[dict[str, Picture]] = []
    try:
        with Film(path, FPS) as film:
            before = None
            for moment in tqdm(moments, desc="film", unit="frame", file=sys.stderr, disable=len(moments) < 2):
                # A pause shows the same moment again: the caption may differ, the pictures do not.
                if before is None or not _same(before, moment):
                    world.set_arm(moment.q, moment.gripper)
                    for i, (position, quat) in enumerate(
                        zip(moment.positions, moment.quats_xyzw, strict=True)
                    ):
                        world.set_pose(i, position, quat)
                    pictures = {
                        name: world.render(c, size, depth=False).rgb for name, (c, size) in cameras.items()
                    }
                film.add(pictures, moment.caption)
                before = moment
                shown = [shown[0] if shown else pictures, pictures]
    finally:
        world.close()
    return shown[0]["front"], shown[-1]["front"]


def _same(a: Any, b: Any) -> bool:
    return bool(
        np.array_equal(a.q, b.q) and np.array_equal(a.positions, b.positions) and a.gripper == b.gripper
    )
