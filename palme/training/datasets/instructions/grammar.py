"""A synchronous grammar: each rule writes a program and a sentence with the same parts.

    noun:
      - p: "{colour} {kind}"
        s: ["{colour} {kind^}", "{kind^} that is {colour}"]
    kind:
      - {p: block, s: [block, cube], plural: [blocks, cubes]}
    put:
      - p: put ( {noun} , in {noun.2} )
        s: ["(put|place) the {noun} (in|into) the {noun.2}"]
    greeting: [hello, "", good morning]

The program comes first: a derivation is drawn, and its sentence is one of many ways to say it. In a sentence,
`(a|b|)` is a choice, `{noun}` a part, `{noun.2}` another part of the same symbol, `{kind:plural}` a part in
another form, and `{kind^}` a part in the form that the whole was asked for. A list of texts is a symbol with
no program. Synchronous grammars: Lewis and Stearns, 1968.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

MAX_DEPTH = 9
"""Of a derivation; below it only the shallowest rules of a symbol are drawn."""

_SLOT = re.compile(r"\{(?P<symbol>[a-z_]+)(?P<label>\.\w+)?(?::(?P<form>\w+))?(?P<inherit>\^)?\}")
_CHOICE = re.compile(r"\(([^()]*)\)")
_OWN_KEYS = ("p", "s", "w")


class BadGrammar(ValueError):
    """A file of the grammar is wrong; names the symbol and what is wrong with it."""


@dataclass(frozen=True)
class Rule:
    """One way to write a symbol.

    Attributes:
        program: text with `{parts}`.
        sentences: ways to say it, by form; "" is the common form.
        weight: how often it is drawn among the rules of its symbol.
    """

    program: str
    sentences: Mapping[str, tuple[str, ...]]
    weight: float = 1.0

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Parts by symbol and label, such as "noun.2", in the order of letters."""
        texts = (self.program, *(text for form in self.sentences.values() for text in form))
        return tuple(sorted({_part(match) for text in texts for match in _SLOT.finditer(text)}))


@dataclass(frozen=True)
class Example:
    """A sentence, the program it means, and the symbol it was drawn from."""

    sentence: str
    program: str
    category: str


