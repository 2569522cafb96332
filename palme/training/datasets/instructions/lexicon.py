"""Noun phrases of a language, in every form that its sentences ask for.

    adjectives: {keys: [m, f, p], paradigms: {o: [o, a, os]}}      # red: [roj+o] is "rojo", {colour:f} "roja"
    nouns: {cases: ["", p], declensions: {m: [m, "", s]}}          # block: [bloque+m], of the class m
    classes: {m: {"": "el N A.m", p: "los N.p A.p", it: lo}}       # {thing} "el bloque rojo", {thing:it} "lo"

In a pattern of a class, N is the noun (`N.p`: in the case p), and A stands for the adjectives that were
drawn: S of size, C of colour, X what sets it apart ("leftmost"), in the file's `order`. What follows a "~" in
an adjective stands after the whole phrase.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from palme.training.datasets.instructions.grammar import BadGrammar, Rule

_PART = re.compile(r"(?<![A-Za-z])([ASCXN])(?:\.([a-z0-9]+))?(?![A-Za-z])")
_COMMON = 3.0
"""How many times as often the first word for something is drawn as each other one."""
_ORDINALS = {"second_left": (2, "left"), "second_right": (2, "right"), "third_left": (3, "left")}
_ON_BOWLS = ("leftmost", "rightmost", "frontmost", "backmost", "largest", "smallest")
_SUFFIXES = ("not", "nots")
_Looks = tuple[str, str, float]
"""What a noun phrase adds to its kind: slots, the program's text, weight."""


