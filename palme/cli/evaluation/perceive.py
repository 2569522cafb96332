"""What the trained detector make of scenes whose truth is known, for the planner's stage `joined`."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from palme.perception.objects import PerceivedObjects

NEAR = 0.03  # [m]: what is seen further than this from a thing is not that thing


class Looker:
    """Shows states to the detector: laid out, jittered, the arm at home, no physics."""

    def __init__(self, detector: Any, seed: int, size: tuple[int, int] = (240, 176)) -> None:
        from robots.spec import ArmSpec
        from sim.world.world import World

        self._detector, self._size = detector, size
        self._spec, self._world = ArmSpec.load("panda"), World("fast")
        self._rng = np.random.default_rng(seed)

    def look(self, state: Any, times: int = 1) -> Iterator[tuple[PerceivedObjects, list[int]]]:
        """`times` pictures of one layout of `state`: (what is seen, which object each is, -1 = a ghost).

        Raises:
            SceneDoesNotFit: if there is no room for the state on the table.
        """
        from sim.data.scene_sampler import jittered, layout

        scene = layout(state, self._rng)
        for k in range(times):
            scene = jittered(scene, self._rng) if k else scene
            self._world.place(scene)
            self._world.set_arm(self._spec.q_home + self._rng.normal(0, 0.01, self._spec.n_joints), 1.0)
            frame = self._world.render("front", self._size)
            seen = self._detector.objects(self._detector.encode(frame))
            yield seen, found_of(seen, scene)


def found_of(seen: PerceivedObjects, scene: Any) -> list[int]:
    """For each thing seen the index of the nearest true object of its sort (bowl or solid), used once."""
    places = np.array([o.position for o in scene.objects])
    bowls = np.array([o.spec.kind == "bowl" for o in scene.objects])
    names = [o.spec.name for o in scene.objects]
    found = [-1] * len(seen)
    pairs = []
    for row in range(len(seen)):
        gap = np.linalg.norm(places[:, :2] - seen.xyz[row, :2], axis=1)
        gap += 0.5 * np.abs(places[:, 2] - seen.xyz[row, 2])
        gap += np.array([0.0 if n == seen.name(row) else 0.012 for n in names])  # in doubt, the same name
        gap[bowls != seen.name(row).endswith("bowl")] = np.inf
        pairs += [(g, row, i) for i, g in enumerate(gap) if g < NEAR + 0.012]
    taken: set[int] = set()
    for _, row, i in sorted(pairs):
        if found[row] < 0 and i not in taken:
            found[row] = i
            taken.add(i)
    return found


def collect(out: str, n: int, seed: int, weights: str = "") -> None:
    """`n` pictures (three of a layout) into one file for `PlannerTraining.perceived`."""
    from palme.training.datasets.perceived import save_perceived
    from sim.data.scene_sampler import SceneDoesNotFit
    from sim.tasks.symbolic import random_state, sample_midway

    looker, draw = Looker(_detector(weights), seed), random.Random(seed)
    seen: list[PerceivedObjects] = []
    found: list[list[int]] = []
    states: list[Any] = []
    while len(seen) < n:
        state = random_state(draw) if draw.random() < 0.15 else sample_midway(draw)[1]
        try:
            for one, which in looker.look(state, 3):
                seen.append(one)
                found.append(which)
                states.append(state)
        except SceneDoesNotFit:
            continue
    save_perceived(out, seen, found, states)
    print(json.dumps(accuracy(seen, found, states)))


def accuracy(seen: Sequence[PerceivedObjects], found: Sequence[Sequence[int]], states: Sequence[Any]) -> dict:
    """How well the detector did: objects found, named and held right, ghosts a scene, whole scenes right."""
    total = names = holders = there = ghosts = whole = 0
    for one, which, state in zip(seen, found, states, strict=True):
        right = 0
        for row, i in enumerate(which):
            ghosts += i < 0
            if i < 0:
                continue
            there += 1
            named = one.name(row) == state.objects[i].name
            h = int(one.holder_probs[row].argmax())
            holder = None if h == len(one) else which[h]
            held = holder == state.holder[i]
            names += named
            holders += held
            right += named and held
        total += len(state.objects)
        whole += right == len(state.objects) and len(one) == len(state.objects)
    m = len(seen)
    shares = {"found": there / total, "named": names / there, "held": holders / there}
    return {
        k: round(v, 4) for k, v in {**shares, "ghosts_a_scene": ghosts / m, "whole_scenes": whole / m}.items()
    }


def _detector(weights: str) -> Any:
    from palme.perception.detector import WEIGHTS, Detector

    return Detector.load(weights or WEIGHTS)