class Grammar:
    """Rules by symbol.

    Args:
        rules: of each symbol.
        tidied: writes a sentence's words as its language does; English where it is left out.

    Raises:
        BadGrammar: a part has no rules, a program has a part that no sentence says, or a symbol never ends.
    """

    def __init__(
        self, rules: Mapping[str, Sequence[Rule]], tidied: Callable[[str], str] | None = None
    ) -> None:
        self._tidied = tidied or _tidied
        self._rules = {symbol: tuple(some) for symbol, some in rules.items()}
        for symbol, some in self._rules.items():
            for rule in some:
                self._check(symbol, rule)
        self._heights = self._heights_of_rules()
        self._weights = {
            symbol: tuple(accumulate(rule.weight for rule in some)) for symbol, some in self._rules.items()
        }

    @classmethod
    def load(cls, *paths: Path) -> Grammar:
        """The rules of all files together.

        Raises:
            BadGrammar: see class; or a symbol stands in two files, or a file is no YAML of this form.
        """
        import yaml

        loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        rules: dict[str, tuple[Rule, ...]] = {}
        for path in paths:
            try:
                found = yaml.load(path.read_text(encoding="utf-8"), loader)  # "on" is a word
            except (OSError, yaml.YAMLError) as error:
                raise BadGrammar(f"{path}: {error}") from error
            for symbol, raw in (found or {}).items():
                if symbol in rules:
                    raise BadGrammar(f"{path}: {symbol} is defined in another file, too")
                rules[symbol] = _rules_of(symbol, raw)
        return cls(rules)

    @property
    def symbols(self) -> tuple[str, ...]:
        """All of them, in the order of the files."""
        return tuple(self._rules)

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of letters that a sentence may contain."""
        texts = (
            t for some in self._rules.values() for one in some for f in one.sentences.values() for t in f
        )
        return frozenset(word for text in texts for word in re.findall("[a-z]+", _SLOT.sub(" ", text)))

    def rules(self, symbol: str) -> tuple[Rule, ...]:
        """Those of `symbol`."""
        return self._rules[symbol]

    def draw(self, rng: random.Random, symbol: str, rule: Rule | None = None) -> Example:
        """An example from `symbol`, or from one `rule` of it."""
        return self._example(self._derive(rng, symbol, 0, rule))

    def _example(self, derivation: _Derivation) -> Example:
        program = " ".join(derivation.program.split())
        return Example(self._tidied(derivation.say("")), program, derivation.symbol)

    def pair(self, rng: random.Random, symbol: str) -> tuple[Example, Example]:
        """An example, and the same with one part drawn anew: what differs in words differs in meaning.

        The new part keeps those of its own parts that it has in common with the old one. Where no part has
        another meaning after some tries, both examples are the same.
        """
        first = self._derive(rng, symbol, 0)
        for _ in range(4):
            second = self._redrawn(rng, first, rng.choice(list(first.paths())))
            if second.program.split() != first.program.split():
                return self._example(first), self._example(second)
        same = self._example(first)
        return same, same

    def _redrawn(self, rng: random.Random, old: _Derivation, path: tuple[str, ...]) -> _Derivation:
        if path:
            part = self._redrawn(rng, old.parts[path[0]], path[1:])
            return _Derivation(rng, old.symbol, old.rule, {**old.parts, path[0]: part}, old.ways)
        rule = self._choose(rng, old.symbol, MAX_DEPTH // 2)
        return self._derive(rng, old.symbol, MAX_DEPTH // 2, rule, old.parts)

    def _derive(
        self,
        rng: random.Random,
        symbol: str,
        depth: int,
        rule: Rule | None = None,
        kept: Mapping[str, _Derivation] | None = None,
    ) -> _Derivation:
        if rule is None:
            rule = self._choose(rng, symbol, depth)
        parts = dict(kept or {})
        for part in rule.parts:
            if part not in parts:
                parts[part] = self._another(rng, part.partition(".")[0], depth + 1, parts)
        return _Derivation(rng, symbol, rule, {part: parts[part] for part in rule.parts}, {})

    def _another(
        self, rng: random.Random, symbol: str, depth: int, others: Mapping[str, _Derivation]
    ) -> _Derivation:
        """A part that differs in meaning from those of the same symbol, where a few tries find one."""
        taken = {part.program for part in others.values() if part.symbol == symbol}
        for _ in range(4 if taken else 0):
            if (found := self._derive(rng, symbol, depth)).program not in taken:
                return found
        return self._derive(rng, symbol, depth)

    def _choose(self, rng: random.Random, symbol: str, depth: int) -> Rule:
        some = self._rules[symbol]
        if depth < MAX_DEPTH:
            return rng.choices(some, cum_weights=self._weights[symbol])[0]
        heights = self._heights[symbol]
        return rng.choice([one for one, height in zip(some, heights, strict=True) if height == min(heights)])

    def _check(self, symbol: str, rule: Rule) -> None:
        if not any(rule.sentences.values()):
            raise BadGrammar(f"{symbol}: a rule without a sentence")
        for part in rule.parts:
            if part.partition(".")[0] not in self._rules:
                raise BadGrammar(f"{symbol}: {{{part}}} has no rules")
        for texts in rule.sentences.values():
            for text in texts:
                if _SLOT.sub("", text).count("{") or text.count("(") != text.count(")"):
                    raise BadGrammar(f"{symbol}: {text!r} has an open bracket, or a part that is none")

    def _heights_of_rules(self) -> dict[str, tuple[int, ...]]:
        """How deep each rule goes at least."""
        least: dict[str, int] = {}
        while True:
            before = dict(least)
            for symbol, some in self._rules.items():
                heights = [height for rule in some if (height := _height(rule, least)) is not None]
                if heights:
                    least[symbol] = min(heights)
            if least == before:
                break
        if endless := sorted(set(self._rules) - set(least)):
            raise BadGrammar(f"{', '.join(endless)}: every rule leads to the symbol again")
        return {
            symbol: tuple(_height(rule, least) or 0 for rule in some) for symbol, some in self._rules.items()
        }


class _Derivation:
    """A drawn rule with drawn parts; each part is said the same way wherever it is said in one form."""

    def __init__(
        self,
        rng: random.Random,
        symbol: str,
        rule: Rule,
        parts: Mapping[str, _Derivation],
        ways: dict[str, str],
    ) -> None:
        self._rng = rng
        self.symbol, self.rule, self.parts = symbol, rule, parts
        self.ways = ways
        """Text with `{parts}` that was drawn, by form."""

    @property
    def program(self) -> str:
        return _SLOT.sub(lambda match: self.parts[_part(match)].program, self.rule.program)

    def say(self, form: str) -> str:
        if form not in self.ways:
            ways = self.rule.sentences.get(form) or self.rule.sentences[""]
            self.ways[form] = _chosen(self._rng, self._rng.choice(ways))
        return _SLOT.sub(lambda match: self._say_part(match, form), self.ways[form])

    def paths(self) -> Iterator[tuple[str, ...]]:
        """Of the parts that a program has, and of the whole."""
        yield ()
        said = {_part(match) for match in _SLOT.finditer(self.rule.program)}
        for name in self.parts:
            if name in said:
                yield from ((name, *rest) for rest in self.parts[name].paths())

    def _say_part(self, match: re.Match[str], form: str) -> str:
        return self.parts[_part(match)].say(form if match["inherit"] else match["form"] or "")


def _height(rule: Rule, least: Mapping[str, int]) -> int | None:
    """1 + the height of its deepest part; None where that is not known yet."""
    heights = [least.get(part.partition(".")[0]) for part in rule.parts]
    known = [height for height in heights if height is not None]
    return 1 + max(known, default=0) if len(known) == len(heights) else None


def _part(match: re.Match[str]) -> str:
    return match["symbol"] + (match["label"] or "")


def _rules_of(symbol: str, raw: Any) -> tuple[Rule, ...]:
    if not isinstance(raw, list) or not raw:
        raise BadGrammar(f"{symbol}: expected a list of rules or of texts")
    texts = tuple(str(one) for one in raw if not isinstance(one, dict))
    rules = [_rule(symbol, one) for one in raw if isinstance(one, dict)]
    if texts:
        rules.append(Rule("", {"": texts}, float(len(texts))))
    return tuple(rules)


def _rule(symbol: str, raw: dict[str, Any]) -> Rule:
    forms = {"": raw.get("s"), **{key: ways for key, ways in raw.items() if key not in _OWN_KEYS}}
    sentences = {}
    for form, ways in forms.items():
        listed = [ways] if isinstance(ways, str) else ways
        if not isinstance(listed, list) or not listed:
            raise BadGrammar(f"{symbol}: {form or 's'} is {ways!r}; expected one or more texts")
        sentences[form] = tuple(str(way) for way in listed)
    return Rule(str(raw.get("p", "")), sentences, float(raw.get("w", 1.0)))


def _chosen(rng: random.Random, text: str) -> str:
    """`text` with each `(a|b)` decided, the innermost first."""
    while match := _CHOICE.search(text):
        text = text[: match.start()] + rng.choice(match[1].split("|")) + text[match.end() :]
    return text


def _tidied(text: str) -> str:
    return with_articles(re.sub(r"\s+([,.;:?!]|'[sd]\b)", r"\1", " ".join(text.split())))


def with_articles(text: str) -> str:
    """`text` with "an" before a vowel."""
    return re.sub(r"\b([Aa]) (?=[aeio])(?!one\b)", r"\1n ", text)
