"""Hindsight: true positions of objects from a recorded episode.

An object was where the fingers closed on it and held it; its place was where they opened and released it.
Both are paired with the policy's localisations. The inputs are recorded with any arm: joints, commands,
`intervention`, the step of each frame, localisations. Nothing here depends on a simulator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palme.data.errors import TrainingDataError
from palme.data.reader import Dataset, Episode
from palme.data.sidecar import EpisodeEvent
from palme.policies.base import Motion
from robots.motion.pick_place import DROP, EMPTY, GRASP_DEPTH

Array = NDArray[np.float64]

SQUEEZED = 0.05  # commanded opening below the measured one by which fingers hold an object
STILL = 0.012  # change of the opening a tick above which the fingers are moving
LEAST = 5  # least number of ticks of a hold
GAP = 2  # ticks that may be missing within a hold
LET_GO = 4  # ticks within which a release opens the fingers; otherwise the object was lost


@dataclass(frozen=True)
class PickAndPlace:
    """One object grasped and released; positions in [m], base frame.

    Attributes:
        episode: number of the episode.
        step: text of the step.
        start: first frame of the step.
        stop: one past its last frame.
        grasp: first frame at which the object was held.
        release: last frame at which it was held.
        picked_by_person: whether a person closed the fingers on it.
        placed_by_person: whether a person opened them.
        pick: (3,) middle of its top face before the grasp.
        place: (3,) point that it was put on.
        seen_pick: (3,) the policy's last localisation of `pick` by the calibration as received, None = none.
        seen_place: (3,) likewise of `place`; None also where the step names no place.
    """

    episode: int
    step: str
    start: int
    stop: int
    grasp: int
    release: int
    picked_by_person: bool
    placed_by_person: bool
    pick: Array
    place: Array
    seen_pick: Array | None
    seen_place: Array | None

    @property
    def by_person(self) -> bool:
        """Whether a person picked or placed it."""
        return self.picked_by_person or self.placed_by_person


def check_learnable(dataset: Dataset, arm: str, n_joints: int, control_hz: float, camera: str) -> None:
    """Check that a data set can train a policy of the arm `arm` with `camera`.

    Raises:
        TrainingDataError: if it cannot, with the remedy.
    """
    root, robot = dataset.root, dataset.info.robot_type
    if robot != arm:
        raise TrainingDataError(f"{root}: recorded on {robot!r}, the policy is for {arm!r}; set arm={robot}")
    if not abs(dataset.fps - control_hz) < 1e-6:
        raise TrainingDataError(
            f"{root}: {dataset.fps:g} frames a second, {arm} is commanded at {control_hz:g} Hz; record at "
            "that rate"
        )
    for key in ("observation.state", "action", "intervention"):
        wanted = [1] if key == "intervention" else [n_joints + 1]
        found = dataset.features.get(key, {}).get("shape")
        if found is None or list(found) != wanted:
            raise TrainingDataError(
                f"{root}: feature {key!r} is {'missing' if found is None else found}, needed {wanted}; "
                "record with `palme run ... record=PATH`"
            )
    if not len(dataset):
        raise TrainingDataError(f"{root}: holds no episode; record some with `palme run ... record=PATH`")
    if not any(dataset.steps):
        raise TrainingDataError(
            f"{root}: no frame has a step's text; record with `palme run ... record=PATH`"
        )
    cameras = {
        one.camera for episode in dataset.episodes() for one in _events(episode) if one.kind == "looked"
    }
    if camera not in cameras:
        raise TrainingDataError(
            f"{root}: no localisations with camera {camera!r} (there are those of {sorted(cameras)}); record "
            "with a policy that localises, such as policy=chunk, with that camera"
        )


def moves_of(episode: Episode, motion: Motion, camera: str) -> Iterator[PickAndPlace]:
    """Each step of `episode` with an object grasped and released; of several attempts the last.

    Steps that were judged to have failed are left out, unless a person picked or placed.
    """
    numbers, steps, events = episode.numbers, episode.steps, _events(episode)
    state = np.asarray(numbers["observation.state"], np.float64)
    action = np.asarray(numbers["action"], np.float64)
    person = np.asarray(numbers["intervention"], bool).reshape(-1)
    for start, stop in _parts(steps, [one.frame for one in events if one.kind == "planned"]):
        held = [
            (a, b)
            for a, b in holds(state[start:stop, -1], action[start:stop, -1])
            if _was_let_go(state[start:stop, -1], action[start:stop, -1], b)
        ]
        if not steps[start] or not held:
            continue
        grasp, release = start + held[-1][0], start + held[-1][1]
        picked, placed = bool(person[grasp]), bool(person[min(release + 1, stop - 1)])
        if not (picked or placed) and _failed(events, release):
            continue
        edge = float(np.median(state[grasp : release + 1, -1])) * motion.gripper_width
        pick = motion.tool(state[grasp, :-1]) + [0, 0, GRASP_DEPTH]
        place = motion.tool(state[release, :-1]) + [0, 0, GRASP_DEPTH - DROP - edge]
        seen_pick = _seen(events, "pick", camera, start, grasp)
        anywhere = steps[start].endswith("table")
        seen_place = None if anywhere else _seen(events, "place", camera, start, release)
        yield PickAndPlace(
            episode.entry.episode, steps[start], start, stop, grasp, release, picked, placed, pick, place,
            seen_pick, seen_place,
        )  # fmt: skip


def holds(measured: Array, sent: Array) -> list[tuple[int, int]]:
    """Intervals (first, last tick) in which an object held the fingers open.

    Args:
        measured: (T,) opening in [0, 1] before each tick.
        sent: (T,) commanded opening in [0, 1].
    """
    still = np.abs(np.diff(measured, prepend=measured[:1])) < STILL
    held = np.flatnonzero((measured > EMPTY) & (sent < measured - SQUEEZED) & still)
    if not len(held):
        return []
    cuts = np.flatnonzero(np.diff(held) > GAP + 1)
    runs = zip(held[[0, *(cuts + 1)]], held[[*cuts, -1]], strict=True)
    return [(int(a), int(b)) for a, b in runs if b - a + 1 >= LEAST]


def _was_let_go(measured: Array, sent: Array, last: int) -> bool:
    after = slice(last + 1, last + 1 + LET_GO)
    return bool((sent[after] > measured[last] + SQUEEZED).any())


def _parts(steps: Sequence[str], planned: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(start, stop) of each planned step, also where the same step was planned again."""
    changed = [k for k in range(1, len(steps)) if steps[k] != steps[k - 1]]
    cuts = sorted({0, len(steps), *changed, *(k for k in planned if 0 < k < len(steps))})
    return zip(cuts[:-1], cuts[1:], strict=True)


def _failed(events: Sequence[EpisodeEvent], frame: int) -> bool:
    """Whether the first verdict after `frame` is a failure."""
    return next(
        (one.success is False for one in events if one.kind == "judged" and one.frame >= frame), False
    )


def _seen(events: Sequence[EpisodeEvent], role: str, camera: str, start: int, before: int) -> Array | None:
    found = None
    for one in events:
        if (
            one.kind == "looked"
            and one.answer == role
            and one.camera == camera
            and start <= one.frame <= before
        ):
            found = np.array(one.xyz)
    return found


def _events(episode: Episode) -> tuple[EpisodeEvent, ...]:
    side = episode.sidecar
    return () if side is None else side.events
