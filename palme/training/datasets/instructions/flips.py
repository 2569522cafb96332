"""Small words that turn a program round: all and all but, then and before, is and is not, more and fewer.

Each change takes an example and gives another, or None where its word is not there, or not alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from palme.language.programs.calls import Exists, If, Joint, Program
from palme.language.programs.parser import parse
from palme.training.datasets.instructions.grammar import Example
from robots.skills import COLOURS

Change = Callable[[random.Random, Example], Example | None]

_ALL_PUT = re.compile(
    r"^put \( all (?P<noun>(?:small |large )?(?:(?P<colour>\w+) )?(?P<kind>block|cylinder|thing)) , "
)
_PLURALS = (
    r"(?:blocks|cubes|bricks|boxes|cylinders|cans|tubes|drums|barrels|tins|pegs|canisters|things|objects|items|"
    r"pieces|toys)"
)
_BEFORE_PLACE = (
    r"(?= (?:in|into|inside|within|on|onto|atop|upon|to|next|beside|left|right|behind|between|near|go|belong|"
    r"should)\b|$)"
)
_ALL = re.compile(rf"\b(?:all (?:of the |the |)|the )(?P<what>(?:[\w-]+ ){{0,2}}{_PLURALS}){_BEFORE_PLACE}")
_THEN = re.compile(
    r"^(?P<first>[^.;:?]*?)\s*[,.;]?\s+(?:and )?(?:then|after that|afterwards|next)(?! to\b)\s*,?\s+"
    r"(?P<second>.*)$"
)
_LEANS = re.compile(
    r"\b(?:it|its|them|they|that|this|there|one|ones|too|same|well|only|just|both|those|first|second|finally|last|step|before|if|"
    r"unless|then|again|back|instead|likewise|also|afterwards|which|next|after)\b"
    r"|\b(?:on top|in|on|and|inside|out),?$"
)
"""Words by which one half of a sentence leans on the other, or on an order that is told elsewhere."""
_IF_IS = re.compile(r"\bif (?:the|there|this|my|our|that)\b[^,:;]*\bis\b")
_VERB = re.compile(r"(?:put|place|move|take|stack|swap|get|set|drop|lay)\b")
_BEFORE = (", but before that", ". before that ,", ", but first", " - before that ,")
_NO = re.compile(r"\bnot?\b|n't\b|\b(?:nothing|neither|nor|unless|never|without|nobody|none|no|cannot)\b")
_SMALL = ("smallest", "smaller", "small", "little", "tiny", "mini", "wee", "petite", "tinier", "tiniest")
_LARGE = ("largest", "larger", "large", "big", "huge", "giant", "massive", "enormous", "bulkier", "biggest")
_SIZES = {
    **dict(zip(_SMALL, _LARGE, strict=True)),
    **dict(zip(_LARGE, _SMALL, strict=True)),
    "bigger": "smaller",
}
_SIZE = re.compile(rf"\b(?:{'|'.join(_SIZES)})\b")
_SIZE_MARKS = {
    "small": "large", "large": "small", "smallest": "largest", "largest": "smallest", "smaller": "larger",
    "larger": "smaller",
}  # fmt: skip
_COUNTS = {
    r"\bmore than\b": ("fewer than", ">", "<"), r"\bmore\b": ("fewer", ">", "<"),
    r"\b(?:fewer|less) than\b": ("more than", "<", ">"), r"\bfewer\b": ("more", "<", ">"),
    r"\bat least\b": ("at most", ">=", "<="), r"\bat most\b": ("at least", "<=", ">="),
    r"\bexactly\b": ("more than", "=", ">"),
}  # fmt: skip
_OTHER_COUNTS = re.compile(r"\b(?:no|or|once|not|never|any) (?:more|fewer|less)\b|\bmore of\b")


def all_but(rng: random.Random, example: Example) -> Example | None:
    """ "All the blocks" as "all the blocks except the red ones"."""
    put, said = _ALL_PUT.match(example.program), _ALL.search(example.sentence)
    if put is None or said is None or put["colour"] or _NO.search(example.sentence):
        return None
    if len(_ALL.findall(example.sentence)) != 1 or ";" in example.program:
        return None
    colour = rng.choice([one for one in COLOURS if one not in example.program.split()])
    but = rng.choice(("except", "but", "apart from", "other than", "but not"))
    noun = put["noun"]
    which, left_out = rng.choice((("ones", f"all {colour}"), ("one", colour)))
    sentence = f"{example.sentence[: said.end()]} {but} the {colour} {which}{example.sentence[said.end() :]}"
    program = example.program.replace(f"all {noun} ,", f"all {noun} [ except {left_out} {put['kind']} ] ,", 1)
    return Example(sentence, program, example.category)


def not_all(rng: random.Random, example: Example) -> Example | None:
    """ "All the red blocks" as "one of the red blocks"."""
    put, said = _ALL_PUT.match(example.program), list(_ALL.finditer(example.sentence))
    if put is None or len(said) != 1 or _LEANS.search(example.sentence):
        return None
    if ";" in example.program or "each" in example.program.split():
        return None
    word, number = rng.choice((("one", "1"), ("two", "2"), ("three", "3")))
    text = f"{word} of the {said[0]['what']}"
    sentence = example.sentence[: said[0].start()] + text + example.sentence[said[0].end() :]
    return Example(sentence, example.program.replace("put ( all ", f"put ( {number} ", 1), example.category)


def first_that(rng: random.Random, example: Example) -> Example | None:
    """ "This, then that" as "this, but before that that"."""
    lines = example.program.split(" ; ")
    said = _THEN.match(example.sentence)
    if (
        len(lines) != 2
        or said is None
        or "it" in example.program.split()
        or example.program.startswith(("keep", "clear", "empty"))
    ):
        return None
    if any(_LEANS.search(half) for half in said.groups()) or not said["first"]:
        return None
    if rng.random() < 0.3 and _VERB.match(said["first"]):
        sentence = f"before you {said['first']}, {said['second']}"
    else:
        sentence = re.sub(r"\s+([,.])", r"\1", f"{said['first']}{rng.choice(_BEFORE)} {said['second']}")
    return Example(sentence, " ; ".join(reversed(lines)), example.category)


def is_not(rng: random.Random, example: Example) -> Example | None:
    """ "If the bowl is empty" as "if the bowl is not empty", "if there is a" as "if there is no"."""
    line = _only_if(example)
    if line is None or _NO.search(example.sentence) or line.negated or not isinstance(line.condition, Exists):
        return None
    if line.condition.what.quantifier != "the" or re.search(r"\b(?:what|who|where)\b", example.sentence):
        return None
    said = list(re.finditer(r"\bis\b", example.sentence))
    if len(said) != 1 or not _IF_IS.search(example.sentence):
        return None
    before, after = example.sentence[: said[0].start()], example.sentence[said[0].end() :]
    if before.endswith("there "):
        if not re.match(r" an? ", after) or _names(line, line.condition.what.nouns[0].text):
            return None
        text = f"{before}is no{re.sub(r'^ an?', '', after)}"
    else:
        no = rng.choice(("is not", "isn't"))
        text = f"{before}{no}{after}"
    other = Program((If(line.condition, line.then, line.otherwise, True),))
    return Example(text, other.text, example.category)


def more_or_fewer(rng: random.Random, example: Example) -> Example | None:
    """ "More than two" as "fewer than two", "at least" as "at most", "exactly" as "more than"."""
    if _OTHER_COUNTS.search(example.sentence) or example.program.count("count") == 0:
        return None
    marks = [word for word in example.program.split() if word in ("=", "<", ">", "<=", ">=")]
    found = [(words, to) for words, to in _COUNTS.items() if re.search(words, example.sentence)]
    found = found[:1] if len(found) == 2 and "than" in found[0][0] else found
    if len(marks) != 1 or len(found) != 1:
        return None
    words, (text, old, new) = found[0]
    if marks[0] != old or len(re.findall(words, example.sentence)) != 1:
        return None
    program = example.program.replace(f" {old} ", f" {new} ", 1)
    return Example(re.sub(words, text, example.sentence), program, example.category)


def other_size(rng: random.Random, example: Example) -> Example | None:
    """Small and large exchanged everywhere."""
    marks = [word for word in example.program.split() if word in _SIZE_MARKS]
    said = _SIZE.findall(example.sentence)
    if not marks or len(said) != len(marks) or "by" in example.program.split():
        return None
    program = " ".join(_SIZE_MARKS.get(word, word) for word in example.program.split())
    return Example(_SIZE.sub(lambda match: _SIZES[match[0]], example.sentence), program, example.category)


def front_or_behind(rng: random.Random, example: Example) -> Example | None:
    """In front of and behind exchanged everywhere."""
    words = example.program.split()
    marks = [word for word in words if word in ("front", "behind")]
    said = re.findall(r"\b(?:in front of|behind)\b", example.sentence)
    if not marks or len(said) != len(marks) or any(word in words for word in ("side", "number", "column")):
        return None
    turned = example.program.replace("front of", "@").replace("behind", "front of").replace("@", "behind")
    text = (
        example.sentence.replace("in front of", "@").replace("behind", "in front of").replace("@", "behind")
    )
    return Example(text, turned, example.category)


def and_or(rng: random.Random, example: Example) -> Example | None:
    """Both conditions as one of them."""
    line = _only_if(example)
    if line is None or not isinstance(line.condition, Joint) or line.condition.word != "and":
        return None
    if line.condition.not_first or line.condition.not_second or example.program.split().count("and") != 1:
        return None
    others = re.search(r"\b(?:both|neither|nor|either|two|but|too|also|top|while)\b", example.sentence)
    if others or len(re.findall(r"\band\b", example.sentence)) != 1:
        return None
    text = re.sub(r"\band\b", "or", example.sentence)
    return Example(text, example.program.replace(" and ", " or ", 1), example.category)


def _only_if(example: Example) -> If | None:
    """The one line of a program, where it is a condition without a further one."""
    program = parse(example.program)
    line = program.lines[0]
    if (
        len(program.lines) > 1
        or not isinstance(line, If)
        or any(isinstance(one, If) for one in line.otherwise)
    ):
        return None
    return line


def _names(line: If, noun: str) -> bool:
    return any(noun in call.text for call in (*line.then, *line.otherwise))


FLIPS: tuple[Change, ...] = (
    all_but, all_but, not_all, first_that, first_that, is_not, is_not, more_or_fewer, more_or_fewer,
    other_size, front_or_behind, and_or,
)  # fmt: skip
