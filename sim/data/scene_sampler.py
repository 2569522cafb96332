"""From symbols to a scene: draws poses without overlap, close together, within reach."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sim.geometry.hand import FRANKA
from sim.geometry.shapes import (
    BOWL_FLOOR,
    BOWL_HEIGHT,
    Array,
    height,
    inner_outline,
    inside,
    outline,
    radius,
    rectangle,
    separation,
    width,
)
from sim.world.appearance import jittered_colour, jittered_light, jittered_table
from sim.world.scene import Placed, Scene, Vector
from sim.world.state import ObjectSpec, SceneState

X_RANGE = (0.33, 0.67)
Y_RANGE = (-0.30, 0.30)
MARGIN = 0.012  # outlines may reach this far out of the ranges
GAP = 0.010  # least gap between things side by side on the table
INSET_PER_LEVEL = 0.015  # from the left and right ends, for each thing on a pile
CLUTTER = 0.5  # share of things set right beside another one
BOWL_GAP = 0.002  # least gap between things in a bowl, and to its wall
OPEN_SLACK = 0.006  # a finger's play on either side of what it grasps
Pose = tuple[Array, float, float]  # xy (2,), yaw, z of the bottom
Standing = tuple[Array, Array, float]  # outline (K, 2), middle (2,), radius around it
CAMERA_SHIFT = 0.02  # [m]
CAMERA_TURN = math.radians(2.0)


class SceneDoesNotFit(ValueError):
    """No room was found for the things asked for."""


def layout(
    state: SceneState,
    rng: np.random.Generator,
    *,
    jitter: bool = True,
    graspable: bool = True,
    tries: int = 12,
) -> Scene:
    """A scene in which each thing of `state` rests where `state.holder` says.

    Gaps on the table are at least 1 cm and often just that; yaw is free; every solid can be
    grasped from above along at least one axis once what lies on it is gone (unless `graspable`
    is False).

    Args:
        state: what there is and what rests in or on what.
        rng: the only source of chance.
        jitter: draw colours, light, table and camera pose too.

    Raises:
        SceneDoesNotFit: after `tries` fresh starts.
    """
    for _ in range(tries):
        draft = _Draft(state, rng)
        if draft.furnish() and (not graspable or draft.make_graspable()):
            break
    else:
        names = ", ".join(o.name for o in state.objects)
        raise SceneDoesNotFit(f"no room for {names} after {tries} tries; ask for fewer or smaller things")
    placed = draft.placed()
    if not jitter:
        return Scene(placed, state.holder, int(rng.integers(2**31)))
    return jittered(Scene(placed, state.holder), rng)


def jittered(scene: Scene, rng: np.random.Generator) -> Scene:
    """`scene` with noise seed, colours, light, table and camera pose drawn anew."""
    return replace(
        scene,
        seed=int(rng.integers(2**31)),
        colours=tuple(jittered_colour(o.spec.colour, rng) for o in scene.objects),
        camera_shift=_in_ball(rng, CAMERA_SHIFT),
        camera_turn=_in_ball(rng, CAMERA_TURN),
        light=jittered_light(rng),
        table=jittered_table(rng),
    )


def _in_ball(rng: np.random.Generator, r: float) -> Vector:
    v = rng.normal(size=3)
    x, y, z = v / np.linalg.norm(v) * r * rng.uniform() ** (1 / 3)
    return (float(x), float(y), float(z))


class _Draft:
    """A scene in the making; things that are set again take along what lies in and on them."""

    def __init__(self, state: SceneState, rng: np.random.Generator) -> None:
        self.state, self.rng = state, rng
        self.poses: dict[int, Pose] = {}
        self.roots = sorted({self._chain(i)[-1] for i in range(len(state.objects))})

    def _chain(self, i: int) -> list[int]:
        """`i`, what it rests on, what that rests on, down to what stands on the table."""
        chain = [i]
        while (h := self.state.holder[chain[-1]]) is not None:
            if h in chain:
                raise SceneDoesNotFit("holders form a ring: nothing of it stands on the table")
            chain.append(h)
        return chain

    def furnish(self) -> bool:
        """Set everything, bowls first; False if something found no place."""
        order = [int(i) for i in self.rng.permutation(self.roots)]
        objects = self.state.objects
        order.sort(key=lambda i: -radius(objects[i]) if objects[i].kind == "bowl" else 0.0)
        return all(self._put(i) for i in order)

    def make_graspable(self, rounds: int = 40) -> bool:
        """Set again what the hand cannot reach, or what that rests in, until all can be grasped."""
        solids = [i for i, o in enumerate(self.state.objects) if o.kind != "bowl"]
        for _ in range(rounds):
            placed = self.placed()
            bad = [i for i in solids if not graspable_from_above(i, placed, self.state)]
            if not bad:
                return True
            chain = self._chain(bad[int(self.rng.integers(len(bad)))])
            again = chain[int(self.rng.integers(len(chain)))]
            self._take(again)
            if not self._put(again):
                return False
        return False

    def placed(self) -> tuple[Placed, ...]:
        """All objects, in the state's order."""
        out = []
        for i, spec in enumerate(self.state.objects):
            xy, yaw, z = self.poses[i]
            out.append(Placed(spec, (float(xy[0]), float(xy[1]), z + height(spec) / 2), yaw))
        return tuple(out)

    def _inset(self, i: int) -> float:
        """How much nearer to the middle a pile stands, so that the camera sees its top too."""
        levels, above = 0, self.state.on_top_of(i)
        while above and self.state.objects[i].kind != "bowl":
            levels, above = levels + 1, self.state.on_top_of(above[0])
        return INSET_PER_LEVEL * levels

    def _take(self, i: int) -> None:
        self.poses.pop(i, None)
        for j in self.state.on_top_of(i):
            self._take(j)

    def _put(self, i: int) -> bool:
        state, rng = self.state, self.rng
        spec, h, yaw = state.objects[i], state.holder[i], float(rng.uniform(-math.pi, math.pi))
        xy: Array | None
        if h is None:
            standing = [
                (self._outline(j), self.poses[j][0], radius(state.objects[j]))
                for j in self.roots if j in self.poses
            ]  # fmt: skip
            xy, z = _spot(spec, yaw, standing, self._inset(i), rng), 0.0
        elif state.objects[h].kind == "bowl":
            xy_h, yaw_h, _ = self.poses[h]
            beside = [self._outline(j) for j in state.on_top_of(h) if j in self.poses]
            wall = inner_outline(state.objects[h], xy_h, yaw_h)
            xy, z = spot_in_bowl(spec, yaw, wall, xy_h, beside, rng), BOWL_FLOOR
        else:
            xy_h, yaw_h, z_h = self.poses[h]
            below = state.objects[h]
            xy, z = xy_h + rng.uniform(-0.12, 0.12, 2) * width(below), z_h + height(below)
            if rng.uniform() < 0.6:  # most stacks are nearly aligned, some are turned
                yaw = yaw_h + float(rng.normal(0, 0.12))
        if xy is None:
            return False
        self.poses[i] = (xy, yaw, z)
        return all(self._put(j) for j in state.on_top_of(i))

    def _outline(self, i: int) -> Array:
        xy, yaw, _ = self.poses[i]
        return outline(self.state.objects[i], xy, yaw)


