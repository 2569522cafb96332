"""Distances are exact, and no margin changes faster than its bounds say: what the gate's proofs rest on."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path

import numpy as np
import pytest

from robots.motion.kinematics import joint_frames
from robots.safety.capsules import segment_distance
from robots.safety.clearance import LinkPoses, SelfMargins, WorkspaceMargins
from robots.spec import ArmSpec

ARMS = ArmSpec.available()
# Pairs whose capsules touch where the vendor's meshes do not; the reason stands in each arm's YAML.
WIDER_THAN_THE_ARM = {
    "panda": {(2, 4), (5, 7)}, "xarm6": {(0, 2), (1, 3), (3, 5), (4, 6)}, "ur5e": {(0, 2)},
    "iiwa7": {(0, 2), (5, 7)}, "iiwa14": {(5, 7)},
}  # fmt: skip


def postures(spec: ArmSpec, rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.uniform(np.maximum(spec.q_min, -np.pi), np.minimum(spec.q_max, np.pi), (n, spec.n_joints))


def test_segment_distance_is_that_of_the_nearest_points() -> None:
    rng = np.random.default_rng(0)
    a, b, u, v = rng.normal(0, 0.3, (4, 60, 3))
    u[:5], v[5:10], v[10:15] = 0.0, 0.0, 2 * u[10:15]  # points, and parallel segments
    gap = segment_distance(
        (a - b).T[None], u.T[None], v.T[None], (u * u).sum(1), (v * v).sum(1)
    )[0]  # fmt: skip
    along = np.linspace(0, 1, 401)
    for k in range(60):
        ends_a, ends_b = a[k] + along[:, None] * u[k], b[k] + along[:, None] * v[k]
        nearest = np.sqrt(((ends_a[:, None] - ends_b[None]) ** 2).sum(-1)).min()
        assert nearest - 3e-3 <= gap[k] <= nearest + 1e-9


@pytest.mark.parametrize("name", ARMS)
def test_link_rows_are_the_forward_kinematics(name: str) -> None:
    spec = ArmSpec.load(name)
    q = postures(spec, np.random.default_rng(1), 7)
    rows = LinkPoses(spec).of(q).reshape(7, spec.n_joints + 2, 3, 4)
    np.testing.assert_allclose(rows[:, 1:], joint_frames(spec, q)[:, :, :3], atol=1e-12)
    np.testing.assert_array_equal(rows[:, 0], np.broadcast_to(np.eye(3, 4), (7, 3, 4)))


def segments(spec: ArmSpec, q: np.ndarray) -> list[tuple[int, np.ndarray, float]]:
    """(link, (201, 3) points along it in base, radius) of each body at `q`, by the joints' frames alone."""
    frames, along, found = [np.eye(4), *joint_frames(spec, q)], np.linspace(0, 1, 201)[:, None], []
    for capsules in (spec.capsules, spec.finger_capsules):
        for link, ends, radius in zip(capsules.links, capsules.ends, capsules.radii, strict=True):
            points = ends[0] + along * (ends[1] - ends[0])
            found.append((int(link), points @ frames[link][:3, :3].T + frames[link][:3, 3], float(radius)))
    return found


@pytest.mark.parametrize("name", ARMS)
def test_margins_are_those_of_the_bodies_as_they_stand(name: str) -> None:
    """What the gate keeps off, found again without its products: point by point, from the joints' frames."""
    spec = ArmSpec.load(name)
    walls, itself = WorkspaceMargins(spec), SelfMargins(spec)
    tool_names = [f"workspace: tool {axis} at its {end}" for end in ("least", "most") for axis in "xyz"]
    for q in postures(spec, np.random.default_rng(4), 20):
        row, bodies = LinkPoses(spec).of(q[None]), segments(spec, q)
        margin = {kind: kind.margins(row)[0] for kind in (walls, itself)}
        tool = joint_frames(spec, q)[-1][:3, 3]
        expected = np.concatenate([tool - spec.workspace_min, spec.workspace_max - tool])
        assert walls.names[:6] == tool_names
        np.testing.assert_allclose(margin[walls][:6], expected, atol=1e-6)
        for link in range(2, spec.n_joints + 2):  # what stands below turns about the upright axis alone
            heights = [p[:, 2].min() - r for k, p, r in bodies[: len(spec.capsules)] if k == link]
            name_of_link = "table: hand" if link > spec.n_joints else f"table: link {link}"
            kept = [m for m, n in zip(margin[walls], walls.names, strict=True) if n == name_of_link]
            assert bool(kept) == bool(heights)
            if heights:
                least = min(heights) - spec.table_z - spec.table_margin
                assert min(kept) == pytest.approx(least, abs=1e-6)
        for k, (a, b) in enumerate(zip(itself.first, itself.second, strict=True)):
            (_, one, r), (_, other, s) = bodies[a], bodies[b]
            gap = np.linalg.norm(one[:, None] - other[None], axis=2).min() - r - s - spec.self_margin
            assert gap - 0.004 <= margin[itself][k] <= gap + 1e-6, itself.names[k]


@pytest.mark.parametrize("name", ARMS)
def test_every_pair_of_bodies_is_kept_apart_but_neighbours_and_what_never_meets(name: str) -> None:
    spec, itself = ArmSpec.load(name), SelfMargins(ArmSpec.load(name))
    links = [*spec.capsules.links.tolist(), *spec.finger_capsules.links.tolist()]
    last = spec.n_joints  # the hand is rigid to it
    wanted = {
        (a, b)
        for a in range(len(links))
        for b in range(len(links))
        if min(links[b], last) - min(links[a], last) > 1 and (links[a], links[b]) not in spec.never_meet
    }
    assert set(zip(itself.first.tolist(), itself.second.tolist(), strict=True)) == wanted and wanted


