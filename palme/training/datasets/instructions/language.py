"""Sentences of one language for the programs of `languages/programs.yaml`.

A file of a language has the tables of `lexicon`, a list of sentences for the name of each program it can say,
and further lists that sentences refer to as parts. Sentences of a place have a form "at" where being
somewhere is said in other words than being brought there. Manners are the lists `before` and `after`, with
whole sentences `story` and `close`, and `asking` and `asked` around a question.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from palme.training.datasets.instructions.grammar import BadGrammar, Example, Grammar, Rule
from palme.training.datasets.instructions.lexicon import Lexicon
from palme.training.datasets.instructions.romanised import romanised

FOLDER = Path(__file__).parent / "languages"
_TABLES = frozenset(
    (
        "weight spaces marks slips tidy order adjectives nouns classes colour strange size most nth "
        "nth_first bare not_before cm_words romanised casual"
    ).split()
)
_NOUN = re.compile(r"\{(\w+)\^\}")
_NEAR = frozenset(
    "in on left right front behind next between between_bowls under nearest furthest touching table".split()
)
"""Names of places that can set a thing apart."""
_SIMPLY = frozenset("in on left right next".split())
_BESIDE = frozenset("left right front behind next nearest furthest".split())
_FEW = frozenset("all all_where everything_where two pair all_pair".split())


@lru_cache(maxsize=1)
def skeleton() -> dict[str, dict[str, tuple[str, float]]]:
    """Symbol, name of the rule, its program and weight."""
    return {
        symbol: {
            name: (str(one[0]), float(one[1])) if isinstance(one, list) else (str(one), 1.0)
            for name, one in rules.items()
        }
        for symbol, rules in _read(FOLDER / "programs.yaml").items()
    }


class Language:
    """See module.

    Attributes:
        name: such as "spanish".
        share: how often it is drawn among the languages.

    Raises:
        BadGrammar: a name in the file is neither a program's nor a part of any sentence.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._raw = path, _read(path)
        self.name = path.stem
        self.share = float(self._raw.get("weight", 1.0))
        self._spaces = self._raw.get("spaces", "yes") != "no"
        self._tidy = [(re.compile(str(a)), str(b)) for a, b in self._raw.get("tidy", ())]
        self._casual = [(re.compile(str(a)), str(b)) for a, b in self._raw.get("casual", ())]
        self._marks = str(self._raw.get("marks", "?."))
        self._slips = self._raw.get("slips", "no")
        self._romanised = float(self._raw.get("romanised", 0))

    @cached_property
    def grammar(self) -> Grammar:
        """Its rules, read when the first sentence is asked for."""
        try:
            return Grammar(_rules(self._raw), self.tidied)
        except BadGrammar as error:
            raise BadGrammar(f"{self._path.name}: {error}") from error

    @property
    def symbols(self) -> tuple[str, ...]:
        """Of its grammar."""
        return self.grammar.symbols

    def draw(self, rng: random.Random, category: str) -> Example:
        """An example as it is meant to be written."""
        return self.grammar.draw(rng, category)

    def tidied(self, text: str) -> str:
        """Contractions, elisions, spaces and marks as the language writes them."""
        text = re.sub(r"\s+([,.;:?!،؟。，；：？！।])", r"\1", " ".join(text.split()))
        text = re.sub(r"([,،，、])(?:\s*[,،，、])+", r"\1", text)
        text = re.sub(r"[,،，、:]\s*([.;?!؟。；？！।:：])", r"\1", text).strip(" ,،，、")
        if not self._spaces:
            text = re.sub(r"(?<=[^\x00-\x7f]) (?=\S)|(?<=\S) (?=[^\x00-\x7f])", "", text)
        for pattern, put in self._tidy:
            text = pattern.sub(put, text)
        return " ".join(text.split())

    def hurried(self, rng: random.Random, sentence: str, asks: bool = False) -> str:
        """`sentence` as people type it: with manners, without marks, capitals or accents, with slips.

        Args:
            asks: whether it asks something, and is no request in the form of a question.
        """
        text = sentence
        joint = " " if self._spaces else ""
        requests = not asks and text[-1:] not in "?？؟"
        manners = (("asking", 0.25), ("asked", 0.1)) if asks else (("story", 0.15), ("close", 0.07))
        for symbol, share in (*((("before", 0.25), ("after", 0.25)) if requests else ()), *manners):
            if symbol in self.symbols and rng.random() < share:
                said = self.grammar.draw(rng, symbol).sentence
                first, last = (text, said) if symbol in ("after", "close", "asked") else (said, text)
                text = f"{first}{joint}{last}"
        text = self.tidied(text)
        if rng.random() < 0.2:
            text = re.sub(r"[.;:?!¿¡،؟。；：？！।]", "", text)
        elif rng.random() < 0.3 and text[-1:].isalpha():
            text += self._marks[1]
        chance = rng.random()
        if chance < 0.45:
            text = text[:1].upper() + text[1:]
        elif chance < 0.48 and self._slips == "yes":
            text = text.upper()
        if self._slips == "yes" and rng.random() < 0.12:
            text = _plain(text)
        if self._slips == "yes" and rng.random() < 0.25:
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                text = _slipped(rng, text)
        if self._casual and rng.random() < 0.2:
            for pattern, put in self._casual:
                text = pattern.sub(put, text)
        if rng.random() < self._romanised:
            text = romanised(text) if rng.random() < 0.6 else romanised(text).replace("aa", "a")
        if not self._spaces and rng.random() < 0.3:
            text = text.translate(str.maketrans("，。？！：；", ",.?!:;"))
        return " ".join(text.split())