def _fits(polygon: Array, xy: Array, r: float, others: list[Standing], inset: float) -> bool:
    (x0, y0), (x1, y1) = polygon.min(0), polygon.max(0)
    return (
        X_RANGE[0] - MARGIN <= x0 and x1 <= X_RANGE[1] + MARGIN
        and Y_RANGE[0] - MARGIN + inset <= y0 and y1 <= Y_RANGE[1] + MARGIN - inset
        and all(
            math.hypot(*(xy - centre)) >= r + reach + GAP or separation(polygon, o) >= GAP
            for o, centre, reach in others
        )
    )  # fmt: skip


def _spot(
    spec: ObjectSpec, yaw: float, others: list[Standing], inset: float, rng: np.random.Generator
) -> Array | None:
    """A free place on the table, beside another thing as often as `CLUTTER` says."""
    shape, r = outline(spec, np.zeros(2), yaw), radius(spec)
    if others and rng.uniform() < CLUTTER:
        for _ in range(12):
            other, centre, _ = others[int(rng.integers(len(others)))]
            xy = _beside(shape, other, centre, GAP + min(float(rng.exponential(0.004)), 0.02), rng)
            if _fits(shape + xy, xy, r, others, inset):
                return xy
    for _ in range(60):
        xy = np.array([rng.uniform(*X_RANGE), rng.uniform(*Y_RANGE)])
        if _fits(shape + xy, xy, r, others, inset):
            return xy
    return None


