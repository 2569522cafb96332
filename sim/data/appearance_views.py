"""Pictures of things in all their appearances, with the single things and the piles that each shows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.errors import Unreachable
from robots.motion.kinematics import reach_down
from robots.types import Array, CameraFrame
from sim.appearances.registry import COMBINATIONS, is_held_out
from sim.data.appearance_scenes import Combination, draw_scene
from sim.geometry.shapes import EDGE
from sim.rendering.camera import DETAIL
from sim.world.scene import Scene
from sim.world.state import ObjectSpec
from sim.world.world import World

ITEMS = 4  # of a pile: what is at the bottom, and at most three in or on it
IN, ON = 0, 1
SEEN_SOLID, SEEN_ITEM = (
    0.3,
    60,
)  # share of a solid's face, and pixels of anything in a pile, that must be seen
WITH_ARM = 0.3  # share of scenes in which the arm reaches over the table


@dataclass(frozen=True)
class Shown:
    """A solid, or a bowl or block on the table with what is in or on it.

    Attributes:
        point: (3,) middle of the solid, or of the pile about the height of what is carried, in [m], base
            frame.
        pile: whether it is a pile; an empty bowl is one too.
        items: the thing, or what is at the bottom of the pile and then what is in or on it.
        relations: of each item but the first: `IN` or `ON`.
    """

    point: Array
    pile: bool
    items: tuple[ObjectSpec, ...]
    relations: tuple[int, ...] = ()


def training_combinations() -> list[Combination]:
    """Those that are not held out."""
    return [c for c in COMBINATIONS if not is_held_out(*c)]


def held_out_combinations() -> list[Combination]:
    """Those that no training shows."""
    return [c for c in COMBINATIONS if is_held_out(*c)]


def views(
    rng: np.random.Generator, combinations: Sequence[Combination], arm: float = WITH_ARM
) -> Iterator[tuple[CameraFrame, list[Shown]]]:
    """Pictures of drawn scenes without end, and what each shows well enough to be told."""
    worlds = {True: World(robot=True), False: World(robot=False)}
    try:
        for _ in itertools.count():
            scene = draw_scene(rng, combinations)
            world = worlds[bool(rng.uniform() < arm)]
            world.place(scene)
            if world.robot:
                at = np.array([rng.uniform(0.33, 0.67), rng.uniform(-0.3, 0.3), rng.uniform(0.12, 0.25)])
                try:
                    q = reach_down(world.spec, at, float(rng.uniform(0, np.pi)))
                except Unreachable:
                    q = world.spec.q_home
                world.set_arm(q, float(rng.uniform()))
            frame, mask = world.masks(DETAIL)
            yield frame, list(shown(scene, frame, mask))
    finally:
        for world in worlds.values():
            world.close()


def shown(scene: Scene, frame: CameraFrame, mask: NDArray[np.int32]) -> Iterator[Shown]:
    """What `frame` shows of `scene`: solids in fair view, piles of which every thing is seen.

    Args:
        scene: what is there.
        frame: the picture.
        mask: (H, W) which object each pixel shows, -1 = none.
    """
    state, specs = scene.state, scene.state.objects
    pixels = np.bincount(mask[mask >= 0].ravel(), minlength=len(specs))
    eye, focal = frame.base_from_camera[:3, 3], frame.intrinsics[0, 0]
    for i, placed in enumerate(scene.objects):
        middle = np.array(placed.position)
        edge = EDGE[placed.spec.size] * focal / np.linalg.norm(middle - eye)  # [px]
        if placed.spec.kind != "bowl" and pixels[i] > SEEN_SOLID * edge**2:
            yield Shown(middle, False, (placed.spec,))
        if state.holder[i] is not None or placed.spec.kind == "cylinder":
            continue
        inside = _carried(state.holder, i)
        if len(inside) < ITEMS and all(pixels[j] > SEEN_ITEM for j in (i, *inside)):
            z = 0.02 if placed.spec.kind == "bowl" else EDGE[placed.spec.size]
            holders = [specs[h] for j in inside if (h := state.holder[j]) is not None]
            relations = tuple(IN if h.kind == "bowl" else ON for h in holders)
            point = np.array([*placed.position[:2], z])
            yield Shown(point, True, (placed.spec, *(specs[j] for j in inside)), relations)


def _carried(holder: tuple[int | None, ...], i: int) -> list[int]:
    """What rests on or in `i`, directly or not, the lowest first."""
    direct = [j for j, h in enumerate(holder) if h == i]
    return direct + [k for j in direct for k in _carried(holder, j)]
