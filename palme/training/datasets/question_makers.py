"""Sources of the planner's questions: simulated detections and those of the trained detector."""

from __future__ import annotations

from dataclasses import dataclass

from palme.training.datasets.detection_noise import DetectionNoise
from palme.training.datasets.perceived import DetectedQuestions, PerceivedFile
from palme.training.datasets.planner_batches import Makers
from palme.training.datasets.questions import RATES, QuestionMaker
from palme.training.datasets.tasks import TaskSource


@dataclass(frozen=True)
class QuestionSources:
    """Callable: seed of a worker -> sources of questions and the rate of each.

    Attributes:
        source: tasks and states.
        follow_ups: mean number of further questions about the same scene.
        goal_share: share of questions that ask for the goal alone.
        read: whether a text encoder encodes the instructions.
        feature_dim: width of the detector's feature of an object, 0 = none.
        perceived: a file of `save_perceived`, "" = none.
        perceived_share: share of questions from it.
    """

    source: TaskSource
    follow_ups: float
    goal_share: float
    read: bool
    feature_dim: int
    perceived: str
    perceived_share: float

    def __call__(self, seed: int) -> Makers:
        """The sources of the worker with this `seed`, and their rates."""
        noise, rates = DetectionNoise(), RATES | {"goal": self.goal_share}
        simulated = QuestionMaker(self.source, seed, "train", noise, self.follow_ups, rates, read=self.read)
        if not self.perceived:
            return [simulated], [1.0]
        file = PerceivedFile(self.perceived, self.feature_dim)
        detected = DetectedQuestions(self.source, file, seed + 1, read=self.read)
        return [simulated, detected], [1 - self.perceived_share, self.perceived_share]
