"""Recorded motions as training data of the chunk head: joint goals and phases from hindsight, tick by tick.

The goals are the joints of the actual grasp and release, not those of the localised points. Of an episode
with an intervention only the person's part is imitated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from palme.data.reader import Episode
from palme.policies.base import Motion
from palme.policies.chunk import HORIZON
from palme.training.datasets.hindsight import PickAndPlace
from robots.errors import RobotError
from robots.motion.pick_place import EMPTY, GRASP_DEPTH, HOVER, PHASES, RELEASE, TRAVEL_Z

Array = NDArray[np.float64]

RISEN = 0.005  # [m] rise of the tool after closing or opening, from which it leaves
STEADY = 0.01  # change of the opening a tick below which the fingers are not closing
UNWOUND = 1.0  # [rad] between two goals: the wrist took a way that the policy would not


def ticks_of(
    episode: Episode, move: PickAndPlace, motion: Motion, correction_weight: float
) -> dict[str, NDArray[Any]] | None:
    """The ticks of one pick and place, as `MotionTicks` takes them; None = too short.

    Keys: q, dq (T, n), gripper (T,), goals (T, 5, n), openings (T, 2), phase (T,), q_target (T, n), grip
    (T,), weight (T,), and start (2,). The last `HORIZON` ticks have weight 0: what follows them is
    unknown.
    """
    numbers = episode.numbers
    state = np.asarray(numbers["observation.state"], np.float64)
    action = np.asarray(numbers["action"], np.float64)
    person = np.asarray(numbers["intervention"], bool).reshape(-1)
    first, stop = _stretch(move, person, action[:, -1])
    if stop - first < 2 * HORIZON:
        return None
    q = state[:, :-1]
    goals = _goals(q[move.grasp], q[move.release], motion)
    if goals is None:
        return None
    closing = _closing(action[:, -1], move.grasp)
    opening = min(move.release + 3, stop - 1)
    openings = (action[max(closing - 1, first), -1], action[opening, -1])
    if move.by_person:  # the policy opens less on release
        openings = (openings[0], min(float(state[move.release, -1]) + RELEASE, 1.0))
    rows = slice(first, stop)
    n = stop - first
    dq = np.gradient(q, axis=0) * motion.control_hz
    weight = np.where(person[rows], correction_weight, 1.0)
    weight[-HORIZON:] = 0.0
    return {
        "q": q[rows],
        "dq": dq[rows],
        "gripper": state[rows, -1],
        "goals": np.broadcast_to(goals, (n, *goals.shape)),
        "openings": np.broadcast_to(np.array(openings), (n, 2)),
        "phase": _phases(q, move, closing, motion)[rows],
        "q_target": action[rows, :-1],
        "grip": action[rows, -1],
        "weight": weight,
        "start": np.array([0, n]),
    }


def _stretch(move: PickAndPlace, person: NDArray[np.bool_], sent: Array) -> tuple[int, int]:
    """(first, one past the last) frame to imitate: by one operator, without missed grasps."""
    first, stop = move.start, move.stop
    if move.by_person:  # a take-over with the object in the gripper: only what follows it
        others = np.flatnonzero(~person)
        begun = move.grasp if move.picked_by_person else move.release
        first = max([first, *(others[others < begun] + 1)])
        stop = min([stop, *others[others > move.release]])
    closing = _closing(sent, move.grasp)
    shut = np.flatnonzero(sent[first:closing] < EMPTY)
    return (int(first + shut[-1] + 1) if len(shut) else int(first)), int(stop)


def _closing(sent: Array, grasp: int) -> int:
    """The first frame with a command to close on the object; the gate spreads closing over several ticks."""
    steady = np.diff(sent[:grasp], prepend=sent[:1]) > -STEADY
    opened = np.flatnonzero(steady & (sent[:grasp] >= EMPTY))
    return int(opened[-1] + 1) if len(opened) else 0


def _goals(grasp: Array, there: Array, motion: Motion) -> Array | None:
    """(5, n) hover, grasp, lifted, over the place, at the place; None = not reachable."""
    x, y, z = motion.tool(grasp)
    u, v, _ = motion.tool(there)
    try:
        hover = motion.reach(np.array([x, y, z + GRASP_DEPTH + HOVER]), motion.yaw(grasp), grasp)
        lifted = motion.reach(np.array([x, y, TRAVEL_Z]), motion.yaw(grasp), hover)
        over = motion.reach(np.array([u, v, TRAVEL_Z]), motion.yaw(there), there)
    except RobotError:
        return None
    goals = np.stack([hover, grasp, lifted, over, there])
    wound = max(np.abs(hover - grasp).max(), np.abs(over - there).max())
    return goals if wound < UNWOUND else None


def _phases(q: Array, move: PickAndPlace, closing: int, motion: Motion) -> NDArray[np.int64]:
    """(T,) index into `PHASES` for the whole episode; meaningful within the step only."""
    out = np.full(len(q), PHASES.index("approach"))
    out[closing:] = PHASES.index("grip")
    out[_leaves(q, move.grasp, motion) :] = PHASES.index("carry")
    out[move.release + 1 :] = PHASES.index("release")
    out[_leaves(q, move.release + 1, motion) :] = PHASES.index("retreat")
    return out


def _leaves(q: Array, frame: int, motion: Motion) -> int:
    """The first frame from `frame` on with the tool risen by `RISEN`."""
    z = motion.tool(q[min(frame, len(q) - 1)])[2] + RISEN
    return next((k for k in range(frame, len(q)) if motion.tool(q[k])[2] > z), len(q))