def languages() -> tuple[Language, ...]:
    """All of them, the most spoken first."""
    paths = (path for path in sorted(FOLDER.glob("*.yaml")) if path.stem != "programs")
    return tuple(sorted(map(Language, paths), key=lambda one: -one.share))


def _rules(raw: Mapping[str, Any]) -> dict[str, Sequence[Rule]]:
    known = {name for rules in skeleton().values() for name in rules}
    lexicon = Lexicon(raw)
    rules: dict[str, Sequence[Rule]] = dict(lexicon.rules())
    for name, value in raw.items():
        if name in _TABLES or name in known:
            continue
        if not isinstance(value, list):
            raise BadGrammar(f"{name}: no program of this name, and no list of texts")
        rules[name] = (Rule("", {"": tuple(map(str, value))}),)
    for symbol, named in skeleton().items():
        rules[symbol] = tuple(
            Rule(program, _sentences(raw[name]), weight)
            for name, (program, weight) in named.items()
            if name in raw
        )
    return _completed(rules, raw, lexicon.pronouns())


def _completed(
    rules: dict[str, Sequence[Rule]], raw: Mapping[str, Any], pronouns: Mapping[str, str]
) -> dict[str, Sequence[Rule]]:
    """Symbols that follow from others; those that stay without a rule are left out."""
    places = {name: rule for (name, rule) in _named(raw, "place")}
    wheres = [(name, _located(rule)) for name, rule in places.items() if name in _NEAR]
    rules["where"] = (*(rule for _, rule in wheres), *rules["where"])
    rules["simply"] = tuple(rule for name, rule in wheres if name in _SIMPLY)
    beyond = dict(_named(raw, "where"))
    rules["beside"] = tuple(rule for name, rule in (*wheres, *beyond.items()) if name in _BESIDE)
    rules["few"] = tuple(rule for name, rule in _named(raw, "many") if name in _FEW)
    rules["across"], rules["along"] = rules["direction"][:2], rules["direction"][2:]
    rules["cm"] = _distances(raw)
    rules.pop("units", None)
    if "number" not in raw:
        rules["number"] = _numbers(raw)
    else:
        rules["number"] = tuple(
            Rule(str(k + 1), {"": (str(word), str(word), str(k + 1)), "n": (str(k + 1),)})
            for k, word in enumerate(raw["number"])
        )
    one = [Rule("{thing}", {"": ("{thing^}",)}, 12.0), Rule("{most_kind}", {"": ("{most_kind^}",)}, 2.2)]
    if rules["nth"]:
        one.append(Rule("{nth_kind}", {"": ("{nth_kind^}",)}, 0.7))
    dish = [Rule("{bowl}", {"": ("{bowl^}",)}, 12.0), Rule("{a_bowl}", {"": ("{a_bowl^}",)}, 0.7)]
    dish.append(Rule("{most_bowl}", {"": ("{most_bowl^}",)}, 0.9))
    if rules["bare_bowl"]:
        dish.append(Rule("{empty_bowl}", {"": ("{empty_bowl^}",)}, 0.5))
    if "not_before" in raw or any("not" in forms for forms in raw["classes"].values()):
        one.append(Rule("{unlike}", {"": ("{unlike^}",)}, 0.4))
        dish.append(Rule("{unlike_bowl}", {"": ("{unlike_bowl^}",)}, 0.5))
    else:
        rules["unlike"] = rules["unlike_bowl"] = ()
    for rule in rules["one"]:
        if rule.program.startswith("{kind} [ {where}"):
            rule = _with_pronouns(rule, pronouns)
            one.append(_with(rule, "kind", "thing", 0.4))
            dish.append(_with(_with(rule, "kind", "a_bowl", 0.3), "where", "beside", 1.0))
    rules["one"] = [*one, *(_with_pronouns(rule, pronouns) for rule in rules["one"])]
    rules["dish"] = [*dish, *(_with_pronouns(rule, pronouns) for rule in rules["dish"])]
    said = [Rule("{thing}", {"": ("{thing^}",)}, 5.0), Rule("{kind}", {"": ("{kind^}",)}, 3.0)]
    rules["things"] = said
    rules["counted_thing"] = [
        Rule("{thing}", {"": ("{thing^}",)}, 4.0),
        Rule("{kind_all}", {"": ("{kind_all^}",)}, 3.0),
    ]
    rules["counted"] = [
        *rules["counted_thing"], Rule("{a_bowl}", {"": ("{a_bowl^}",)}), Rule("{bowl}", {"": ("{bowl^}",)})
    ]  # fmt: skip
    rules["any"] = [Rule("{thing}", {"": ("{thing^}",)}, 3.0), Rule("{bowl}", {"": ("{bowl^}",)}, 2.0)]
    return {symbol: tuple(some) for symbol, some in rules.items() if some}


