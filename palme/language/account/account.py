"""The account of a sentence: what it asks for if every one of its words is understood, else a refusal.

A planner's language model finds a goal in any sentence, also in "do not put the red block in the blue bowl".
The account stands before it: only sentences of known forms pass, and the goal that the planner reads must be
the one that the form says. It plans nothing itself.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from palme.errors import NoMotion
from palme.language.account import grammar
from palme.language.account.things import MAX_WORDS, NOUNS, THE, Named, Outline, outline
from palme.language.answers import Goal
from robots.skills import COLOURS

TOWER = (2, 4)  # blocks
CAN = (
    'I can put a block or cylinder into a bowl ("put the red block in the blue bowl"), stack two to four '
    'blocks ("stack red on green on blue"), and sort all blocks into the bowls of their colours '
    '("put every block in the bowl of its colour").'
)
_HINTS = {
    "negation": "not never no dont cannot without except but nor neither nothing none avoid stop leave",
    "a size": "big bigger biggest large larger largest small smaller smallest little tiny huge tall short",
    "a place": "left right front behind beside next near nearest closest furthest between under below beneath"
    " leftmost rightmost corner edge centre center away towards toward",
    "taking out": "out off remove empty clear from",
    "a number": "one two three four five both many few some half most pair another any everything rest other",
    "a condition": "if unless when while until otherwise else whenever whether or",
    "a question": "what which where who why how is are does do did should may",
    "an order of steps": "first after afterwards before finally later again twice",
    f"a colour that nothing here has; there are {', '.join(COLOURS)}": "black white grey gray brown beige"
    " silver gold maroon indigo ivory khaki olive bronze copper transparent",
    "a manner": "quickly slowly fast faster slower",
}
_HINT_OF = {word: hint for hint, words in _HINTS.items() for word in words.split()}


class NotAccounted(NoMotion):
    """A sentence with words that the system does not understand: a refusal before any motion.

    Attributes:
        words: those words, as the sentence has them; () where only their order is not understood.
    """

    def __init__(self, message: str, words: Sequence[str] = ()) -> None:
        super().__init__(f"{message} {CAN}")
        self.words = tuple(words)


@dataclass(frozen=True)
class Reading:
    """What a sentence asks for.

    Attributes:
        kind: "in", "stack" or "match".
        order: as in `Goal.order`: the bowl and the thing, or the blocks from the bottom up. A thing of which
            only the colour is said has no kind.
    """

    kind: str
    order: tuple[Named, ...] = ()

    @property
    def goal(self) -> Goal:
        """The goal, things without a kind as blocks; `obj_k` stays."""
        kinds = {"in": ("bowl", "block")}.get(self.kind, ("block",) * len(self.order))
        things = zip(self.order, kinds, strict=True)
        words = (t.what if t.what.startswith("obj_") else f"{t.what}_{t.kind or kind}" for t, kind in things)
        return Goal(self.kind, tuple(words))

    def allows(self, goal: object, names: Sequence[str] = ()) -> bool:
        """Whether `goal`, as a planner read it, is this one.

        Args:
            goal: by entity words ("red_block"); any but a `Goal` is not.
            names: classes of obj_1, obj_2, ... ("red block").
        """
        if not isinstance(goal, Goal) or goal.kind != self.kind or len(goal.order) != len(self.order):
            return False
        return all(_fits(t, word, names) for t, word in zip(self.order, goal.order, strict=True))


class Account:
    """Accounts for sentences by the rules of `rules.yaml`, and by whole sentences that are known besides.

    Args:
        known: sentences with slots by what they ask for: ("in", ""), ("stack", "up"), ("stack", "down") and
            ("match", "") -> "sling {s} over into {b}". Those of an evaluation are given by its command.
    """

    def __init__(self, known: Mapping[tuple[str, str], Sequence[str]] | None = None) -> None:
        pairs = (known or {}).items()
        self._known = {_template(text): asked for asked, texts in pairs for text in texts}

    def __call__(self, sentence: str) -> Reading:
        """What `sentence` asks for.

        Raises:
            NotAccounted: it is none of the known forms; the message names the words that are not understood.
        """
        told = outline(sentence)
        found = None
        if not told.strange and len(told.text.split()) <= MAX_WORDS:
            found = self._known.get(told.text) or _form(told)
        if found is None:
            raise NotAccounted(*_why(told))
        return _reading(*found, told)


def _form(told: Outline) -> tuple[str, str] | None:
    for form in grammar.forms():
        if form.pattern.fullmatch(told.text):
            return form.kind, form.way
    return None


def _reading(kind: str, way: str, told: Outline) -> Reading:
    """What the things of a sentence of a known form are."""
    things = [thing for group in told.groups for thing in group]
    if kind == "match":
        return Reading("match")
    if kind == "in":
        bowl = _bowl(told.text)
        return Reading("in", (things[bowl], things[1 - bowl]))
    order = tuple(things if way == "up" else things[::-1])
    if not TOWER[0] <= len(order) <= TOWER[1]:
        raise NotAccounted(f"I stack {TOWER[0]} to {TOWER[1]} blocks; the sentence names {len(order)}.")
    if len({t.what for t in order}) < len(order):
        raise NotAccounted("The sentence names a block twice, so it is not clear what stands on what.")
    if odd := next((t for t in order if t.kind == "cylinder"), None):
        raise NotAccounted(f"I stack blocks; the {odd.what} cylinder is none.")
    return Reading("stack", order)


_INTO_X = re.compile(r"(?:in|into|inside|inside of|to|middle of) X $")


def _bowl(text: str) -> int:
    """Which of the two things of a sentence is the bowl, 0 or 1. Raises NotAccounted if it does not say."""
    first, second = re.finditer("[SBX] ", text)
    for k, (this, other) in enumerate(((first, second), (second, first))):
        if this[0] == "B " or other[0] == "S ":
            return k
    for k, this in enumerate((second, first)):
        if this[0] == "X " and _INTO_X.search(text[: this.end()]):
            return 1 - k
    raise NotAccounted("I cannot tell which of the two is the bowl.")


def _fits(thing: Named, word: str, names: Sequence[str]) -> bool:
    if thing.what.startswith("obj_"):
        k = int(thing.what[4:])
        return 1 <= k <= len(names) and names[k - 1] == word.replace("_", " ")
    colour, _, kind = word.partition("_")
    return colour == thing.what and thing.kind in (None, kind)


def _template(text: str) -> str:
    """The outline of a known sentence, its slots filled."""
    marked = re.sub(r"\{([sbl])\}", r" slot_\1 ", text)
    plain = outline(marked).text
    return re.sub(rf"{THE}slot_([sbl]) ", lambda m: f"{m[1].upper()} ", plain)


def _why(told: Outline) -> tuple[str, tuple[str, ...]]:
    """Which words are not understood, for a person."""
    said = told.text.split()
    if not said:
        return "There are no words to act on.", ()
    if not len(said) <= MAX_WORDS:
        return f"The sentence has {len(said)} words; I read at most {MAX_WORDS}.", ()
    known = grammar.words()
    odd = [w for w in said if w not in known and not w.isupper()]
    odd = list(dict.fromkeys((*told.strange, *odd)))
    if odd:
        shown = ", ".join(_shown(word) for word in odd[:8])
        return f"I do not understand {shown} in that sentence, so I move nothing.", tuple(odd)
    if "P" in said:
        return "How many of several things are meant is not said, so I move nothing. Name one thing.", ()
    cues = [word for word in dict.fromkeys(said) if word in _HINT_OF]
    why = f"; perhaps because of {', '.join(map(_shown, cues))}" if cues else ""
    return f"I know these words, but not what they ask for together{why}, so I move nothing.", ()


def _shown(word: str) -> str:
    if hint := _HINT_OF.get(word):
        return f'"{word}" ({hint})'
    legal = [*COLOURS, *(noun for nouns in NOUNS.values() for noun in nouns)]
    near = difflib.get_close_matches(word, legal, n=1, cutoff=0.66)
    return f'"{word}" (did you mean "{near[0]}"?)' if near else f'"{word}"'