@pytest.mark.parametrize("name", ARMS)
def test_no_margin_falls_faster_than_its_bounds(name: str) -> None:
    spec, rng = ArmSpec.load(name), np.random.default_rng(2)
    rows, walls, itself = LinkPoses(spec), WorkspaceMargins(spec), SelfMargins(spec)
    for size in (1e-3, 0.03, 0.3, 1.0):
        q = postures(spec, rng, 60)
        step = rng.normal(0, size, q.shape) * (rng.uniform(size=q.shape) < 0.5)
        before, after = rows.of(q), rows.of(q + step)
        for kind in (walls, itself):
            fall = kind.margins(before) - kind.margins(after)
            assert (fall <= np.abs(step) @ kind.rate.T + 1e-12).all()
        for k in range(len(q)):
            size_k = np.abs(step[k])
            linear = walls.margins(before[k][None])[0] + walls.gradients(before[k]) @ step[k]
            off = np.abs(walls.margins(after[k][None])[0] - linear)
            assert (off <= size_k @ walls.curvature @ size_k / 2 + 1e-12).all()


@pytest.mark.parametrize("name", ARMS)
def test_home_is_clear_of_everything(name: str) -> None:
    spec = ArmSpec.load(name)
    row = LinkPoses(spec).of(spec.q_home[None])
    for kind in (WorkspaceMargins(spec), SelfMargins(spec)):
        margins = kind.margins(row)[0]
        assert margins.min() > 0.005, kind.names[int(np.argmin(margins))]


@pytest.mark.parametrize("name", ARMS)
def test_pairs_that_are_not_checked_at_do_not_meet(name: str) -> None:
    spec = ArmSpec.load(name)
    every = SelfMargins(dataclasses.replace(spec, never_meet=frozenset()))
    margins = every.margins(LinkPoses(spec).of(postures(spec, np.random.default_rng(3), 4000))).min(0)
    checked = set()
    for k, (a, b) in enumerate(zip(every.first, every.second, strict=True)):
        pair = int(every.capsules.links[a]), int(every.capsules.links[b])
        if pair in spec.never_meet and pair not in WIDER_THAN_THE_ARM[name]:
            assert margins[k] > -0.01, every.names[k]  # -0.01: touching, since the margin is 0.01
            checked.add(pair)
    assert checked == spec.never_meet - WIDER_THAN_THE_ARM[name]


MESHES = {
    "panda": [(k, f"franka_panda/meshes/collision/link{k}.obj", 0.0) for k in range(8)]
    + [(8, "franka_panda/meshes/collision/hand.obj", -0.1034)],
    "xarm6": [
        (k, f"xarm/xarm_description/meshes/xarm6/visual/{'base' if k == 0 else f'link{k}'}.stl", 0.0)
        for k in range(7)
    ],
    "iiwa14": [(k, f"kuka_iiwa/meshes/link_{k}.stl", 0.0) for k in range(8)],
}


@pytest.mark.parametrize("name", list(MESHES))
def test_capsules_hold_the_vendor_s_meshes(name: str) -> None:
    folder = Path(pytest.importorskip("pybullet_data").getDataPath())
    capsules = ArmSpec.load(name).capsules
    for link, file, raised in MESHES[name]:
        points = vertices(folder / file) + (0.0, 0.0, raised)
        outside = np.full(len(points), np.inf)
        for ends, radius in zip(
            capsules.ends[capsules.links == link], capsules.radii[capsules.links == link], strict=True
        ):
            along = ends[1] - ends[0]
            share = np.clip((points - ends[0]) @ along / max(along @ along, 1e-12), 0, 1)
            gap = np.linalg.norm(points - ends[0] - share[:, None] * along, axis=1) - radius
            outside = np.minimum(outside, gap)
        assert outside.max() <= 0.0015, f"{file}: {outside.max():.4f} m stick out"


def test_fingers_hold_their_mesh_at_any_opening() -> None:
    folder = Path(pytest.importorskip("pybullet_data").getDataPath())
    spec = ArmSpec.load("panda")
    ends, radius = spec.finger_capsules.ends[0], spec.finger_capsules.radii[0]
    finger = vertices(folder / "franka_panda/meshes/collision/finger.obj")
    for opening in (0.0, 0.5, 1.0):
        points = finger + (0.0, opening * spec.gripper_width / 2, 0.0584 - 0.1034)
        for side in (points, points * (1, -1, 1)):
            along = ends[1] - ends[0]
            share = np.clip((side - ends[0]) @ along / (along @ along), 0, 1)
            gap = np.linalg.norm(side - ends[0] - share[:, None] * along, axis=1) - radius
            assert gap.max() <= 1e-3
            assert side[:, 2].max() <= spec.finger_reach + 1e-3


def vertices(path: Path) -> np.ndarray:
    """(V, 3) of an OBJ or STL file."""
    raw = path.read_bytes()
    if path.suffix == ".obj":
        lines = raw.decode().splitlines()
        return np.array([[float(x) for x in line.split()[1:4]] for line in lines if line.startswith("v ")])
    if raw[:5] == b"solid" and b"facet" in raw[:300]:
        lines = [line.split() for line in raw.decode(errors="ignore").splitlines()]
        return np.array([[float(x) for x in line[1:4]] for line in lines if line[:1] == ["vertex"]])
    (count,) = struct.unpack("<I", raw[80:84])
    kind = np.dtype([("normal", "<3f4"), ("corners", "<9f4"), ("rest", "<u2")])
    return np.frombuffer(raw[84 : 84 + 50 * count], kind)["corners"].reshape(-1, 3).astype(np.float64)