def _with_pronouns(rule: Rule, pronouns: Mapping[str, str]) -> Rule:
    """`rule` that says a pronoun of its noun, and nothing else, where one is asked for."""
    noun = next((match[1] for ways in rule.sentences.values() for match in _NOUN.finditer(ways[0])), None)
    said = {form: (text if noun is None else f"{{{noun}:{form}}}",) for form, text in pronouns.items()}
    return Rule(rule.program, {**said, **rule.sentences}, rule.weight)


def _named(raw: Mapping[str, Any], symbol: str) -> list[tuple[str, Rule]]:
    return [
        (name, Rule(program, _sentences(raw[name]), weight))
        for name, (program, weight) in skeleton()[symbol].items()
        if name in raw
    ]


def _located(rule: Rule) -> Rule:
    """A place as what sets a thing apart: in the form "at", by looks alone."""
    ways = rule.sentences.get("at", rule.sentences[""])
    return _with(Rule(rule.program, {"": ways}, min(rule.weight, 3.0)), "dish", "bowl", 1.0)


def _with(rule: Rule, old: str, new: str, weight: float) -> Rule:
    """`rule` with another part in place of one."""
    swap = re.compile(r"\{" + old + r"(?=[.:^}])")
    sentences = {
        form: tuple(swap.sub("{" + new, way) for way in ways) for form, ways in rule.sentences.items()
    }
    return Rule(swap.sub("{" + new, rule.program), sentences, rule.weight * weight)


def _sentences(value: Any) -> dict[str, tuple[str, ...]]:
    if isinstance(value, dict):
        listed = {("" if form == "s" else form): ways for form, ways in value.items()}
    else:
        listed = {"": value}
    return {
        form: (str(ways),) if isinstance(ways, str) else tuple(map(str, ways))
        for form, ways in listed.items()
    }


def _distances(raw: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Distances in digits with each unit of `units`; `cm_words` has others by number."""
    units = [str(unit) for unit in raw.get("units", ["cm"])]
    words = raw.get("cm_words", {})
    rules = []
    for n, weight in (
        (2, 0.7),
        (3, 1),
        (4, 1),
        (5, 2),
        (6, 1),
        (7, 0.7),
        (8, 1),
        (10, 2.5),
        (12, 0.7),
        (15, 1),
        (20, 0.8),
    ):
        ways = [f"{n} {unit}" for unit in units] + [f"{n}{units[0]}"]
        ways += [str(way) for way in words.get(str(n), ())]
        rules.append(Rule(str(n), {"": tuple(ways)}, float(weight)))
    return tuple(rules)


def _numbers(raw: Mapping[str, Any]) -> tuple[Rule, ...]:
    return tuple(Rule(str(n), {"": (str(n),)}) for n in range(1, 6))


def _read(path: Path) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), loader)  # "on" is a word
    except (OSError, yaml.YAMLError) as error:
        raise BadGrammar(f"{path}: {error}") from error
    if not isinstance(found, dict):
        raise BadGrammar(f"{path}: expected a table")
    return found


def _plain(text: str) -> str:
    """Letters without accents, as many people type them."""
    return "".join(_OTHERWISE.get(letter) or _base(letter) for letter in text)


def _base(letter: str) -> str:
    base = unicodedata.normalize("NFD", letter)[0]
    return base if base.isascii() else letter


_OTHERWISE = {"ß": "ss", "ı": "i", "ł": "l", "đ": "d", "Đ": "D", "Ł": "L", "ё": "е"}


def _slipped(rng: random.Random, text: str) -> str:
    """`text` with two letters of a longer word swapped, or one lost or doubled."""
    words = text.split()
    long = [k for k, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    if not long:
        return text
    k = rng.choice(long)
    word = words[k]
    at = rng.randrange(1, len(word) - 1)
    kind = rng.random()
    if kind < 0.4:
        word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    elif kind < 0.75:
        word = word[:at] + word[at + 1 :]
    else:
        word = word[:at] + word[at] + word[at:]
    words[k] = word
    return " ".join(words)
