"""A sentence with one word changed so that it asks for something else, or for what cannot be done.

A reader that has only learned what sentences mostly ask for does the same for "the brown block" as for "the
blue block", and for "hover" as for "put": with both side by side it must look at each word.
"""

from __future__ import annotations

import random
import re

from palme.language.programs.calls import Compare, Exists, If, Joint, Program, Put
from palme.language.programs.parser import parse
from palme.training.datasets.instructions.flips import FLIPS, Change
from palme.training.datasets.instructions.grammar import Example, with_articles
from robots.skills import COLOURS, SHADES

FOREIGN_COLOURS = ("black", "white", "brown", "grey", "gray", "silver", "beige", "maroon", "olive", "bronze")
FOREIGN_NOUNS = (
    "banana", "apple", "mug", "plate", "ball", "spoon", "pyramid", "bottle", "drawer", "basket", "phone",
    "cone",
    "sphere", "book", "pencil", "lid", "shoe", "glass", "ring", "car", "star", "tray", "candle", "sponge",
)  # fmt: skip
BEYOND = (
    "hover", "paint", "pour", "cut", "eat", "photograph", "weigh", "open", "spin", "roll", "glue", "wash",
    "fold",
    "melt", "sell", "hammer", "bounce", "juggle", "lick", "unscrew", "clean", "boil", "rotate",
    "tie", "bend", "iron", "peel", "kiss", "inflate",
)  # fmt: skip
UNSAFE = (
    "throw",
    "hurl",
    "fling",
    "smash",
    "shoot",
    "burn",
    "crush",
    "kick",
    "slam",
    "launch",
    "destroy",
    "stab",
)
_NOT_COMPARED = frozenset(
    {
        "corrected",
        "instead",
        "pronoun_of",
        "cancelled",
        "revised",
        "negated",
        "unwanted",
        "spared",
        "voice_contrast",
        "voice_border",
        "voice_open",
        "voice_aside",
        "voice_takeback",
    }  # fmt: skip
)
"""Categories in which a word may stand that the program does not follow."""
_COLOUR = re.compile(
    r"(?<!-)(?<!light )(?<!dark )(?<!sky )(?<!royal )(?<!forest )(?<!bright )"
    rf"\b(?:{'|'.join(COLOURS)})\b(?!-)"
)
_NOUN = re.compile(r"\b(?:block|cube|brick|bowl|dish|cylinder|tube)\b")
_VERB = re.compile(r"^(?:put|place|set|move|drop|lay|stick|transfer|stack|swap|bring|stow)\b")
_PUT = re.compile(r"^(?:put|place|set|drop|stick|lay)\b")
_IF = re.compile(r"(?:^|(?<!only)(?<!but) )if\b")
_PLACED = re.compile(r"^put \( .* , (in|on) (?!table|tower|bowl \[|any|each|block \[).*\)$")
_INTO = re.compile(
    rf"\b(?:into|in|inside|within)\b(?! (?:light |dark )?(?:{'|'.join((*COLOURS, *SHADES))})\b)"
)
_ONTO = re.compile(r"\b(?:on top of|on the top of|onto|on|atop|upon)\b")
_BESIDE = {
    "next to": "next to", "behind": "behind", "front of": "in front of", "left of": "to the left of",
    "right of": "to the right of", "under": "under", "far from": "far away from",
}  # fmt: skip
_SIDES = {"left": "right", "right": "left"}
_NO_SIDE = re.compile(r"\bright (?:next|by|under|at|now|away|beside|in|on|above|there)\b|\ball right\b")

_TURNED = 0.6
"""Share of examples for which another meaning is tried first, and then a word of what there is not."""


def contrast(rng: random.Random, example: Example) -> Example | None:
    """`example` with a word changed, or None where what was to be changed is not there."""
    first, second = (_TURNING, _STRANGE) if rng.random() < _TURNED else (_STRANGE, _TURNING)
    for change in (*rng.sample(first, len(first)), *rng.sample(second, len(second))):
        changed = change(rng, example)
        if changed is not None and changed.program != example.program:
            return changed
    return None


def _strange_colour(rng: random.Random, example: Example) -> Example | None:
    return _refused(rng, example, _COLOUR, FOREIGN_COLOURS, "absent")


def _strange_noun(rng: random.Random, example: Example) -> Example | None:
    return _refused(rng, example, _NOUN, FOREIGN_NOUNS, "absent")


def _strange_verb(rng: random.Random, example: Example) -> Example | None:
    return _refused(rng, example, _VERB, BEYOND, "beyond")


def _unsafe_verb(rng: random.Random, example: Example) -> Example | None:
    return _refused(rng, example, _VERB, UNSAFE, "unsafe")


