"""Promises of the program language: one parser, one printer, and a grammar that leads to whole programs."""

import random

import pytest

from palme.language.programs import calls as c
from palme.language.programs import things as t
from palme.language.programs.parser import (
    ALL_WORDS,
    END,
    MAX_WORDS,
    BadProgram,
    UnknownCall,
    may_follow,
    parse,
)

PROGRAMS = """
put(small red block, in blue bowl)
put(all block [left of green bowl], on table)
put(block [nearest green bowl], in it)
put(each block, in bowl [same colour])
put(any cylinder [not in blue bowl] [not red], between red bowl and blue bowl)
put(thing [among red block + blue block] [largest], on tower)
put(all thing [except red block], side left)
put(2 red block, middle)
move(large red block, left 10)
move(it, right 3 away 12)
stack(red block, green block, blue block)
stack(all block by large)
row(red block, 2 blue block)
circle(all block)
swap(red block, block [number 2 left])
out(thing [in blue bowl])
unstack(all tower)
keep(red block)
count(red block)
count(red block) > 2
count(all block) <= count(bowl)
what(thing [on red block])
exists(all block [in bowl])
possible(put(blue bowl, in red block))
nothing()
refuse(unsafe)
if exists(thing [in blue bowl]): out(thing [in blue bowl]) else: put(red block, in blue bowl) & empty(it)
if not count(red block) = 0: stack(red block, green block)
put(red block, in blue bowl); put(it, on table)
put(red block, left of blue bowl 10)
put(red block, side left behind)
put(red block, far from blue bowl)
put(red block, instead of all block [middle])
put(half block, in bowl [fullest])
put(all block [larger than red block], in bowl [emptiest])
put(all thing [same colour as bowl [leftmost]], on table)
count(all block [other size as red block])
exists(block [number 2 lowest] [red])
count(thing [in each bowl])
if exists(red block) and not count(block) > 3: empty(bowl) else: if exists(bowl): nothing() else: keep(bowl)
if not exists(red block) or exists(blue block): stack(red block, green block)
""".strip().splitlines()


@pytest.mark.parametrize("text", PROGRAMS)
def test_a_program_is_read_as_it_is_written(text: str) -> None:
    program = parse(text)
    assert program.pretty == "\n".join(text.split("; "))
    assert parse(program.text) == program == parse(program.pretty)


@pytest.mark.parametrize("text", PROGRAMS)
def test_the_grammar_allows_each_word_of_a_program_and_its_end(text: str) -> None:
    words = tuple(parse(text).text.split())
    for k, word in enumerate(words):
        assert word in may_follow(words[:k])
    assert END in may_follow(words)


def test_wherever_the_grammar_leads_it_can_come_to_an_end() -> None:
    """A walk that prefers what closes comes to a whole program, from any point of a random one."""
    rng = random.Random(3)
    closing = (
        END,
        ")",
        "]",
        ",",
        "of",
        "to",
        "table",
        "block",
        "colour",
        "in",
        ":",
        "1",
        "left",
        "exists",
        "(",
        ">",
    )
    for _ in range(300):
        words: list[str] = []
        for _ in range(rng.randrange(30)):
            word = rng.choice(may_follow(tuple(words)))
            if word == END:
                break
            words.append(word)
        while (may := may_follow(tuple(words))) and END not in may:
            words.append(next((word for word in closing if word in may), may[0]))
            assert len(words) < MAX_WORDS
        parse(" ".join(words))


@pytest.mark.parametrize("name", ["pour_into", "stab_with", "throw", "eval", "__import__", "open"])
def test_an_unknown_call_is_named(name: str) -> None:
    with pytest.raises(UnknownCall, match=f"^{name}: I cannot do that"):
        parse(f"{name}(red block, in blue bowl)")


@pytest.mark.parametrize("text", PROGRAMS)
def test_a_program_with_a_word_lost_or_doubled_is_another_program_or_refused(text: str) -> None:
    words = parse(text).text.split()
    for k in range(len(words)):
        for damaged in (words[:k] + words[k + 1 :], words[:k] + [words[k]] + words[k:], words[:k]):
            try:
                again = parse(" ".join(damaged))
            except BadProgram as error:
                assert str(error)
            else:
                assert again != parse(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", ";", "put", "put(", "put()", "put(red, in blue bowl)", "put(red block in blue bowl)",
     "put(red block, blue bowl)", "put(10 block, in bowl)", "move(red block, left 51)",
     "move(red block, left -3)", "move(red block, left 3 right 3)", "put(purple brown block, in bowl)",
     "if exists(block): ", "nothing", "stack()", "refuse()", "refuse(tired)", "nothing() </s>", "</s>",
     "put(red block, in bowl) put(red block, in bowl)", "count(red block) > 10", "swap(red block)",
     "put(block[[red]], in bowl)", "red block", "put(red block, side left right)",
     "put(red block, on blue block 10)", "count(block [far from bowl])",
     "if exists(bowl): if exists(block): nothing()"],
)  # fmt: skip
def test_what_is_no_program_is_refused_in_words(text: str) -> None:
    with pytest.raises(BadProgram, match="follow|begins|cannot"):
        parse(text)


def test_a_program_is_bounded() -> None:
    with pytest.raises(BadProgram, match="at most"):
        parse(";".join(["put(red block, in blue bowl)"] * 40))
    with pytest.raises(BadProgram, match="more than 12 lines"):
        parse(";".join(["nothing()"] * 13))
    assert ";" in may_follow(tuple(" ; ".join(["nothing ( )"] * 11).split()))
    assert ";" not in may_follow(tuple(" ; ".join(["nothing ( )"] * 12).split()))
    with pytest.raises(BadProgram):
        parse("count(" + "block [on " * 9 + "block" + "]" * 9 + ")")


def test_quantifiers_say_how_many() -> None:
    put = parse("put(3 red block + blue block, on table)").lines[0]
    assert isinstance(put, c.Put)
    assert put.what == t.Things(3, (t.Noun("block", "red"), t.Noun("block", "blue")))
    assert put.place == c.OnTheTable()


def test_every_word_that_may_follow_is_one_of_all_words() -> None:
    rng = random.Random(1)
    for _ in range(400):
        words: list[str] = []
        while len(words) < 60:
            may = may_follow(tuple(words))
            assert set(may) <= {*ALL_WORDS, END}
            words.append(rng.choice(may))
            if words[-1] == END:
                break
