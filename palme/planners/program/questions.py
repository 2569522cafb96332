"""Answers to a program's questions, in plain words, from what is seen."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

from palme.language.programs import calls as c
from palme.language.programs.things import Related, Things
from palme.planners.program.scene import SeenScene
from palme.planners.program.select import Selector, spoken

NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
_COMPARED: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq, ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip
_IN_WORDS = {"=": "as many", ">": "more", "<": "fewer", ">=": "at least as many", "<=": "at most as many"}


def answer(call: c.Ask | c.Exists | c.Compare, selector: Selector) -> tuple[str, tuple[int, ...]]:
    """The answer, and the things that it is about.

    Raises:
        CannotTell: the question is about a thing that is not there, or about which of several is unclear.
    """
    if isinstance(call, (c.Exists, c.Compare)):
        holds = condition_holds(call, selector)
        found = _fitting(call.what, selector) if isinstance(call, c.Exists) else ()
        return _yes_or_no(call, holds, found, selector), found
    scene = selector.scene
    if (each := _in_each(call.about)) is not None:
        return _told_of_each(call, each, selector)
    if call.question == "count":
        found = _fitting(call.about, selector)
        return counted(len(found), call.about), found
    ids = _asked_about(call, selector)
    if not ids:
        return "Nothing.", ()
    if call.question == "colour":
        return _sentence([f"the {scene[id].kind} is {scene[id].colour}" for id in ids]), ids
    if call.question == "size":
        return _sentence([f"the {scene[id].name} is {scene[id].size}" for id in ids]), ids
    if call.question == "what":
        return _sentence([f"the {scene[id].size} {scene[id].name}" for id in ids]), ids
    return _sentence([f"the {scene[id].name} is {_where(id, scene)}" for id in ids]), ids


def condition_holds(condition: c.Condition, selector: Selector) -> bool:
    """Whether it is so.

    Raises:
        CannotTell: it is about something that is described by what is not there.
    """
    if isinstance(condition, c.Joint):
        first = condition_holds(condition.first, selector) is not condition.not_first
        second = condition_holds(condition.second, selector) is not condition.not_second
        return first and second if condition.word == "and" else first or second
    if isinstance(condition, c.Compare):
        right = condition.right
        number = right if isinstance(right, int) else len(_fitting(right, selector))
        return _COMPARED[condition.comparison](len(_fitting(condition.left, selector)), number)
    what = condition.what
    found = _fitting(what, selector)
    if what.quantifier == "all":
        plain = Things("all", tuple(type(noun)(noun.kind, noun.colour, noun.size) for noun in what.nouns))
        return bool(found) and len(found) == len(_fitting(plain, selector))
    return len(found) >= (what.quantifier if isinstance(what.quantifier, int) else 1)


def told_count(condition: c.Condition, holds: bool) -> str:
    """Why a condition's other branch, which is empty, was taken."""
    return f"{condition.text} is {'so' if holds else 'not so'}."


def counted(n: int, about: Things) -> str:
    """ "There are 2 (two) red blocks."."""
    words = " and ".join(spoken(noun, plural=n != 1) for noun in about.nouns) or "of them"
    number = f"{n} ({NUMBERS[n]})" if n < len(NUMBERS) else str(n)
    return f"There {'is' if n == 1 else 'are'} {number} {words}."


def _in_each(about: Things) -> Related | None:
    """The filter of "in each bowl"."""
    filters = [one for noun in about.nouns for one in noun.filters]
    return next((one for one in filters if isinstance(one, Related) and one.to.quantifier == "each"), None)


def _told_of_each(call: c.Ask, each: Related, selector: Selector) -> tuple[str, tuple[int, ...]]:
    """For each thing of `each`, how many, or which, stand so to it."""
    scene = selector.scene
    found = _fitting(call.about, selector)
    told = []
    for holder in selector.group(each.to):
        here = [id for id in found if scene.related(id, each.relation, holder)]
        names = _joined([f"the {scene[id].name}" for id in here]) if here else "nothing"
        what = f"{len(here)}" if call.question == "count" else names
        told.append(f"{each.relation} the {scene[holder].name}: {what}")
    return ("; ".join(told).capitalize() or "There is none") + ".", found


def _fitting(about: Things, selector: Selector) -> tuple[int, ...]:
    """All that fits, whatever the quantifier; () where nothing does."""
    if about.quantifier == "it":
        return selector.select(about).ids
    found: dict[int, None] = {}
    for noun in about.nouns:
        ids = selector.fitting(noun)
        if noun.kind == "tower":  # told by what it stands on
            ids = [tower[0] for tower in selector.scene.towers() if set(tower) & set(ids)]
        found.update(dict.fromkeys(ids))
    return tuple(found)


def _asked_about(call: c.Ask, selector: Selector) -> tuple[int, ...]:
    if call.question == "what":  # "what is on the red block": all that is
        return _fitting(call.about, selector)
    return selector.select(call.about).ids


def _yes_or_no(call: c.Exists | c.Compare, holds: bool, found: Sequence[int], selector: Selector) -> str:
    if isinstance(call, c.Compare):
        left = counted(len(_fitting(call.left, selector)), call.left)
        right = call.right
        more = "" if isinstance(right, int) else " " + counted(len(_fitting(right, selector)), right)
        return f"{'Yes' if holds else 'No'}: {left}{more}"
    if not holds:
        return "No."
    seen = [f"the {selector.scene[id].name}" for id in found]
    return f"Yes: {_joined(seen)}." if seen else "Yes."


def _where(id: int, scene: SeenScene) -> str:
    thing = scene[id]
    if thing.holder is not None:
        holder = scene[thing.holder]
        return f"{'in' if holder.is_bowl else 'on'} the {holder.name}"
    x, y, _ = thing.xyz
    aside = "on the left" if y < -0.1 else "on the right" if y > 0.1 else "in the middle"
    depth = ", at the back" if x < 0.42 else ", at the front" if x > 0.58 else ""
    return f"on the table, {aside}{depth}"


def _sentence(parts: Sequence[str]) -> str:
    text = _joined(parts)
    return text[:1].upper() + text[1:] + "."


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
