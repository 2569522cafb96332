"""Sentence: words and observations in any order; an observation stands where its placeholder does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from palme.perception.objects import PerceivedObjects
from robots.types import RobotState

JOINTS = 7  # of an arm that the state token has room for: the Panda's
PLACEHOLDER = re.compile(r"<(img:\w+|state|read|obj:\d+)>")


class BadSentence(ValueError):
    """A placeholder without an observation."""


@dataclass(frozen=True)
class Sentence:
    """What a person and a robot say, with what the robot perceives among it.

    Attributes:
        text: words and placeholders, such as "human : where is obj_2 ? robot : <state> i see <img:front>".
            `<img:NAME>`: a picture's features; `<state>`: the arm; `<obj:k>`: object k, counted from 1.
        images: features (K, D) of each picture by its name.
        state: the arm's measured state, or (D,) numbers.
        objects: what the detector found.
        reading: (D,) what a text encoder made of the instruction; it stands at `<read>`.
    """

    text: str
    images: Mapping[str, Any] = field(default_factory=dict)
    state: RobotState | np.ndarray | None = None
    objects: PerceivedObjects | None = None
    reading: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in self.placeholders:
            kind, _, which = name.partition(":")
            if kind == "img" and which not in self.images:
                raise BadSentence(f"<{name}>: no such picture; there are {sorted(self.images) or 'none'}")
            if kind == "state" and self.state is None:
                raise BadSentence("<state>: the sentence has no robot state; give state=")
            if kind == "read" and self.reading is None:
                raise BadSentence("<read>: nobody has read the sentence; give reading=")
            if kind == "obj" and not 1 <= int(which) <= (0 if self.objects is None else len(self.objects)):
                n = 0 if self.objects is None else len(self.objects)
                raise BadSentence(f"<{name}>: the detector found {n} objects; use <obj:1> to <obj:{n}>")

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Names of the placeholders, in their order."""
        return tuple(PLACEHOLDER.findall(self.text))

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """("words", text) and ("img", "state", "read" or "obj", placeholder) in turn, for reports."""
        parts, at = [], 0
        for match in PLACEHOLDER.finditer(self.text):
            if self.text[at : match.start()].strip():
                parts.append(("words", self.text[at : match.start()].strip()))
            parts.append((match[1].partition(":")[0], match[0]))
            at = match.end()
        if self.text[at:].strip():
            parts.append(("words", self.text[at:].strip()))
        return tuple(parts)

    def state_vector(self) -> np.ndarray:
        """(D,) float32: joint positions [rad], gripper in [0, 1], tool position in the base frame [m].

        An arm of fewer than `JOINTS` joints has zeros for those it lacks: one network reads them all.
        """
        if isinstance(self.state, RobotState):
            q, place = self.state.q, self.state.base_from_ee[:3, 3]
            lacking = np.zeros(max(JOINTS - len(q), 0))
            return np.concatenate([q, lacking, [self.state.gripper], place]).astype(np.float32)
        if self.state is None:
            raise BadSentence("the sentence has no robot state; give state=")
        return np.asarray(self.state, np.float32)
