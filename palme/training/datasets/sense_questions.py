"""What each sense is asked, and the answers that there are: sentences with one observation in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from palme.language.sentence import Sentence
from palme.models.modality import modality


@dataclass(frozen=True)
class Question:
    """One question about an observation.

    Attributes:
        fact: whose truth is the answer; events without it are not asked about it. Of a sense that is
            addressed by index, "colour" stands for the facts "colour:1", "colour:2" ...
        phrasings: with `{it}` where the observation stands.
        answers: those there are, one word each.
    """

    fact: str
    answers: tuple[str, ...]
    phrasings: tuple[str, ...]


@dataclass(frozen=True)
class SenseTask:
    """What a sense is trained and measured on.

    Attributes:
        source: of `sim.sensing.SOURCES`: where its events come from.
        sensor: the name of its observation there.
        questions: asked about each event.
    """

    source: str
    sensor: str
    questions: tuple[Question, ...]


MATERIALS = ("metal", "glass", "wood", "plastic", "rubber")
SOLIDS = ("block", "cylinder", "cone", "ball")
COLOURS = ("red", "green", "blue", "yellow")
SIDES = ("left", "right")

MADE_OF = Question(
    "material",
    MATERIALS,
    (
        "what was dropped ? {it}",
        "what is the thing made of that made {it} ?",
        "{it} which material makes this sound ?",
    ),
)
EVENT = Question(
    "event",
    ("fell", "slid"),
    ("what happened to the thing that made {it} ?", "{it} was it dropped or moved over the table ?"),
)
TALLER = Question(
    "taller", SIDES, ("which is taller in {it} ?", "{it} is the left or the right one taller ?")
)
SHAPE = Question(
    "left", SOLIDS, ("what is the left one in {it} ?", "{it} which shape has the thing on the left ?")
)
NEARER = Question(
    "nearer", SIDES, ("which is nearer in {it} ?", "{it} is the left or the right one nearer ?")
)
WAY = Question(
    "way",
    ("left", "right", "away", "nearer"),
    ("which way did it move in {it} ?", "{it} where did the thing go ?"),
)
HIDDEN = Question(
    "hidden", COLOURS, ("what colour is the thing behind the block ? {it}", "{it} which colour is hidden ?")
)
OPEN_DRAWER = Question(
    "open",
    ("top", "middle", "bottom", "none"),
    ("which drawer is open in {it} ?", "{it} which of the drawers was pulled ?"),
)
HELD = Question(
    "held",
    ("nothing", "light", "heavy"),
    ("what does the hand hold ? {it}", "{it} is something held , and is it light or heavy ?"),
)
GRIPPER = Question(
    "gripper", ("open", "closed"), ("is the gripper open or closed ? {it}", "{it} the gripper is")
)
PLACE = Question(
    "place",
    ("left", "centre", "right"),
    ("where is the tool ? {it}", "{it} is the hand left , right or in the centre ?"),
)
COLOUR = Question("colour", COLOURS, ("what colour is {it} ?", "{it} is of which colour ?"))
KIND = Question("kind", SOLIDS, ("what is {it} ?", "which shape has {it} ?"))

# name of a modality -> what it is asked
SENSE_TASKS: Mapping[str, SenseTask] = {
    "spectrogram": SenseTask("sound", "microphone", (MADE_OF, EVENT)),
    "waveform": SenseTask("sound", "microphone", (MADE_OF, EVENT)),
    "power_spectrum": SenseTask("sound", "microphone", (MADE_OF,)),
    "depth": SenseTask("solids", "depth", (TALLER, NEARER)),
    "point_cloud": SenseTask("solids", "points", (TALLER, NEARER)),
    "voxels": SenseTask("solids", "voxels", (TALLER, NEARER)),
    "mesh": SenseTask("solids", "mesh", (TALLER, SHAPE)),
    "implicit": SenseTask("solids", "distance", (TALLER, SHAPE)),
    "video": SenseTask("push", "film", (WAY,)),
    "views": SenseTask("hidden", "cameras", (HIDDEN,)),
    "slots": SenseTask("hidden", "slots", (COLOUR, KIND)),
    "parts": SenseTask("cabinet", "joints", (OPEN_DRAWER,)),
    "force": SenseTask("lift", "wrist", (HELD,)),
    "state": SenseTask("lift", "proprioception", (PLACE, GRIPPER)),
}


def words() -> tuple[str, ...]:
    """Every word of questions and answers, in a fixed order: new ones come last, as weights depend on it."""
    every = [
        MADE_OF,
        EVENT,
        TALLER,
        SHAPE,
        NEARER,
        WAY,
        HIDDEN,
        OPEN_DRAWER,
        HELD,
        GRIPPER,
        PLACE,
        COLOUR,
        KIND,
    ]
    spoken = [w for q in every for text in q.phrasings for w in text.replace("{it}", " ").split()]
    return tuple(dict.fromkeys([*(a for q in every for a in q.answers), *filter(str.isalpha, spoken)]))


def asked(
    name: str, observations: Mapping[str, Any], truth: Mapping[str, str], rng: np.random.Generator
) -> tuple[Sentence, str, str]:
    """(sentence, answer, fact) of one of the questions that a sense can be asked about an event."""
    task, indexed = SENSE_TASKS[name], modality(name).addressing == "index"
    options = [
        (question, key, key.partition(":")[2])
        for question in task.questions
        for key in truth
        if key == question.fact or (indexed and key.startswith(f"{question.fact}:"))
    ]
    question, key, index = _any(rng, options)
    sentence = said(name, observations[task.sensor], _any(rng, question.phrasings), index)
    return sentence, truth[key], question.fact


def said(name: str, observation: Any, phrasing: str, which: str = "") -> Sentence:
    """The sentence of a phrasing with `observation` of the modality `name` in it.

    Args:
        name: of a modality.
        observation: of it.
        phrasing: with `{it}`.
        which: name or index after the colon, "" = 1 where the modality takes one.
    """
    kind = modality(name)
    which = "" if kind.addressing == "one" else which or "1"
    it = f"<{kind.placeholder}:{which}>" if which else f"<{kind.placeholder}>"
    source = f"{kind.placeholder}:{which}" if kind.addressing == "name" else kind.placeholder
    text = phrasing.format(it=it)
    return Sentence(f"human : {text} robot :", {source: observation}, phrasing.replace("{it}", "").strip())


def _any(rng: np.random.Generator, options: Iterable[Any]) -> Any:
    listed = list(options)
    return listed[int(rng.integers(len(listed)))]