def _beside(shape: Array, other: Array, centre: Array, gap: float, rng: np.random.Generator) -> Array:
    """Where `shape` (around 0) goes so that it stands `gap` from `other`, in a random direction."""
    angle = rng.uniform(-math.pi, math.pi)
    step = np.array([math.cos(angle), math.sin(angle)])
    near, far = 0.0, 0.3
    for _ in range(10):
        middle = (near + far) / 2
        if separation(shape + centre + middle * step, other) >= gap:
            far = middle
        else:
            near = middle
    return centre + far * step


def spot_in_bowl(
    spec: ObjectSpec, yaw: float, wall: Array, centre: Array, beside: list[Array], rng: np.random.Generator
) -> Array | None:
    """A free place (2,) in a bowl for `spec` turned by `yaw`; None if none was found.

    Args:
        wall: (8, 2) the inside of the bowl.
        centre: (2,) its middle.
        beside: outlines of what lies in it.
    """
    shape, reach = outline(spec, np.zeros(2), yaw), float(np.linalg.norm(wall[0] - centre))
    for _ in range(40):
        xy = centre + rng.uniform(-reach, reach, 2)
        if inside(shape + xy, wall) >= BOWL_GAP and all(
            separation(shape + xy, o) >= BOWL_GAP for o in beside
        ):
            return xy
    return None


def graspable_from_above(i: int, placed: tuple[Placed, ...], state: SceneState) -> bool:
    """True if fingers and hand fit around solid `i` along some axis, once nothing lies on it."""
    me = placed[i]
    above = {i}
    while more := {j for j, h in enumerate(state.holder) if h in above} - above:
        above |= more
    xy, half = np.array(me.position[:2]), width(me.spec) / 2
    tip, palm = me.position[2] - FRANKA.tip_below, me.position[2] + FRANKA.palm_above
    solids = [
        (outline(o.spec, np.array(o.position[:2]), o.yaw), o.position[2] + height(o.spec) / 2, j)
        for j, o in enumerate(placed)
        if j not in above
        and math.hypot(*(xy - o.position[:2])) < FRANKA.palm_half_length + 0.01 + radius(o.spec)
    ]
    bowl = state.holder[i]
    axes = np.arange(2) * math.pi / 2 if me.spec.kind == "block" else np.arange(8) * math.pi / 8
    for axis in me.yaw + axes:
        direction = np.array([math.cos(axis), math.sin(axis)])
        fingers = [
            rectangle(
                xy + s * direction * (half + (OPEN_SLACK + FRANKA.thickness) / 2 + OPEN_SLACK / 2),
                axis, (FRANKA.thickness + OPEN_SLACK) / 2, FRANKA.half_width,
            )
            for s in (-1, 1)
        ]  # fmt: skip
        hand = rectangle(xy, axis, FRANKA.palm_half_length, FRANKA.palm_half_width)
        free = True
        for shape, top, j in solids:
            if j == bowl and placed[j].spec.kind == "bowl":
                wall = inner_outline(placed[j].spec, np.array(placed[j].position[:2]), placed[j].yaw)
                free &= tip > BOWL_HEIGHT or all(inside(f, wall) >= 0.001 for f in fingers)
            elif top > tip:
                free &= all(separation(f, shape) >= 0.001 for f in fingers)
                free &= top < palm or separation(hand, shape) >= 0.002
            if not free:
                break
        if free:
            return True
    return False
