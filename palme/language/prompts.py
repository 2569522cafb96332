"""The planner's prompt: speakers, question, history, and the places of the observations."""

from __future__ import annotations

from collections.abc import Sequence

from palme.language.text import split_words
from palme.language.vocabulary import BOS, ENTITY_WORDS

MAX_HISTORY = 3  # past steps in a prompt; training has no longer histories


def step_words(text: str) -> list[str]:
    """ "put the red block in the blue bowl" -> ["put", "red_block", "in", "blue_bowl", "."]."""
    return [*(w for w in split_words(text) if w != "the"), "."]


def prompt_words(
    question: str,
    n_objects: int,
    history: Sequence[tuple[str, bool]] = (),
    ask: str = "next",
    read: bool = False,
    scene_first: bool = False,
) -> list[str]:
    """The prompt that the model continues.

    Objects come after the question, so that a causal model can attend to it from each of them; or before it,
    as in PaLM-E, so that many questions about a scene share its soft tokens.

    Args:
        history: steps so far and whether each was judged successful.
        ask: "next" for a step, "answer" for anything else.
        read: whether `<read>`, the text encoder's features of the question, follows it.
        scene_first: the objects stand before the question, in fewer words.
    """
    if scene_first:
        return [*scene_words(n_objects), *asking_words(question, history, ask)]
    words = [BOS, "human", ":", *split_words(question), *(["<read>"] if read else ()), "robot", ":"]
    for text, success in history[-MAX_HISTORY:]:
        words += [*step_words(text)[:-1], "yes" if success else "no", ";"]
    return [*words, "<state>", "i", "see", *(f"<obj:{k + 1}>" for k in range(n_objects)), ".", ask, ":"]


def scene_words(n_objects: int) -> list[str]:
    """What is seen, where that stands first."""
    return [BOS, "<state>", "i", "see", *(f"<obj:{k + 1}>" for k in range(n_objects)), "."]


def asking_words(question: str, history: Sequence[tuple[str, bool]] = (), ask: str = "next") -> list[str]:
    """What follows `scene_words`: the question, past steps, and what is asked for."""
    words = split_words(question)
    for text, success in history[-MAX_HISTORY:]:
        words += [*step_words(text)[:-1], "yes" if success else "no", ";"]
    return [*words, ask, ":"]


def prompt_text(words: Sequence[str]) -> str:
    """The text of a prompt's `Sentence`: entities as English words, without the begin-of-text word."""
    return " ".join(w.replace("_", " ") if w in _ENTITIES else w for w in words if w != BOS)


def success_question(step_text: str) -> str:
    """Was this step successful?"""
    return f"was {' '.join(step_words(step_text)[:-1])} successful ?"


_ENTITIES = frozenset(ENTITY_WORDS)
