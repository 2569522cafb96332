"""The port between words and tokens: any tokenizer, and decoding that walks a trie of token sequences."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from palme.language.answers import Scene, answer
from palme.language.constrained_decoding import NO_EVIDENCE, AnswerGrammar, Walk, allowed
from palme.language.tokenizer import small_words
from palme.language.vocabulary import ENTITY_WORDS, EOS, OBJECT_WORDS, Vocabulary
from palme.training.datasets.tasks import goal_of
from tests.bpe import bpe_tokenizer
from tests.planner_fakes import SOURCE


@pytest.fixture(params=["small", "bpe"])
def vocabulary(request) -> Vocabulary:
    return small_words() if request.param == "small" else Vocabulary(bpe_tokenizer(SOURCE))


def letters() -> Vocabulary:
    """A tokenizer that knows letters alone, so that many a word begins another."""
    table = {c: i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz_.;0123456789")} | {"</s>": 40}
    tokenizer = Tokenizer(models.WordLevel(table))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    return Vocabulary(PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>"))


def test_words_come_back_from_their_tokens(vocabulary):
    words = [*ENTITY_WORDS, "put", "on", "table", ".", ";", "goal"]
    assert vocabulary.words(vocabulary.encode(words)) == words
    assert all(vocabulary.pieces(word) for word in (*OBJECT_WORDS, EOS))


def test_every_true_answer_can_be_walked_and_reads_back(vocabulary):
    rng = random.Random(2)
    for _ in range(40):
        task, state = SOURCE.midway(rng, "test", None)
        words = answer(goal_of(task), Scene(state, range(len(state.objects))))
        walk = AnswerGrammar(vocabulary).walk()
        for token in vocabulary.encode([*words, EOS]):
            assert token in walk.allowed()
            walk.push(token)
        assert list(walk.words) == words and walk.allowed() == []
        for k in range(len(words)):
            assert walk.start(k) == len(vocabulary.encode(words[:k]))


def test_any_walk_ends_in_an_answer_of_the_grammar(vocabulary):
    rng = random.Random(3)
    for _ in range(30):
        walk = AnswerGrammar(vocabulary).walk()
        while may := walk.allowed():
            walk.push(rng.choice(may))
        said: tuple[str, ...] = ()
        for word in (*walk.words, EOS):
            assert word in allowed(said, NO_EVIDENCE)
            said = (*said, word)


def test_a_token_outside_the_grammar_is_refused(vocabulary):
    walk = AnswerGrammar(vocabulary).walk()
    with pytest.raises(ValueError, match="none of those that may follow"):
        walk.push(vocabulary.pieces("table")[0])


def test_a_word_that_begins_another_is_told_apart_by_what_follows():
    tree = {(): ("on", "one"), ("on",): ("ex", "e"), ("one",): ("x",), ("on", "e"): ("z",)}
    vocabulary = letters()
    for word in ("on", "one", "ex", "e", "x", "z"):
        vocabulary._pieces[word] = tuple(vocabulary.tokenizer(word)["input_ids"])

    def readings(text: str) -> tuple[str, ...]:
        walk = Walk(vocabulary, lambda said: tree.get(said, (EOS,)))
        for token in vocabulary.tokenizer(text)["input_ids"]:
            walk.push(token)
        walk.push(vocabulary.eos)
        return walk.words

    assert readings("onez") == ("on", "e", "z")
    assert readings("onex") in (("one", "x"), ("on", "ex"))  # both are legal and spelled alike
    with pytest.raises(ValueError, match="may follow"):
        readings("one")


def test_a_tokenizer_without_an_end_is_refused():
    with pytest.raises(ValueError, match="eos_token"):
        Vocabulary(PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}))))


def test_importing_the_language_reads_no_words():
    code = (
        "import palme.language.tokenizer, palme.training.datasets.questions;"
        "import palme.language.small_vocabulary as v;"
        "print(v.small_vocabulary.cache_info().currsize, v.plain_words.cache_info().currsize)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["0", "0"]
