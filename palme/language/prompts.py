"""How a question is put: who says what, and where the observations stand."""

from __future__ import annotations

from collections.abc import Sequence

from palme.language.text import split_words
from palme.language.vocabulary import BOS, ENTITY_WORDS

MAX_HISTORY = 3  # steps said before; training never shows more


def step_words(text: str) -> list[str]:
    """ "put the red block in the blue bowl" -> ["put", "red_block", "in", "blue_bowl", "."]."""
    return [*(w for w in split_words(text) if w != "the"), "."]


def prompt_words(
    question: str,
    n_objects: int,
    history: Sequence[tuple[str, bool]] = (),
    ask: str = "next",
    read: bool = False,
) -> list[str]:
    """The sentence up to where the model goes on.

    Objects come after the question, so that a causal model can look at them with it in mind.

    Args:
        history: steps so far and whether each was judged successful.
        ask: "next" for a step, "answer" for anything else.
        read: whether a text encoder's features of the question stand behind it.
    """
    words = [BOS, "human", ":", *split_words(question), *(["<read>"] if read else ()), "robot", ":"]
    for text, success in history[-MAX_HISTORY:]:
        words += [*step_words(text)[:-1], "yes" if success else "no", ";"]
    return [*words, "<state>", "i", "see", *(f"<obj:{k + 1}>" for k in range(n_objects)), ".", ask, ":"]


def prompt_text(words: Sequence[str]) -> str:
    """A prompt as a `Sentence` has it: plain English, without the word that begins it."""
    return " ".join(w.replace("_", " ") if w in _ENTITIES else w for w in words if w != BOS)


def success_question(step_text: str) -> str:
    """Was this step successful?"""
    return f"was {' '.join(step_words(step_text)[:-1])} successful ?"


_ENTITIES = frozenset(ENTITY_WORDS)
