"""Interprets verbal corrections: a few explicit rules; the planner reads what matches none.

The rules, in order:

1. A step of the skill grammar replaces the present step at once.
2. "the other bowl", "the green one", with or without "no, not the blue bowl," before it: the present step
   with another object. "the other" must leave exactly one object of that kind among those detected.
3. A sentence that is an instruction ("put ...", "stack ...", "sort ...") replaces the whole instruction.
4. Any other text is appended to the instruction.

If rule 1 or 2 changes one object of the step, and the instruction names it, the instruction changes likewise:
otherwise the planner, which replans after every step, would move the object back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from robots.skills import COLOURS, KINDS, SHADES, TABLE, BadStep, Step

_NO = re.compile(
    r"^\s*(?:(?:no|nope|wrong|stop|wait|sorry|actually|rather|instead|i meant?|i said|please)\b[\s,.:;!]*)+",
    re.IGNORECASE,
)
_NOT = re.compile(r"^\s*not (?:the |that |this )?[\w ]+?(?:[,.;:]| but | rather )\s*", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:use |take |in |into |on |onto )?(?:the|a|an|that|this)?\s*")
_GOAL = re.compile(
    r"^(?:please |now |then |first )*(?:put|place|stack|sort|move|set|drop|bring|build|make|pile|match|clear"
    r"|tidy|take|pick|return|throw|lay|leave)\b",
    re.IGNORECASE,
)
_KIND = {k: k for k in KINDS} | {f"{k}s": k for k in KINDS} | {"one": "", "cube": "block", "dish": "bowl"}


class AmbiguousCorrectionError(ValueError):
    """The text has several meanings, or matches no detected object; the message asks which is meant."""


@dataclass(frozen=True)
class Meaning:
    """The interpretation of a text.

    Attributes:
        step: done at once; None = the planner decides.
        instruction: what the planner works on from now on.
        message: the interpretation, for the person.
    """

    step: Step | None
    instruction: str
    message: str


def understand(text: str, instruction: str, present: Step | None, seen: Sequence[str]) -> Meaning:
    """Interpret a verbal correction.

    Args:
        text: as typed.
        instruction: what the planner works on now.
        present: the present or last step, None = none yet; without `obj_k`.
        seen: names of the detected objects, such as "red block"; row k - 1 is `obj_k`.

    Raises:
        AmbiguousCorrectionError: with a question to the person.
    """
    typed = " ".join(text.split())
    if not typed:
        raise AmbiguousCorrectionError(
            "the text is empty; type a step, such as 'put the red block in the blue bowl'"
        )
    rest = _NOT.sub("", _NO.sub("", typed)).strip(" .!")
    if not rest:
        raise AmbiguousCorrectionError(
            f"“{typed}” does not say what to do instead; type a step or a sentence"
        )
    try:
        step = Step.parse(rest).resolve(list(seen))
    except BadStep:
        step = None
    if step is None and present is not None and not present.is_done:
        step = _replaced(rest.lower(), present, seen)
    if step is not None:
        _check_seen(step, seen)
        return _stepped(step, present, instruction)
    if _GOAL.match(rest):
        return Meaning(None, rest, f"new instruction: {rest}")
    joined = f"{instruction.rstrip(' .')}, {typed}"
    return Meaning(None, joined, f"new instruction: {joined}")


def _check_seen(step: Step, seen: Sequence[str]) -> None:
    """Raises AmbiguousCorrectionError for a step with a thing that the detector does not see."""
    for name in () if step.is_done or not seen else (step.what, step.target):
        if name not in (TABLE, *seen):
            there = ", ".join(dict.fromkeys(seen))
            raise AmbiguousCorrectionError(f"I do not see the {name}; which of these is meant: {there}?")


def _replaced(rest: str, present: Step, seen: Sequence[str]) -> Step | None:
    """`present` with the object named by "the other bowl" or "the green one"; None for other texts."""
    words = _ARTICLE.sub("", rest, count=1)
    other = words.startswith("other ")
    words = words.removeprefix("other ").strip()
    for shade, colour in SHADES.items():
        words = re.sub(rf"\b{shade}\b", colour, words)
    parts = words.split()
    colour = parts[0] if parts and parts[0] in COLOURS else ""
    noun = parts[1:] if colour else parts
    if len(noun) > 1 or (noun and noun[0] not in _KIND) or not (colour or other):
        return None
    kind = _KIND[noun[0]] if noun else ""
    place = _place(kind, colour, other, present, seen)
    now = present.target if place == "target" else present.what
    wanted = kind or now.split()[-1]
    fits = [n for n in dict.fromkeys(seen) if n.endswith(wanted) and n not in (present.what, present.target)]
    if colour:
        fits = [n for n in fits if n.startswith(colour)]
    if len(fits) != 1:
        if fits:
            raise AmbiguousCorrectionError(f"“{rest}” fits {', '.join(fits)}; name colour and kind")
        there = ", ".join(dict.fromkeys(seen)) or "nothing"
        raise AmbiguousCorrectionError(f"“{rest}” fits none of the other objects; seen are: {there}")
    what, target = (present.what, fits[0]) if place == "target" else (fits[0], present.target)
    return Step.put(what, target)


def _place(kind: str, colour: str, other: bool, present: Step, seen: Sequence[str]) -> str:
    """Which object of the step is replaced: the one of that kind; the target, for "one"."""
    kinds = {"what": present.what.split()[-1], "target": present.target.split()[-1]}
    if not kind:
        if colour and not any(n == f"{colour} {kinds['target']}" for n in seen):
            return "what"
        return "target" if kinds["target"] in KINDS else "what"
    alike = [place for place, k in kinds.items() if k == kind]
    if len(alike) == 2:
        raise AmbiguousCorrectionError(f"{present.text!r} has two {kind}s; type the whole step")
    return alike[0] if alike else ("target" if kind == "bowl" else "what")


def _stepped(step: Step, present: Step | None, instruction: str) -> Meaning:
    """`step` at once, and the instruction with the object that changed."""
    new = instruction
    if present is not None and not present.is_done and not step.is_done:
        pairs = [(present.what, step.what), (present.target, step.target)]
        if sum(a != b for a, b in pairs) == 1:
            for was, now in pairs:
                if was != now and was != "table" and now != "table":
                    new = re.sub(rf"\b{re.escape(was)}\b", now, instruction, flags=re.I)
    message = step.text if new == instruction else f"{step.text}; new instruction: {new}"
    return Meaning(step, new, message)
