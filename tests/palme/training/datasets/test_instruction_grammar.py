"""The synchronous grammar: a program, and a sentence that says the same."""

import random
import re
from pathlib import Path

import pytest

from palme.language.programs.parser import parse
from palme.training.datasets.instructions import grammar, sensible
from palme.training.datasets.instructions.drawing import CATEGORIES
from palme.training.datasets.instructions.grammar import BadGrammar, Grammar, Rule

SLOT = re.compile(r"\{(\w+(?:\.\w+)?)")
ENGLISH = Path(grammar.__file__).parent / "english"


@pytest.fixture(scope="module")
def english() -> Grammar:
    return Grammar.load(*sorted(ENGLISH.glob("*.yaml")))


def test_every_rule_of_a_call_makes_programs(english: Grammar) -> None:
    """Each rule of each symbol whose programs are calls, many times: what is written is a program."""
    rng, tried = random.Random(5), 0
    for symbol in english.symbols:
        for rule in english.rules(symbol):
            if "(" not in rule.program:
                continue
            for _ in range(12):
                example = english.draw(rng, symbol, rule)
                parse(example.program)
                assert example.sentence and not set(example.sentence) & set("{}|()^")
                tried += 1
    assert tried > 100


def test_every_sentence_says_each_part_of_its_program(english: Grammar) -> None:
    """However its choices fall: a part that is left out of the words could not be learned from them."""
    for symbol in english.symbols:
        for rule in english.rules(symbol):
            parts = set(SLOT.findall(rule.program))
            for text in (one for form in rule.sentences.values() for one in form):
                for said in _all_choices(text):
                    assert parts <= set(SLOT.findall(said)), (symbol, text)


def test_every_symbol_is_drawn(english: Grammar) -> None:
    used = {part.partition(".")[0] for s in english.symbols for r in english.rules(s) for part in r.parts}
    assert set(english.symbols) == used | set(CATEGORIES)


def test_a_sentence_never_means_two_programs(english: Grammar) -> None:
    """Of few words, so that the same sentence comes again and again."""
    plain = {"colour": ["red", "blue"], "the": ["the"], "put_verb": ["put"], "into": ["in"], "onto": ["on"],
             "block": ["block"], "blocks": ["blocks"], "bowl_word": ["bowl"], "bowls": ["bowls"],
             "cylinder": ["can"], "cylinders": ["cans"], "tower_word": ["tower"]}  # fmt: skip
    rules = {symbol: english.rules(symbol) for symbol in english.symbols}
    for symbol, words in plain.items():
        rules[symbol] = tuple(Rule(word if symbol == "colour" else "", {"": (word,)}) for word in words)
    few, rng = Grammar(rules), random.Random(11)
    meant: dict[str, tuple[str, str]] = {}
    for category in CATEGORIES:
        for _ in range(500):
            example = few.draw(rng, category)
            program = parse(example.program)
            if sensible.is_sensible(program):
                said = re.sub("[^a-z0-9]+", " ", example.sentence.lower()).strip()
                before = meant.setdefault(said, (program.text, category))
                assert before[0] == program.text, (said, before, program.text, category)


def _all_choices(text: str) -> list[str]:
    choice = re.search(r"\(([^()]*)\)", text)
    if choice is None:
        return [text]
    ways = (text[: choice.start()] + one + text[choice.end() :] for one in choice[1].split("|"))
    return [said for way in ways for said in _all_choices(way)]


def test_a_part_is_the_same_in_the_sentence_and_in_the_program() -> None:
    both = Grammar(
        {
            "colour": [Rule("red", {"": ("rosso",)}), Rule("blue", {"": ("blu",)})],
            "put": [Rule("put ( {colour} block , on {colour.2} block )", {"": ("{colour} su {colour.2}",)})],
        }
    )
    rng = random.Random(0)
    words = {"red": "rosso", "blue": "blu"}
    for _ in range(40):
        example = both.draw(rng, "put")
        first, _, second = example.sentence.split()
        assert example.program == f"put ( {_of(words, first)} block , on {_of(words, second)} block )"


def _of(words: dict[str, str], said: str) -> str:
    return next(word for word, how in words.items() if how == said)


def test_a_form_goes_down_to_the_word_that_has_it() -> None:
    forms = Grammar(
        {
            "kind": [Rule("block", {"": ("block",), "plural": ("blocks",)})],
            "looks": [Rule("red {kind}", {"": ("red {kind^}",)})],
            "all": [Rule("count ( all {looks} )", {"": ("all {looks:plural}",)})],
            "one": [Rule("count ( {looks} )", {"": ("the {looks}",)})],
        }
    )
    assert forms.draw(random.Random(0), "all").sentence == "all red blocks"
    assert forms.draw(random.Random(0), "one").sentence == "the red block"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"a": [Rule("{b}", {"": ("{b}",)})]}, "b"),
        ({"a": [Rule("", {"": ()})]}, "without a sentence"),
        ({"a": [Rule("{a}", {"": ("{a}",)})]}, "leads to the symbol again"),
        ({"a": [Rule("x", {"": ("(x|y",)})]}, "open bracket"),
        ({"a": [Rule("x", {"": ("{A}",)})]}, "open bracket"),
    ],
)
def test_a_wrong_grammar_is_refused_by_symbol(rules: dict[str, list[Rule]], said: str) -> None:
    with pytest.raises(BadGrammar, match=said):
        Grammar(rules)


@pytest.mark.parametrize("text", ["a: 3", "a: []", "a: [{p: x}]", "a: [{p: x, s: []}]", "a: [", "a: {b: c}"])
def test_a_wrong_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "g.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BadGrammar, match=r"a|g\.yaml"):
        Grammar.load(tmp_path / "g.yaml")


def test_a_symbol_stands_in_one_file(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / f"{name}.yaml").write_text("on: [on, yes, 3]", encoding="utf-8")
    with pytest.raises(BadGrammar, match="another file"):
        Grammar.load(tmp_path / "x.yaml", tmp_path / "y.yaml")
    assert Grammar.load(tmp_path / "x.yaml").draw(random.Random(2), "on").sentence in ("on", "yes", "3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("put(red block, on red block)", False),
        ("put(red block, on blue block)", True),
        ("put(blue bowl, in red bowl)", True),  # it is asked for, and refused by the interpreter
        ("put(all thing [in red bowl], on table)", False),  # that is "empty"
        ("put(all thing [in red bowl], in blue bowl)", True),
        ("stack(red block, blue block); put(red block, on table)", False),
        ("count(block) > count(block)", False),
        ("gather(any red block)", False),
        ("gather(red block + blue block)", True),
        ("put(red block [left of red block], on table)", False),
        ("swap(red block, red block)", False),
        ("stack(red block, blue block, red block)", False),
        ("stack(all block)", True),
        ("put(red block, between blue bowl and blue bowl)", False),
        ("empty(red block)", False),
        ("count(red block + red block)", False),
        ("put(block [nearest blue bowl], in blue bowl)", True),
        ("put(all block [except block], in blue bowl)", False),
        ("put(all block [except red cylinder], in blue bowl)", False),
        ("put(all block [except red thing], in blue bowl)", True),
        ("put(all block [except block [leftmost]], in blue bowl)", True),
        ("put(red block, in bowl [holding red block])", False),
        ("put(red block, in bowl [not holding red block])", False),
        ("put(red block, in bowl [holding blue block])", True),
        ("put(red block, in bowl [nearest red block])", True),
    ],
)
def test_what_nobody_asks_for_is_not_drawn(text: str, expected: bool) -> None:
    assert sensible.is_sensible(parse(text)) is expected
