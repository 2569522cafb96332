"""Sentences in other languages: programs that can be read, phrases whose forms agree."""

import random
from collections import Counter
from itertools import islice

import pytest
import yaml

from palme.language.programs.parser import parse
from palme.training.datasets.instructions.drawing import OTHER_LANGUAGES, Instructions
from palme.training.datasets.instructions.grammar import BadGrammar, Example, Grammar, Rule
from palme.training.datasets.instructions.language import FOLDER, Language, languages, skeleton
from palme.training.datasets.instructions.lexicon import Lexicon
from palme.training.datasets.instructions.romanised import romanised
from palme.training.datasets.instructions.sensible import is_sensible

NAMES = tuple(path.stem for path in sorted(FOLDER.glob("*.yaml")) if path.stem != "programs")
PARTS = {"place", "where", "one", "dish", "many", "tower_of", "condition", "absence", "direction", "vague",
         "left_out", "simple"}  # fmt: skip


@pytest.fixture(scope="module")
def read() -> dict[str, Language]:
    return {language.name: language for language in languages()}


@pytest.mark.parametrize("name", NAMES)
def test_a_language_has_every_category_and_its_programs_can_be_read(
    read: dict[str, Language], name: str
) -> None:
    language, rng = read[name], random.Random(name)
    for category in set(skeleton()) - PARTS:
        drawn = [language.draw(rng, category) for _ in range(8)]
        sensible = [is_sensible(parse(example.program)) for example in drawn]
        assert sum(sensible) >= 1, category
        for example in drawn:
            assert example.sentence.strip() and not set(example.sentence) & set("{}|()^~+"), example


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_of_a_language_is_a_program_with_its_sentence(
    read: dict[str, Language], name: str
) -> None:
    language, rng = read[name], random.Random(name)
    for symbol in language.symbols:
        for rule in language.grammar.rules(symbol):
            if "(" in rule.program:
                for _ in range(2):
                    parse(language.grammar.draw(rng, symbol, rule).program)


@pytest.mark.parametrize("name", NAMES)
def test_two_colours_of_a_sentence_are_never_said_alike(name: str) -> None:
    """A word for one colour (or size) is a word for no other."""
    raw = yaml.load((FOLDER / f"{name}.yaml").read_text("utf-8"), yaml.BaseLoader)
    for table in ("colour", "size", "most", "nth"):
        said = Counter(word for words in raw[table].values() for word in set(words))
        assert all(n == 1 for n in said.values()), said.most_common(1)
    assert set(raw["colour"]) == set("red orange yellow green cyan blue purple pink".split())
    assert not {w for words in raw["colour"].values() for w in words} & set(raw["strange"][""])


@pytest.mark.parametrize(
    ("name", "program", "form", "expected"),
    [
        ("german", "red block", "a", "den roten Block"),
        ("german", "small yellow bowl", "d", "der kleinen gelben Schüssel"),
        ("german", "blue bowl", "einen", "eine blaue Schüssel"),
        ("spanish", "yellow bowl", "p", "los cuencos amarillos"),
        ("spanish", "red thing", "p", "las cosas rojas"),
        ("spanish", "large green block", "un", "un bloque verde grande"),
        ("french", "large green block", "", "le grand bloc vert"),
        ("french", "purple block", "all", "toutes les briques violettes"),
        ("arabic", "red block", "", "المكعب الأحمر"),
        ("arabic", "red cylinder", "", "الأسطوانة الحمراء"),
        ("arabic", "small blue block", "two", "المكعبين الأزرقين الصغيرين"),
        ("hindi", "blue bowl", "o", "नीले कटोरे"),
        ("hindi", "yellow thing", "o", "पीली चीज़"),
        ("chinese", "red block", "one", "一个红色的方块"),
        ("russian", "blue bowl", "a", "синюю миску"),
        ("russian", "small green block", "g", "маленького зелёного кубика"),
        ("polish", "red bowl", "l", "czerwonej misce"),
        ("polish", "blue block", "i", "niebieskim klockiem"),
        ("turkish", "blue block", "in", "mavi bloğun"),
        ("italian", "yellow thing", "p", "gli oggetti gialli"),
        ("portuguese", "red bowl", "all", "todas as tigelas vermelhas"),
        ("korean", "red block", "eul", "빨간 블록을"),
        ("korean", "red block", "i", "빨간 큐브가"),
        ("dutch", "red block", "een", "een rood blok"),
        ("ukrainian", "red bowl", "l", "червоній мисці"),
        ("swahili", "red bowl", "p", "mabakuli mekundu"),
        ("urdu", "blue bowl", "o", "نیلے پیالے"),
    ],
)
def test_the_words_of_a_phrase_agree(
    read: dict[str, Language], name: str, program: str, form: str, expected: str
) -> None:
    said = {example.sentence for example in _phrases(read[name], program, form)}
    assert expected in said, sorted(said)[:20]


def _phrases(language: Language, program: str, form: str) -> list[Example]:
    raw = yaml.load((FOLDER / f"{language.name}.yaml").read_text("utf-8"), yaml.BaseLoader)
    symbol = "bowl" if "bowl" in program else "thing"
    asked = Rule(f"{{{symbol}}}", {"": (f"{{{symbol}:{form}}}" if form else f"{{{symbol}}}",)})
    rules = {
        key: some for key, some in Lexicon(raw).rules().items() if some and key in ("colour", "size", symbol)
    }
    grammar = Grammar({**rules, "asked": (asked,)}, language.tidied)
    rng = random.Random(0)
    drawn = (grammar.draw(rng, "asked") for _ in range(2000))
    return [example for example in drawn if example.program == program]


def test_other_languages_come_as_often_as_they_should() -> None:
    n = 500
    drawn = islice(Instructions().examples(random.Random(2), hasty=0.0), n)
    ascii_share = sum(example.sentence.isascii() for example in drawn) / n
    assert 1 - OTHER_LANGUAGES - 0.05 < ascii_share < 1 - OTHER_LANGUAGES / 3


def test_haste_leaves_a_sentence_in_its_script(read: dict[str, Language]) -> None:
    rng = random.Random(3)
    for language in read.values():
        for category in ("plain_put", "count_of"):
            for _ in range(5):
                meant = language.draw(rng, category).sentence
                typed = language.hurried(rng, meant)
                assert typed and len(typed) >= 0.7 * len(meant)


@pytest.mark.parametrize(
    ("hindi", "latin"),
    [
        ("लाल ब्लॉक को नीले कटोरे में रखो", "laal block ko neele katore mein rakho"),
        ("हरी कटोरी को खाली करो।", "hari katori ko khaali karo."),
        ("10 cm?", "10 cm?"),
    ],
)
def test_hindi_is_written_in_latin_letters(hindi: str, latin: str) -> None:
    assert romanised(hindi) == latin


def test_a_wrong_file_is_refused_by_name(tmp_path: object) -> None:
    raw = {"nouns": {"block": ["x+q"]}, "classes": {"": {"": "N"}}}
    with pytest.raises(BadGrammar, match="no declension q"):
        Lexicon(raw).rules()
    with pytest.raises(BadGrammar, match="class m"):
        Lexicon({"nouns": {}, "classes": {"m": {"p": "N"}}})
