"""Hindsight: what a recorded episode shows, once it is over, of where things were.

Where the fingers closed on something and held it, there it was; where they opened and let it go, there was
the place. Beside them stands where the policy had seen both. Read from what any arm records: joints, what was
sent, `intervention`, the step of each frame, where the policy looked. Nothing of a simulator is here.
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

SQUEEZED = 0.05  # of the opening by which fingers that hold something are told to close further
STILL = 0.012  # of the opening a tick: more, and they are still closing
LEAST = 5  # ticks that a thing must have been held
GAP = 2  # ticks that a hold may seem to be interrupted for
LET_GO = 4  # ticks within which the fingers open, where a thing was let go and not lost


@dataclass(frozen=True)
class PickAndPlace:
    """One thing picked up and let go of.

    Attributes:
        episode, step: its number, and the step's text.
        start, stop: frames of the step, `stop` being one past the last.
        grasp, release: first and last frame at which it was held.
        picked_by_person, placed_by_person: a person closed the fingers on it, opened them.
        pick: (3,) middle of its top face before it was grasped, [m] in the base frame.
        place: (3,) what it was put on, likewise.
        seen_pick, seen_place: (3,) the same as the policy had seen them last, by the calibration that the
            camera's pictures came with; None where it had not, or where any place would have done.
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
        """Whether a person had a hand in it."""
        return self.picked_by_person or self.placed_by_person


def check_learnable(dataset: Dataset, arm: str, n_joints: int, control_hz: float, camera: str) -> None:
    """Raise TrainingDataError unless a policy of that arm with `camera` can learn from the data."""
    root, robot = dataset.root, dataset.info.robot_type
    if robot != arm:
        raise TrainingDataError(f"{root}: recorded on {robot!r}, the policy is of {arm!r}; say arm={robot}")
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
            f"{root}: no frame has a step's text, so nobody knows what was to be moved; record with "
            "`palme run ... record=PATH`"
        )
    looked = {one.camera for episode in dataset.episodes() for one in _said(episode) if one.kind == "looked"}
    if camera not in looked:
        raise TrainingDataError(
            f"{root}: nowhere is kept what the policy saw through {camera!r} (there is {sorted(looked)}); "
            "record anew with a policy that looks, such as policy=chunk, through that camera"
        )


def moves_of(episode: Episode, motion: Motion, camera: str) -> Iterator[PickAndPlace]:
    """Each step of `episode` in which something was held and let go; of several tries the last.

    What was judged to have failed is left out, unless a person did it.
    """
    numbers, steps, said = episode.numbers, episode.steps, _said(episode)
    state = np.asarray(numbers["observation.state"], np.float64)
    action = np.asarray(numbers["action"], np.float64)
    person = np.asarray(numbers["intervention"], bool).reshape(-1)
    for start, stop in _parts(steps, [one.frame for one in said if one.kind == "planned"]):
        held = [
            (a, b)
            for a, b in holds(state[start:stop, -1], action[start:stop, -1])
            if _was_let_go(state[start:stop, -1], action[start:stop, -1], b)
        ]
        if not steps[start] or not held:
            continue
        grasp, release = start + held[-1][0], start + held[-1][1]
        picked, placed = bool(person[grasp]), bool(person[min(release + 1, stop - 1)])
        if not (picked or placed) and _failed(said, release):
            continue
        edge = float(np.median(state[grasp : release + 1, -1])) * motion.gripper_width
        pick = motion.tool(state[grasp, :-1]) + [0, 0, GRASP_DEPTH]
        place = motion.tool(state[release, :-1]) + [0, 0, GRASP_DEPTH - DROP - edge]
        seen_pick = _seen(said, "pick", camera, start, grasp)
        anywhere = steps[start].endswith("table")
        seen_place = None if anywhere else _seen(said, "place", camera, start, release)
        yield PickAndPlace(
            episode.entry.episode, steps[start], start, stop, grasp, release, picked, placed, pick, place,
            seen_pick, seen_place,
        )  # fmt: skip


def holds(measured: Array, sent: Array) -> list[tuple[int, int]]:
    """Stretches (first, last) at which the fingers were held open by something between them.

    Args:
        measured, sent: (T,) openings in [0, 1], before each tick and as sent in it.
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
    """Where one step ends and the next begins, also where the same one was planned anew."""
    changed = [k for k in range(1, len(steps)) if steps[k] != steps[k - 1]]
    cuts = sorted({0, len(steps), *changed, *(k for k in planned if 0 < k < len(steps))})
    return zip(cuts[:-1], cuts[1:], strict=True)


def _failed(said: Sequence[EpisodeEvent], frame: int) -> bool:
    """What the first verdict after `frame` says."""
    return next((one.success is False for one in said if one.kind == "judged" and one.frame >= frame), False)


def _seen(said: Sequence[EpisodeEvent], role: str, camera: str, start: int, before: int) -> Array | None:
    found = None
    for one in said:
        if (
            one.kind == "looked"
            and one.answer == role
            and one.camera == camera
            and start <= one.frame <= before
        ):
            found = np.array(one.xyz)
    return found


def _said(episode: Episode) -> tuple[EpisodeEvent, ...]:
    side = episode.sidecar
    return () if side is None else side.events
