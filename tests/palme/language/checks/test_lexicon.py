"""Misspelt words are mended to what was meant; ordinary words that are none of the lexicon are not."""

import ast
from pathlib import Path

import pytest

import palme.language.checks as checks
from palme.language.checks.lexicon import edit_distance, english
from palme.language.checks.said import Said


@pytest.mark.parametrize(
    ("written", "meant"),
    [("teh", "the"), ("bleu", "blue"), ("yelow", "yellow"), ("cilinder", "cylinder"), ("purpel", "purple"),
     ("ornage", "orange"), ("betwen", "between"), ("stak", "stack"), ("rihgt", "right"), ("bolw", "bowl"),
     ("blcok", "block"), ("gren", "green"), ("rd", "red"), ("underneeth", "underneath")],
)  # fmt: skip
def test_slips_are_mended(written: str, meant: str) -> None:
    mended = english().mended(written)
    assert mended is not None and mended.words == (meant,)


@pytest.mark.parametrize(
    "word", ["rock", "cloak", "boil", "seven", "grain", "beside", "hover", "stab", "zorgle"]
)
def test_other_words_are_not_mended(word: str) -> None:
    lexicon = english()
    assert word in lexicon or lexicon.mended(word) is None


@pytest.mark.parametrize(("a", "b"), [("red", "red"), ("red", "rde"), ("bowl", "bow"), ("cube", "tube")])
def test_edit_distance_is_symmetric_and_zero_only_for_the_same(a: str, b: str) -> None:
    assert edit_distance(a, b, 3) == edit_distance(b, a, 3)
    assert (edit_distance(a, b, 3) == 0) is (a == b)


@pytest.mark.parametrize(
    ("sentence", "claims"),
    [("in front of", {"rel front"}), ("light blue", {"colour cyan"}), ("leftmost", {"sup leftmost"}),
     ("next to", {"rel next"}), ("don't", {"neg"}), ("twelve", {"number 12"})],
)  # fmt: skip
def test_words_and_phrases_make_their_claims(sentence: str, claims: set[str]) -> None:
    (token,) = Said.of(sentence).tokens
    assert claims <= token.claims


@pytest.mark.parametrize(
    ("sentence", "cm"),
    [("10cm", 10), ("move it 10 cm", 10), ("ten centimetres", 10), ("100 mm", 10), ("0.1 m", 10),
     ("half a metre", 50), ("2 inches", 5.08), ("0,2 m", 20)],
)  # fmt: skip
def test_lengths_are_converted(sentence: str, cm: float) -> None:
    (one,) = Said.of(sentence).distances
    assert one.cm == pytest.approx(cm)


def test_the_checks_know_nothing_of_the_training_data_or_of_a_model() -> None:
    for path in Path(checks.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [
                one for one in names if one.startswith(("palme.training", "torch", "transformers"))
            ], path