def _refused(
    rng: random.Random, example: Example, words: re.Pattern[str], others: tuple[str, ...], reason: str
) -> Example | None:
    found = list(words.finditer(example.sentence))
    if not found or example.category in _NOT_COMPARED or example.program.startswith(("refuse", "nothing")):
        return None
    one = rng.choice(found)
    text = example.sentence[: one.start()] + rng.choice(others) + example.sentence[one.end() :]
    return Example(with_articles(text), f"refuse ( {reason} )", example.category)


def _forbidden(rng: random.Random, example: Example) -> Example | None:
    """ "Put ..." as "don't put ..."."""
    program = parse(example.program)
    first = program.lines[0]
    if len(program.lines) > 1 or not isinstance(first, Put) or not _PUT.match(example.sentence):
        return None
    if example.category in _NOT_COMPARED or "except" in example.program.split():
        return None
    if re.search(r"[.,;:?]", example.sentence):  # what follows may not be forbidden
        return None
    never = rng.choice(("don't", "do not", "never", "please don't", "dont", "you must not"))
    return Example(f"{never} {example.sentence}", f"keep ( {first.what.text} )", example.category)


def _unless(rng: random.Random, example: Example) -> Example | None:
    """ "If ..." as "unless ..."."""
    program = parse(example.program)
    line = program.lines[0]
    if len(program.lines) > 1 or not isinstance(line, If) or line.otherwise:
        return None
    if isinstance(line.condition, Joint) or len(_IF.findall(example.sentence)) != 1:
        return None
    if any(noun in call.text for noun in _nouns(line.condition) for call in line.then):
        return None  # "if there is one, put it there"
    text = _IF.sub(lambda match: match[0].replace("if", "unless"), example.sentence)
    if re.search(r"\bif\b|\bthen\b|unless so\b|except unless", text):
        return None
    other = Program((If(line.condition, line.then, (), not line.negated),))
    return Example(text, other.text, example.category)


def _nouns(condition: Exists | Compare | Joint) -> set[str]:
    return {noun.text for noun in condition.what.nouns} if isinstance(condition, Exists) else set()


def _other_side(rng: random.Random, example: Example) -> Example | None:
    """Left and right exchanged everywhere."""
    words = example.program.split()
    sides = [word for word in words if word in ("left", "right", "leftmost", "rightmost")]
    if not sides or "row" in words or _NO_SIDE.search(example.sentence):
        return None
    said = len(re.findall(r"left|right", example.sentence))
    if said != len(sides):
        return None
    program = " ".join(_swapped(word) if word in sides else word for word in words)
    return Example(_swapped(example.sentence), program, example.category)


def _elsewhere(rng: random.Random, example: Example) -> Example | None:
    """In or on a thing as beside it, behind it, under it."""
    placed = _PLACED.search(example.program)
    if (
        placed is None
        or ";" in example.program
        or example.category in ("put_into_it", "said_of_it", *_NOT_COMPARED)
    ):
        return None
    said = list((_INTO if placed[1] == "in" else _ONTO).finditer(example.sentence))
    if len(said) != 1 or len(re.findall(r"\b(?:in|on)\b", example.program)) != 1:
        return None
    written = rng.choice(list(_BESIDE))
    text = example.sentence[: said[0].start()] + _BESIDE[written] + example.sentence[said[0].end() :]
    program = f"{example.program[: placed.start(1)]}{written}{example.program[placed.end(1) :]}"
    return Example(text, program, example.category)


def _stated(rng: random.Random, example: Example) -> Example | None:
    """ "The red one goes there" as "is there", which asks for nothing."""
    said = re.findall(r" (?:goes|belongs) ", example.sentence)
    if len(said) != 1 or len(re.findall(r"\b(?:goes?|belongs?|and|but)\b", example.sentence)) != 1:
        return None
    if example.category not in ("plain_put", "put_one") or not example.sentence.startswith("the "):
        return None
    if re.search(r"[:?,]|\b(?:into|onto|to|thing that|place for|spot for|home for)\b", example.sentence):
        return None
    verb = rng.choice((" is ", " was ", " is already ", " has been ", " lies ", " sat "))
    return Example(example.sentence.replace(said[0], verb), "refuse ( unclear )", example.category)


def _swapped(text: str) -> str:
    return re.sub(r"left|right", lambda match: _SIDES[match[0]], text)


_STRANGE: tuple[Change, ...] = (_strange_colour, _strange_colour, _strange_noun, _strange_verb, _unsafe_verb)
_TURNING: tuple[Change, ...] = (
    _forbidden, _unless, _unless, _other_side, _other_side, _elsewhere, _elsewhere, _stated, *FLIPS,
)  # fmt: skip
