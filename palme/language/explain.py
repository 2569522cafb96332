"""The planner's rationale as English sentences."""

from __future__ import annotations

from collections.abc import Sequence

from palme.language.vocabulary import NOTHING, TABLE


def explain(words: Sequence[str]) -> str:
    """English sentences for the words of a rationale, for example

        goal in blue_bowl red_block ; blue_bowl red_block table no ; under red_block nothing ;

    as "Goal: the red block in the blue bowl. The red block is on the table; it belongs in the blue bowl.
    The red block is clear."
    """
    sentences: list[str] = []
    part: list[str] = []
    for word in words:
        if word == ";":
            sentences.append(_part(part))
            part = []
        else:
            part.append(word)
    return " ".join(f"{s[0].upper()}{s[1:]}." for s in sentences if s)


def _the(word: str) -> str:
    return f"the {word.replace('_', ' ')}"


def _at(word: str) -> str:
    return f"{'in' if word.endswith('_bowl') else 'on'} {_the(word)}"


def _part(words: Sequence[str]) -> str:
    if words[:2] == ["goal", "match"]:
        return "goal: every block in the bowl of its colour"
    if words[:2] == ["goal", "in"] and len(words) == 4:
        return f"goal: {_the(words[3])} {_at(words[2])}"
    if words[:2] == ["goal", "stack"]:
        order = words[list(words).index(TABLE) + 1 :] if TABLE in words else words[2:]
        return f"goal: a tower of, from the table up, {', '.join(_the(w) for w in order)}"
    if words[:1] == ["under"] and words[-1] == NOTHING:
        covers = words[2:-1]
        if not covers:
            return f"{_the(words[1])} is clear"
        below = words[1:-2]
        return ", and ".join(f"{_the(c)} is on {_the(b)}" for c, b in zip(covers, below, strict=True))
    if words[-1:] == ["nowhere"]:
        return f"I do not see {_the(words[0])}"
    if len(words) >= 4 and words[-1] in ("yes", "no"):
        chain = ", which is ".join(_at(w) for w in words[2:-1])
        wanted = ", as wanted" if words[-1] == "yes" else f"; it belongs {_at(words[0])}"
        return f"{_the(words[1])} is {chain}{wanted}"
    return " ".join(w.replace("_", " ") for w in words)
