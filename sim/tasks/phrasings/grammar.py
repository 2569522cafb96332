"""A small grammar of sentences: choices, options and named rules, from which templates are drawn.

    ( a | b )   one of these        [ a ]   a or nothing        <rule>   what the rule says
    {slot}      kept as it is       3* a    weight 3 for this choice

Rules may not be recursive.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from itertools import accumulate

_TOKEN = re.compile(r"\s*(?:(\d+)\*|([()\[\]|])|<(\w+)>|([^()\[\]|<>\s]+))")

Node = str | tuple[str, list[list["Node"]], list[float]] | tuple[str, str]


class BadGrammar(ValueError):
    """A rule that does not parse or names a rule that does not exist."""


class Grammar:
    """Rules by name; `expand` draws a sentence."""

    def __init__(self, rules: Mapping[str, str]) -> None:
        self._rules: dict[str, Node] = {name: _parse(text, name) for name, text in rules.items()}
        good: set[str] = set()
        for name in self._rules:
            self._check(name, (), good)

    def expand(self, rule: str, rng: random.Random) -> str:
        """One sentence of `rule`, words separated by single spaces (commas kept to their word)."""
        words: list[str] = []
        self._expand(self._rules[rule], rng, words)
        return " ".join(words).replace(" ,", ",").replace(" :", ":").replace(" ;", ";").replace(" ?", "?")

    def _expand(self, node: Node, rng: random.Random, words: list[str]) -> None:
        if isinstance(node, str):
            words.append(node)
        elif node[0] == "rule":
            self._expand(self._rules[node[1]], rng, words)  # type: ignore[index]
        else:
            _, choices, cumulative = node  # type: ignore[misc]
            if len(choices) == 1:
                choice = choices[0]
            else:
                u = rng.random() * cumulative[-1]
                k = 0
                while u >= cumulative[k]:
                    k += 1
                choice = choices[k]
            for child in choice:
                self._expand(child, rng, words)

    def count(self, rule: str) -> int:
        """How many ways there are to derive a sentence of `rule`."""
        return self._count(self._rules[rule])

    def _count(self, node: Node) -> int:
        if isinstance(node, str):
            return 1
        if node[0] == "rule":
            return self._count(self._rules[node[1]])  # type: ignore[index]
        return sum(math.prod(self._count(child) for child in choice) for choice in node[1])

    def accepts(self, rule: str, text: str) -> bool:
        """Whether `text`, its marks and capitals aside, is a sentence of `rule`."""
        words = split_words(text)
        return len(words) in self._ends(self._rules[rule], words, frozenset((0,)))

    def _ends(self, node: Node, words: list[str], starts: frozenset[int]) -> frozenset[int]:
        """Where `node` may end in `words` when it begins at one of `starts`."""
        if isinstance(node, str):
            own = split_words(node)
            return frozenset(i + len(own) for i in starts if words[i : i + len(own)] == own)
        if node[0] == "rule":
            return self._ends(self._rules[node[1]], words, starts)  # type: ignore[index]
        ends: frozenset[int] = frozenset()
        for choice in node[1]:
            reached = starts
            for child in choice:
                if not reached:
                    break
                reached = self._ends(child, words, reached)
            ends |= reached
        return ends

    def words(self, *starts: str) -> frozenset[str]:
        """Every word that a sentence of `starts` may hold, slots left out."""
        found: set[str] = set()
        open_nodes: list[Node] = [("rule", start) for start in starts]
        seen: set[str] = set()
        while open_nodes:
            node = open_nodes.pop()
            if isinstance(node, str):
                found.update(w for w in split_words(node) if "{" not in w)
            elif node[0] == "rule":
                if node[1] not in seen:
                    seen.add(node[1])  # type: ignore[arg-type]
                    open_nodes.append(self._rules[node[1]])  # type: ignore[index]
            else:
                open_nodes.extend(child for choice in node[1] for child in choice)
        return frozenset(found)

    def _check(self, rule: str, above: tuple[str, ...], good: set[str]) -> None:
        if rule in good:
            return
        if rule in above:
            raise BadGrammar(f"rule <{rule}> is recursive: {' > '.join((*above, rule))}")
        if rule not in self._rules:
            raise BadGrammar(f"rule <{above[-1] if above else ''}> names <{rule}>, which does not exist")
        open_nodes: list[Node] = [self._rules[rule]]
        while open_nodes:
            node = open_nodes.pop()
            if isinstance(node, str):
                continue
            if node[0] == "rule":
                self._check(node[1], (*above, rule), good)  # type: ignore[arg-type]
            else:
                open_nodes.extend(child for choice in node[1] for child in choice)
        good.add(rule)


def split_words(text: str) -> list[str]:
    """Words and slots of `text` in lower case, without marks."""
    return re.findall(r"\{\w+\}|[a-z0-9]+(?:'[a-z]+)?", text.lower())


def _parse(text: str, name: str) -> Node:
    tokens: list[tuple[str, str]] = []
    at = 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadGrammar(f"rule <{name}>: cannot read {text[at : at + 20]!r}")
        at = match.end()
        for kind, value in zip(("weight", "mark", "rule", "word"), match.groups(), strict=True):
            if value is not None:
                tokens.append((kind, value))
    node, rest = _choices(tokens, 0, name)
    if rest != len(tokens):
        raise BadGrammar(f"rule <{name}>: {tokens[rest][1]!r} closes nothing")
    return node


def _choices(tokens: list[tuple[str, str]], at: int, name: str) -> tuple[Node, int]:
    choices: list[list[Node]] = [[]]
    weights = [1.0]
    while at < len(tokens):
        kind, value = tokens[at]
        if kind == "weight":
            weights[-1] = float(value)
        elif kind == "rule":
            choices[-1].append(("rule", value))
        elif kind == "word":
            choices[-1].append(value)
        elif value == "|":
            choices.append([])
            weights.append(1.0)
        elif value in "([":
            node, at = _choices(tokens, at + 1, name)
            if at >= len(tokens) or tokens[at][1] != (")" if value == "(" else "]"):
                raise BadGrammar(f"rule <{name}>: a {value!r} is not closed")
            choices[-1].append(node if value == "(" else ("choice", [[node], []], [1.0, 2.0]))
        else:
            break
        at += 1
    return ("choice", choices, list(accumulate(weights))), at
