"""Which language a sentence is in, and whether its colours, numbers and negations are those of a program.

Of other languages than English only what matters most is compared, as sets; where a language is not known
here, nothing is, and more is asked of the probability.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from palme.language.checks.lexicon import english
from palme.language.checks.violations import Violation
from palme.language.checks.written import Written
from palme.language.programs import calls as c
from palme.language.programs import things as t

ENGLISH, OTHER = "en", "other"
_NOT_ARABIC = frozenset("پچژگکیٹڈڑںےہھ")
"""Letters of Persian and Urdu, whose words are not listed."""
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


@dataclass(frozen=True)
class Language:
    """Words of a language by what they claim; stems, or parts in scripts without spaces.

    Attributes:
        name: such as "de".
        script: first and last letter of its script; None = Latin.
        common: words by which it is told from other languages of its script.
        colours, numbers: stems by colour, by number.
        stems: "no", "except", "small", "large", "left", "right", "block", "cylinder", "bowl", "question",
            "count", "please".
    """

    name: str
    script: tuple[str, str] | None
    common: frozenset[str]
    colours: Mapping[str, tuple[str, ...]]
    numbers: Mapping[int, tuple[str, ...]]
    stems: Mapping[str, tuple[str, ...]]

    def says(self, claim: str, sentence: str) -> bool:
        """Whether `sentence`, in lower case, has a word of a claim."""
        return any(_stands(stem, sentence, self.spaced) for stem in self.stems[claim])

    @property
    def spaced(self) -> bool:
        """Whether its words have spaces between them and are looked for by their beginnings."""
        return self.name not in ("zh", "ja", "ko")

    def colours_of(self, sentence: str) -> set[str]:
        """Colours that it names; the longest stem wins, so that "light blue" is not blue."""
        return set(_longest(self.colours, sentence, self.spaced))

    def numbers_of(self, sentence: str) -> set[int]:
        """Numbers in words and in figures."""
        figures = {int(word) for word in re.findall(r"\d+", sentence)}
        return figures | set(_longest(self.numbers, sentence, self.spaced))


@cache
def languages() -> tuple[Language, ...]:
    """All that are known here."""
    import yaml

    text = (files("palme.language.checks") / "languages.yaml").read_text(encoding="utf-8")
    return tuple(_language(name, raw) for name, raw in yaml.load(text, yaml.BaseLoader).items())


def _language(name: str, raw: Mapping[str, Any]) -> Language:
    lists = {key: tuple(raw[key]) for key in raw if key not in ("common", "script", "colours", "numbers")}
    script = raw.get("script")
    return Language(
        name, (script[0], script[1]) if script else None, frozenset(raw.get("common", ())),
        {key: tuple(some) for key, some in raw["colours"].items()},
        {int(key): tuple(some) for key, some in raw["numbers"].items()}, lists,
    )  # fmt: skip


def language_of(sentence: str) -> str:
    """ "en", the name of a known language, or "other"."""
    text = sentence.lower()
    letters = [letter for letter in text if letter.isalpha()]
    foreign = [letter for letter in letters if ord(letter) > 0x24F]
    if len(foreign) * 3 > len(letters):
        return _by_script(foreign)
    words = _WORD.findall(text)
    best, most = ENGLISH, 0.5 + sum(_englishness(word) for word in words)
    for one in languages():
        if one.script is None:
            hits = sum(word in one.common or _is_content(word, one) for word in words)
            if hits > most:
                best, most = one.name, hits
    if words and most < 0.3 * len(words):
        return OTHER
    return best


def _by_script(letters: list[str]) -> str:
    if any("ぁ" <= letter <= "ヿ" for letter in letters):
        return "ja"
    if set(letters) & _NOT_ARABIC:
        return OTHER
    counts = {
        one.name: sum(one.script[0] <= letter <= one.script[1] for letter in letters)
        for one in languages()
        if one.script
    }
    name = max(counts, key=lambda one: counts[one])
    return name if counts[name] * 2 > len(letters) else OTHER


def _englishness(word: str) -> float:
    known = english()
    return 1.0 if word in known else 0.6 if len(word) > 3 and known.mended(word) else 0.0


def _is_content(word: str, language: Language) -> bool:
    stems = (
        *language.colours.values(),
        *language.numbers.values(),
        *(language.stems[key] for key in ("block", "cylinder", "bowl", "no", "small", "large")),
    )
    return any(len(stem) > 2 and word.startswith(stem) for some in stems for stem in some)


def foreign_violations(sentence: str, program: c.Program, name: str) -> tuple[Violation, ...]:
    """What of a sentence in another language has no counterpart in `program`, and the other way round."""
    language = next((one for one in languages() if one.name == name), None)
    written = Written(program)
    if language is None or not (written.moves or written.answers):
        return ()
    return tuple(_compared(sentence.lower(), written, language))


def _compared(text: str, written: Written, language: Language) -> Iterator[Violation]:
    said, given = language.colours_of(text), {use.noun.colour for use in written.uses if use.noun.colour}
    for colour in sorted(given - said):
        yield Violation("looks", colour, f"you do not say {colour}")
    excepting = language.says("except", text)
    denied = language.says("no", text)
    for colour in sorted(said - given):
        yield Violation("looks", colour, f"nothing of it is {colour}", not (excepting or denied))
    yield from _numbers(text, written, language)
    if denied and not written.negates and not excepting and not (written.answers and not written.moves):
        yield Violation("negation", "not", "nothing of it is about your 'not'")
    negative = written.of(t.Not, t.Except) or any(one.verb == "keep" for one in written.of(c.Do))
    if negative and not denied and not excepting:
        yield Violation("negation", "not", "you do not say 'not'")
    for side, most in (("left", "leftmost"), ("right", "rightmost")):
        written_so = bool({side, most} & written.words)
        if written_so and not language.says(side, text):
            yield Violation("relation", side, f"you do not say {side}")
        if language.says(side, text) and not written_so and not written.of(c.Arrange, t.Nth, c.Swap):
            yield Violation("relation", side, f"nothing of it is {side}")
    for size, more in (
        ("small", {"smallest", "smaller", "large", "largest"}),
        ("large", {"largest", "larger"}),
    ):
        if size in written.words and not language.says(size, text):
            yield Violation("looks", size, f"you do not say {size}", not written.of(c.Stack, c.Arrange))
        if language.says(size, text) and not ({size} | more) & written.words:
            yield Violation("looks", size, f"nothing of it is {size}", False)
    for kind in ("block", "cylinder", "bowl"):
        if any(use.noun.kind == kind for use in written.uses) and not language.says(kind, text):
            yield Violation("kind", kind, f"you do not name a {kind}", kind != "block")
        elif language.says(kind, text) and kind != "block" and kind not in written.words:
            yield Violation("kind", kind, f"nothing of it is about a {kind}", False)
    if any(one.question == "count" for one in written.of(c.Ask)) and not language.says("count", text):
        yield Violation("question", "count", "you do not ask how many")
    if written.of(c.Possible) and language.says("please", text):
        yield Violation("question", "possible", "it may be no question")
    if written.moves and _asks(text) and not language.says("question", text):
        yield Violation("question", "?", "it may be a question", False)


def _numbers(text: str, written: Written, language: Language) -> Iterator[Violation]:
    said = language.numbers_of(text)
    given = {use.quantifier for use in written.uses if isinstance(use.quantifier, int)}
    given |= {one.n for one in written.of(t.Nth)}
    given |= {one.right for one in written.of(c.Compare) if isinstance(one.right, int)}
    lengths = {one.cm for one in written.of(c.Move)} | {one.then[1] for one in written.of(c.Move) if one.then}
    given |= lengths
    lists = {len(one.parts) for one in written.of(c.Stack, c.Arrange)} | {
        len(written.uses),
        len(written.program.lines),
    }
    figures = {int(word) for word in re.findall(r"\d+", text)}
    for n in sorted(given - said):
        if n > 1 and not (n == 5 and lengths == {5}) and not any(abs(n - f / 10) < 0.6 for f in figures):
            yield Violation("number", str(n), f"you do not say {n}", n in lengths or bool(figures))
    for n in sorted(figures - given - lists):
        if n > 1 and not any(abs(n / 10 - one) < 0.6 for one in lengths):
            yield Violation("number", str(n), f"nothing of it is {n}")


def _asks(text: str) -> bool:
    return text.rstrip().endswith(("?", "？", "؟"))


def _stands(stem: str, text: str, spaced: bool) -> bool:
    return re.search(_pattern(stem, spaced), text) is not None


def _pattern(stem: str, spaced: bool) -> str:
    """A beginning of a word; of a stem of up to two letters, or one that ends with "$", the whole word."""
    word = stem.strip().rstrip("$")
    if not spaced:
        return re.escape(stem)
    article = (
        "(?:و|ف)?(?:ال|بال|لل|ب|ل)?" if "\u0600" <= word[0] <= "\u06ff" and not stem.endswith("$") else ""
    )
    end = r"(?![^\s.,;:!?؟।])" if len(word) <= 2 or stem.endswith("$") else ""
    return rf"(?<![^\s.,;:!?¿¡(\"'«-]){article}{re.escape(word)}{end}"


def _longest(stems: Mapping[Any, Iterable[str]], text: str, spaced: bool) -> Iterator[Any]:
    """Keys of the stems that stand in `text`, longer stems first, each letter counted once."""
    pairs = sorted(
        ((stem, key) for key, some in stems.items() for stem in some), key=lambda one: -len(one[0])
    )
    for stem, key in pairs:
        text, n = re.subn(_pattern(stem, spaced), " ", text)
        if n:
            yield key
