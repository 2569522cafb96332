"""Clearance: distance of an arm from the bounds of its workspace, from the table and from itself.

Every constraint is a margin in [m], satisfied where it is >= 0. Its rate of change is bounded: no margin k
falls by more than `rate[k] @ abs(change of q)`. Workspace and table have a sharper bound as well: the
gradient at the current posture, and `curvature`, which bounds the second-order term.

A point fixed to a link is a linear function of the link's pose, so one product with `LinkPoses` gives all
points of all links at all postures. One evaluation takes tens of microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from robots.safety.capsules import Capsules, segment_distance
from robots.spec import ArmSpec
from robots.types import Array

ROUNDING = 1e-9  # [m] kept off every boundary, so that rounding never crosses one
# Motion between two evaluated postures of a path that stays unevaluated; the margins of `ArmSpec` cover it.
SAG = 0.001  # [m] height of an arc above its chord
MAX_APPROACH = 0.02  # [m] by which two bodies may approach; half of it is `self_margin`
FIRST_MOVING_LINK = 2  # lower links only turn about the vertical axis, so their height is constant


class LinkPoses:
    """Forward kinematics of many postures at once, one row of link poses a posture."""

    def __init__(self, spec: ArmSpec) -> None:
        self.n = spec.n_joints
        self._steps = [np.ascontiguousarray(step) for step in (*spec.joint_origins, spec.tool)]
        self._base = np.tile(np.eye(3, 4), (1, 1))

    @property
    def width(self) -> int:
        """Length of one row: (n_joints + 2) links of 3 x 4 numbers."""
        return (self.n + 2) * 12

    def of(self, q: Array) -> Array:
        """(S, width) top three rows of the poses of base, links and tool, for `q` (S, n_joints) in [rad].

        A rotation by q about z multiplies the first two columns, read as one complex number, by exp(-iq).
        """
        n, size = self.n, len(q)
        out = np.empty((n + 2, size * 3, 4))
        paired = out.view(np.complex128)  # (n + 2, S * 3, 2)
        if len(self._base) < size * 3:
            self._base = np.tile(np.eye(3, 4), (size, 1))
        out[0] = self._base[: size * 3]
        turns = np.exp(-1j * q.T).repeat(3, 1)  # (n, S * 3)
        here = out[0]
        for step, there, columns, turn in zip(self._steps, out[1:], paired[1:, :, 0], turns, strict=False):
            np.dot(here, step, there)
            columns *= turn
            here = there
        np.dot(here, self._steps[n], out[n + 1])
        return out.reshape(n + 2, size, 12).swapaxes(0, 1).reshape(size, -1)

    def pick(self, links: NDArray[np.intp], points: Array, rows: Sequence[int] = (0, 1, 2)) -> Array:
        """(width, len(rows) * P) matrix M; `of(q) @ M`: coordinates `rows` of homogeneous points (P, 4)."""
        out = np.zeros((self.n + 2, 3, 4, len(rows), len(points)))
        for p, (link, point) in enumerate(zip(links, points, strict=True)):
            for r, row in enumerate(rows):
                out[link, row, :, r, p] = point
        return out.reshape(self.width, -1)


class WorkspaceMargins:
    """Margins of the tool inside its workspace box, and of the arm above the table.

    Attributes:
        names: K constraint names.
        rate: (K, n_joints) in [m/rad].
        curvature: (n_joints, n_joints) in [m/rad2]: along a change dq no margin falls by more than
            `-gradients @ dq + abs(dq) @ curvature @ abs(dq) / 2`.
    """

    def __init__(self, spec: ArmSpec) -> None:
        self.spec = spec
        n = spec.n_joints
        low = [c for c in range(len(spec.capsules)) if spec.capsules.links[c] >= FIRST_MOVING_LINK]
        tip, tip_radii = lowest_finger_points(spec)
        links = np.concatenate([np.repeat(spec.capsules.links[low], 2), np.full(len(tip), n + 1)])
        points = np.concatenate([spec.capsules.ends[low].reshape(-1, 3), tip])  # (P, 3)
        radii = np.concatenate([np.repeat(spec.capsules.radii[low], 2), tip_radii])
        rows, at_tool = LinkPoses(spec), np.array([[0.0, 0.0, 0.0, 1.0]])
        tool_xyz = rows.pick(np.array([n + 1]), at_tool)
        heights = rows.pick(links, _homogeneous(points), (2,))
        self._from_rows = np.concatenate([tool_xyz, -tool_xyz, heights], 1)  # (width, K)
        self._points_from_rows = rows.pick(links, _homogeneous(points), (0, 1))
        self._moved_by = (np.arange(1, n + 1) <= links[:, None]).astype(
            np.float64
        )  # (P, n) joint moves point
        self._offsets = ROUNDING + np.concatenate(
            [spec.workspace_min, -spec.workspace_max, radii + spec.table_z + spec.table_margin]
        )
        self.names = [f"workspace: tool {axis} at its {end}" for end in ("least", "most") for axis in "xyz"]
        self.names += [f"table: {link_name(spec, link)}" for link in links[: 2 * len(low)]]
        self.names += ["table: fingers" if spec.has_gripper else "table: tool"] * len(tip)
        tool = _rate_outward(spec, n + 1, np.zeros((1, 3)))
        table = [_rate_outward(spec, link, p[None]) for link, p in zip(links, points, strict=True)]
        self.rate = np.stack([tool] * 6 + table)
        if abs(spec.joint_origins[0][2, 2]) > 1 - 1e-12:  # a vertical first joint changes no height
            self.rate[[2, 5], 0] = 0.0
            self.rate[6:, 0] = 0.0
        furthest = self.rate.max(0)  # rotation about i moves what joint j > i carries no faster than j does
        furthest[0] = max(furthest[0], tool[0])
        order = np.arange(n)
        self.curvature = furthest[np.maximum(order[:, None], order)]

    def margins(self, rows: Array) -> Array:
        """(S, K) in [m] for `LinkPoses.of`."""
        return rows @ self._from_rows - self._offsets

    def undecided(self, a: Array, b: Array, at_a: Array, at_b: Array) -> NDArray[np.bool_]:
        """(M,) whether a margin may be negative between postures `a` and `b` (M, n_joints) in [rad].

        On an arc a margin is below its chord by at most an eighth of the curvature term.

        Args:
            at_a, at_b: (M, K) margins at `a` and `b` in [m].
        """
        size = np.abs(b - a)
        sag = ((size @ self.curvature) * size).sum(1) / 8
        return (np.minimum(at_a, at_b).min(1) < sag) & (sag > SAG)

    def gradients(self, rows: Array) -> Array:
        """(K, n_joints) gradient of each margin in [m/rad], for one row (width,) of `LinkPoses.of`."""
        frames = rows.reshape(-1, 3, 4)
        axes, origins = frames[1:-1, :, 2], frames[1:-1, :, 3]  # (n, 3)
        ax, ay, az = axes.T
        points = (rows @ self._points_from_rows).reshape(2, -1)  # (2, P): x, y
        turn = np.array([-ay, ax])
        heights = (points.T @ turn - (ax * origins[:, 1] - ay * origins[:, 0])) * self._moved_by  # axis x arm
        x, y, z = (frames[-1, :, 3] - origins).T
        tool = np.array([ay * z - az * y, az * x - ax * z, ax * y - ay * x])
        return np.concatenate([tool, -tool, heights])


class SelfMargins:
    """Distances within the arm: one margin a pair of capsules whose links are not neighbours.

    Attributes:
        names, rate: see `WorkspaceMargins`.
        capsules: C capsules of links, hand and fingers.
        first, second: (K,) indices of the two capsules of each pair.
    """

    def __init__(self, spec: ArmSpec) -> None:
        capsules = Capsules(
            np.concatenate([spec.capsules.links, spec.finger_capsules.links]),
            np.concatenate([spec.capsules.ends, spec.finger_capsules.ends]),
            np.concatenate([spec.capsules.radii, spec.finger_capsules.radii]),
        )
        n = spec.n_joints
        rigid_to = np.minimum(capsules.links, n)  # the tool is fixed to the last link
        pairs = [
            (a, b)
            for a in range(len(capsules))
            for b in range(len(capsules))
            if rigid_to[b] - rigid_to[a] >= 2
            and (int(capsules.links[a]), int(capsules.links[b])) not in spec.never_meet
        ]
        self.capsules = capsules
        self.first, self.second = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
        along = capsules.ends[:, 1] - capsules.ends[:, 0]
        rows = LinkPoses(spec)
        starts = rows.pick(capsules.links, _homogeneous(capsules.ends[:, 0]))
        alongs = rows.pick(capsules.links, np.concatenate([along, np.zeros((len(along), 1))], 1))
        self._from_rows = np.concatenate([starts, alongs], 1)  # (width, 2 * 3 * C)
        self._size = len(capsules)
        lengths = (along * along).sum(1)
        self._aa, self._bb = lengths[self.first], lengths[self.second]  # (K,) squared lengths
        self._distances = (
            capsules.radii[self.first] + capsules.radii[self.second] + spec.self_margin + ROUNDING
        )
        named = [
            (link_name(spec, int(x)) if c < len(spec.capsules) else "fingers")
            for c, x in enumerate(capsules.links)
        ]
        self.names = [f"self-collision: {named[a]} and {named[b]}" for a, b in pairs]
        self.rate = np.zeros((len(pairs), n))
        for k, (a, b) in enumerate(pairs):
            between = slice(
                int(rigid_to[a]), int(rigid_to[b])
            )  # joints that move a and b relative to each other
            outward = _rate_outward(spec, int(capsules.links[b]), capsules.ends[b])
            inward = _rate_inward(spec, int(capsules.links[a]), capsules.ends[a])
            self.rate[k, between] = np.minimum(outward, inward)[between]

    def margins(self, rows: Array) -> Array:
        """(S, K) in [m] for `LinkPoses.of`."""
        placed = (rows @ self._from_rows).reshape(len(rows), 2, 3, self._size)
        first, second = placed.take(self.first, 3), placed.take(self.second, 3)  # (S, 2, 3, K)
        between = first[:, 0] - second[:, 0]
        gap = segment_distance(between, first[:, 1], second[:, 1], self._aa, self._bb)
        return gap - self._distances

    def undecided(self, a: Array, b: Array, at_a: Array, at_b: Array) -> NDArray[np.bool_]:
        """See `WorkspaceMargins`. A margin is at least the mean of its ends less half the change."""
        change = np.abs(b - a) @ self.rate.T
        near: NDArray[np.bool_] = (at_a + at_b < change) & (change > MAX_APPROACH)
        return np.any(near, axis=1)


def lowest_finger_points(spec: ArmSpec) -> tuple[Array, Array]:
    """Points (P, 3) in the tool frame and radii (P,) in [m] that bound the fingers below, at any opening.

    The corners of the finger tips, and the finger capsules thinned to end at the tips: the full capsules
    would keep a vertical hand away from a small block. Without a hand, the tool point.
    """
    if not spec.has_gripper:
        return np.zeros((1, 3)), np.zeros(1)
    x, y, z = spec.finger_width / 2, spec.gripper_width / 2 + spec.finger_thickness, spec.finger_reach
    corners = np.array([[sx * x, sy * y, z] for sx in (-1, 1) for sy in (-1, 1)])
    ends = spec.finger_capsules.ends.reshape(-1, 3)
    thin = np.minimum(np.repeat(spec.finger_capsules.radii, 2), z - ends[:, 2])
    return np.concatenate([corners, ends]), np.concatenate([np.zeros(len(corners)), np.maximum(thin, 0.0)])


def _homogeneous(points: Array) -> Array:
    return np.concatenate([points, np.ones((len(points), 1))], 1)


def link_name(spec: ArmSpec, link: int) -> str:
    """Display name of link `link` of `Capsules.links`."""
    if link == 0:
        return "base"
    return "hand" if link > spec.n_joints else f"link {link}"


def _rate_outward(spec: ArmSpec, link: int, points: Array) -> Array:
    """(n_joints,) bound in [m/rad] on the motion of `points` (P, 3) of `link` with each joint.

    From the axis of joint j: the radius of the next frame's origin, plus the lengths of the links after it.
    """
    out = np.zeros(spec.n_joints)
    if link == 0:
        return out
    if link > spec.n_joints:
        points = points @ spec.tool[:3, :3].T + spec.tool[:3, 3]
        link = spec.n_joints
    out[link - 1] = np.hypot(points[:, 0], points[:, 1]).max()
    length = float(np.linalg.norm(points, axis=1).max())
    for j in range(link - 1, 0, -1):
        offset = spec.joint_origins[j][:3, 3]  # of frame j + 1 in frame j
        out[j - 1] = np.hypot(offset[0], offset[1]) + length
        length += float(np.linalg.norm(offset))
    return out


def _rate_inward(spec: ArmSpec, link: int, points: Array) -> Array:
    """(n_joints,) bound in [m/rad] on the motion of `points` (P, 3) of `link` relative to later joints."""
    out = np.full(spec.n_joints, np.inf)
    length = 0.0
    for j in range(link, spec.n_joints):
        origin = spec.joint_origins[j]  # frame j + 1 in frame j
        if j == link:
            local = (points - origin[:3, 3]) @ origin[:3, :3]
            out[j] = np.hypot(local[:, 0], local[:, 1]).max()
            length = float(np.linalg.norm(local, axis=1).max())
        else:
            length += float(np.linalg.norm(origin[:3, 3]))
            out[j] = length
    return out
