"""The things that a sentence names, put in place by placeholders, and its other words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from robots.skills import COLOURS, SHADES

NOUNS = {
    "block": "block cube brick box cuboid".split(),
    "bowl": "bowl dish basin container".split(),
    "cylinder": "cylinder can tin tube".split(),
}
"""What each kind is called. Of other vessels and shapes the system knows nothing."""

MAX_WORDS = 80

_HUES = {**{c: c for c in COLOURS}, **{s: c for s, c in SHADES.items() if " " not in s}}  # no "dark blue"
_KIND = {noun: kind for kind, nouns in NOUNS.items() for noun in nouns}
_HUE = "|".join(sorted(_HUES, key=len, reverse=True))
_NOUN = "|".join(sorted(_KIND, key=len, reverse=True))
THE = "(?:(?:the|a|an|that|this|your|our|my) )?"
_THING = re.compile(
    rf"\b{THE}(?:"
    rf"(?P<hue>{_HUE}) (?:colou?red )?(?P<noun>{_NOUN})(?P<many>e?s)?"
    rf"|(?P<noun2>{_NOUN}) (?:that is |which is |colou?red |painted |of colou?r )+(?P<hue2>{_HUE})"
    rf"|(?P<obj>obj_\d+)"
    rf"|(?P<bare>{_HUE})(?P<one> one)?"
    rf")(?= |$)"
)
_LIST = re.compile(r"[SXP](?: (?:, )?(?:and then |then |and )?[SXP])+(?= )")
_MARK = re.compile(r"[.,;:!?\"()=/*…–—]|(?<= )-(?= )")  # between words; a thing's own words have none between
_WORD = re.compile(r"[a-z0-9_]+")
_ALSO_A_THING = frozenset({"orange", *SHADES})  # "the orange", "a rose": a colour only with a noun


@dataclass(frozen=True)
class Named:
    """One thing.

    Attributes:
        what: a colour of `robots.skills.COLOURS`, or `obj_3`.
        kind: of `robots.skills.KINDS`, None = the sentence does not say.
    """

    what: str
    kind: str | None = None


@dataclass(frozen=True)
class Outline:
    """A sentence, its things replaced: "please put S in B ".

    Attributes:
        text: lower-case words, each with a space after it, and S, B, X, P (several: "red blocks") and L.
        groups: the things of each placeholder, in order; an L has several.
        strange: what is no word of plain English letters or figures: "红色", "€".
    """

    text: str
    groups: tuple[tuple[Named, ...], ...]
    strange: tuple[str, ...] = ()


def outline(sentence: str) -> Outline:
    """The outline of `sentence`. Capitals and punctuation do not count, an apostrophe is left out."""
    lower = sentence.lower().replace("’", "'").replace("'", "")
    said = _MARK.sub(" , ", lower).replace("-", " ").split()
    strange = tuple(w for w in said if not _WORD.fullmatch(w) and w != ",")
    plain = " ".join("colour" + w[5:] if w.startswith("color") else w for w in said)
    things: list[Named] = []

    def replaced(match: re.Match[str]) -> str:
        thing = _named(match)
        if thing is None:
            return match[0]
        things.append(thing)
        return "P" if match["many"] else {"bowl": "B", None: "X"}.get(thing.kind, "S")

    text, groups = _listed(f"{_THING.sub(replaced, plain)} ", things)
    return Outline(text.replace(", ", "").lstrip(), groups, strange)


def _named(match: re.Match[str]) -> Named | None:
    if match["obj"]:
        return Named(match["obj"])
    if match["bare"]:
        article = not match[0].startswith(match["bare"])
        doubtful = match["bare"] in _ALSO_A_THING and not match["one"]
        if doubtful and (article or match["bare"] != "orange"):
            return None
        return Named(_HUES[match["bare"]])
    return Named(_HUES[match["hue"] or match["hue2"]], _KIND[match["noun"] or match["noun2"]])


def _listed(text: str, things: list[Named]) -> tuple[str, tuple[tuple[Named, ...], ...]]:
    """`text` with lists as one placeholder, and the things of each placeholder."""
    groups: list[tuple[Named, ...]] = []
    out, at = [], 0
    left = iter(things)
    for match in _LIST.finditer(text):
        marks = re.findall("[SXP]", match[0])
        between = text[at : match.start()]
        groups += [(next(left),) for _ in re.findall("[SBXP]", between)]
        members = tuple(next(left) for _ in marks)
        several = marks[-1] == "P"  # "the red and green blocks"
        if "P" in marks[:-1] or (several and set(marks[:-1]) != {"X"}):
            out += [between, match[0]]  # "the red blocks and the green block": how many is not said
            groups += [(m,) for m in members]
        else:
            kind = members[-1].kind
            groups.append(tuple(Named(m.what, kind) for m in members) if several else members)
            out += [between, "L"]
        at = match.end()
    groups += [(thing,) for thing in left]
    return "".join((*out, text[at:])), tuple(groups)
