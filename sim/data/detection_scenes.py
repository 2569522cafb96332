"""Rendered scenes with labels for the detector: pictures, what is where, where to grasp, where to put.

A scene is shown, not simulated: random task states laid out at random, the arm at home, reaching for
something or carrying it. Labels are the oracle's own geometry (`sim.geometry.grasps`), so that the detector
learns to point where the oracle would act. One folder a part: an array a name, `done.json` when it is
complete.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.errors import Unreachable
from robots.files import write_text
from robots.motion.kinematics import reach_down
from robots.skills import COLOURS, ENTITIES
from robots.spec import ArmSpec
from robots.types import Array, CameraFrame
from sim.data.scene_sampler import SceneDoesNotFit, jittered, layout
from sim.geometry import grasps
from sim.geometry.footprints import Obstacles
from sim.geometry.shapes import BOWL_FLOOR, BOWL_INNER, EDGE
from sim.rendering.camera import project
from sim.tasks.symbolic import random_state, sample_midway
from sim.world.scene import Placed, Scene
from sim.world.state import SIZES, SceneState
from sim.world.world import World

MAX_OBJECTS = 14
YAW_BINS = 36
STRIDE = 4
VARIANTS = 4  # pictures of one layout
TO_CYLINDER = 0.35
GOOD_ENOUGH = 0.008  # [m] of clearance beyond which one grasp is as good as another
SLACK = 0.003  # [m] of clearance by which a grasp may fall short of the best one


@dataclass(frozen=True)
class Shares:
    """How often the arm is where: the rest of the pictures have it at home."""

    reaching: float = 0.25
    carrying: float = 0.25
    random_states: float = 0.3  # states of no task, for variety


def write_part(
    folder: Path,
    n: int,
    seed: int,
    size: tuple[int, int] = (240, 176),
    look: str = "fast",
    shares: Shares | None = None,
) -> None:
    """Render `n` labelled pictures into `folder` (see the module's and `ARRAYS`' descriptions).

    Deterministic in `seed`. A finished part is left as it is.
    """
    if (folder / "done.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    spec, world, rng = ArmSpec.load("panda"), World(look), np.random.default_rng(seed)
    shares = shares or Shares()
    width, height = size
    k = MAX_OBJECTS
    shapes: dict[str, tuple[tuple[int, ...], type]] = {
        "rgb": ((height, width, 3), np.uint8), "depth_mm": ((height, width), np.uint16),
        "intrinsics": ((3, 3), np.float32), "base_from_camera": ((4, 4), np.float32),
        "entity": ((k,), np.int8), "size": ((k,), np.int8), "point": ((k, 3), np.float32),
        "centre": ((k, 3), np.float32), "holder": ((k,), np.int8), "visible": ((k,), np.float32),
        "held": ((k,), np.bool_), "clear": ((k,), np.bool_), "yaw": ((k, YAW_BINS), np.uint8),
        "place_yaw": ((k, YAW_BINS), np.uint8), "opening": ((k,), np.float32),
        "place_in": ((k, 3), np.float32),
        "free": ((height // STRIDE, width // STRIDE), np.uint8),
    }  # fmt: skip
    out = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=(n, *shape))
        for name, (shape, dtype) in shapes.items()
    }
    done = 0
    while done < n:
        try:
            scene = layout(draw_state(rng, shares), rng)
        except SceneDoesNotFit:
            continue
        if len(scene.objects) > MAX_OBJECTS:
            continue
        for _ in range(min(VARIANTS, n - done)):
            for name, value in one_picture(world, spec, variant(scene, rng), rng, size, shares).items():
                out[name][done] = value
            done += 1
    for array in out.values():
        array.flush()
    world.close()
    write_text(folder / "done.json", json.dumps({"n": n, "seed": seed, "size": size, "look": look}))


def variant(scene: Scene, rng: np.random.Generator) -> Scene:
    """The same layout in other colours, light and camera pose: finding a layout costs more than a picture.

    A block that carries nothing may become a cylinder of its size: tasks have few, the detector needs many.
    """
    other = dict(zip(COLOURS, rng.permutation(COLOURS), strict=True))
    objects = []
    names = {o.spec.name for o in scene.objects}
    for i, o in enumerate(scene.objects):
        spec = o.spec
        twin = replace(spec, kind="cylinder")
        clear = scene.state.is_clear(i)
        if spec.kind == "block" and clear and twin.name not in names and rng.uniform() < TO_CYLINDER:
            names.add(twin.name)
            spec = twin
        objects.append(replace(o, spec=replace(spec, colour=str(other[spec.colour]))))
    return jittered(replace(scene, objects=tuple(objects)), rng)


def one_picture(
    world: World, spec: ArmSpec, scene: Scene, rng: np.random.Generator, size: tuple[int, int], shares: Shares
) -> dict[str, Any]:
    """Picture and labels of a scene with the arm somewhere."""
    scene, q, opening, held = pose_arm(scene, spec, rng, shares)
    world.place(scene)
    world.set_arm(q, opening)
    frame, mask = world.masks("front", size)
    return labels_of(scene, held, frame, mask, rng)


def draw_state(rng: np.random.Generator, shares: Shares) -> SceneState:
    """A state of the table, of a kind drawn by `shares`."""
    import random

    draw = random.Random(int(rng.integers(1 << 62)))
    if rng.uniform() < shares.random_states:
        return random_state(draw)
    return sample_midway(draw)[1]


def pose_arm(
    scene: Scene, spec: ArmSpec, rng: np.random.Generator, shares: Shares
) -> tuple[Scene, Array, float, int | None]:
    """The arm near home, over something, or carrying a clear solid: (scene, q, opening, what it carries)."""
    home = spec.q_home + rng.normal(0, 0.03, spec.n_joints)
    state, u = scene.state, rng.uniform()
    clear = [i for i, o in enumerate(state.objects) if o.kind != "bowl" and state.is_clear(i)]
    if not clear or u > shares.reaching + shares.carrying:
        return scene, home, 1.0, None
    i = int(rng.choice(clear))
    positions = np.array([o.position for o in scene.objects])
    over = (
        positions[int(rng.integers(len(positions)))]
        if rng.uniform() < 0.8
        else np.array([rng.uniform(0.33, 0.67), rng.uniform(-0.3, 0.3), 0.02])
    )
    yaw = float(rng.uniform(0, np.pi))
    try:
        if u < shares.reaching:
            xyz = positions[i] + [*rng.normal(0, 0.01, 2), abs(rng.normal(0, 0.08))]
            return scene, reach_down(spec, xyz, yaw), float(rng.uniform(0.4, 1.0)), None
        xyz = over + [*rng.normal(0, 0.02, 2), 0.05 + abs(rng.normal(0, 0.09))]
        q = reach_down(spec, xyz, yaw)
    except Unreachable:
        return scene, home, 1.0, None
    carried = scene.objects[i]
    turned = yaw + (rng.integers(2) * np.pi / 2 if carried.spec.kind == "block" else 0.0)
    moved = Placed(carried.spec, (float(xyz[0]), float(xyz[1]), float(xyz[2])), float(turned))
    objects = tuple(moved if j == i else o for j, o in enumerate(scene.objects))
    holder = tuple(None if j == i else h for j, h in enumerate(scene.holder))
    return (
        replace(scene, objects=objects, holder=holder),
        q,
        grasps.width(carried.spec) / spec.gripper_width,
        i,
    )


def labels_of(
    scene: Scene, held: int | None, frame: CameraFrame, mask: NDArray[np.int32], rng: np.random.Generator
) -> dict[str, Any]:
    """Labels of a frame, named as `RenderedScenes` has them; `held` is in the gripper, None = nothing is."""
    k, state = MAX_OBJECTS, scene.state
    specs = state.objects
    n = len(specs)
    positions = np.array([o.position for o in scene.objects])
    yaws = np.array([o.yaw for o in scene.objects])
    assert frame.depth is not None  # noqa: S101 - rendered with depth just now
    out: dict[str, Any] = {
        "rgb": frame.rgb, "depth_mm": np.clip(frame.depth * 1000, 0, 65535).astype(np.uint16),
        "intrinsics": frame.intrinsics, "base_from_camera": frame.base_from_camera,
        "entity": np.full(k, -1), "size": np.zeros(k), "point": np.zeros((k, 3)), "centre": np.zeros((k, 3)),
        "holder": np.full(k, -1), "visible": np.zeros(k),
        "held": np.zeros(k, bool), "clear": np.zeros(k, bool),
        "yaw": np.zeros((k, YAW_BINS)), "place_yaw": np.zeros((k, YAW_BINS)), "opening": np.zeros(k),
        "place_in": np.zeros((k, 3)),
    }  # fmt: skip
    pixels = np.bincount(mask[mask >= 0].ravel(), minlength=n)
    _, depth = project(positions, frame.intrinsics, frame.base_from_camera)
    movable = [i for i in range(n) if specs[i].kind != "bowl" and state.is_clear(i)]
    for i, spec in enumerate(specs):
        bowl = spec.kind == "bowl"
        across = BOWL_INNER[spec.size] if bowl else EDGE[spec.size]
        expected = (0.5 if bowl else 1.1) * (across * frame.intrinsics[0, 0] / depth[i]) ** 2
        out["entity"][i], out["size"][i] = ENTITIES.index(spec.name), SIZES.index(spec.size)
        out["holder"][i] = -1 if state.holder[i] is None else state.holder[i]
        out["visible"][i] = min(1.0, pixels[i] / expected)
        out["held"][i], out["clear"][i] = i == held, state.is_clear(i)
        x, y, z = positions[i]
        if bowl:
            out["point"][i], out["centre"][i] = (x, y, BOWL_FLOOR), (x, y, 0.012)
        else:
            out["point"][i], out["centre"][i] = (x, y, z + EDGE[spec.size] / 2), (x, y, z)
        if i == held:
            continue
        if not bowl and state.is_clear(i):
            label_grasp(out, i, specs, positions, yaws)
        others = [j for j in movable if j != i and state.holder[j] != i]
        if others and (bowl or (state.is_clear(i) and spec.kind == "block")):
            j = held if held is not None else int(rng.choice(others))
            label_place(out, i, j, state, positions, yaws)
        elif bowl:
            out["place_in"][i] = out["point"][i]
    chosen = held if held is not None else (int(rng.choice(movable)) if movable else None)
    out["free"] = free_map(frame, mask, chosen, scene, positions, yaws)
    return out


def label_grasp(out: dict[str, Any], i: int, specs: tuple, positions: Array, yaws: Array) -> None:
    """Every grasp about as good as the best one is marked in its 5-degree bin."""
    n_yaws = YAW_BINS if specs[i].kind == "cylinder" else grasps.N_YAWS
    candidates = grasps.grasp_candidates(specs, positions, yaws, i, n_yaws)
    best = candidates[0]
    out["opening"][i] = best.opening
    for grasp in candidates:
        if grasp.clearance >= min(best.clearance - SLACK, GOOD_ENOUGH) or grasp is best:
            out["yaw"][i, int(grasp.yaw / np.pi * YAW_BINS) % YAW_BINS] = 1


def label_place(
    out: dict[str, Any], i: int, j: int, state: SceneState, positions: Array, yaws: Array
) -> None:
    """Where solid `j` would go in or on `i`, and the hand's turns that have room there."""
    place = grasps.place_point(state.objects, positions, yaws, state.holder, j, i)
    held = grasps.width(state.objects[j])
    out["place_in"][i] = (place.xyz[0], place.xyz[1], place.xyz[2] - held / 2)
    turns = (np.arange(YAW_BINS) + 0.5) * np.pi / YAW_BINS
    obstacles = Obstacles.of(
        state.objects, positions, yaws, (i, j) if state.objects[i].kind == "block" else (j,)
    )
    gaps = grasps.hand_gap(obstacles, np.repeat(place.xyz[None], YAW_BINS, 0), turns, held)
    out["place_yaw"][i] = gaps >= min(gaps.max() - SLACK, GOOD_ENOUGH)


def free_map(
    frame: CameraFrame, mask: NDArray[np.int32], i: int | None, scene: Scene, positions: Array, yaws: Array
) -> NDArray[np.uint8]:
    """(H/4, W/4) uint8: 1 where solid `i` may be set down, 0 where not, 255 where no table is seen."""
    assert frame.depth is not None  # noqa: S101 - as above
    h, w = frame.depth.shape
    centre = STRIDE // 2
    depth = frame.depth[centre::STRIDE, centre::STRIDE]
    v, u = np.mgrid[centre:h:STRIDE, centre:w:STRIDE]
    k = frame.intrinsics
    local = np.stack([(u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1], np.ones_like(u, float)], -1)
    xyz = frame.base_from_camera[:3, 3] + depth[..., None] * (local @ frame.base_from_camera[:3, :3].T)
    table = (np.abs(xyz[..., 2]) < 0.006) & (mask[centre::STRIDE, centre::STRIDE] < 0)
    out = np.where(table, 0, 255).astype(np.uint8)
    if i is not None and table.any():
        specs = scene.state.objects
        out[table] = grasps.free_space(specs, positions, yaws, i, xyz[table][:, :2])
    return out
