"""A table seen by three cameras: something stands behind a block, where one of them cannot see it."""

from __future__ import annotations

import math

import numpy as np

from robots.senses import MultiView, ObjectSlots
from sim.rendering.camera import look_at
from sim.sensing.base import Sensed
from sim.sensing.solids import KINDS, Solid
from sim.sensing.stage import StageSource
from sim.world.appearance import jittered_colour, jittered_light
from sim.world.bodies import quat_about_z

SIZE = (72, 56)  # [px]
HFOV_DEG = 26.0
MIDDLE = (0.5, 0.0, 0.03)
CAMERAS = ((1.2, 0.0, 0.55), (0.45, 0.95, 0.55), (0.45, -0.95, 0.55))  # [m]: front, left and right
COLOURS = ("red", "green", "blue", "yellow")
GREY = (0.45, 0.45, 0.47)
SEEN = 10  # [px] of the hidden thing that another camera sees at least
VISIBLE = 3  # things in the open


class HiddenThing(StageSource):
    """Facts: `hidden`, the colour of what the front camera cannot see; `colour:k`, `kind:k` of slot k."""

    def draw(self, rng: np.random.Generator) -> Sensed:
        """Three things in the open, a grey block, and one thing behind it that side cameras see."""
        stage = self.stage
        while True:
            stage.reset()
            x, y = rng.uniform(0.50, 0.54), rng.uniform(-0.03, 0.03)
            self._stand(Solid("block", 0.10, 0.10), GREY, x, y, 0.0)
            colour = str(rng.choice(COLOURS))
            small = Solid(str(rng.choice(KINDS)), 0.045, 0.045)
            hidden = self._stand(
                small, jittered_colour(colour, rng), x - 0.085, y + rng.uniform(-0.015, 0.015), 0.0
            )
            things = []
            for side in rng.permutation([(0.46, 0.14), (0.46, -0.14), (0.64, 0.06), (0.64, -0.06)])[:VISIBLE]:
                kind, name, width = str(rng.choice(KINDS)), str(rng.choice(COLOURS)), rng.uniform(0.045, 0.06)
                solid = Solid(kind, width, width)
                at = side + rng.uniform(-0.015, 0.015, 2)
                yaw = rng.uniform(0, math.pi)
                body = self._stand(solid, jittered_colour(name, rng), at[0], at[1], yaw)
                things.append((body, kind, name))
            stage.step(4)
            light = jittered_light(rng)
            views = []
            for position in CAMERAS:
                pose = look_at(position, MIDDLE, (0.0, 0.0, 1.0))
                pose[:3, 3] += rng.uniform(-0.015, 0.015, 3)
                views.append(stage.look(pose, HFOV_DEG, SIZE, rng, light))
            pixels = [int((seg == hidden).sum()) for _, seg in views]
            masks = np.stack([views[0][1] == body for body, _, _ in things])
            if pixels[0] == 0 and max(pixels[1:]) >= SEEN and masks.sum((1, 2)).min() >= SEEN:
                break
        truth = {"hidden": colour}
        for k, (_, kind, name) in enumerate(things, 1):
            truth |= {f"colour:{k}": name, f"kind:{k}": kind}
        frames = tuple(frame for frame, _ in views)
        return Sensed({"cameras": MultiView(frames), "slots": ObjectSlots(frames[0], masks)}, truth)

    def _stand(self, solid: Solid, rgb: tuple[float, float, float], x: float, y: float, yaw: float) -> int:
        body = self.stage.show(solid, rgb, mass=0.05)
        self.stage.move(body, (float(x), float(y), solid.height / 2), quat_about_z(yaw))
        return body
