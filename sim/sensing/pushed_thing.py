"""A thing that was pushed and slides over the table, beside one that stands: a short film of it."""

from __future__ import annotations

import colorsys
import math

import numpy as np

from robots.senses import VideoClip
from sim.rendering.camera import look_at
from sim.sensing.base import Sensed
from sim.sensing.solids import Solid
from sim.sensing.stage import StageSource

FRAMES, FRAME_HZ = 6, 12.0
SIZE = (40, 32)  # [px]
HFOV_DEG = 26.0
CAMERA, MIDDLE = (1.15, 0.0, 0.75), (0.5, 0.0, 0.02)
FAR_ENOUGH = 0.05  # [m] that it moves within the film
SPREAD = math.radians(30.0)  # to either side of a way
# as the arm sees it: +x is away from it, +y is left
WAYS = {"away": 0.0, "left": math.pi / 2, "nearer": math.pi, "right": -math.pi / 2}


class PushedThing(StageSource):
    """Fact: `way`, where the moving thing went, as seen from the arm: left, right, away or nearer."""

    hz = 120.0

    def draw(self, rng: np.random.Generator) -> Sensed:
        """A film of half a second; the truth is what the physics made of the push."""
        stage = self.stage
        while True:
            stage.reset()
            moving = self._solid(rng, rng.uniform(-0.05, 0.05, 2))
            side = rng.uniform(0, 2 * math.pi)
            self._solid(rng, 0.16 * np.array([math.cos(side), math.sin(side)]))
            wanted = WAYS[str(rng.choice(list(WAYS)))] + rng.uniform(-SPREAD, SPREAD)
            speed = rng.uniform(0.4, 0.7)
            stage.push(moving, (speed * math.cos(wanted), speed * math.sin(wanted), 0.0))
            pose = look_at(CAMERA, MIDDLE, (0.0, 0.0, 1.0))
            pose[:3, 3] += rng.uniform(-0.02, 0.02, 3)
            begin, _ = stage.pose(moving)
            frames = []
            for _ in range(FRAMES):
                frames.append(stage.look(pose, HFOV_DEG, SIZE, rng)[0].rgb)
                stage.step(round(stage.hz / FRAME_HZ))
            end, _ = stage.pose(moving)
            way = way_of(end[:2] - begin[:2])
            if way is not None:
                return Sensed({"film": VideoClip(np.stack(frames), FRAME_HZ)}, {"way": way})

    def _solid(self, rng: np.random.Generator, xy: np.ndarray) -> int:
        solid = Solid(str(rng.choice(["block", "cylinder"])), float(rng.uniform(0.045, 0.065)), 0.05)
        rgb = colorsys.hsv_to_rgb(float(rng.uniform()), 0.8, 0.8)
        body = self.stage.show(solid, rgb, mass=0.06, friction=0.15)
        self.stage.move(body, (MIDDLE[0] + xy[0], xy[1], solid.height / 2), (0, 0, 0, 1))
        return body


def way_of(moved: np.ndarray) -> str | None:
    """The way of a motion (2,) in [m]; None = too short, or between two ways."""
    if not np.hypot(*moved) >= FAR_ENOUGH:
        return None
    angle = math.atan2(moved[1], moved[0])
    for way, middle in WAYS.items():
        if abs(math.remainder(angle - middle, 2 * math.pi)) <= 1.2 * SPREAD:
            return way
    return None
