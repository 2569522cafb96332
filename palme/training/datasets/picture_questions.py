"""Questions about rendered pictures, with the right answers from their labels."""

from __future__ import annotations

import numpy as np

from palme.language.sentence import Sentence
from palme.language.vocabulary import Vocabulary
from palme.models.processor import EmbodiedProcessor
from palme.training.datasets.answered_questions import AnsweredQuestions, answered_questions
from palme.training.datasets.rendered_scenes import Labels
from robots.skills import ENTITIES, N_SOLIDS, TABLE
from robots.types import CameraFrame

VISIBLE = 0.15  # share of an object that must be seen for it to be asked about


def frames(labels: Labels) -> list[CameraFrame]:
    """The pictures of `labels` with depth in [m] and calibration."""
    arrays = (labels[name].numpy() for name in ("rgb", "depth_mm", "intrinsics", "base_from_camera"))
    return [
        CameraFrame(np.ascontiguousarray(rgb.transpose(1, 2, 0)), depth, k, pose)
        for rgb, depth, k, pose in zip(*arrays, strict=True)
    ]


def question_about(labels: Labels, i: int, rng: np.random.Generator) -> tuple[str, list[str]]:
    """(question, words of its answer) about picture `i`: what is there, where it is, what lies on it."""
    entity, holder = labels["entity"][i].numpy(), labels["holder"][i].numpy()
    seen = [k for k in range(len(entity)) if entity[k] >= 0 and labels["visible"][i, k] > VISIBLE]
    names = [ENTITIES[entity[k]] for k in seen]
    kind = rng.choice(3) if seen else 0
    if kind == 0:
        there = bool(seen) and rng.random() < 0.5
        absent = [name for name in ENTITIES if name not in {ENTITIES[e] for e in entity if e >= 0}]
        name = str(rng.choice(names if there else absent))
        return f"is there a {name} ?", ["yes" if there else "no"]
    solids = [k for k in seen if entity[k] < N_SOLIDS]
    if kind == 1 and solids:
        k = int(rng.choice(solids))
        below = TABLE if holder[k] < 0 else ENTITIES[entity[holder[k]]]
        return f"where is the {ENTITIES[entity[k]]} ?", [below.replace(" ", "_")]
    k = int(rng.choice(seen))
    covers = [ENTITIES[entity[j]].replace(" ", "_") for j in seen if holder[j] == k]
    return f"what is on the {ENTITIES[entity[k]]} ?", [covers[0] if covers else "nothing"]


def picture_questions(
    processor: EmbodiedProcessor, vocabulary: Vocabulary, labels: Labels, rng: np.random.Generator
) -> AnsweredQuestions:
    """One question about each picture of `labels`."""
    pictures = frames(labels)
    asked = [question_about(labels, i, rng) for i in range(len(pictures))]
    prompts = [
        Sentence(f"human : {question} robot : i see <img:front> . answer :", {"img:front": picture}, question)
        for (question, _), picture in zip(asked, pictures, strict=True)
    ]
    answers = [[*words, "."] for _, words in asked]
    return answered_questions(processor, vocabulary, prompts, answers)