class Lexicon:
    """Words of one language.

    Args:
        raw: the file's tables `adjectives`, `nouns`, `classes`, `order`, `colour`, `size`, `most`, `nth`, ...

    Raises:
        BadGrammar: a word has a paradigm that is not there, or a class without the form "".
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        adjectives, nouns = raw.get("adjectives", {}), raw["nouns"]
        self._keys: Sequence[str] = adjectives.get("keys", ())
        self._paradigms: Mapping[str, Sequence[str]] = adjectives.get("paradigms", {})
        self._cases: Sequence[str] = nouns.get("cases", [""])
        self._declensions: Mapping[str, Sequence[str]] = nouns.get("declensions", {})
        self._classes: Mapping[str, Mapping[str, str]] = raw["classes"]
        self._order = str(raw.get("order", "XSC"))
        self._raw = raw
        self._trailing = any("~" in word for words in raw.get("colour", {}).values() for word in words)
        for name, forms in self._classes.items():
            if "" not in forms:
                raise BadGrammar(f"class {name}: no pattern for the form without a name")

    def pronouns(self) -> dict[str, str]:
        """Forms that do not name the thing, and what the first class says in them."""
        first = next(iter(self._classes.values()))
        return {
            form: text for form, text in first.items() if not _PART.search(text) and form not in _SUFFIXES
        }

    def rules(self) -> dict[str, tuple[Rule, ...]]:
        """Symbols of adjectives and of noun phrases."""
        out = {
            "colour": self._adjectives("colour"), "strange": self._adjectives("strange"),
            "size": self._adjectives("size"), "most": self._adjectives("most"),
        }  # fmt: skip
        out["bowl_most"] = tuple(rule for rule in out["most"] if rule.program in _ON_BOWLS)
        out["nth"] = tuple(
            Rule(f"number {n} {side}", rule.sentences, rule.weight)
            for rule in self._adjectives("nth")
            for n, side in [_ORDINALS[rule.program]]
        )
        out["bare_bowl"] = self._adjectives("bare")
        looks: tuple[_Looks, ...] = (
            ("C", "{colour} %s", 8.0), ("SC", "{size} {colour} %s", 1.6), ("S", "{size} %s", 0.6),
        )  # fmt: skip
        plain: tuple[_Looks, ...] = (("", "%s", 1.0),)
        most: tuple[_Looks, ...] = (("X", "%s [ {most} ]", 1.0),)
        solid = {"block": 5.0, "cylinder": 1.6, "thing": 0.7}
        named = {"block": 5.0, "cylinder": 1.3, "thing": 1.5}
        out |= {
            "thing": self.phrases(solid, looks),
            "block": self.phrases({"block": 6.0, "cylinder": 1.0}, looks),
            "bowl": self.phrases({"bowl": 1.0}, looks),
            "coloured": self.phrases({"block": 4.0, "cylinder": 1.0}, looks[:1]),
            "kind": self.phrases(named, plain),
            "plain": self.phrases({"block": 4.0, "cylinder": 1.3, "thing": 1.0}, plain),
            "kind_all": self.phrases({"block": 5.0, "cylinder": 1.3, "thing": 1.0}, plain),
            "a_bowl": self.phrases({"bowl": 1.0}, plain),
            "most_kind": self.phrases(named, most),
            "most_plain": self.phrases({"block": 4.0, "cylinder": 1.0, "thing": 1.5}, most),
            "red_most": self.phrases(named, (("XC", "%s [ {most} ] [ {colour} ]", 1.0),)),
            "nth_kind": self.phrases(solid, (("X", "%s [ {nth} ]", 1.0),), "nth"),
            "most_bowl": self.phrases({"bowl": 1.0}, (("X", "%s [ {bowl_most} ]", 1.0),), "bowl_most"),
            "empty_bowl": self.phrases({"bowl": 1.0}, (("X", "%s [ {bare_bowl} ]", 1.0),), "bare_bowl"),
            "unlike": self._unlike({"block": 5.0, "cylinder": 1.3, "thing": 1.0}),
            "unlike_bowl": self._unlike({"bowl": 1.0}),
        }  # fmt: skip
        strange = self.phrases(
            {"block": 3.0, "bowl": 2.0, "cylinder": 1.0}, (("C", "{strange} %s", 1.0),), colour="strange"
        )
        things = self._nouns("foreign", (("", "", 1.0),), 1.0)
        share = len(things) / sum(rule.weight for rule in strange)
        out["foreign"] = (
            *things,
            *(Rule("", rule.sentences, rule.weight * share * 0.5) for rule in strange),
        )
        return out

    def phrases(
        self, kinds: Mapping[str, float], looks: Iterable[_Looks], x: str = "most", colour: str = "colour"
    ) -> tuple[Rule, ...]:
        """Noun phrases of each kind, as often as it weighs, with each of `looks`."""
        return tuple(
            rule for kind, weight in kinds.items() for rule in self._nouns(kind, looks, weight, x, colour)
        )

    def _nouns(
        self, kind: str, looks: Iterable[_Looks], weight: float, x: str = "most", colour: str = "colour"
    ) -> tuple[Rule, ...]:
        words = self._raw["nouns"][kind]
        share = weight / (len(words) + _COMMON - 1)
        rules = []
        for k, word in enumerate(words):
            name, cases = self._declined(word)
            for slots, program, among in looks:
                sentences = {
                    form: (self._phrase(pattern, cases, slots, x, colour),)
                    for form, pattern in self._classes[name].items()
                }
                text = program.replace("%s", kind) if "%s" in program else program
                rules.append(Rule(text, sentences, share * among * (_COMMON if k == 0 else 1.0)))
        return tuple(rules)

    def _unlike(self, kinds: Mapping[str, float]) -> tuple[Rule, ...]:
        """Noun phrases such as "the block that is not red", by a class's `not` or the file's `not_before`."""
        rules = []
        for kind, weight in kinds.items():
            for word in self._raw["nouns"][kind]:
                name, cases = self._declined(word)
                forms = self._classes[name]
                sentences = {}
                for form, pattern in forms.items():
                    text = self._phrase(pattern, cases, "", "", "colour")
                    if "N" not in pattern:
                        pass
                    elif before := self._raw.get("not_before"):
                        text = self._phrase(pattern, cases, "X", "?", "colour")
                        text = text.replace(" {?:after}", "")
                        text = re.sub(r"\{\?(:\w+)?\}", str(before).replace("\\", ""), text)
                    else:
                        suffix = forms.get("nots" if "N.p" in pattern else "not", "")
                        text = f"{text} {self._phrase(suffix, cases, 'C', '', 'colour')}"
                    sentences[form] = (text,)
                rules.append(Rule(f"{kind} [ not {{colour}} ]", sentences, weight))
        return tuple(rules)

    def _adjectives(self, table: str) -> tuple[Rule, ...]:
        rules = []
        for meaning, words in self._raw.get(table, {}).items():
            share = 1.0 / (len(words) + _COMMON - 1)
            for k, word in enumerate(words):
                text, _, after = str(word).partition("~")
                sentences = {form: (said,) for form, said in self._agreeing(text.strip()).items()}
                sentences["after"] = (after.strip(),)
                rules.append(Rule(meaning, sentences, share * (_COMMON if k == 0 else 1.0)))
        return tuple(rules)

    def _agreeing(self, word: str) -> dict[str, str]:
        if "+" not in word:
            return {"": word}
        begin, _, rest = word.partition("+")
        name, _, more = rest.partition(" ")
        if name not in self._paradigms:
            raise BadGrammar(f"{word}: no paradigm {name}")
        forms = {
            key: f"{begin}{end} {more}".strip()
            for key, end in zip(self._keys, self._paradigms[name], strict=True)
        }
        return {"": next(iter(forms.values())), **forms}

    def _declined(self, word: str) -> tuple[str, dict[str, str]]:
        """Class and cases of a noun written "stem+declension" or "case,case:class"."""
        if "+" in word:
            stem, _, name = word.partition("+")
            if name not in self._declensions:
                raise BadGrammar(f"{word}: no declension {name}")
            own, *ends = self._declensions[name]
            cases = [f"{stem}{end}" for end in ends]
        else:
            listed, _, own = word.partition(":")
            cases = listed.split(",")
        if own not in self._classes or len(cases) > len(self._cases):
            raise BadGrammar(f"{word}: no class {own!r}, or more cases than {', '.join(self._cases)}")
        return own, dict(zip(self._cases, cases, strict=False))

    def _phrase(self, pattern: str, cases: Mapping[str, str], slots: str, x: str, colour: str) -> str:
        symbols = {"S": "size", "C": colour, "X": x}
        first = x == "nth" and self._raw.get("nth_first") == "yes"

        def said(match: re.Match[str]) -> str:
            what, form = match[1], match[2]
            if what == "N":
                agrees = next((other[2] for other in _PART.finditer(pattern) if other[1] in "AX"), None)
                before = "{nth" + (f":{agrees}" if agrees else "") + "} " if first else ""
                return before + cases.get(form or "", cases[""])
            if first:
                return ""
            shown = [slot for slot in (self._order if what == "A" else what) if slot in slots]
            return " ".join("{" + symbols[slot] + (f":{form}" if form else "") + "}" for slot in shown)

        text = _PART.sub(said, pattern)
        if _PART.search(pattern):
            after = [symbols[slot] for slot in slots if slot == "X" or (slot == "C" and self._trailing)]
            text = " ".join([text, *(f"{{{symbol}:after}}" for symbol in after)])
        return text
