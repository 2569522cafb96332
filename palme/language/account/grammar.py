"""The rules of `rules.yaml` as one pattern a part, over sentences whose things are placeholders.

A sentence of words ends each with a space: "put S in B ". S is a thing to move, B a bowl, X either (only its
colour is said, or `obj_3`), L a list of several; see `palme.language.account.things`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

SLOTS = {"s": "[SX] ", "b": "[BX] ", "bowl": "B ", "l": "L "}
ON = "(?:on top of |right on top of |directly on |onto |on to |on |upon |atop )"
CHAIN = f"[SX] (?:{ON}[SX] ){{1,3}}"
WAYS = {"up": ("<up>", "[ <up> | <so> ]"), "down": ("<down>", "<down>")}
_PARTS = {  # part of the file -> what its sentences ask for, and whether they name from the bottom up
    "in": ("in", ""),
    "chain": ("stack", "down"),
    "chain_up": ("stack", "up"),
    "places_up": ("stack", "up"),
    "places_down": ("stack", "down"),
    "match": ("match", ""),
}
_TOKEN = re.compile(r"<(\w+)>|\{(\w+)\}|([()\[\]|])|([a-z0-9_]+)")


@dataclass(frozen=True)
class Form:
    """Sentences of one kind.

    Attributes:
        kind: "in", "stack" or "match", as in `palme.language.answers.Goal`.
        way: of a stack, in which direction the things are named: "up" or "down".
        pattern: matches whole sentences.
    """

    kind: str
    way: str
    pattern: re.Pattern[str]


@cache
def forms() -> tuple[Form, ...]:
    """Every form, by the rules."""
    found = []
    rules = _rules()
    for part, (kind, way) in _PARTS.items():
        found.append(Form(kind, way, _compiled({**rules["common"], **rules[part]})))
    for way, (said, maybe) in WAYS.items():
        told = {n: t.replace("WAY", said).replace("MAYBE", maybe) for n, t in rules["list"].items()}
        found.append(Form("stack", way, _compiled({**rules["common"], **told})))
    return tuple(found)


@cache
def words() -> frozenset[str]:
    """Every word of every rule."""
    texts = (text for part in _rules().values() for text in part.values())
    return frozenset(m[4] for text in texts for m in _TOKEN.finditer(text) if m[4]) | set(ON[3:-1].split())


@cache
def _rules() -> Mapping[str, Mapping[str, str]]:
    text = (files("palme.language.account") / "rules.yaml").read_text(encoding="utf-8")
    read: Mapping[str, Mapping[str, str]] = yaml.safe_load(text)
    return read


def _compiled(rules: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile("".join(_pattern("start", rules, ())))


def _pattern(name: str, rules: Mapping[str, str], above: tuple[str, ...]) -> Iterator[str]:
    if name == "on" and name not in rules:
        yield ON
        return
    if name in above or name not in rules:
        raise ValueError(f"rule <{name}> is {'recursive' if name in above else 'missing'}, in {above}")
    yield "(?:"
    for rule, slot, mark, word in _TOKEN.findall(rules[name]):
        if rule:
            yield from _pattern(rule, rules, (*above, name))
        elif slot:
            yield CHAIN if slot == "chain" else SLOTS[slot]
        elif mark:
            yield {"(": "(?:", "[": "(?:", ")": ")", "]": ")?", "|": "|"}[mark]
        else:
            yield f"{word} "
    yield ")"
