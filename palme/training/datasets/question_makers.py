"""Where the planner's questions come from: an imitated detector and, later, the trained one."""

from __future__ import annotations

from dataclasses import dataclass

from palme.training.datasets.detection_noise import DetectionNoise
from palme.training.datasets.perceived import PerceivedFile, SeenQuestions
from palme.training.datasets.planner_batches import Makers
from palme.training.datasets.questions import RATES, QuestionMaker, TaskSource


@dataclass(frozen=True)
class QuestionSources:
    """Callable: seed of a worker -> makers of questions and how often each is used.

    Attributes:
        follow_ups: mean number of further questions about the same scene.
        goal_share: part of the questions that only ask what a sentence wants.
        read: whether a text encoder reads the instructions.
        feature_dim: of the detector's feature of an object, 0 = none.
        perceived, perceived_share: a file of what the trained detector saw, "" = none; how often it is used.
    """

    source: TaskSource
    follow_ups: float
    goal_share: float
    read: bool
    feature_dim: int
    perceived: str
    perceived_share: float

    def __call__(self, seed: int) -> Makers:
        noise, rates = DetectionNoise(), RATES | {"goal": self.goal_share}
        imitated = QuestionMaker(self.source, seed, "train", noise, self.follow_ups, rates, read=self.read)
        if not self.perceived:
            return [imitated], [1.0]
        file = PerceivedFile(self.perceived, self.feature_dim)
        seen = SeenQuestions(self.source, file, seed + 1, read=self.read)
        return [imitated, seen], [1 - self.perceived_share, self.perceived_share]
